"""Perfect tic-tac-toe, by searching every position once: the truth that a trained player is held to."""

import functools

import jax
import numpy as np
from jaxtyping import Bool, Int, Num, PRNGKeyArray

from smuzero.evaluation.matches import Player

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
Cells = tuple[int, ...]
"""Nine numbers: 1 for a stone of the player to move, -1 for the opponent's, 0 for none."""


@functools.cache
def value(cells: Cells) -> int:
    """1, 0 or -1: what the player to move can bring about against perfect play."""
    if any(all(cells[cell] == -1 for cell in line) for line in LINES):
        return -1
    return max((-value(after(cells, move)) for move in range(9) if cells[move] == 0), default=0)


def after(cells: Cells, move: int) -> Cells:
    """The position after a move, as the opponent sees it."""
    return tuple(-1 if cell == move else -stone for cell, stone in enumerate(cells))


def best_moves(cells: Cells) -> list[int]:
    """Every move that keeps the value."""
    return [move for move in range(9) if cells[move] == 0 and -value(after(cells, move)) == value(cells)]


def cells_of(observation: Num[np.ndarray, "3 3 2"]) -> Cells:
    """The position an observation shows."""
    seen = np.asarray(observation, np.int64)
    return tuple((seen[..., 0] - seen[..., 1]).reshape(-1).tolist())


def perfect_player() -> Player:
    """One of the best moves, all alike, so that a match meets many lines of play."""

    def choose(
        key: PRNGKeyArray, observation: Num[np.ndarray, "G 3 3 2"], legal: Bool[np.ndarray, "G 9"]
    ) -> Int[np.ndarray, " G"]:
        draws = np.asarray(jax.random.uniform(key, (len(observation),)))
        moves = []
        for seen, draw in zip(observation, draws, strict=True):
            # A finished game takes any move, and is asked for one.
            best = best_moves(cells_of(seen)) or [0]
            moves.append(best[int(draw * len(best))])
        return np.array(moves)

    return Player("perfect", choose)
