"""What every environment is: flat observations, one action at a time, and a state it can give and take back.

An environment knows nothing of agents. It accepts actions of its own Gymnasium
space, and answers with the meaning of time that `smuzero.types` fixes: a
discount of 0 is a true termination, a time limit keeps its discount of 1.
"""

import abc
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Num

from smuzero.types import EnvSpec, UserError


class UnknownEnvironment(UserError):
    """No environment has this id."""


class UnsupportedObservationSpace(UserError):
    """The environment's observations cannot be turned into one flat vector."""


class InvalidEnvironmentOutput(UserError):
    """An environment answered with something no agent can learn from, such as NaN."""


class MissingExtra(UserError):
    """An optional package is needed; the message names the extra that installs it."""


class Listed(NamedTuple):
    """One environment of a family, as `smuzero envs` shows it."""

    id: str
    tags: tuple[str, ...] = ()
    """The sets it belongs to, such as `hard`."""


class EnvStep(NamedTuple):
    """What one environment answered to one action."""

    observation: Num[np.ndarray, "..."]
    """What followed the action; at an episode's end its final observation."""
    reward: float
    discount: float
    """0 after a true termination, else 1, also at a time limit."""
    is_last: bool
    """The episode ended with this step."""
    frames: int
    """Environment frames this step took, action repeat counted."""
    legal: Bool[np.ndarray, " N"] | None
    """Legal choices at `observation`; None where all are legal."""


class Env(abc.ABC):
    """One environment. `reset` first; then `step` until `is_last`; then `reset` again.

    A state is a nested dict of NumPy arrays and JSON scalars. It belongs to an
    environment made with the same arguments.
    """

    spec: EnvSpec
    legal: Bool[np.ndarray, " N"] | None = None
    """Legal choices at the latest observation, one entry for each choice that a mask can forbid; None where all are."""
    always_finite: bool = False
    """Whether observations and rewards cannot be NaN or infinite, so that nobody need look; only where all is legal."""

    @abc.abstractmethod
    def reset(self) -> Num[np.ndarray, "..."]:
        """Starts the next episode and returns its first observation."""

    @abc.abstractmethod
    def step(self, action: Any) -> EnvStep:
        """Answers one action of `spec.action_space`."""

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """All that decides what this environment does next, to be given to `restore`."""

    @abc.abstractmethod
    def restore(self, state: dict[str, Any]) -> bool:
        """Takes a state back, and says whether the episode goes on where it was.

        If true, the following steps equal, bit for bit, those that would have
        followed `state()`. If false, this environment cannot be put back into the
        middle of an episode: call `reset`, which starts the next one.
        """

    @abc.abstractmethod
    def close(self):
        """Frees what the environment holds. It cannot be used afterwards."""


class Wrapper(Env):
    """An environment around another one; passes on whatever it does not change."""

    def __init__(self, env: Env):
        self.env = env
        self.spec = env.spec
        self.always_finite = env.always_finite

    def reset(self):
        observation = self.env.reset()
        self.legal = self.env.legal
        return observation

    def step(self, action: Any) -> EnvStep:
        step = self.env.step(action)
        self.legal = step.legal
        return step

    def state(self) -> dict[str, Any]:
        return self.env.state()

    def restore(self, state: dict[str, Any]) -> bool:
        goes_on = self.env.restore(state)
        self.legal = self.env.legal
        return goes_on

    def close(self):
        self.env.close()
