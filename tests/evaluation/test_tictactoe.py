"""Every line of play: what a player is held to where the whole game can be played out."""

import jax
import numpy as np
import pytest

from smuzero.envs.boards import make_board
from smuzero.evaluation.matches import Player, random_player
from smuzero.evaluation.tictactoe import every_line, perfect_player

pytest.importorskip("pgx")


def first_free():
    return Player("first", lambda key, observation, legal: np.argmax(legal, axis=1))


def played_out(board, step, state, seat, number=0):
    """What each game brings the player of first free points in `seat`, by the rules and one game at a time."""
    if board.is_terminal(state):
        return [float(board.rewards(state)[seat])]
    legal = np.flatnonzero(board.legal(state))
    moves = legal[:1] if number % 2 == seat else legal
    return [result for move in moves for result in played_out(board, step, step(state, move), seat, number + 1)]


def test_every_line_is_what_the_rules_make_of_it():
    board = make_board("tictactoe")
    step = jax.jit(board.step)
    expected = [result for seat in (0, 1) for result in played_out(board, step, board.init(), seat)]
    found = every_line(first_free())
    assert sorted(found.tolist()) == sorted(expected) and set(expected) == {1.0, 0.0, -1.0}


def test_perfect_play_loses_no_line_and_random_moves_lose_some():
    assert (every_line(perfect_player()) >= 0).all()
    assert (every_line(random_player()) < 0).any()
