"""The combined challenges of the Real-World RL suite: `rwrl:cartpole.swingup/easy` (Section 6.4, Table 1).

A task of the control suite is made harder in seven ways at once. What an action
goes through before the simulator has it, and what the agent is shown, in order:

    action `[A]`       delay → noise, clipped to the bounds → repetition
    observation `[D]`  noise → dropped → stuck → delay → dummies appended: `[D + dummies]`
    reward             delay

delay
    An item arrives that many steps late. Until there is one that old, the first is repeated.
noise
    N(0, σ²) on every entry of actions and observations.
dropped, stuck
    Each entry of an observation by itself starts, with some probability a step, to read 0 (to read what was shown
    before) for some steps.
repetition
    An action is held for some steps, whatever is asked meanwhile.
dummies
    Entries of N(0, 1) that mean nothing.
perturbation
    A length or a friction of the model is drawn uniformly for every episode.

`only=delay`, or `only=noise+dropped`, leaves just those challenges. `actions=yes` appends the
action that was asked for last, as it was asked for: where actions act late, what is shown says
nothing of those still on their way. Tasks, numbers and
order are those of the suite (Dulac-Arnold et al. 2020). As there, the quadruped starts
upright in any direction.

Departures: all randomness comes from the environment's seed (there, from NumPy's global
state), and delays, holds and dropouts are forgotten where an episode starts;
`buffers=kept` carries them over into the next episode, as there.
"""

import dataclasses
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, Float32

from smuzero.envs import control
from smuzero.envs.base import Env, EnvStep, Listed, Wrapper
from smuzero.envs.options import known_name, one_of, split_options
from smuzero.envs.perturbed import Perturbation, start_upright
from smuzero.envs.simulator_state import random_state, set_random_state
from smuzero.envs.wrappers import stacked

TASKS = ("cartpole.swingup", "walker.walk", "quadruped.walk", "humanoid.walk")
# Paper: names only the domains. Here: the suite's tasks with combined challenges.
KINDS = ("delay", "noise", "dropped", "stuck", "repetition", "dummies", "perturbation")
OPTIONS = {"only": "", "buffers": "reset", "actions": False, "stack": 1}


@dataclasses.dataclass(frozen=True)
class Challenges:
    """How hard each challenge is; the defaults change nothing."""

    action_delay: int = 0
    """Steps."""
    observation_delay: int = 0
    reward_delay: int = 0
    noise: float = 0.0
    """Standard deviation, of actions and observations."""
    drop_probability: float = 0.0
    """Of an entry that is not dropped, at every step."""
    drop_steps: int = 1
    stuck_probability: float = 0.0
    stuck_steps: int = 1
    hold: int = 1
    """Steps that every action lasts."""
    dummies: int = 0
    parameter: tuple[float, float] | None = None
    """Bounds of what `smuzero.envs.perturbed` draws for an episode."""


COMBINED: dict[str, Challenges] = {
    "easy": Challenges(3, 3, 10, 0.1, 0.01, 1, 0.01, 1, 1, 10),
    "medium": Challenges(6, 6, 20, 0.3, 0.05, 5, 0.05, 5, 2, 20),
    "hard": Challenges(9, 9, 40, 1.0, 0.1, 10, 0.1, 10, 3, 50),
}
"""The suite's combined challenges, without the perturbation, which depends on the domain."""

PARAMETERS: dict[str, dict[str, tuple[float, float]]] = {
    "cartpole": {"easy": (0.9, 1.1), "medium": (0.7, 1.7), "hard": (0.5, 2.3)},
    "walker": {"easy": (0.225, 0.25), "medium": (0.225, 0.4), "hard": (0.225, 0.55)},
    "quadruped": {"easy": (0.25, 0.3), "medium": (0.25, 0.8), "hard": (0.25, 1.4)},
    "humanoid": {"easy": (0.6, 0.8), "medium": (0.5, 0.9), "hard": (0.4, 1.0)},
}
"""Pole length, thigh length, shin length (metres), friction of body and floor."""

_FIELDS = {
    "delay": ("action_delay", "observation_delay", "reward_delay"),
    "noise": ("noise",),
    "dropped": ("drop_probability", "drop_steps"),
    "stuck": ("stuck_probability", "stuck_steps"),
    "repetition": ("hold",),
    "dummies": ("dummies",),
    "perturbation": ("parameter",),
}


