"""Action spaces as vectors of choices: how an environment's action becomes `[A]` integers and back.

A Discrete space is one choice among n. A bounded continuous space is cut into
M evenly spaced bins per dimension, both bounds among them (Tang & Agrawal 2020,
"Discretizing continuous action space for on-policy optimization"; Section 6.3
and Appendix A use M = 7), so that it becomes A choices among M. Everything else
in the project sees the vector of choices only.

Departure from the paper: none. This module needs NumPy and Gymnasium only.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float64, Int, Int32, Num

from smuzero.types import UserError


class UnsupportedActionSpace(UserError):
    """The environment's action space is none that an agent can act in."""


@dataclasses.dataclass(frozen=True)
class Discrete:
    """One choice among `n`: the environment's actions are start … start + n − 1."""

    n: int
    start: int = 0
    """The environment's number for choice 0."""

    def __post_init__(self):
        if self.n < 1:
            raise ValueError(f"n is {self.n}, but a Discrete space needs at least 1 action.")

    @property
    def size(self) -> int:
        """Length A of the action vector."""
        return 1

    @property
    def num_choices(self) -> int:
        """Choices of each of the A components."""
        return self.n

    def decode(self, action: Int[np.ndarray, "*batch 1"]) -> Int[np.ndarray, "*batch"] | np.integer:
        """The environment's own action for each action vector."""
        return np.asarray(action)[..., 0].astype(np.int64) + self.start

    def encode(self, env_action: Any) -> Int32[np.ndarray, "*batch 1"]:
        """The action vector of each of the environment's own actions.

        Raises ValueError for an action outside the space.
        """
        choice = np.asarray(env_action, np.int64) - self.start
        if np.any((choice < 0) | (choice >= self.n)):
            raise ValueError(
                f"The action {env_action} is not among this space's actions {self.start} to {self.start + self.n - 1}."
            )
        return choice[..., None].astype(np.int32)


@dataclasses.dataclass(frozen=True)
class BinnedBox:
    """A bounded continuous space, cut into evenly spaced bins per dimension."""

    low: tuple[float, ...]
    """Least value of each of the A dimensions."""
    high: tuple[float, ...]
    """Greatest value of each of the A dimensions."""
    shape: tuple[int, ...]
    """Shape of the environment's own action; A is its number of entries."""
    dtype: np.dtype = np.dtype(np.float32)  # noqa: RUF009 - immutable
    """Type of the environment's own action: a float."""
    bins: int = 7
    """Choices per dimension (M), evenly spaced from `low` to `high`, both included. Appendix A uses 7."""

    def __post_init__(self):
        if self.bins < 2:
            raise ValueError(f"bins is {self.bins}, but both bounds are bins, so at least 2 are needed (paper: 7).")
        if self.size < 1:
            raise ValueError(f"The shape {self.shape} holds no action dimension, but at least 1 is needed.")
        if self.dtype.kind != "f":
            raise ValueError(f"dtype is {self.dtype}, but bins of a continuous space need a float dtype.")
        if not len(self.low) == len(self.high) == self.size:
            raise ValueError(f"low has {len(self.low)} entries and high {len(self.high)}, not A = {self.size} each.")
        if not all(-math.inf < low <= high < math.inf for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"Bins need finite bounds with low <= high, but low is {self.low} and high {self.high}.")

    @classmethod
    def between(
        cls,
        low: float | Sequence[float] | np.ndarray,
        high: float | Sequence[float] | np.ndarray,
        shape: tuple[int, ...],
        dtype: type | np.dtype = np.float32,
        bins: int = 7,
    ) -> "BinnedBox":
        """The space between bounds given as numbers or arrays, which are broadcast to `shape`."""
        lows, highs = (np.broadcast_to(np.asarray(bound, np.float64), shape).ravel().tolist() for bound in (low, high))
        return cls(tuple(lows), tuple(highs), shape, np.dtype(dtype), bins)

    @property
    def size(self) -> int:
        """Length A of the action vector."""
        return math.prod(self.shape)

    @property
    def num_choices(self) -> int:
        """Choices of each of the A components (M)."""
        return self.bins

    @functools.cached_property
    def values(self) -> Float64[np.ndarray, "A M"]:
        """The value of every bin: value i of a dimension is low + i (high − low) / (M − 1)."""
        fraction = np.arange(self.bins) / (self.bins - 1)
        low, high = np.array(self.low)[:, None], np.array(self.high)[:, None]
        # Weighing the bounds keeps both exact, and cannot overflow where high − low would.
        # Rounding of the weighted sum may step an ulp over a bound; clipping takes it back.
        return np.clip(low * (1 - fraction) + high * fraction, low, high)

    def decode(self, action: Int[np.ndarray, "*batch A"]) -> Num[np.ndarray, "..."]:
        """The environment's own action, `[..., *shape]`, for each vector of bins."""
        action = np.asarray(action)
        chosen = self.values[np.arange(self.size), action]
        return chosen.astype(self.dtype).reshape(action.shape[:-1] + self.shape)

    def encode(self, env_action: Any) -> Int32[np.ndarray, "*batch A"]:
        """The nearest bins of each of the environment's own actions; the lower bin in the middle.

        Values beyond a bound take the bin at that bound. Raises ValueError for NaN.
        """
        given = np.asarray(env_action, np.float64)
        if np.isnan(given).any():
            raise ValueError(f"An action holds NaN, which has no nearest bin: {env_action}.")
        batch = given.shape[: given.ndim - len(self.shape)]
        flat = np.clip(given.reshape(*batch, self.size), self.low, self.high)
        distance = np.abs(flat[..., None] - self.values)
        return distance.argmin(axis=-1).astype(np.int32)


ActionSpace = Discrete | BinnedBox
"""Every space an agent can act in."""


def from_gymnasium(space: gymnasium.Space[Any], bins: int = 7) -> ActionSpace:
    """The action space of an environment, as an agent sees it.

    `bins` (M) is the number of choices per dimension of a continuous space.
    Raises UnsupportedActionSpace, with what to do about it.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        return Discrete(n=int(space.n), start=int(space.start))
    if isinstance(space, gymnasium.spaces.Box) and space.dtype is not None and space.dtype.kind == "f":
        _check_bounds(space)
        return BinnedBox.between(space.low, space.high, space.shape, space.dtype, bins)
    raise UnsupportedActionSpace(
        f"The action space {space} is not supported. Supported are Discrete, and Box with a float dtype and finite "
        "bounds. Wrap the environment so that it accepts one of these, for example with "
        "gymnasium.wrappers.TransformAction."
    )


def _check_bounds(space: gymnasium.spaces.Box):
    """Raises UnsupportedActionSpace unless every dimension has usable bounds.

    The greatest number of the dtype is a common way to write "no bound", and
    bins spread that far would be useless, so it counts as none.
    """
    greatest = float(np.finfo(space.low.dtype.name).max)
    unbounded = (np.abs(space.low) >= greatest) | (np.abs(space.high) >= greatest)
    if unbounded.any():
        dimensions = np.flatnonzero(unbounded).tolist()
        raise UnsupportedActionSpace(
            f"The action space {space} has no finite bounds in dimension(s) {dimensions} (of the flattened action). "
            "Bins need a least and a greatest value: give the environment a Box with bounds, for example by wrapping "
            "it in gymnasium.wrappers.TransformAction(env, lambda action: action, gymnasium.spaces.Box(-1.0, 1.0, "
            f"{space.shape})); gymnasium.wrappers.RescaleAction then stretches such a Box to other finite bounds."
        )
