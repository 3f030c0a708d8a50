"""Pendulum-v1 with eleven torques to choose from: Gymnasium's own wrapper makes its continuous action discrete.

smuzero train gym:torques:PendulumTorques-v0 --frames 20000     in this folder
"""

import gymnasium
from gymnasium.wrappers import DiscretizeAction

TORQUES = 11


def make_pendulum() -> gymnasium.Env:
    """The torques are evenly spaced, and the middle one is 0."""
    return DiscretizeAction(gymnasium.make("Pendulum-v1"), bins=TORQUES)


if "PendulumTorques-v0" not in gymnasium.registry:  # where this file is run a second time in one process
    gymnasium.register("PendulumTorques-v0", make_pendulum)
