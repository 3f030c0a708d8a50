"""Cutting training windows out of stored sequences.

A window of the rows t … t+U+n may reach past the end of its sequence. What lies
there is made up here, and marked: rewards of 0 and discounts of 1 leave an n-step
return unchanged, the final observation is what it bootstraps from, and `is_step`
and `is_terminal` say what of it may be learned (`smuzero.types.Windows`).
"""

import numpy as np
from jaxtyping import Float32, Int64

from smuzero.replay.stored import stack_of
from smuzero.types import Sequence, Windows


def gather(
    stored: Sequence,
    length: Int64[np.ndarray, " S"],
    leaf: Int64[np.ndarray, " B"],
    other_leaf: Int64[np.ndarray, "B U"],
    n_step: int,
    weight: Float32[np.ndarray, " B"],
    index: Int64[np.ndarray, " B"],
    history: int = 0,
) -> Windows:
    """The windows that start at the given leaves (slot · L + step), by one gather for each field.

    `length` is the number of steps in each slot. Past the end of its sequence a
    window takes the actions of `other_leaf`. `history` is how many observations before
    it come along where memories are stored.
    """
    unroll = other_leaf.shape[1]
    slot, start = np.divmod(leaf, stored.action.shape[1])
    slot, end = slot[:, None], length[slot][:, None]
    step = start[:, None] + np.arange(unroll + n_step + 1)
    is_step = step < end
    last = end - 1
    row = _rows(stored.action, slot, np.minimum(step, last))
    final_discount = _take(stored.discount, _rows(stored.discount, slot, last))[:, 0]

    at_root, in_unroll, in_return = slice(unroll + 1), slice(unroll), slice(unroll + n_step)
    # Paper: silent on windows that reach past a sequence cut at its greatest length. Here: as at a time limit, they
    # end there and bootstrap from the final observation; the next sequence of the episode may be evicted already.
    # Paper: silent on the actions after an episode's end. Here: those of other stored steps, as MuZero's absorbing
    # states must hold for any action.
    return Windows(
        observation=_observed(stored, slot, np.minimum(step, end)),
        action=_take(stored.action, np.where(is_step[:, in_unroll], row[:, in_unroll], other_leaf)),
        reward=_take_steps(stored.reward, row[:, in_return], is_step[:, in_return], 0),
        discount=_take_steps(stored.discount, row[:, in_return], is_step[:, in_return], 1),
        is_step=is_step,
        is_terminal=final_discount == 0,
        words=_take_steps(stored.words, row[:, at_root], is_step[:, at_root], 0),
        visits=_take_steps(stored.visits, row[:, at_root], is_step[:, at_root], 0),
        root_value=_take_steps(stored.root_value, row[:, at_root], is_step[:, at_root], 0),
        weight=weight,
        index=index,
        later_action=_take(stored.action, row[:, unroll : unroll + n_step]),
        **_remembered(stored, slot, start, history),
        legal=_legal(stored, row[:, at_root], is_step[:, at_root]),
    )


def _observed(stored: Sequence, slot: Int64[np.ndarray, "B 1"], step: Int64[np.ndarray, "B T"]) -> np.ndarray:
    """The observations at these steps, what each shows put together again."""
    rows, stack = _rows(stored.observation, slot, step), stack_of(stored)
    if stack == 1:
        return _take(stored.observation, rows)
    # What lies along the last axis moves as one element: of pictures, twice as fast as byte by byte.
    size = stored.observation.shape[-1] * stored.observation.itemsize
    whole = stored.observation.view(np.dtype((np.void, size)))[..., 0]
    shown = np.moveaxis(_take(whole, rows[..., None] + np.arange(stack)), 2, -1)
    return np.ascontiguousarray(shown).view(stored.observation.dtype)


def _remembered(
    stored: Sequence, slot: Int64[np.ndarray, "B 1"], start: Int64[np.ndarray, " B"], history: int
) -> dict[str, np.ndarray]:
    """The fields of a window that lead up to it; none where no memory is stored."""
    if stored.recurrent is None or stored.recurrent.shape[-1] == 0:
        return {}
    step = start[:, None] + np.arange(-history, 0)
    first = np.maximum(start - history, 0)
    return {
        "history": _observed(stored, slot, np.maximum(step, 0)),
        "is_history": step >= 0,
        "recurrent": _take(stored.recurrent, _rows(stored.recurrent, slot[:, 0], first)),
    }


def _legal(stored: Sequence, rows: np.ndarray, is_step: np.ndarray) -> np.ndarray | None:
    """The masks of some steps; None where all choices are always legal, of which nothing is stored."""
    if stored.legal is None or stored.legal.shape[-1] == 0:
        return None
    return _take_steps(stored.legal, rows, is_step, 1)


def _rows(array: np.ndarray, slot: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Where `array[slot, step]` lies once slots and steps are one axis."""
    return slot * array.shape[1] + step


def _take(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    # `take` on one flat axis is several times faster than indexing with two arrays.
    return array.reshape(-1, *array.shape[2:]).take(rows, axis=0)


def _take_steps(array: np.ndarray, rows: np.ndarray, is_step: np.ndarray, filler: int) -> np.ndarray:
    taken = _take(array, rows)
    taken[~is_step] = filler
    return taken
