"""Evaluation by whole episodes: no noise, the most visited action (Appendix A).

Every environment plays its share of the episodes, whether they are short or
long: counting the first to finish would favour short ones.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float64

from smuzero.actions.masks import policy_mask
from smuzero.actions.spaces import ActionSpace, decode_each
from smuzero.agent.acting import Act, Remembered
from smuzero.envs.pool import Pool


def play_episodes(
    act: Act, params: Any, pool: Pool, space: ActionSpace, episodes: int, seed: int, memory_size: int = 0
) -> Float64[np.ndarray, " episodes"]:
    """Undiscounted returns of `episodes` episodes, the same for the same seed.

    `memory_size` is what the network remembers of an episode, in numbers.
    """
    share = np.full(pool.num_envs, episodes // pool.num_envs)
    share[: episodes % pool.num_envs] += 1
    returns: list[list[float]] = [[] for _ in range(pool.num_envs)]
    running = np.zeros(pool.num_envs)
    key = jax.random.key(seed)
    observation, legal = pool.reset()
    memory = np.zeros((pool.num_envs, memory_size), np.float32)
    while any(len(done) < due for done, due in zip(returns, share, strict=True)):
        key, act_key = jax.random.split(key)
        seen = Remembered(observation, memory) if memory_size else observation
        decision = act(params, act_key, seen, policy_mask(space, legal))
        step = pool.step(decode_each(space, np.asarray(decision.action)))
        if memory_size:
            memory = np.where(step.is_last[:, None], np.float32(0.0), np.asarray(decision.memory))
        observation, legal = step.observation, step.legal
        running += step.reward
        for index in np.flatnonzero(step.is_last):
            if len(returns[index]) < share[index]:
                returns[index].append(float(running[index]))
            running[index] = 0.0
    return np.concatenate([np.array(done) for done in returns if done])
