"""The DeepMind Control Suite from its states: `dmc:domain.task`, such as `dmc:humanoid.run` (Section 6.3).

The observation is the suite's own dictionary, concatenated in its own order. The
action space is the suite's own box (not always [−1, 1]: the quadruped's reaches
1.1). An episode ends after 1000 steps by time limit, which keeps its discount of 1.
The suite's `lqr` has neither bounds nor a limit: here actions are within ±6, and its
episodes end as the others do.

A state goes on exactly, bit for bit, in a fresh environment: MuJoCo's integration
state (the solver's warm start among it), the task's random numbers and attributes,
and every part of the model that the task has changed, such as the place of a target.

Options: `stepping=fast` (the default) computes observation and reward by
`smuzero.envs.fast_control` where that knows the domain, `stepping=plain` leaves all
of it to dm_control; `stack=4` shows the last 4 observations at once.
"""

import contextlib
import functools
import logging
import math
import os
import types
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32

from smuzero.envs import task_sets
from smuzero.envs.base import Env, EnvStep, InvalidEnvironmentOutput, Listed, MissingExtra, UnknownEnvironment
from smuzero.envs.fast_control import Kernel, kernel_for
from smuzero.envs.options import one_of, split_options
from smuzero.envs.registry import near_names
from smuzero.envs.simulator_state import (
    SimulatorState,
    plain_attributes,
    random_state,
    set_plain_attribute,
    set_random_state,
)
from smuzero.envs.wrappers import stacked
from smuzero.types import EnvSpec

OPTIONS = {"stepping": "fast", "stack": 1}

UNBOUNDED = 1e10
"""What dm_control gives as the bound of an actuator that has none."""
BOUND = 6.0
"""In its place: the optimal controls of both `lqr` tasks reach 5.5 over 20 starts (`dm_control.suite.lqr_solver`)."""
STEPS = 1000
"""Of an episode of `lqr`, to which the suite gives no limit; as many as its other tasks have."""


def make_control(name: str, seed: int) -> Env:
    """Makes the suite's task `domain.task`.

    Raises UnknownEnvironment, naming near tasks, and MissingExtra without dm_control.
    """
    task, options = split_options("dmc", name, OPTIONS)
    stepping = one_of(f"dmc:{name}", "stepping", options["stepping"], ("fast", "plain"))
    domain = task.partition(".")[0] if stepping == "fast" else ""
    return stacked(wrap(load(task, seed), f"dmc:{name}", domain), options["stack"])


def wrap(env: Any, name: str, domain: str) -> "ControlEnv":
    """dm_control's environment as ours, called `name`; stepped fast where there is a kernel for its domain."""
    kernel = kernel_for(domain, env.physics, env.task)
    return FastControlEnv(env, name, kernel) if kernel else ControlEnv(env, name)


def list_control() -> list[Listed]:
    """All tasks of the suite, with the sets that each belongs to."""
    names = [".".join(names) for names in import_suite().ALL_TASKS]
    return [Listed(f"dmc:{name}", task_sets.tags(name)) for name in names]


@functools.cache
def frame_seconds(name: str) -> float:
    """The seconds that one frame of `domain.task` lasts; options of the name change nothing of it."""
    return float(load(split_options("dmc", name, OPTIONS)[0], 0).control_timestep())


def load(name: str, seed: int) -> Any:
    """dm_control's own environment for `domain.task`, its random numbers seeded."""
    suite = import_suite()
    domain, _, task = name.partition(".")
    if (domain, task) not in suite.ALL_TASKS:
        known = [f"{domain}.{task}" for domain, task in suite.ALL_TASKS]
        near = near_names(name, known)
        if domain in suite.TASKS_BY_DOMAIN:
            near += f" The tasks of {domain} are {', '.join(suite.TASKS_BY_DOMAIN[domain])}."
        else:
            near += f" The domains are {', '.join(suite.TASKS_BY_DOMAIN)}."
        raise UnknownEnvironment(f"The DeepMind Control Suite has no task {name!r} (domain.task).{near}")
    with quiet():
        env = suite.load(domain, task, task_kwargs={"random": np.random.RandomState(seed)})
    if math.isinf(env._step_limit):
        env._step_limit = STEPS
    return env


