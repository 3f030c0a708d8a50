"""Learn in an environment of your own, whose action is a choice and an amount.

Four tanks ask for water. Each wants an amount between 0 and 1 and has a worth; one
is closed. Twice the agent chooses a tank that is open and not yet served, and how
much to pour. Pouring the right amount earns the tank's worth, half a unit beside it
nothing. Rewards are scaled so that the best possible return is exactly 1.

Run it as a script, with the number of frames, or train from a shell in this folder:
smuzero train gym:custom_environment:Tanks-v0 --acting.head gaussian
"""

import sys
from typing import Any

import gymnasium
import numpy as np

import smuzero

TANKS, SERVINGS = 4, 2


class Tanks(gymnasium.Env[np.ndarray, dict[str, Any]]):
    """One episode is two servings; its best return is 1."""

    def __init__(self):
        self.action_space = gymnasium.spaces.Dict(
            tank=gymnasium.spaces.Discrete(TANKS),
            amount=gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32),
        )
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (3 * TANKS,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.wanted = self.np_random.uniform(0.0, 1.0, TANKS)
        self.worth = self.np_random.uniform(0.2, 1.0, TANKS)
        self.is_open = np.ones(TANKS, np.bool_)
        self.is_open[self.np_random.integers(TANKS)] = False
        self.best = np.sort(self.worth[self.is_open])[-SERVINGS:].sum()
        self.served = 0
        return self._observation(), self._info()

    def step(self, action: dict[str, Any]):
        tank, amount = int(action["tank"]), float(action["amount"][0])
        if not self.is_open[tank]:
            raise ValueError(f"Tank {tank} is closed or served already.")
        quality = max(0.0, 1.0 - 4.0 * (amount - self.wanted[tank]) ** 2)
        self.is_open[tank] = False
        self.served += 1
        is_over = self.served == SERVINGS
        return self._observation(), float(self.worth[tank] * quality / self.best), is_over, False, self._info()

    def _observation(self) -> np.ndarray:
        return np.concatenate([self.wanted, self.worth, self.is_open]).astype(np.float32)

    def _info(self) -> dict[str, Any]:
        """The mask has the form of the action: an array for the Discrete part, None for the Box."""
        return {"action_mask": {"tank": self.is_open.astype(np.int8), "amount": None}}


if "Tanks-v0" not in gymnasium.registry:  # where this file is run a second time in one process
    gymnasium.register("Tanks-v0", Tanks)

SETTINGS = {
    "acting.head": "gaussian",
    "learner.entropy_weight": 5e-3,  # A.1's, for Gaussian policies
    "learner.discount": 1.0,  # an episode has two steps
    "network.value_transform": False,
    "network.value_range": (-1.0, 2.0),  # returns lie between 0 and 1
    "network.reward_range": (-1.0, 1.0),
}
"""What differs from the `quick` preset."""

if __name__ == "__main__":
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    agent = smuzero.train(Tanks, frames=frames, overrides=SETTINGS)
    env = Tanks()
    observation, info = env.reset(seed=0)
    for _ in range(SERVINGS):
        action = agent.act(observation, legal=info["action_mask"])
        observation, reward, *_, info = env.step(action)
        print(f"poured {action['amount'][0]:.2f} into tank {action['tank']}: earned {reward:.2f}")
