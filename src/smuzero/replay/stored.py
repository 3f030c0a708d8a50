"""How sequences lie in memory: every field one array over S slots of L steps each.

`stored` is itself a `Sequence`, with arrays `[S, L, ...]` (observations
`[S, L + 1, ...]`): a shorter sequence leaves the end of its slot unused. The
arrays are made of untouched zeros, so the operating system hands out memory only
as sequences arrive.

Where an observation shows the last few things seen, one behind the other (a stack of
pictures), each of them is stored once: observations are then `[S, L + stack, ...]`,
as a sequence begins with the stack's earlier ones.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, Num

from smuzero.types import Sequence

_DTYPES = {
    "reward": np.float32,
    "discount": np.float32,
    "words": np.uint32,
    "visits": np.float32,
    "root_value": np.float32,
    "legal": np.bool_,
    "recurrent": np.float32,
}
"""Observations and actions keep the dtype in which they first come."""

_NUM_AXES = {
    "action": 2,
    "reward": 1,
    "discount": 1,
    "words": 3,
    "visits": 2,
    "root_value": 1,
    "legal": 2,
    "recurrent": 2,
}


def checked(sequence: Sequence, max_length: int, stored: Sequence | None, stack: int = 1) -> Sequence:
    """The sequence as arrays in the dtypes of the replay, each of `stack` things that an observation shows once.

    Raises ValueError for a sequence that contradicts itself, is empty or longer
    than `max_length`, or whose rows have other shapes than those `stored`.
    """
    if sequence.legal is None:
        sequence = sequence._replace(legal=np.ones((len(sequence.action), 0), np.bool_))
    if sequence.recurrent is None:
        sequence = sequence._replace(recurrent=np.zeros((len(sequence.action), 0), np.float32))
    arrays = {name: _converted(name, np.asarray(field)) for name, field in sequence._asdict().items()}
    sequence = Sequence(**arrays)
    num_steps = len(sequence.action)
    if not 1 <= num_steps <= max_length:
        raise ValueError(
            f"The sequence has {num_steps} steps, but this replay takes 1 to {max_length} (max_length): "
            "cut longer episodes into several sequences."
        )
    for name, array in arrays.items():
        allowed = num_steps + (name == "observation")
        if len(array) != allowed:
            raise ValueError(
                f"{name} has {len(array)} rows in a sequence of {num_steps} actions, but {allowed} are needed: "
                "one per action, and one more of observation, for what followed the last action."
            )
    if sequence.visits.shape != sequence.words.shape[:2]:
        raise ValueError(
            f"visits has shape {sequence.visits.shape} and words {sequence.words.shape}, "
            "but [T, K] and [T, K, W] must agree: visits are those of the actions in words."
        )
    if np.any(sequence.discount[:-1] == 0):
        raise ValueError(
            f"discount is 0 at step {np.argmin(sequence.discount[:-1] != 0)} of {num_steps}, but a termination ends "
            "the sequence: only the last discount may be 0. Add every episode as sequences of its own."
        )
    if stack > 1:
        sequence = sequence._replace(observation=unstacked(sequence.observation, stack))
    if stored is not None:
        _check_same_rows(sequence, stored)
    return sequence


def unstacked(observation: Num[np.ndarray, "R ..."], stack: int) -> Num[np.ndarray, "R2 ..."]:
    """What R successive observations show, each thing once: R + stack - 1 of them.

    Raises ValueError where an observation does not show what those before it did.
    """
    size = observation.shape[-1] // stack
    if not np.array_equal(observation[1:, ..., :-size], observation[:-1, ..., size:]):
        raise ValueError(
            f"The observations are no stack of {stack}: each should show what the one before it did, but for its "
            "oldest part. An environment that steps several times in between has a spec.stack of 1."
        )
    before = [observation[:1, ..., size * place : size * (place + 1)] for place in range(stack - 1)]
    return np.concatenate([*before, observation[..., -size:]])


def _converted(name: str, array: np.ndarray) -> np.ndarray:
    num_axes = _NUM_AXES.get(name)
    if array.ndim == 0 or (num_axes is not None and array.ndim != num_axes):
        raise ValueError(f"{name} has shape {array.shape}, but it needs {num_axes or 'at least 1'} axes, steps first.")
    dtype = np.dtype(_DTYPES.get(name, array.dtype))
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise ValueError(f"{name} has dtype {array.dtype}, but the replay stores {dtype}: convert it first.")
    return array.astype(dtype, copy=False)


def _check_same_rows(sequence: Sequence, stored: Sequence) -> None:
    rows = stored._asdict()
    for name, given in sequence._asdict().items():
        allowed = rows[name]
        if (given.shape[1:], given.dtype) != (allowed.shape[2:], allowed.dtype):
            raise ValueError(
                f"A row of {name} has shape {given.shape[1:]} and dtype {given.dtype}, but this replay holds rows of "
                f"shape {allowed.shape[2:]} and dtype {allowed.dtype}: the first sequence added decides."
            )


def allocate(rows_like: Sequence, max_sequences: int, max_length: int, stack: int = 1) -> Sequence:
    """Empty storage for sequences `[T, ...]` whose rows are like those of `rows_like`.

    Raises MemoryError, with the size asked for, if the machine refuses it.
    """
    shapes = {
        name: (max_sequences, max_length + stack * (name == "observation"), *field.shape[1:])
        for name, field in rows_like._asdict().items()
    }
    dtypes = {name: field.dtype for name, field in rows_like._asdict().items()}
    try:
        return Sequence(**{name: np.zeros(shape, dtypes[name]) for name, shape in shapes.items()})
    except MemoryError as error:
        gigabytes = sum(np.prod(shape, dtype=float) * dtypes[name].itemsize for name, shape in shapes.items()) / 1e9
        raise MemoryError(
            f"A replay of {max_sequences} sequences of {max_length} steps takes {gigabytes:.1f} GB when full, "
            "more than this machine offers: choose a smaller max_sequences or max_length."
        ) from error


def write(stored: Sequence, slot: int, sequence: Sequence) -> None:
    """Put a checked sequence into a slot, over what was there."""
    for name, array in stored._asdict().items():
        field = getattr(sequence, name)
        array[slot, : len(field)] = field


def packed(stored: Sequence, length: Int[np.ndarray, " F"]) -> dict[str, np.ndarray]:
    """The first F slots without their unused ends, one after the other; `length` is in steps."""
    return {name: array[: len(length)][used] for name, array, used in _used(stored, length)}


def unpack(stored: Sequence, length: Int[np.ndarray, " F"], rows: dict[str, np.ndarray]) -> None:
    """Write the result of `packed` back into the first F slots."""
    for name, array, used in _used(stored, length):
        array[: len(length)][used] = rows[name]


def stack_of(stored: Sequence) -> int:
    """How many things an observation shows."""
    return stored.observation.shape[1] - stored.action.shape[1]


def _used(stored: Sequence, length: Int[np.ndarray, " F"]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each field's name, array, and which rows `[F, size]` of its first slots hold something."""
    for name, array in stored._asdict().items():
        end = length + stack_of(stored) * (name == "observation")
        yield name, array, np.arange(array.shape[1]) < end[:, None]
