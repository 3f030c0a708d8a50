"""Tic-tac-toe as an exact model, and its minimax values.

A board is what the player to move sees: 1 for own stones, -1 for the opponent's.
Once a game is over nothing changes, and the model says so by discount 0.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model

LINES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]])

Board = tuple[int, ...]


class State(NamedTuple):
    board: Int[Array, "*B 9"]
    is_over: Bool[Array, "*B"]


def states(boards: list[Board]) -> State:
    return State(jnp.asarray(boards, jnp.int32), jnp.zeros(len(boards), bool))


def _dynamics(state: State, action: Int[Array, " 1"]) -> tuple[State, Array, Array]:
    board = jnp.where(jnp.arange(9) == action[0], 1, state.board)
    wins = jnp.any(jnp.all(board[LINES] == 1, axis=1))
    is_over = state.is_over | wins | jnp.all(board != 0)
    reward = jnp.where(wins & ~state.is_over, 1.0, 0.0)
    return State(jnp.where(state.is_over, state.board, -board), is_over), reward, jnp.where(is_over, 0.0, -1.0)


def _predict(state: State) -> tuple[Array, Array]:
    """Knows the rules and nothing else: all legal moves alike, every position worth 0."""
    return jnp.where((state.board == 0) | state.is_over, 0.0, -jnp.inf), jnp.float32(0)


MODEL = Model(FactoredCategorical(1, 9), _dynamics, _predict)


def after(board: Board, move: int) -> Board:
    """What the opponent sees after a move."""
    return tuple(-(1 if place == move else stone) for place, stone in enumerate(board))


def is_lost(board: Board) -> bool:
    """The opponent of the player to move has a line."""
    return any(all(board[place] == -1 for place in line) for line in LINES)


def moves(board: Board) -> list[int]:
    return [place for place in range(9) if board[place] == 0]


@functools.cache
def minimax(board: Board) -> int:
    """1, 0 or -1 for the player to move, with perfect play."""
    if is_lost(board):
        return -1
    return max((-minimax(after(board, move)) for move in moves(board)), default=0)


@functools.cache
def positions(num_empty: int) -> list[Board]:
    """All positions with so many empty places that play can reach and that are not over."""
    found = {(0,) * 9}
    for _ in range(9 - num_empty):
        found = {after(board, move) for board in found for move in moves(board)}
        found = {board for board in found if not is_lost(board)}
    return sorted(found)