class ControlEnv(Env):
    """One task of the suite: a `dm_control.rl.control.Environment` over a MuJoCo model."""

    def __init__(self, env: Any, name: str):
        bounds = env.action_spec()
        low = np.where(bounds.minimum <= -UNBOUNDED, -BOUND, bounds.minimum).astype(bounds.dtype)
        high = np.where(bounds.maximum >= UNBOUNDED, BOUND, bounds.maximum).astype(bounds.dtype)
        action_space = gymnasium.spaces.Box(low, high, bounds.shape, bounds.dtype.type)
        parts = [math.prod(part.shape) for part in env.observation_spec().values()]
        self.spec = EnvSpec(name, (sum(parts),), np.dtype(np.float32), action_space)
        self._env = env
        self._action_shape = bounds.shape
        self._simulator = SimulatorState(env.physics, name)

    def reset(self) -> Float32[np.ndarray, " D"]:
        with _no_new_renderer(self._env.physics):
            return _flatten(self._env.reset().observation)

    def step(self, action: Any) -> EnvStep:
        self._check_shape(action)
        try:
            step = self._env.step(action)
        except RuntimeError as error:
            raise self._diverged(error, action) from error
        return EnvStep(_flatten(step.observation), float(step.reward), float(step.discount), bool(step.last()), 1, None)

    def state(self) -> dict[str, Any]:
        return {
            **self._simulator.get(),
            "task": plain_attributes(self._env.task),
            "random": random_state(self._env.task.random),
            "step_count": int(self._env._step_count),
            "reset_next_step": bool(self._env._reset_next_step),
        }

    def restore(self, state: dict[str, Any]) -> bool:
        self._simulator.check(state)
        # A task creates some of its attributes when its first episode begins.
        self.reset()
        for key, value in state["task"].items():
            set_plain_attribute(self._env.task, key, value)
        set_random_state(self._env.task.random, state["random"])
        self._env._step_count = int(state["step_count"])
        self._env._reset_next_step = bool(state["reset_next_step"])
        self._simulator.set(state)
        return True

    def close(self):
        self._env.close()

    def _check_shape(self, action: Any):
        if np.shape(action) != self._action_shape:
            raise ValueError(
                f"The action of {self.spec.name!r} has shape {np.shape(action)}, not {self._action_shape}."
            )

    def _diverged(self, error: RuntimeError, action: Any) -> InvalidEnvironmentOutput:
        return InvalidEnvironmentOutput(
            f"The physics of {self.spec.name!r} became invalid at step {self._env._step_count} of its episode: {error} "
            f"The action was {action}, and must be finite and within {self.spec.action_space}."
        )


class FastControlEnv(ControlEnv):
    """A task whose steps go around dm_control: the same physics, with a kernel's observation and reward.

    Episodes are begun by dm_control itself. Only for tasks that do nothing in a
    step but set the controls, and end by time limit alone.
    """

    always_finite = True  # MuJoCo warns of any NaN, infinity or huge number in positions, velocities and controls

    def __init__(self, env: Any, name: str, kernel: Kernel):
        super().__init__(env, name)
        self._observe, self._reward = kernel
        leave_out_groups(env.physics.model)
        self._advance = advance(env.physics, env._n_sub_steps)
        self._step_limit = env._step_limit
        self._control = env.physics.data.ctrl
        self._warnings = env.physics.data.ptr.warning.number
        self._warned = self._warnings.tobytes()

    def reset(self) -> Float32[np.ndarray, " D"]:
        observation = super().reset()
        self._warned = self._warnings.tobytes()
        return observation

    def step(self, action: Any) -> EnvStep:
        if getattr(action, "shape", None) != self._action_shape:
            self._check_shape(action)
        self._control[...] = action
        self._advance()
        if self._warnings.tobytes() != self._warned:
            raise self._diverged(RuntimeError(f"MuJoCo warned of {self._new_warnings()}."), action)
        env = self._env
        env._step_count = steps = env._step_count + 1
        is_last = env._reset_next_step = steps >= self._step_limit
        # As EnvStep(...) does, in half of its time.
        return tuple.__new__(EnvStep, (self._observe(), self._reward(), 1.0, is_last, 1, None))

    def _new_warnings(self) -> str:
        import mujoco

        names = list(mujoco.mjtWarning.__members__)  # pyright: ignore[reportAttributeAccessIssue]
        before = np.frombuffer(self._warned, self._warnings.dtype)
        return ", ".join(names[index] for index in np.flatnonzero(self._warnings > before))


