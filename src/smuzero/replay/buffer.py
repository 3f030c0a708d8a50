"""Prioritised replay of the most recent sequences (Appendix A; Schaul et al., 2016).

Episodes come as sequences of at most L steps and are kept whole, in a ring of S
slots: the newest takes the place of the oldest. What is drawn is a single step, in
proportion to its priority, together with the steps that follow it:

    P(i) = p_i^α / Σ_j p_j^α,      w_i = (1 / (n · P(i)))^β

over the n steps stored. With α = β = 1 the drawn batch is corrected in full for
not being uniform. The weights are MuZero's: Schaul et al. divide them by the
batch's largest, by which one step of small error silences the rest of its batch.
This package needs NumPy only.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from smuzero.replay import stored as storage
from smuzero.replay import windows
from smuzero.replay.sum_tree import SumTree
from smuzero.types import Sequence, Windows, check_at_least


@dataclasses.dataclass(frozen=True)
class ReplaySettings:
    """What is kept and how it is drawn; the defaults are those of Appendix A, the exponents MuZero's."""

    max_sequences: int = 2000
    """Most recent sequences that are kept."""
    max_length: int = 500
    """Steps in the longest sequence; longer episodes are cut into several."""
    priority_exponent: float = 1.0
    """How far priorities decide what is drawn (α): 0 draws uniformly, 1 in proportion."""
    importance_exponent: float = 1.0
    """How far the weights make up for it (β): 0 not at all, 1 in full."""
    # Paper: silent on steps whose error is 0, which Schaul et al. keep drawable by a small constant. Here: one that
    # also bounds the weights, which without it are the inverse of an error that comes arbitrarily close to 0.
    priority_offset: float = 0.01
    """Added to every error handed in, in its own units, so that no step becomes undrawable; above 0."""

    def __post_init__(self):
        check_at_least(self, max_sequences=1, max_length=1)
        for name in ("priority_exponent", "importance_exponent"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least 0. The paper uses 1.")
        if not 0 < self.priority_offset < math.inf:
            raise ValueError(f"priority_offset is {self.priority_offset}, but it must be above 0, such as 0.01.")


class Buffer:
    """The replay: add sequences, sample windows, hand back priorities.

    Memory for the rows is reserved when the first sequence is added, which also
    decides the shapes. `len()` is the number of steps stored.
    """

    def __init__(self, settings: ReplaySettings, seed: int, stack: int = 1):
        """`stack` is the environment's: of so many things that an observation shows, each is stored once."""
        self.settings, self._stack = settings, stack
        self._generator = np.random.default_rng(seed)
        self._clear()

    def _clear(self) -> None:
        num_slots = self.settings.max_sequences
        self._stored: Sequence | None = None
        self._tree = SumTree(num_slots * self.settings.max_length)
        self._length = np.zeros(num_slots, np.int64)
        # How many sequences a slot has held: a handle from before an eviction is told by it.
        self._generation = np.zeros(num_slots, np.int64)
        self._next_slot = 0
        self._highest_priority = 1.0

    def __len__(self) -> int:
        return int(self._length.sum())

    @property
    def num_sequences(self) -> int:
        """Sequences stored; they fill the slots from 0 on."""
        return int(np.count_nonzero(self._length))

    def add(self, sequence: Sequence) -> None:
        """Store a sequence in place of the oldest, each step at the highest priority so far.

        Raises ValueError for a sequence longer than `max_length`, or with other
        shapes than the first one added.
        """
        settings = self.settings
        sequence = storage.checked(sequence, settings.max_length, self._stored, self._stack)
        if self._stored is None:
            self._stored = storage.allocate(sequence, settings.max_sequences, settings.max_length, self._stack)
        slot, num_steps = self._next_slot, len(sequence.action)
        storage.write(self._stored, slot, sequence)
        self._length[slot] = num_steps
        self._generation[slot] += 1
        self._next_slot = (slot + 1) % settings.max_sequences
        step = np.arange(settings.max_length)
        mass = np.where(step < num_steps, self._highest_priority**settings.priority_exponent, 0.0)
        self._tree.set(slot * settings.max_length + step, mass)

    def sample(self, batch: int, unroll: int, n_step: int, history: int = 0) -> Windows:
        """Draw B windows for an unroll of U steps and n-step targets.

        `history` observations before them come along where a network's memory is stored.

        The draw is stratified, as by Schaul et al. (Appendix B.2.1): one step
        from each of B equal parts of the total, so a batch is ordered by slot.
        A step may be drawn twice. Raises ValueError if nothing is stored.
        """
        if batch < 1 or unroll < 0 or n_step < 1:
            raise ValueError(
                f"batch is {batch}, unroll {unroll} and n_step {n_step}, but at least 1, 0 and 1 are needed."
            )
        if self._stored is None:
            raise ValueError("The replay is empty, so there is nothing to sample: add a sequence first.")
        uniforms = (np.arange(batch) + self._generator.random(batch)) / batch
        leaf = self._tree.sample(uniforms)
        return windows.gather(
            self._stored,
            self._length,
            leaf,
            other_leaf=self._uniform_leaves((batch, unroll)),
            n_step=n_step,
            weight=self._importance_weights(leaf),
            history=history,
            index=self._generation[leaf // self.settings.max_length] * self._tree.num_leaves + leaf,
        )

    def update_priorities(self, index: Int[np.ndarray, " B"], priority: Float[np.ndarray, " B"]) -> None:
        """Give drawn steps new priorities; those evicted since are ignored.

        `index` is that of the sampled windows, kept on the host: it needs its 64
        bits. MuZero's priority is |root value - n-step return|, in units of value.
        Raises ValueError, and changes nothing, for a priority that is negative or
        not finite.
        """
        index, priority = np.asarray(index), np.asarray(priority, np.float64)
        if index.dtype != np.int64 or index.shape != priority.shape or index.ndim != 1:
            raise ValueError(
                f"index is {index.dtype}{list(index.shape)} and priority has shape {list(priority.shape)}, but int64 "
                "and two equal shapes [B] are needed: hand back windows.index as sampled (JAX would cut it to 32 bits)."
            )
        acceptable = np.isfinite(priority) & (priority >= 0)
        if not acceptable.all():
            raise ValueError(
                f"{np.count_nonzero(~acceptable)} of {len(priority)} priorities are not finite or negative, such as "
                f"{priority[~acceptable][0]}: priorities are finite and at least 0. If they come from a network, "
                "look for a loss that diverged."
            )
        generation, leaf = np.divmod(index, self._tree.num_leaves)
        slot, step = np.divmod(leaf, self.settings.max_length)
        is_stored = (generation == self._generation[slot]) & (step < self._length[slot])
        leaf, priority = leaf[is_stored], priority[is_stored] + self.settings.priority_offset
        self._tree.set(leaf, priority**self.settings.priority_exponent)
        self._highest_priority = float(priority.max(initial=self._highest_priority))

    def _importance_weights(self, leaf: Int64[np.ndarray, " B"]) -> Float32[np.ndarray, " B"]:
        """w_i = (1 / (n · P(i)))^β."""
        odds = self._tree.total / (len(self) * self._tree.get(leaf))
        return (odds**self.settings.importance_exponent).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Everything as a dict of arrays (copies) and JSON values; only filled slots are in it."""
        length = self._length[: self.num_sequences].copy()
        rows = {} if self._stored is None else storage.packed(self._stored, length)
        return {
            **rows,
            "length": length,
            "mass": self._tree.get(_leaves(length, self.settings.max_length)),
            "generation": self._generation[: len(length)].copy(),
            "settings": dataclasses.asdict(self.settings),
            "next_slot": self._next_slot,
            "highest_priority": self._highest_priority,
            "generator": self._generator.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave: the next samples are the same to the last bit.

        Raises ValueError if the state is of a replay with other settings.
        """
        settings = dataclasses.asdict(self.settings)
        if state["settings"] != settings:
            raise ValueError(
                f"The state is of a replay with {state['settings']}, but this one has {settings}: "
                "restore it with the settings it was made with."
            )
        self._clear()
        length = np.asarray(state["length"], np.int64)
        if len(length):
            nothing = np.zeros((length.sum(), 0), np.float32)  # before memories were stored there were none
            rows = {name: np.asarray(state.get(name, nothing)) for name in Sequence._fields}
            self._stored = storage.allocate(
                Sequence(**rows), self.settings.max_sequences, self.settings.max_length, self._stack
            )
            storage.unpack(self._stored, length, rows)
        self._length[: len(length)] = length
        self._generation[: len(length)] = state["generation"]
        self._tree.set(_leaves(length, self.settings.max_length), np.asarray(state["mass"]))
        self._next_slot = int(state["next_slot"])
        self._highest_priority = float(state["highest_priority"])
        self._generator.bit_generator.state = state["generator"]

    def _uniform_leaves(self, shape: tuple[int, ...]) -> Int64[np.ndarray, "..."]:
        """Leaves drawn uniformly from all stored steps."""
        ends = np.cumsum(self._length)
        nth = self._generator.integers(ends[-1], size=shape)
        slot = np.searchsorted(ends, nth, side="right")
        step = nth - (ends[slot] - self._length[slot])
        return slot * self.settings.max_length + step


def _leaves(length: Int[np.ndarray, " F"], max_length: int) -> Int64[np.ndarray, " n"]:
    """The leaves of all stored steps, in order."""
    return np.flatnonzero(np.arange(max_length) < length[:, None])
