"""Frames per second of environments stepped with random actions, by number of worker processes.

Beside each environment of the control suite, from states or pixels, of Real-World RL and
of the CMU humanoid stands what dm_control itself does alone, with the same task and its
own loop: `reset`, `step` and nothing else. Of Real-World RL that is the task without its
challenges; and it draws without a screen only where MUJOCO_GL says by what. The two
take turns, so that whatever else the machine does meets both.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from smuzero.envs import make, make_pool
from smuzero.envs.base import Env, MissingExtra
from smuzero.envs.pool import Pool

POOLED = ("gym:CartPole-v1", "dmc:cartpole.swingup", "dmc:cheetah.run", "dmc:humanoid.run")
ALONE = (
    "rwrl:cartpole.swingup/easy",
    "dmc-pixels:cartpole.balance",
    "dmc-pixels:cartpole.balance,render=plain",
    "cmu:go_to_target",
    "atari:MsPacman",
)
"""Timed by default too, but not in pools."""
NUM_ENVS = 16
TURNS = 6
"""Times that ours and dm_control's take turns."""


def measure(
    environments: tuple[str, ...] = (), workers: tuple[int, ...] | None = None, seconds: float = 2.0
) -> list[dict[str, Any]]:
    """One cell for each environment and number of workers, each timed for about `seconds`.

    First one environment alone (`workers` "alone"), beside dm_control's own where there
    is one; then pools of 16, by default with no worker, one, two, and one for each
    processor. An environment whose package is missing is left out of the default; asked
    for by name, it raises MissingExtra.
    """
    numbers = workers if workers is not None else tuple(sorted({0, 1, 2, os.cpu_count() or 1}))
    cells = []
    for env in environments or (*POOLED, *ALONE):
        # What is missing is missing for all numbers of workers; of what was asked for it is said.
        with contextlib.nullcontext() if environments else contextlib.suppress(MissingExtra):
            cells.append(alone(env, seconds))
            for number in () if not environments and env in ALONE else numbers:
                with make_pool(env, NUM_ENVS, seed=0, num_workers=number) as pool:
                    speed = frames_per_second(pool, seconds)
                cells.append(_cell(env, number, NUM_ENVS, speed, None))
    return cells


def alone(env_id: str, seconds: float) -> dict[str, Any]:
    """The cell of one environment alone, on one core, in turns with dm_control's own."""
    env, theirs = make(env_id, seed=0), dm_control_step(env_id)
    env.spec.action_space.seed(0)
    actions = [env.spec.action_space.sample() for _ in range(100)]
    ours = _our_step(env)
    speeds: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for step, found in ((ours, speeds[0]), (theirs, speeds[1])):
            if step is not None:
                found.append(_speed(step, actions, seconds / (2 * TURNS)))
    env.close()
    return _cell(env_id, "alone", 1, float(np.median(speeds[0])), float(np.median(speeds[1])) if theirs else None)


def dm_control_step(env_id: str) -> Callable[[Any], int] | None:
    """A function that steps dm_control's own environment; None where the environment is not one of its own.

    It takes an action, and returns the number of frames; it starts the next episode where one has ended.
    """
    family, _, name = env_id.partition(":")
    if family in ("dmc", "rwrl"):
        from smuzero.envs.control import load

        env = load(re.split("[,/]", name)[0], seed=0)
    elif family == "dmc-pixels" and "repeat" not in name and {"MUJOCO_GL", "DISPLAY"} & {*os.environ}:
        from smuzero.envs import pixels

        env = pixels.original(name, seed=0)
    elif family == "cmu" and "camera" not in name:
        from smuzero.envs import locomotion

        env = locomotion.original(name.partition(",")[0], seed=0)
    else:
        return None
    env.reset()

    def step(action: Any) -> int:
        if env.step(action).last():
            env.reset()
        return 1

    return step


def frames_per_second(pool: Pool, seconds: float) -> float:
    """Of all the pool's environments together, resets included."""
    space = pool.spec.action_space
    space.seed(0)
    # Drawn beforehand: drawing takes longer than a small environment's step.
    actions = [np.stack([space.sample() for _ in range(pool.num_envs)]) for _ in range(16)]
    pool.reset()
    return _speed(lambda action: int(pool.step(action).frames.sum()), actions, seconds)


def _our_step(env: Env) -> Callable[[Any], int]:
    env.reset()

    def step(action: Any) -> int:
        answer = env.step(action)
        if answer.is_last:
            env.reset()
        return answer.frames

    return step


def _speed(step: Callable[[Any], int], actions: list[Any], seconds: float) -> float:
    """Frames per second of `step`, after one call that does not count."""
    step(actions[0])
    frames, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or frames == 0:
        for action in actions:
            frames += step(action)
    return frames / passed


def _cell(env: str, workers: int | str, num_envs: int, ours: float, theirs: float | None) -> dict[str, Any]:
    return {
        "env": env,
        "workers": workers,
        "num_envs": num_envs,
        "frames_per_second": ours,
        "dm_control": theirs,
        "ratio": None if theirs is None else ours / theirs,
    }
