"""The few shapes everything agrees on, and the meaning of time.

`action[t]` answers `observation[t]`; `reward[t]` and `discount[t]` follow
`action[t]`, and so does `observation[t + 1]`. A discount of 0 means that the
episode truly ended; a time limit ends an episode too but keeps its discount of
1, so that its last value is bootstrapped. In a game for two it is -1 where the
move passes to the opponent, from whose view the next observation and value are.
Stored arrays are `[T, ...]`, batches `[B, T, ...]`.

An action has two forms. In an environment it is a value of the environment's
own Gymnasium space. Everywhere else it is a flat vector `[A]`, and what a search
tree or the replay remembers of it is that vector packed into W 32-bit words:
two draws are the same action exactly if their words are equal.

This module needs NumPy only.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from jaxtyping import Bool, Float32, Int, Num, UInt8, UInt32


class UserError(Exception):
    """A mistake in what the user gave: shown as one message, without a traceback."""


def check_at_least(settings: Any, error: type[Exception] = ValueError, **least: int | float) -> None:
    """Raises `error` where one of an object's numbers is smaller than is said: `check_at_least(self, unroll=1)`.

    What is None was not given, and passes.
    """
    for name, smallest in least.items():
        value = getattr(settings, name)
        if value is not None and not value >= smallest:  # so written, NaN is too small as well
            raise error(f"{name} is {value}, but must be at least {smallest}.")


class EnvSpec(NamedTuple):
    """What an environment shows and accepts."""

    name: str
    """The id it was made from, such as `dmc:cartpole.swingup`."""
    observation_shape: tuple[int, ...]
    observation_dtype: np.dtype
    action_space: gymnasium.Space[Any]
    stack: int = 1
    """Consecutive observations that are shown at once, oldest first, joined along the last axis."""
    parts: tuple["Part", ...] = ()
    """What an observation is made of where it is several arrays in one; see `split_observation`."""


class Part(NamedTuple):
    """One of several arrays that an observation is made of."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


def join_observation(arrays: Iterable[Num[np.ndarray, "..."]]) -> UInt8[np.ndarray, " bytes"]:
    """Several arrays as one vector of bytes, which pools and replays can treat as any other observation."""
    return np.concatenate([np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays])


def split_observation(
    parts: tuple[Part, ...], observation: UInt8[np.ndarray, "*batch bytes"]
) -> dict[str, Num[np.ndarray, "..."]]:
    """The arrays that `join_observation` joined, by name, behind the batch axes `observation` has.

    In JAX: `jax.lax.bitcast_convert_type(x.reshape(*batch, -1, 4), jnp.float32)` for a part of 4-byte floats.
    """
    arrays, start = {}, 0
    for part in parts:
        length = math.prod(part.shape) * part.dtype.itemsize
        piece = np.ascontiguousarray(observation[..., start : start + length])
        arrays[part.name] = piece.view(part.dtype).reshape(*observation.shape[:-1], *part.shape)
        start += length
    return arrays


class Step(NamedTuple):
    """What E environments answered to one action each."""

    next_observation: Num[np.ndarray, "E ..."]
    """What followed the action; at an episode's end its final observation."""
    reward: Float32[np.ndarray, " E"]
    discount: Float32[np.ndarray, " E"]
    """0 after a true termination, else 1, also at a time limit."""
    is_last: Bool[np.ndarray, " E"]
    """The episode ended with this step, by termination or by time limit."""
    frames: Int[np.ndarray, " E"]
    """Environment frames this step took, action repeat counted."""
    observation: Num[np.ndarray, "E ..."]
    """To act on next: `next_observation`, or a new episode's first one where `is_last`."""
    legal: Bool[np.ndarray, "E N"] | None
    """Legal choices at `observation`, as `smuzero.actions.masks` orders them; None where all are legal."""


class Sequence(NamedTuple):
    """Consecutive steps of one episode, with what the search found at each."""

    observation: Num[np.ndarray, "T+1 ..."]
    action: Num[np.ndarray, "T A"]
    reward: Float32[np.ndarray, " T"]
    discount: Float32[np.ndarray, " T"]
    words: UInt32[np.ndarray, "T K W"]
    """The root's sampled actions, packed: visits are worthless without them."""
    visits: Float32[np.ndarray, "T K"]
    """What the policy is to learn of the actions in `words`, on any scale: visits, or an operator's weights."""
    root_value: Float32[np.ndarray, " T"]
    legal: Bool[np.ndarray, "T L"] | None = None
    """Legal choices at each action, where a fresh search has to know them; None where all are legal."""
    recurrent: Float32[np.ndarray, "T m"] | None = None
    """What the network remembered before each observation; 0 where an episode starts. None where it remembers nothing.
    """


class Windows(NamedTuple):
    """A training batch: rows t … t+U+n of stored sequences, for an unroll of U and n-step targets.

    Where a sequence ends inside a window, `is_step` turns false; `is_terminal`
    says whether the rows past the end are absorbing (a true termination: reward
    and value 0) or unknown (a time limit, or a sequence cut at its greatest
    length: masked, bootstrapped from the final observation).
    """

    observation: Num[np.ndarray, "B U+n+1 ..."]
    """Past the end: the final observation, repeated."""
    action: Num[np.ndarray, "B U A"]
    """Past the end: actions of other stored rows, as an absorbing step must hold for any action."""
    reward: Float32[np.ndarray, "B U+n"]
    """Past the end: 0."""
    discount: Float32[np.ndarray, "B U+n"]
    """Past the end: 1."""
    is_step: Bool[np.ndarray, "B U+n+1"]
    is_terminal: Bool[np.ndarray, " B"]
    words: UInt32[np.ndarray, "B U+1 K W"]
    visits: Float32[np.ndarray, "B U+1 K"]
    """Past the end: 0."""
    root_value: Float32[np.ndarray, "B U+1"]
    """Past the end: 0."""
    weight: Float32[np.ndarray, " B"]
    """Importance weights of prioritised replay."""
    index: Int[np.ndarray, " B"]
    """Where each window starts, to hand back with new priorities."""
    later_action: Num[np.ndarray, "B n A"] | None = None
    """Those after the unroll's. Past the end: the last, repeated."""
    legal: Bool[np.ndarray, "B U+1 L"] | None = None
    """Past the end: all. None where all are legal everywhere."""
    history: Num[np.ndarray, "B H ..."] | None = None
    """The H observations before the first, where the network remembers; None where it does not."""
    is_history: Bool[np.ndarray, "B H"] | None = None
    """False before the sequence's start."""
    recurrent: Float32[np.ndarray, "B m"] | None = None
    """What the network remembered before the first observation of `history` that is one."""
