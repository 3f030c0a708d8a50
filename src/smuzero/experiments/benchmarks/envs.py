"""Frames per second of environments stepped with random actions, by number of worker processes."""

import os
import time
from typing import Any

import numpy as np

from smuzero.envs import make_pool
from smuzero.envs.base import MissingExtra
from smuzero.envs.pool import Pool

ENVIRONMENTS = ("gym:CartPole-v1", "dmc:cartpole.swingup", "dmc:cheetah.run", "dmc:humanoid.run")
NUM_ENVS = 16


def measure(
    environments: tuple[str, ...] = ENVIRONMENTS, workers: tuple[int, ...] | None = None, seconds: float = 2.0
) -> list[dict[str, Any]]:
    """One cell for each environment and number of workers, each timed for about `seconds`.

    By default no worker, one, two, and one for each processor. An environment whose
    package is missing is left out.
    """
    numbers = workers if workers is not None else tuple(sorted({0, 1, 2, os.cpu_count() or 1}))
    cells = []
    for env in environments:
        for number in numbers:
            try:
                with make_pool(env, NUM_ENVS, seed=0, num_workers=number) as pool:
                    speed = frames_per_second(pool, seconds)
            except MissingExtra:
                continue
            cells.append({"env": env, "workers": number, "num_envs": NUM_ENVS, "frames_per_second": speed})
    return cells


def frames_per_second(pool: Pool, seconds: float) -> float:
    """Of all the pool's environments together, resets included."""
    space = pool.spec.action_space
    space.seed(0)
    # Drawn beforehand: drawing takes longer than a small environment's step.
    actions = [np.stack([space.sample() for _ in range(pool.num_envs)]) for _ in range(16)]
    pool.reset()
    pool.step(actions[0])
    frames, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or frames == 0:
        for action in actions:
            frames += int(pool.step(action).frames.sum())
    return frames / passed
