"""Any Gymnasium environment: `gym:ID`, or one that a factory of the user's makes.

Observations become one flat float32 vector: a Box is flattened, a Discrete one
one-hot. `terminated` is a discount of 0, `truncated` a discount of 1. Which actions
are legal, `info["action_mask"]` says, in the form of Gymnasium's own
`space.sample(mask)`: an array for a Discrete space, a tuple or dict of masks for
a Tuple or Dict (`smuzero.actions.masks` has all forms).

Gymnasium environments give no state. Every episode therefore takes its seed from
the environment's seed and the number of the episode: `restore` cannot go on in
the middle of an episode, but the episodes after it are the ones that would have
followed, first observation for first observation.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Bool, Float32

from smuzero.actions.masks import flat_mask
from smuzero.actions.spaces import ActionSpace, from_gymnasium
from smuzero.envs.base import (
    Env,
    EnvStep,
    InvalidEnvironmentOutput,
    Listed,
    UnknownEnvironment,
    UnsupportedObservationSpace,
)
from smuzero.envs.registry import EnvFactory, near_names
from smuzero.types import EnvSpec, UserError


def make_gym(name: str, seed: int) -> Env:
    """Makes the registered Gymnasium environment `name`, such as `CartPole-v1`.

    Raises UnknownEnvironment, naming near ids, and UserError where the
    environment is known but cannot be made, with Gymnasium's own reason.
    """
    try:
        env = gymnasium.make(name, disable_env_checker=True)
    except (gymnasium.error.UnregisteredEnv, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and ":" not in name:
            raise UserError(f"gym:{name} needs a package that is not installed: {error}") from error
        raise UnknownEnvironment(
            f"Gymnasium knows no environment {name!r}.{near_names(name, gymnasium.registry)} ({error}) "
            "If a package of yours registers it, name its module too: gym:my_package:MyEnv-v0."
        ) from error
    except gymnasium.error.Error as error:
        raise UserError(f"gym:{name} cannot be made: {error}") from error
    return GymEnv(env, f"gym:{name}", seed)


def list_gym() -> list[Listed]:
    """All environments that are registered; packages register more as they are imported."""
    return [Listed(f"gym:{name}") for name in sorted(gymnasium.registry)]


def from_factory(factory: EnvFactory, seed: int) -> Env:
    """Makes the Gymnasium environment that `factory` returns."""
    env = factory()
    if not isinstance(env, gymnasium.Env):
        raise UserError(
            f"The environment factory {factory!r} returned {type(env).__name__}, but it must return a gymnasium.Env."
        )
    return GymEnv(env, env.spec.id if env.spec else type(env.unwrapped).__name__, seed)


class GymEnv(Env):
    """One Gymnasium environment."""

    def __init__(self, env: gymnasium.Env[Any, Any], name: str, seed: int):
        length, self._flatten = _flat(env.observation_space, name)
        self.spec = EnvSpec(name, (length,), np.dtype(np.float32), env.action_space)
        self._env = env
        self._seed = seed
        self._episode = 0

    def reset(self) -> Float32[np.ndarray, " D"]:
        entropy = np.random.SeedSequence([self._seed, self._episode]).generate_state(1)[0]
        # Gymnasium takes seeds as Python integers, and some environments want them below 2³¹.
        observation, info = self._env.reset(seed=int(entropy) % 2**31)
        self._episode += 1
        self.legal = self._legal(info, is_last=False)
        return self._observation(observation)

    def step(self, action: Any) -> EnvStep:
        observation, reward, terminated, truncated, info = self._env.step(action)
        is_last = bool(terminated or truncated)
        self.legal = self._legal(info, is_last)
        discount = 0.0 if terminated else 1.0
        return EnvStep(self._observation(observation), float(reward), discount, is_last, 1, self.legal)

    def state(self) -> dict[str, Any]:
        """The number of episodes begun, and nothing of the current one: Gymnasium gives no state."""
        return {"seed": self._seed, "episode": self._episode}

    def restore(self, state: dict[str, Any]) -> bool:
        """Makes `reset` start the episode after the one that was current. Always false."""
        self._seed = int(state["seed"])
        self._episode = int(state["episode"])
        self.legal = None
        return False

    def close(self):
        self._env.close()

    def _observation(self, observation: Any) -> Float32[np.ndarray, " D"]:
        flat = self._flatten(observation)
        if flat.shape != self.spec.observation_shape:
            raise InvalidEnvironmentOutput(
                f"The environment {self.spec.name!r} gave an observation of {flat.size} numbers, but its observation "
                f"space {self._env.observation_space} has {self.spec.observation_shape[0]}."
            )
        return flat

    @functools.cached_property
    def _space(self) -> ActionSpace:
        return from_gymnasium(self.spec.action_space)

    def _legal(self, info: dict[str, Any], is_last: bool) -> Bool[np.ndarray, " N"] | None:
        mask = info.get("action_mask")
        # After the last step nothing is done, and a mask may well allow nothing.
        if mask is None or is_last:
            return None
        try:
            return flat_mask(self._space, mask)
        except ValueError as error:
            raise InvalidEnvironmentOutput(
                f'The environment {self.spec.name!r} gave an info["action_mask"] that does not fit its action space '
                f"{self.spec.action_space}. {error}"
            ) from error


def _flat(space: gymnasium.Space[Any], name: str) -> tuple[int, Callable[[Any], Float32[np.ndarray, " D"]]]:
    """The number of entries D of a flat observation, and the function that makes one."""
    if isinstance(space, gymnasium.spaces.Box):
        return math.prod(space.shape), _flatten_box
    if isinstance(space, gymnasium.spaces.Discrete):
        identity, start = np.eye(int(space.n), dtype=np.float32), int(space.start)
        return int(space.n), lambda observation: identity[int(observation) - start].copy()
    raise UnsupportedObservationSpace(
        f"The observations of {name!r} are {space}. Supported are Box and Discrete: wrap the environment in "
        "gymnasium.wrappers.FlattenObservation, and pass a function that makes the wrapped environment."
    )


def _flatten_box(observation: Any) -> Float32[np.ndarray, " D"]:
    # Always a copy: many environments write each observation into the same array.
    return np.array(observation, dtype=np.float32).reshape(-1)
