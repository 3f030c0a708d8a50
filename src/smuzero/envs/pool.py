"""Many environments stepped together, in this process or spread over worker processes.

Each environment has its own seed, made from the pool's and from its own place in
the pool, so the stream of steps is the same however many workers share the work.
Where an episode ends, its environment is reset at once: the step holds both the
final observation and the first one of the next episode.

One worker per core pays for heavy models; small ones step fastest in this process.
"""

import abc
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Num

from smuzero.envs.base import Env, EnvStep
from smuzero.envs.registry import EnvFactory, make
from smuzero.envs.wrappers import CutShort
from smuzero.types import EnvSpec, Step


class Cut(NamedTuple):
    """Which environments of a pool end their episodes early, and when."""

    after: int
    """Frames."""
    count: int
    """So many environments, the first ones."""


class Pool(abc.ABC):
    """E environments that answer together. `reset` or `restore` first, then `step`.

    The arrays it hands out are new at every step; do not write into them.
    """

    spec: EnvSpec
    num_envs: int
    observation: Num[np.ndarray, "E ..."]
    """To act on next."""
    legal: Bool[np.ndarray, "E N"] | None
    """Legal choices at `observation`; None where all are legal."""

    @abc.abstractmethod
    def reset(self) -> tuple[Num[np.ndarray, "E ..."], Bool[np.ndarray, "E N"] | None]:
        """Starts a new episode everywhere: the first observations, and what is legal there."""

    @abc.abstractmethod
    def step(self, actions: Num[np.ndarray, "E ..."] | list[Any]) -> Step:
        """Answers one action of the environments' own space for each environment."""

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """All that decides what the environments do next: a nested dict of arrays and JSON scalars."""

    @abc.abstractmethod
    def restore(self, state: dict[str, Any]) -> Bool[np.ndarray, " E"]:
        """Takes a state back, and says for each environment whether its episode goes on.

        Where it does not (Gymnasium gives no state), a new episode has been started,
        and what was recorded of the old one is to be treated as cut off there.
        Either way `observation` and `legal` are what to act on next. The number of
        workers may differ from that of the pool the state was taken from.
        """

    @abc.abstractmethod
    def close(self):
        """Ends the environments, and the worker processes if there are any."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def make_pool(
    env_id: str | EnvFactory,
    num_envs: int,
    seed: int,
    action_repeat: int = 1,
    num_workers: int = 0,
    cut: Cut | None = None,
) -> Pool:
    """Makes a pool of `num_envs` environments, as `smuzero.envs.make` makes each; `cut` ends some episodes early.

    With `num_workers` 0 they live in this process, otherwise in that many worker
    processes (never more than there are environments). Raises what `make` raises.
    """
    if num_envs < 1 or num_workers < 0:
        raise ValueError(f"num_envs is {num_envs} and num_workers {num_workers}: at least 1 and 0 are needed.")
    if num_workers == 0:
        return LocalPool(env_id, range(num_envs), seed, action_repeat, cut)
    from smuzero.envs.workers import WorkerPool

    return WorkerPool(env_id, num_envs, seed, action_repeat, min(num_workers, num_envs), cut)


class LocalPool(Pool):
    """The environments at the given places of a pool, in this process."""

    def __init__(
        self, env_id: str | EnvFactory, places: range, seed: int, action_repeat: int = 1, cut: Cut | None = None
    ):
        self._envs: list[Env] = []
        try:
            for place in places:
                env = make(env_id, seed=place_seed(seed, place), action_repeat=action_repeat)
                self._envs.append(env if cut is None or place >= cut.count else CutShort(env, cut.after))
        except BaseException:
            self.close()
            raise
        self.spec = self._envs[0].spec
        self.num_envs = len(self._envs)
        shape = (self.num_envs, *self.spec.observation_shape)
        self.observation = np.zeros(shape, self.spec.observation_dtype)
        self.legal = None

    def reset(self):
        self.observation = np.stack([env.reset() for env in self._envs])
        self.legal = self._stack_legal()
        return self.observation, self.legal

    def step(self, actions: Num[np.ndarray, "E ..."] | list[Any]) -> Step:
        if len(actions) != self.num_envs:
            raise ValueError(f"A pool of {self.num_envs} environments was given {len(actions)} actions.")
        steps = [env.step(action) for env, action in zip(self._envs, actions, strict=True)]
        following = np.stack([step.observation for step in steps])
        self.observation = self._reset_ended(steps, following)
        self.legal = self._stack_legal()
        return Step(
            next_observation=following,
            reward=np.array([step.reward for step in steps], np.float32),
            discount=np.array([step.discount for step in steps], np.float32),
            is_last=np.array([step.is_last for step in steps], np.bool_),
            frames=np.array([step.frames for step in steps], np.int64),
            observation=self.observation,
            legal=self.legal,
        )

    def state(self) -> dict[str, Any]:
        envs = {str(index): env.state() for index, env in enumerate(self._envs)}
        return {"envs": envs, "observation": self.observation.copy()}

    def restore(self, state: dict[str, Any]) -> Bool[np.ndarray, " E"]:
        check_size(state, self.num_envs)
        goes_on = np.array([env.restore(state["envs"][str(index)]) for index, env in enumerate(self._envs)])
        self.observation = np.array(state["observation"], self.spec.observation_dtype)
        for index in np.flatnonzero(~goes_on):
            self.observation[index] = self._envs[index].reset()
        self.legal = self._stack_legal()
        return goes_on

    def close(self):
        for env in self._envs:
            env.close()

    def _reset_ended(self, steps: list[EnvStep], following: Num[np.ndarray, "E ..."]) -> Num[np.ndarray, "E ..."]:
        ended = [index for index, step in enumerate(steps) if step.is_last]
        if not ended:
            return following
        observation = following.copy()
        for index in ended:
            observation[index] = self._envs[index].reset()
        return observation

    def _stack_legal(self) -> Bool[np.ndarray, "E N"] | None:
        masks = [env.legal for env in self._envs]
        length = next((len(mask) for mask in masks if mask is not None), None)
        if length is None:
            return None
        return np.stack([np.ones(length, np.bool_) if mask is None else mask for mask in masks])


def place_seed(seed: int, place: int) -> int:
    """The seed of the environment at one place of a pool; places far apart share no randomness."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def check_size(state: dict[str, Any], num_envs: int):
    """Raises ValueError unless the state is that of a pool of this size."""
    if len(state["envs"]) != num_envs:
        raise ValueError(f"The state of {len(state['envs'])} environments does not fit a pool of {num_envs}.")
