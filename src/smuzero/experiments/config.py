"""A run's settings, composed: the one place where the layers' own settings meet."""

import dataclasses

from smuzero.agent.learner import LearnerSettings
from smuzero.networks.model import NetworkSettings
from smuzero.replay.buffer import ReplaySettings
from smuzero.runtime.local import RunSettings
from smuzero.search.settings import SearchSettings


@dataclasses.dataclass(frozen=True)
class ActingSettings:
    """How the agent meets its environments."""

    num_envs: int = 16
    """Environments acting together; the batch of the acting search."""
    num_workers: int = 0
    """Worker processes the environments are spread over; 0 steps them in this process."""
    action_repeat: int = 1
    """Frames each action is held; the paper's is 1."""
    bins: int = 7
    """Bins of each dimension of a continuous action (Section 6.3)."""
    temperature: float = 1.0
    """Actions are drawn from N^(1/temperature); the paper's is 1 (Section 5.3)."""

    def __post_init__(self):
        for name, least in (("num_envs", 1), ("num_workers", 0), ("action_repeat", 1), ("bins", 2), ("temperature", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}.")


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything a run follows from, together with its environment and seed."""

    acting: ActingSettings = ActingSettings()
    network: NetworkSettings = NetworkSettings()
    search: SearchSettings = SearchSettings()
    replay: ReplaySettings = ReplaySettings()
    learner: LearnerSettings = LearnerSettings()
    run: RunSettings = RunSettings()