def leave_out_groups(model: Any) -> None:
    """Keeps MuJoCo from sorting into groups, at every step, what is one group anyway; results are the same bit for bit.

    Bodies that are all joined to each other are one island of constraints, and pairs
    of a few geoms are found as fast without a hierarchy of boxes.
    """
    import mujoco

    if model.ntree == 1:
        bits = mujoco.mjtDisableBit  # pyright: ignore[reportAttributeAccessIssue]
        model.opt.disableflags |= bits.mjDSBL_ISLAND.value | bits.mjDSBL_MIDPHASE.value


def advance(physics: Any, steps: int) -> Callable[[], None]:
    """What dm_control's `physics.step` does to the simulation, without its surroundings.

    It begins in the middle of MuJoCo's step and ends in the middle of the next one,
    where all that depends on position and velocity is known.
    """
    import mujoco

    first, second, whole = mujoco.mj_step1, mujoco.mj_step2, mujoco.mj_step  # pyright: ignore[reportAttributeAccessIssue]
    model, data = physics.model.ptr, physics.data.ptr

    def euler():
        second(model, data)
        first(model, data)

    def euler_many():
        second(model, data)
        whole(model, data, steps - 1)
        first(model, data)

    def runge_kutta():
        whole(model, data, steps)
        first(model, data)

    if physics.model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4.value:  # pyright: ignore[reportAttributeAccessIssue]
        return runge_kutta
    return euler if steps == 1 else euler_many


def import_suite() -> types.ModuleType:
    try:
        with quiet():
            from dm_control import suite
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"dmc: environments need dm_control, which is not installed ({error}): pip install 'smuzero[dmc]'"
        ) from error
    except (AttributeError, ImportError, RuntimeError) as error:
        # dm_control opens the OpenGL that is asked for as it is imported, whether or not anything will be drawn.
        asked = os.environ.get("MUJOCO_GL")
        if not asked:
            raise
        raise MissingExtra(
            f"dm_control cannot be imported with MUJOCO_GL={asked} ({error}). Unset MUJOCO_GL where only states are "
            "needed; `smuzero doctor` says which of egl, osmesa and glfw work here."
        ) from error
    return suite


@contextlib.contextmanager
def quiet():
    """Keeps back what importing and loading say on a machine without a screen.

    dm_control looks for OpenGL as it is imported, and says so where it finds no
    display; some of its models use settings that MuJoCo calls deprecated.
    Neither matters to an environment that shows states.
    """
    logger = logging.getLogger("absl")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextlib.contextmanager
def _no_new_renderer(physics: Any):
    """Keeps a task from opening OpenGL only to tell it of a new landscape, as quadruped.escape does."""
    physics._make_rendering_contexts = lambda: None
    try:
        yield
    finally:
        del physics._make_rendering_contexts


def _flatten(observation: dict[str, Any]) -> Float32[np.ndarray, " D"]:
    return np.concatenate(list(observation.values()), axis=None, dtype=np.float32, casting="same_kind")
