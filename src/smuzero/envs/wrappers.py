"""What is done to environments of every kind: actions repeated, episodes cut, observations stacked, NaN refused."""

import functools
import math
from typing import Any

import numpy as np
from jaxtyping import Num

from smuzero.actions.masks import allows
from smuzero.actions.spaces import ActionSpace, from_gymnasium
from smuzero.envs.base import Env, EnvStep, InvalidEnvironmentOutput, Wrapper
from smuzero.types import UserError


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
        # Between two observations a stack moves on by more than one.
        self.spec = env.spec._replace(stack=1) if repeat > 1 else env.spec

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


class CutShort(Wrapper):
    """Ends an episode after so many frames, as a time limit does: the discount stays.

    Whoever meets many starts in place of few long episodes soon sees what can be
    reached from near by, where starts differ.
    """

    def __init__(self, env: Env, after: int):
        super().__init__(env)
        self._after, self._frames = after, 0

    def reset(self) -> Num[np.ndarray, "..."]:
        self._frames = 0
        return super().reset()

    def step(self, action: Any) -> EnvStep:
        step = super().step(action)
        self._frames += step.frames
        return step._replace(is_last=step.is_last or self._frames >= self._after)

    def state(self) -> dict[str, Any]:
        return {"env": self.env.state(), "frames": self._frames}

    def restore(self, state: dict[str, Any]) -> bool:
        self._frames = int(state["frames"])
        return super().restore(state["env"])


class Stack(Wrapper):
    """Shows the last S observations at once, oldest first, joined along the last axis.

    A vector `[D]` becomes `[S·D]`, a frame `[H, W, C]` becomes `[H, W, S·C]`. At an
    episode's start its first observation stands in for those before it.
    `spec.stack` says S, so that a replay can keep every single observation once.
    """

    def __init__(self, env: Env, stack: int):
        super().__init__(env)
        if stack < 1:
            raise UserError(f"{env.spec.name}: stack is {stack}, but at least 1 observation is shown.")
        *rows, channels = env.spec.observation_shape
        self.spec = env.spec._replace(observation_shape=(*rows, stack * channels), stack=stack * env.spec.stack)
        self._channels = channels
        self._latest = np.zeros(self.spec.observation_shape, self.spec.observation_dtype)

    def reset(self) -> Num[np.ndarray, "..."]:
        first = super().reset()
        self._latest = np.concatenate([first] * (self._latest.shape[-1] // self._channels), axis=-1)
        return self._latest

    def step(self, action: Any) -> EnvStep:
        step = super().step(action)
        self._latest = np.concatenate([self._latest[..., self._channels :], step.observation], axis=-1)
        return step._replace(observation=self._latest)

    def state(self) -> dict[str, Any]:
        return {"env": self.env.state(), "latest": self._latest.copy()}

    def restore(self, state: dict[str, Any]) -> bool:
        self._latest = np.array(state["latest"], self.spec.observation_dtype)
        return super().restore(state["env"])


def stacked(env: Env, stack: int) -> Env:
    """The environment, with its last `stack` observations shown at once."""
    return env if stack == 1 else Stack(env, stack)


class CheckFinite(Wrapper):
    """Raises InvalidEnvironmentOutput as soon as an observation or reward is NaN or infinite.

    Learning from one such number silently ruins every weight of a network, so
    it is caught where it arises.
    """

    def __init__(self, env: Env):
        super().__init__(env)
        self._episode_steps = 0
        self._looks = np.issubdtype(env.spec.observation_dtype, np.inexact)
        if env.always_finite:
            self.step = env.step  # not even passed on: this call would take 3 % of a small environment's step

    def reset(self):
        observation = super().reset()
        self._episode_steps = 0
        if self._looks and not _is_finite(observation):
            raise self._error("first observation", observation, action=None)
        return observation

    def step(self, action: Any) -> EnvStep:
        step = self.env.step(action)
        self.legal = step.legal
        self._episode_steps += 1
        if not math.isfinite(step.reward):
            raise self._error("reward", step.reward, action)
        if self._looks and not _is_finite(step.observation):
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


def _is_finite(observation: Num[np.ndarray, "..."]) -> bool:
    # A sum of squares shows every NaN and infinity at a quarter of the cost; too large a number shows there too.
    return math.isfinite(np.vdot(observation, observation)) or bool(np.isfinite(observation).all())
