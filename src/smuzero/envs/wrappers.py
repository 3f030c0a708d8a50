"""What is done to every environment alike: repeating actions, and refusing numbers that are none."""

import functools
import math
from typing import Any

import numpy as np

from smuzero.actions.masks import allows
from smuzero.actions.spaces import ActionSpace, from_gymnasium
from smuzero.envs.base import Env, EnvStep, InvalidEnvironmentOutput, Wrapper


class ActionRepeat(Wrapper):
    """Gives every action several times, and answers with the sum of the rewards.

    Stops early where the episode ends. Where an environment has legal moves, it
    also stops as soon as the action is not legal any more.
    """

    def __init__(self, env: Env, repeat: int):
        super().__init__(env)
        if repeat < 1:
            raise ValueError(f"action_repeat is {repeat}, but every action is given at least once.")
        self.repeat = repeat

    def step(self, action: Any) -> EnvStep:
        reward, frames = 0.0, 0
        for _ in range(self.repeat):
            step = self.env.step(action)
            reward += step.reward
            frames += step.frames
            if step.is_last or not self._is_legal(action, step):
                break
        self.legal = step.legal  # pyright: ignore[reportPossiblyUnboundVariable]
        return step._replace(reward=reward, frames=frames)  # pyright: ignore[reportPossiblyUnboundVariable]

    def _is_legal(self, action: Any, step: EnvStep) -> bool:
        if step.legal is None:
            return True
        return allows(self._space, self._space.encode(action), step.legal)

    @functools.cached_property
    def _space(self) -> ActionSpace:
        return from_gymnasium(self.spec.action_space)


class CheckFinite(Wrapper):
    """Raises InvalidEnvironmentOutput as soon as an observation or reward is NaN or infinite.

    Learning from one such number silently ruins every weight of a network, so
    it is caught where it arises.
    """

    def __init__(self, env: Env):
        super().__init__(env)
        self._episode_steps = 0

    def reset(self):
        observation = super().reset()
        self._episode_steps = 0
        if not np.isfinite(observation).all():
            raise self._error("first observation", observation, action=None)
        return observation

    def step(self, action: Any) -> EnvStep:
        step = super().step(action)
        self._episode_steps += 1
        if not math.isfinite(step.reward):
            raise self._error("reward", step.reward, action)
        if not np.isfinite(step.observation).all():
            raise self._error("observation", step.observation, action)
        return step

    def state(self) -> dict[str, Any]:
        return {"env": self.env.state(), "episode_steps": self._episode_steps}

    def restore(self, state: dict[str, Any]) -> bool:
        self._episode_steps = int(state["episode_steps"])
        return super().restore(state["env"])

    def _error(self, what: str, value: Any, action: Any) -> InvalidEnvironmentOutput:
        array = np.atleast_1d(value)
        where = np.flatnonzero(~np.isfinite(array))
        entries = ", ".join(f"[{index}] = {array.flat[index]}" for index in where[:5])
        message = (
            f"The environment {self.spec.name!r} gave a {what} that is not finite at step {self._episode_steps} of "
            f"its episode: {entries}"
        )
        message += f" ({len(where)} of {array.size} entries)." if array.size > 1 else "."
        if isinstance(action, tuple | dict):
            message += f" The action was {action}."
        elif action is not None:
            message += f" The action was {np.array2string(np.asarray(action), threshold=20)}."
        return InvalidEnvironmentOutput(message + " Learning needs finite numbers: mend the environment.")