def challenges(domain: str, difficulty: str, kinds: tuple[str, ...] = KINDS) -> Challenges:
    """The challenges of one difficulty, or those of the given kinds alone."""
    everything = dataclasses.replace(COMBINED[difficulty], parameter=PARAMETERS[domain][difficulty])
    fields = [field for kind in kinds for field in _FIELDS[kind]]
    return Challenges(**{field: getattr(everything, field) for field in fields})


def make_realworld(name: str, seed: int) -> Env:
    """Makes `domain.task/difficulty`, with options as above. Raises as `make_control` does."""
    place, options = split_options("rwrl", name, OPTIONS)
    task, difficulty = _known(place)
    one_of(f"rwrl:{name}", "buffers", options["buffers"], ("reset", "kept"))
    kinds = tuple(options["only"].split("+")) if options["only"] else KINDS
    for kind in kinds:
        one_of(f"rwrl:{name}", "only", kind, KINDS)
    domain = task.partition(".")[0]
    task_seed, own_seed = np.random.SeedSequence([seed, 1]).generate_state(2).tolist()
    env = control.load(task, task_seed)
    if domain == "quadruped":
        start_upright(env.task)
    setting = challenges(domain, difficulty, kinds)
    perturbation = Perturbation(domain, env.physics.model.ptr) if setting.parameter else None
    inner = control.wrap(env, f"rwrl:{name}", domain)
    made = RealWorld(inner, setting, own_seed, keeps_buffers=options["buffers"] == "kept", perturbation=perturbation)
    return stacked(ShownActions(made) if options["actions"] else made, options["stack"])


def frame_seconds(name: str) -> float:
    """The seconds that one frame of `domain.task/difficulty` lasts, which are those of the control suite's task."""
    place, _ = split_options("rwrl", name, OPTIONS)
    return control.frame_seconds(_known(place)[0])


def _known(place: str) -> tuple[str, str]:
    """Task and difficulty of a place that there is. Raises UnknownEnvironment."""
    task, _, difficulty = known_name(
        "rwrl", place, tuple(f"{task}/{level}" for task in TASKS for level in COMBINED)
    ).partition("/")
    return task, difficulty


def list_realworld() -> list[Listed]:
    """The twelve combinations of task and difficulty."""
    return [Listed(f"rwrl:{task}/{level}", ("realworld", f"realworld-{level}")) for task in TASKS for level in COMBINED]


class RealWorld(Wrapper):
    """An environment of float vectors with challenges around it."""

    def __init__(
        self,
        env: Env,
        setting: Challenges,
        seed: int,
        *,
        keeps_buffers: bool = False,
        perturbation: Perturbation | None = None,
    ):
        super().__init__(env)
        (size,) = env.spec.observation_shape
        self.spec = env.spec._replace(observation_shape=(size + setting.dummies,))
        space: Any = env.spec.action_space
        self._low, self._high = space.low, space.high
        self._setting, self._keeps_buffers, self._perturbation = setting, keeps_buffers, perturbation
        self._random = np.random.RandomState(seed)
        self._actions, self._observations = Delay(setting.action_delay), Delay(setting.observation_delay)
        self._rewards = Delay(setting.reward_delay)
        self._dropped = Spells(size, setting.drop_probability, setting.drop_steps)
        self._stuck = Spells(size, setting.stuck_probability, setting.stuck_steps)
        self._shown: Float32[np.ndarray, " D"] | None = None
        self._held: Float[np.ndarray, " A"] | None = None
        self._hold_left = 0

    def reset(self) -> Float32[np.ndarray, " D"]:
        if not self._keeps_buffers:
            self._forget()
        if self._perturbation is not None and self._setting.parameter is not None:
            self._perturbation.apply(self._random.uniform(*self._setting.parameter))
        return self._observe(super().reset())

    def step(self, action: Any) -> EnvStep:
        step = super().step(self._act(np.asarray(action)))
        (reward,) = self._rewards.push(np.array([step.reward]))
        return step._replace(observation=self._observe(step.observation), reward=float(reward))

    def _act(self, action: Float[np.ndarray, " A"]) -> Float[np.ndarray, " A"]:
        action = self._actions.push(action)
        if self._setting.noise:
            noisy = action + self._setting.noise * self._random.standard_normal(action.shape)
            action = np.clip(noisy, self._low, self._high)
        if self._hold_left == 0 or self._held is None:
            self._held, self._hold_left = action, self._setting.hold
        self._hold_left -= 1
        return self._held

    def _observe(self, observation: Float32[np.ndarray, " D"]) -> Float32[np.ndarray, " D2"]:
        shown = observation
        if self._setting.noise:
            shown = shown + self._setting.noise * self._random.standard_normal(shown.shape)
        if self._setting.drop_probability:
            shown = np.where(self._dropped.now(self._random), 0.0, shown)
        if self._setting.stuck_probability:
            stuck = self._stuck.now(self._random)
            shown = shown if self._shown is None else np.where(stuck, self._shown, shown)
        self._shown = shown = shown.astype(np.float32)
        dummies = self._random.standard_normal(self._setting.dummies).astype(np.float32)
        return np.concatenate([self._observations.push(shown), dummies])

    def _forget(self):
        for part in (self._actions, self._observations, self._rewards, self._dropped, self._stuck):
            part.forget()
        self._shown, self._held, self._hold_left = None, None, 0

    def state(self) -> dict[str, Any]:
        return {
            "env": self.env.state(),
            "random": random_state(self._random),
            "parameter": None if self._perturbation is None else self._perturbation.value,
            "actions": self._actions.state(),
            "observations": self._observations.state(),
            "rewards": self._rewards.state(),
            "dropped": self._dropped.left.copy(),
            "stuck": self._stuck.left.copy(),
            "shown": None if self._shown is None else self._shown.copy(),
            "held": None if self._held is None else np.array(self._held),
            "hold_left": self._hold_left,
        }

    def restore(self, state: dict[str, Any]) -> bool:
        if self._perturbation is not None and state["parameter"] is not None:
            self._perturbation.apply(float(state["parameter"]))
        goes_on = super().restore(state["env"])
        set_random_state(self._random, state["random"])
        self._actions.restore(state["actions"])
        self._observations.restore(state["observations"])
        self._rewards.restore(state["rewards"])
        self._dropped.left[:], self._stuck.left[:] = state["dropped"], state["stuck"]
        self._shown = None if state["shown"] is None else np.array(state["shown"], np.float32)
        self._held = None if state["held"] is None else np.array(state["held"])
        self._hold_left = int(state["hold_left"])
        return goes_on


