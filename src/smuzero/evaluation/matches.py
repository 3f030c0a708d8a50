"""Matches between two players of a board game: colours alternated, openings varied (Appendix B: 100 games a match).

Every opening, a few random legal moves, is played twice, once with each player
moving first: what it is worth to either side cancels. All games of a match run
at once, and at each move every player decides one batch, the games in which it
is to move.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float64, Int, Num, PRNGKeyArray

from smuzero.agent.acting import Act
from smuzero.envs.boards import Board
from smuzero.types import UserError


class Player(NamedTuple):
    """Somebody who can be asked for moves, many at a time."""

    name: str
    choose: Callable[[PRNGKeyArray, Num[np.ndarray, "G ..."], Bool[np.ndarray, "G n"]], Int[np.ndarray, " G"]]
    """key, observations, legal moves -> one legal move for each game"""


def searching_player(name: str, act: Act, params: Any) -> Player:
    """The player who takes what a search decides (see `acting.make_act`)."""

    def choose(key: PRNGKeyArray, observation: np.ndarray, legal: np.ndarray) -> np.ndarray:
        return np.asarray(act(params, key, observation, legal).action)[:, 0]

    return Player(name, choose)


def random_player() -> Player:
    """Any legal move, all alike."""

    def choose(key: PRNGKeyArray, observation: np.ndarray, legal: np.ndarray) -> np.ndarray:
        return np.asarray(jax.random.categorical(key, jnp.log(jnp.asarray(legal, jnp.float32))))

    return Player("random", choose)


def play_match(
    board: Board, player: Player, opponent: Player, games: int, seed: int, opening_moves: int = 2
) -> Float64[np.ndarray, " games"]:
    """What each game brought `player`: 1, 0 or -1. The same seed brings the same openings and draws.

    In the first half of the games (rounded up) `player` moves first; game i of the
    second half has the opening of game i of the first.
    """
    half = (games + 1) // 2
    step = jax.jit(jax.vmap(board.step))
    key = jax.random.key(seed)
    groups = [_opened(board, step, half, opening_moves, jax.random.fold_in(key, 0)) for _ in range(2)]
    seat_of = {0: (player, opponent), 1: (opponent, player)}
    number = opening_moves
    while any(not np.asarray(_terminal(board, state)).all() for state, _ in groups):
        for index, (state, result) in enumerate(groups):
            mover = seat_of[index][number % 2]
            move_key = jax.random.fold_in(jax.random.fold_in(key, 1 + index), number)
            observation, legal = _seen(board, state)
            state = step(state, jnp.asarray(mover.choose(move_key, observation, legal), jnp.int32))
            groups[index] = state, result + _rewards(board, state)[:, index]
        number += 1
    # Seat `index` was the player's in group `index`, and its rewards were summed.
    return np.concatenate([groups[0][1], groups[1][1]])[:games]


def _opened(board: Board, step: Any, games: int, opening_moves: int, key: PRNGKeyArray) -> tuple[Any, np.ndarray]:
    """Games after their random openings, and what they brought so far: nothing."""
    state = jax.vmap(lambda _: board.init())(jnp.arange(games))
    chooser = random_player()
    for number in range(opening_moves):
        observation, legal = _seen(board, state)
        moves = chooser.choose(jax.random.fold_in(key, number), observation, without_pass(board, legal))
        state = step(state, jnp.asarray(moves, jnp.int32))
    if np.asarray(_terminal(board, state)).any():
        raise UserError(f"An opening of {opening_moves} random moves can end a game of {board.spec.name}: take fewer.")
    return state, np.zeros(games)


def without_pass(board: Board, legal: Bool[np.ndarray, "*G n"]) -> Bool[np.ndarray, "*G n"]:
    """The legal moves on the board's points; all of them where there are none."""
    points = board.shape[0] * board.shape[1]
    on_board = legal & (np.arange(board.num_actions) < max(points, board.num_actions - 1))
    return np.where(on_board.any(axis=-1, keepdims=True), on_board, legal)


def _seen(board: Board, state: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(jax.vmap(board.observe)(state)), np.asarray(jax.vmap(board.legal)(state))


def _terminal(board: Board, state: Any) -> Any:
    return jax.vmap(board.is_terminal)(state)


def _rewards(board: Board, state: Any) -> np.ndarray:
    return np.asarray(jax.vmap(board.rewards)(state), np.float64)


def summarise(results: Float64[np.ndarray, " games"]) -> tuple[int, int, int]:
    """Wins, draws and losses."""
    return int((results > 0).sum()), int((results == 0).sum()), int((results < 0).sum())
