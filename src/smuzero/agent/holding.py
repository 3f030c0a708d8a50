"""Exploration that lasts: now and then an action is held for a while (εz-greedy, Dabney et al. 2021).

Actions drawn anew at every step cancel each other out: a pendulum that is pushed
at random stays where it is. With some probability a decision is therefore kept
for n steps, n drawn from the zeta distribution P(n) ∝ n⁻², so that most holds are
short and a few are long. Not the paper's.

Departure from Dabney et al.: what is held is the action that the search chose, not
one drawn uniformly, so that holding explores less as the policy becomes sure.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Num

from smuzero.types import UserError

EXPONENT = 2.0
"""Of the zeta distribution (the μ of Dabney et al.)."""


class Holding:
    """Which of E environments hold which action, and for how long; draws from a generator of its own."""

    def __init__(self, num_envs: int, probability: float, longest: int, seed: int):
        """`probability` is that of a decision to be held, `longest` the most steps that it then lasts."""
        self._probability, self._longest = probability, longest
        self._generator = np.random.default_rng([seed, 1])
        self._left = np.zeros(num_envs, np.int64)
        self._action: Num[np.ndarray, "E A"] | None = None

    def choose(self, decided: Num[np.ndarray, "E A"]) -> Num[np.ndarray, "E A"]:
        """What is to be done: the action that is held, or else what was decided, which may be held from now on."""
        is_held = self._left > 0
        action = decided if self._action is None else np.where(is_held[:, None], self._action, decided)
        starts = self._generator.random(len(is_held)) < self._probability
        # All numbers are drawn whatever comes of them, so that one environment's luck is not another's.
        length = np.minimum(self._generator.zipf(EXPONENT, len(is_held)), self._longest)
        self._left = np.where(is_held, self._left - 1, np.where(starts, length - 1, 0))
        self._action = action
        return action

    def end(self, is_last: Bool[np.ndarray, " E"]) -> None:
        """Let go where an episode ended."""
        self._left = np.where(is_last, 0, self._left)

    def state(self) -> dict[str, Any]:
        action = {} if self._action is None else {"action": self._action.copy()}
        return {"generator": self._generator.bit_generator.state, "left": self._left.copy(), **action}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state back."""
        self._generator.bit_generator.state = state["generator"]
        self._left, self._action = state["left"].copy(), state.get("action")


def check_holds(holding: Holding | None, legal: Any) -> None:
    """Raises UserError where an environment says what is legal: an action that is held might not stay so."""
    if holding is not None and legal is not None:
        raise UserError(
            "acting.hold_probability is above 0, but this environment says which actions are legal, and one that is "
            "held may not stay so: set it to 0."
        )
