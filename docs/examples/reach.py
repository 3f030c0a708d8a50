"""A point is brought to a place, each of its coordinates by a component of the action: many dimensions, short episodes.

The return is the share of the distance that was covered: standing still earns 0, the
best is 1 but for the width of a bin. One action is one of 7^6 = 117,649, so that a
policy gives each of those it draws next to no probability.

smuzero train gym:reach:Reach-v0 --frames 6000     in this folder
"""

from typing import Any

import gymnasium
import numpy as np

STRIDE, STEPS = 0.3, 10


class Reach(gymnasium.Env[np.ndarray, np.ndarray]):
    """The observation is the way that is left."""

    def __init__(self, dims: int = 6):
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (dims,), np.float32)
        self.observation_space = gymnasium.spaces.Box(-4.0, 4.0, (dims,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.point, self.place = self.np_random.uniform(-1.0, 1.0, (2, *self.action_space.shape))
        self.whole = self._distance()
        self.time = 0
        return self._observation(), {}

    def step(self, action: np.ndarray):
        before = self._distance()
        self.point = np.clip(self.point + STRIDE * action, -2.0, 2.0)
        self.time += 1
        reward = (before - self._distance()) / self.whole
        return self._observation(), float(reward), False, self.time == STEPS, {}

    def _distance(self) -> float:
        return float(np.abs(self.point - self.place).sum())

    def _observation(self) -> np.ndarray:
        return (self.place - self.point).astype(np.float32)


if "Reach-v0" not in gymnasium.registry:  # where this file is run a second time in one process
    gymnasium.register("Reach-v0", Reach)

FRAMES = 6000
SETTINGS = {
    # The paper's targets: the visits of the search that played.
    "reanalyse.share": 0.0,
    "improvement.operator": "visits",
    "improvement.unit": "range",
    "search.noise_fraction": 0.1,
    # Short episodes, and few of them are kept: what was played long ago holds the policy back.
    "replay.max_length": STEPS,
    "replay.max_sequences": 200,
    "learner.discount": 0.5,
    "learner.unroll": 3,
    "learner.n_step": 3,
    "learner.batch_size": 64,
    "learner.consistency_weight": 2.0,
    "network.width": 64,
    "network.value_transform": False,
    "network.value_range": (-2.0, 2.0),
    "network.reward_range": (-1.0, 1.0),
    "run.learn_after": 500,
    "run.frames_per_update": 3.0,
    "run.evaluate_every": 1000,
    "run.log_every": 1000,
    "run.evaluation_episodes": 40,
}
"""What differs from the `quick` preset."""
