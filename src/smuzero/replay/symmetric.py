"""Replay of board games in which every window drawn is turned and mirrored at random.

The rules look the same from every side of a board, so each of its S symmetries
makes another true game of the one that was played. One symmetry is drawn for
each window and applied to all of it: to what was seen, what was done and what
could be done, and the moves the search has counted.
"""

import numpy as np
from jaxtyping import Int

from smuzero.replay.buffer import Buffer, ReplaySettings
from smuzero.types import Windows


class SymmetricBuffer(Buffer):
    """A `Buffer` of games with one move a step; its generator draws the symmetries too."""

    def __init__(
        self,
        settings: ReplaySettings,
        seed: int,
        source: Int[np.ndarray, "S cells"],
        action: Int[np.ndarray, "S n"],
    ):
        """Symmetry s shows at cell c what was at `source[s, c]`, and turns action a into `action[s, a]`."""
        super().__init__(settings, seed)
        self._source, self._action = source, action

    def sample(self, batch: int, unroll: int, n_step: int, history: int = 0) -> Windows:
        """As `Buffer.sample`, turned."""
        windows = super().sample(batch, unroll, n_step, history)
        return turned(windows, self._source, self._action, self._generator.integers(len(self._source), size=batch))


def turned(
    windows: Windows,
    source: Int[np.ndarray, "S cells"],
    action: Int[np.ndarray, "S n"],
    which: Int[np.ndarray, " B"],
) -> Windows:
    """The windows, each under its own symmetry `which`. A move's packed word is its number."""
    observation = np.empty_like(windows.observation)
    flat = windows.observation.reshape(*windows.observation.shape[:2], source.shape[1], -1)
    flat_out = observation.reshape(flat.shape)
    for symmetry in np.unique(which):
        rows = np.flatnonzero(which == symmetry)
        flat_out[rows] = flat[rows][:, :, source[symmetry]]
    table, legal = action[which], windows.legal
    if legal is not None:
        # A mask is listed by the turned moves, so it is looked up the other way round.
        legal = np.take_along_axis(legal, np.argsort(table, axis=1)[:, None], axis=2)
    return windows._replace(
        observation=observation,
        action=_looked_up(table, windows.action),
        later_action=None if windows.later_action is None else _looked_up(table, windows.later_action),
        words=_looked_up(table, windows.words),
        legal=legal,
    )


def _looked_up(table: Int[np.ndarray, "B n"], moves: np.ndarray) -> np.ndarray:
    flat = moves.reshape(len(moves), -1).astype(np.int64)
    return np.take_along_axis(table, flat, axis=1).reshape(moves.shape).astype(moves.dtype)
