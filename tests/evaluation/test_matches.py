"""Matches: colours, openings, and who is credited with what."""

import numpy as np
import pytest

from smuzero.envs.boards import make_board
from smuzero.evaluation.matches import Player, play_match, random_player, summarise
from smuzero.evaluation.tictactoe import best_moves, perfect_player, value

pytest.importorskip("pgx")


@pytest.fixture(scope="module")
def board():
    return make_board("tictactoe")


def first_free(name="first"):
    return Player(name, lambda key, observation, legal: np.argmax(legal, axis=1))


def test_perfect_play_is_a_draw_and_knows_the_corner_trap():
    assert value((0,) * 9) == 0 and sorted(best_moves((0,) * 9)) == list(range(9))
    # The opponent holds a corner: only the centre holds the draw.
    assert best_moves((-1, 0, 0, 0, 0, 0, 0, 0, 0)) == [4]


def test_perfect_players_draw_and_never_lose_to_chance(board):
    assert (play_match(board, perfect_player(), perfect_player(), 20, 0, opening_moves=0) == 0).all()
    results = play_match(board, perfect_player(), random_player(), 40, 1, opening_moves=0)
    assert (results >= 0).all() and summarise(results)[0] > 20
    mirrored = play_match(board, random_player(), perfect_player(), 40, 1, opening_moves=0)
    assert (mirrored <= 0).all() and summarise(mirrored)[2] > 20


def test_the_same_deterministic_players_get_opposite_results_for_the_two_colours(board):
    results = play_match(board, first_free(), first_free(), 10, 3, opening_moves=2)
    np.testing.assert_array_equal(results[:5], -results[5:])
    assert len(set(results[:5].tolist())) > 1, "openings vary"


def test_an_odd_number_of_games_is_played(board):
    assert len(play_match(board, random_player(), random_player(), 5, 0)) == 5


def test_a_match_follows_from_its_seed(board):
    one, other = (play_match(board, random_player(), first_free(), 12, seed) for seed in (4, 4))
    np.testing.assert_array_equal(one, other)
