"""Spaces of choices: one choice among n, or a vector of them.

An action vector holds the number of each choice, counted from 0.
"""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from jaxtyping import Int, Int32, Num


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
        """Choices of the one component."""
        return self.n

    @property
    def choices(self) -> tuple[int, ...]:
        """Choices of each of the A components."""
        return (self.n,)

    @property
    def is_ordered(self) -> bool:
        """Whether choices are values of one quantity, not names."""
        return False

    def decode(self, action: Num[np.ndarray, "*batch 1"]) -> Int[np.ndarray, "*batch"] | np.integer:
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
class MultiDiscrete:
    """An array of choices, each among its own number: MultiDiscrete, MultiBinary, and a Box of few integers."""

    nvec: tuple[int, ...]
    """Choices of each of the A entries, flattened."""
    start: tuple[int, ...]
    """The environment's number for choice 0 of each entry."""
    shape: tuple[int, ...]
    """Shape of the environment's own action."""
    dtype: np.dtype = np.dtype(np.int64)  # noqa: RUF009 - immutable
    """Type of the environment's own action: an integer."""
    is_ordered: bool = False
    """Choices are values of one quantity, not names: a Box of integers."""
    is_binary: bool = False
    """The space is MultiBinary, whose masks have a form of their own."""

    def __post_init__(self):
        if not len(self.nvec) == len(self.start) == math.prod(self.shape) >= 1:
            raise ValueError(
                f"nvec has {len(self.nvec)} entries, start {len(self.start)} and shape {self.shape} "
                f"{math.prod(self.shape)}, but they need the same number, at least 1."
            )
        if min(self.nvec) < 1:
            raise ValueError(f"nvec is {self.nvec}, but every entry needs at least 1 choice.")

    @property
    def size(self) -> int:
        """Length A of the action vector."""
        return len(self.nvec)

    @property
    def choices(self) -> tuple[int, ...]:
        """Choices of each of the A components."""
        return self.nvec

    @functools.cached_property
    def _start(self) -> Int[np.ndarray, " A"]:
        return np.array(self.start, np.int64)

    def decode(self, action: Num[np.ndarray, "*batch A"]) -> Int[np.ndarray, "..."]:
        """The environment's own action, `[..., *shape]`, for each action vector."""
        choice = np.asarray(action).astype(np.int64) + self._start
        return choice.astype(self.dtype).reshape(choice.shape[:-1] + self.shape)

    def encode(self, env_action: Any) -> Int32[np.ndarray, "*batch A"]:
        """The action vector of each of the environment's own actions.

        Raises ValueError for an action outside the space.
        """
        given = np.asarray(env_action, np.int64)
        batch = given.shape[: given.ndim - len(self.shape)]
        choice = given.reshape(*batch, self.size) - self._start
        if np.any((choice < 0) | (choice >= np.array(self.nvec))):
            raise ValueError(
                f"The action {env_action} is outside this space: its entries have {self.nvec} values, from {self.start}"
                " on."
            )
        return choice.astype(np.int32)
