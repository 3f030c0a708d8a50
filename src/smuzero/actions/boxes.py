"""Bounded boxes of numbers: cut into bins, or continuous.

A bounded continuous space is cut into M evenly spaced bins per dimension, both
bounds among them (Tang & Agrawal 2020, "Discretizing continuous action space for
on-policy optimization"; Section 6.3 and Appendix A use M = 7), so that it becomes
A choices among M. Left continuous, for a Gaussian policy (Appendix A.1), its
action vector runs from -1 at the lower bounds to 1 at the upper ones.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int32, Num


@dataclasses.dataclass(frozen=True)
class _Box:
    """What both kinds know of the environment's own actions."""

    low: tuple[float, ...]
    """Least value of each of the A dimensions."""
    high: tuple[float, ...]
    """Greatest value of each of the A dimensions."""
    shape: tuple[int, ...]
    """Shape of the environment's own action; A is its number of entries."""
    dtype: np.dtype = np.dtype(np.float32)  # noqa: RUF009 - immutable
    """Type of the environment's own action: a float, or for bins an integer, to which values are then rounded."""

    @property
    def size(self) -> int:
        """Length A of the action vector."""
        return math.prod(self.shape)

    @property
    def is_ordered(self) -> bool:
        """Its values, or bins of them, are those of one quantity, not names."""
        return True


@dataclasses.dataclass(frozen=True)
class BinnedBox(_Box):
    """A bounded space of numbers, cut into evenly spaced bins per dimension."""

    bins: int = 7
    """Choices per dimension (M), evenly spaced from `low` to `high`, both included. Appendix A uses 7."""

    def __post_init__(self):
        if self.bins < 2:
            raise ValueError(f"bins is {self.bins}, but both bounds are bins, so at least 2 are needed (paper: 7).")
        _check_box(self.low, self.high, self.shape, self.dtype, "fiu")

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
        return cls(*_flat_bounds(low, high, shape), shape, np.dtype(dtype), bins)

    @property
    def num_choices(self) -> int:
        """Choices of each of the A components (M)."""
        return self.bins

    @property
    def choices(self) -> tuple[int, ...]:
        """The same, once for each component."""
        return (self.bins,) * self.size

    @functools.cached_property
    def values(self) -> Float64[np.ndarray, "A M"]:
        """The value of every bin: value i of a dimension is low + i (high − low) / (M − 1)."""
        fraction = np.arange(self.bins) / (self.bins - 1)
        low, high = np.array(self.low)[:, None], np.array(self.high)[:, None]
        # Weighing the bounds keeps both exact, and cannot overflow where high − low would.
        # Rounding of the weighted sum may step an ulp over a bound; clipping takes it back.
        values = np.clip(low * (1 - fraction) + high * fraction, low, high)
        return values if self.dtype.kind == "f" else np.rint(values)

    def decode(self, action: Num[np.ndarray, "*batch A"]) -> Num[np.ndarray, "..."]:
        """The environment's own action, `[..., *shape]`, for each vector of bins."""
        action = np.asarray(action).astype(np.int64)
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


@dataclasses.dataclass(frozen=True)
class SquashedBox(_Box):
    """A bounded continuous space, left continuous: action vectors in [-1, 1], stretched to the bounds."""

    def __post_init__(self):
        _check_box(self.low, self.high, self.shape, self.dtype, "f")

    @classmethod
    def between(
        cls,
        low: float | Sequence[float] | np.ndarray,
        high: float | Sequence[float] | np.ndarray,
        shape: tuple[int, ...],
        dtype: type | np.dtype = np.float32,
    ) -> "SquashedBox":
        """The space between bounds given as numbers or arrays, which are broadcast to `shape`."""
        return cls(*_flat_bounds(low, high, shape), shape, np.dtype(dtype))

    @property
    def choices(self) -> tuple[int, ...]:
        """None: no component is a choice."""
        return ()

    @property
    def log_volume(self) -> float:
        """Σ log((high − low) / 2): a log-density of action vectors minus this is one of the environment's actions."""
        return float(np.sum(np.log((np.array(self.high) - np.array(self.low)) / 2)))

    def decode(self, action: Num[np.ndarray, "*batch A"]) -> Num[np.ndarray, "..."]:
        """The environment's own action, `[..., *shape]`, for each action vector."""
        fraction = (np.asarray(action, np.float64) + 1) / 2
        low, high = np.array(self.low), np.array(self.high)
        # As for bins: weighing keeps both bounds exact and cannot overflow; clipping takes back a rounding step.
        values = np.clip(low * (1 - fraction) + high * fraction, low, high)
        return values.astype(self.dtype).reshape(values.shape[:-1] + self.shape)

    def encode(self, env_action: Any) -> Float32[np.ndarray, "*batch A"]:
        """The action vector of each of the environment's own actions; beyond a bound, that of the bound.

        Raises ValueError for NaN.
        """
        given = np.asarray(env_action, np.float64)
        if np.isnan(given).any():
            raise ValueError(f"An action holds NaN, which lies nowhere between the bounds: {env_action}.")
        batch = given.shape[: given.ndim - len(self.shape)]
        low, high = np.array(self.low), np.array(self.high)
        # Halves, since the difference of the bounds may overflow; a dimension without width has one value, called 0.
        half = high / 2 - low / 2
        offset = np.clip(given.reshape(*batch, self.size), low, high) / 2 - low / 2
        fraction = np.where(half > 0, offset / np.where(half > 0, half, 1.0), 0.5)
        return (2 * fraction - 1).astype(np.float32)


def _flat_bounds(low: Any, high: Any, shape: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    lows, highs = (np.broadcast_to(np.asarray(bound, np.float64), shape).ravel().tolist() for bound in (low, high))
    return tuple(lows), tuple(highs)


def _check_box(
    low: tuple[float, ...], high: tuple[float, ...], shape: tuple[int, ...], dtype: np.dtype, kinds: str
) -> None:
    size = math.prod(shape)
    if size < 1:
        raise ValueError(f"The shape {shape} holds no action dimension, but at least 1 is needed.")
    if dtype.kind not in kinds:
        raise ValueError(f"dtype is {dtype}, but {'numbers' if 'i' in kinds else 'a continuous space'} need another.")
    if not len(low) == len(high) == size:
        raise ValueError(f"low has {len(low)} entries and high {len(high)}, not A = {size} each.")
    if not all(-math.inf < least <= most < math.inf for least, most in zip(low, high, strict=True)):
        raise ValueError(f"A box needs finite bounds with low <= high, but low is {low} and high {high}.")
