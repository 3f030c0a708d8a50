"""Perfect tic-tac-toe, by searching every position once: the truth that a trained player is held to.

The game is small enough for more than a sample of games: `every_line` plays all
that an opponent can do against a player, with both colours.
"""

import functools

import jax
import numpy as np
from jaxtyping import Bool, Float64, Int, Num, PRNGKeyArray

from smuzero.evaluation.matches import Player

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
AT_ONCE = 64
"""Positions that a player is asked about together, always as many: another number would be compiled anew."""
Cells = tuple[int, ...]
"""Nine numbers: 1 for a stone of the player to move, -1 for the opponent's, 0 for none."""


@functools.cache
def value(cells: Cells) -> int:
    """1, 0 or -1: what the player to move can bring about against perfect play."""
    if any(all(cells[cell] == -1 for cell in line) for line in LINES):
        return -1
    return max((-value(after(cells, move)) for move in range(9) if cells[move] == 0), default=0)


def is_over(cells: Cells) -> bool:
    """Whether the last move made a line, or filled the board."""
    return 0 not in cells or any(all(cells[cell] == -1 for cell in line) for line in LINES)


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


def every_line(player: Player, seed: int = 0) -> Float64[np.ndarray, " games"]:
    """What each game brought `player` that an opponent can make of it, whatever he plays: 1, 0 or -1.

    In the first games `player` moves first, in the others second.
    """
    return np.concatenate([_lines(player, jax.random.fold_in(jax.random.key(seed), seat), seat) for seat in (0, 1)])


def _lines(player: Player, key: PRNGKeyArray, seat: int) -> Float64[np.ndarray, " games"]:
    """All games with `player` in one seat, every number of moves at once."""
    results, lines = [], [(0,) * 9]
    for number in range(9):
        is_own = number % 2 == seat
        if is_own:
            moves = _chosen(player, jax.random.fold_in(key, number), lines)
            lines = [after(cells, move) for cells, move in zip(lines, moves, strict=True)]
        else:
            lines = [after(cells, move) for cells in lines for move in range(9) if cells[move] == 0]
        ended = [is_over(cells) for cells in lines]
        # Whoever is to move where a game has ended has lost it, or it is a draw.
        results += [value(cells) * (-1 if is_own else 1) for cells, over in zip(lines, ended, strict=True) if over]
        lines = [cells for cells, over in zip(lines, ended, strict=True) if not over]
    return np.array(results, np.float64)


def _chosen(player: Player, key: PRNGKeyArray, lines: list[Cells]) -> list[int]:
    """The player's move in each position."""
    moves = []
    for start in range(0, len(lines), AT_ONCE):
        cells = np.array([lines[min(start + row, len(lines) - 1)] for row in range(AT_ONCE)])
        observation = np.stack([cells == 1, cells == -1], axis=-1).reshape(-1, 3, 3, 2).astype(np.uint8)
        moves += np.asarray(player.choose(jax.random.fold_in(key, start), observation, cells == 0)).tolist()
    return moves[: len(lines)]