class ShownActions(Wrapper):
    """Appends the action that was taken last to an observation `[D]`: `[D + A]`, zeros where an episode starts."""

    # Paper: silent on whether past actions are observed. Here: an option, `actions`. With actions and observations
    # both late by d steps, what comes next depends on the last 2d actions, which observations do not tell.

    def __init__(self, env: Env):
        super().__init__(env)
        (size,), space = env.spec.observation_shape, env.spec.action_space
        assert isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1
        self.spec = env.spec._replace(observation_shape=(size + space.shape[0],))
        self._last = np.zeros(space.shape, np.float32)

    def reset(self) -> Float32[np.ndarray, " D"]:
        self._last = np.zeros_like(self._last)
        return self._shown(super().reset())

    def step(self, action: Any) -> EnvStep:
        step = super().step(action)
        self._last = np.array(action, np.float32)
        return step._replace(observation=self._shown(step.observation))

    def _shown(self, observation: Float32[np.ndarray, " D"]) -> Float32[np.ndarray, " D2"]:
        return np.concatenate([observation, self._last])

    def state(self) -> dict[str, Any]:
        return {"env": self.env.state(), "last": self._last.copy()}

    def restore(self, state: dict[str, Any]) -> bool:
        self._last = np.array(state["last"], np.float32)
        return super().restore(state["env"])


class Delay:
    """Hands back what it was given some steps ago; at first, the first thing it was given."""

    def __init__(self, steps: int):
        self.steps = steps
        self._items: list[np.ndarray] = []

    def push(self, item: np.ndarray) -> np.ndarray:
        self._items.append(item)
        return self._items.pop(0) if len(self._items) > self.steps else self._items[0]

    def forget(self):
        self._items = []

    def state(self) -> np.ndarray | None:
        return np.stack(self._items) if self._items else None

    def restore(self, state: np.ndarray | None):
        self._items = [] if state is None else list(np.array(state))


class Spells:
    """For each of D entries by itself: spells that begin by chance and last a number of steps."""

    def __init__(self, size: int, probability: float, steps: int):
        self.probability, self.steps = probability, steps
        self.left = np.zeros(size, np.int64)

    def now(self, random: np.random.RandomState) -> Bool[np.ndarray, " D"]:
        """Where a spell goes on or begins at this step. A spell may follow upon another."""
        begins = random.random_sample(self.left.shape) < self.probability
        self.left[(self.left == 0) & begins] = self.steps
        in_spell = self.left > 0
        self.left[in_spell] -= 1
        return in_spell

    def forget(self):
        self.left[:] = 0
