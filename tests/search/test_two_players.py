"""Two players on games whose truth is known. `test_plan_reference.py` and `test_mctx.py` compare visit for visit."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model, SearchResult, search
from smuzero.search.settings import SearchSettings

from . import tictactoe
from .random_models import random_model, random_roots

RANDOM = random_model(FactoredCategorical(1, 5))
GAME = SearchSettings(num_samples=9, num_simulations=400, noise_fraction=0.0, two_player=True)


@functools.cache
def compiled(model: Model, settings: SearchSettings):
    return jax.jit(lambda key, root: search(key, root, model, settings))


def run(model: Model, root: Any, settings: SearchSettings, **fields: Any) -> SearchResult:
    return jax.device_get(compiled(model, dataclasses.replace(settings, **fields))(jax.random.key(0), root))


def chosen_moves(found: SearchResult) -> list[int]:
    best = np.argmax(found.visits, axis=1)
    return found.action[np.arange(len(best)), best, 0].tolist()


@functools.cache
def endgames() -> list[tictactoe.Board]:
    """Positions with five empty places where some moves keep the value and some lose it."""
    boards = [
        board
        for board in tictactoe.positions(5)
        if len({tictactoe.minimax(tictactoe.after(board, move)) for move in tictactoe.moves(board)}) > 1
    ]
    return boards[:: len(boards) // 64][:64]


@pytest.mark.parametrize("unvisited", ["minimum", "parent"])
def test_endgames_are_played_perfectly_when_every_move_is_searched(unvisited):
    boards = endgames()
    found = run(tictactoe.MODEL, tictactoe.states(boards), GAME, enumerate_actions=True, unvisited=unvisited)
    for board, move in zip(boards, chosen_moves(found), strict=True):
        assert -tictactoe.minimax(tictactoe.after(board, move)) == tictactoe.minimax(board)


@pytest.mark.parametrize("is_root_evaluated", [True, False])
def test_a_win_is_taken_and_a_threat_is_met(is_root_evaluated):
    win, threat = (1, 1, 0, -1, -1, 0, 0, 0, 0), (-1, -1, 0, 1, 0, 0, 0, 0, 0)
    # 40 draws from at most six moves miss one with probability below 1e-3, at one seed.
    states, fields = tictactoe.states([win, threat]), {"num_samples": 40, "num_simulations": 100}
    found = run(tictactoe.MODEL, states, GAME, evaluate_root=is_root_evaluated, **fields)
    assert chosen_moves(found) == [2, 2]


def test_values_are_those_of_the_player_to_move():
    won, lost = (1, 1, 0, -1, -1, 0, 0, 0, 0), (-1, -1, 0, -1, 1, 1, 0, 0, 0)
    assert (tictactoe.minimax(won), tictactoe.minimax(lost)) == (1, -1)
    found = run(tictactoe.MODEL, tictactoe.states([won, lost]), GAME, enumerate_actions=True)
    assert found.value[0] > 0.5 and found.value[1] < -0.5


def test_an_end_inside_the_tree_carries_nothing_back_from_beyond():
    """One empty place, which wins: every simulation returns exactly the reward, however deep the tree grows."""
    last = (1, 1, 0, -1, -1, 1, -1, 1, -1)
    found = run(tictactoe.MODEL, tictactoe.states([last]), GAME, enumerate_actions=True, num_simulations=50)
    np.testing.assert_array_equal(found.value, [1.0])
    np.testing.assert_array_equal(found.tree.high, [1.0])


@pytest.mark.parametrize("is_root_evaluated", [True, False])
def test_where_the_turn_never_passes_the_search_is_that_of_one_player(is_root_evaluated):
    roots, settings = random_roots(1, 32), SearchSettings(noise_fraction=0.0, evaluate_root=is_root_evaluated)
    one, two = (run(RANDOM, roots, settings, two_player=two_player) for two_player in (False, True))
    np.testing.assert_array_equal(one.visits, two.visits)
    np.testing.assert_array_equal(one.q, two.q)


def test_the_range_of_values_is_kept_as_the_player_at_the_root_sees_it():
    found = run(RANDOM, random_roots(2, 16, opposed=1.0), GAME, num_simulations=30, evaluate_root=False)
    assert found.tree.side is not None
    rows = found.tree.visits.shape[0] // 16
    seen = np.where(found.tree.visits > 0, found.tree.q * found.tree.side[:, None], np.nan).reshape(rows, 16, -1)
    # A mean moves as visits are added, so that the last ones lie inside of all that were met.
    assert (found.tree.low <= np.nanmin(seen, axis=(0, 2)) + 1e-6).all()
    assert (found.tree.high >= np.nanmax(seen, axis=(0, 2)) - 1e-6).all()
