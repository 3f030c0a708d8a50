"""One process that acts, stores and learns in turn: the local runtime.

Everything random follows from the seed and from counters, so two runs with the
same seed give the same numbers, whatever the machine was doing. Within one
iteration the decision is dispatched first and the updates after it; the
environments step while the updates compute. A decision therefore uses the
parameters from before the updates beside it, always.

The parts are built elsewhere and handed in.
"""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.agent.collecting import Collects
from smuzero.agent.learner import LearnerState, Update, acting_params
from smuzero.agent.learner_settings import LearnerSettings
from smuzero.replay.buffer import Buffer
from smuzero.types import UserError, check_at_least


class Diverged(UserError):
    """The network's outputs are no longer finite numbers."""


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How much is done, how often, and in what proportion."""

    frames: int = 25_000_000
    """Environment frames in all, action repeat counted."""
    frames_per_update: float = 8.0
    """Frames acted for every update of the network."""
    learn_after: int = 2000
    """Stored steps before the first update."""
    evaluate_every: int = 50_000
    """Frames between evaluations; the last checkpoint is always evaluated."""
    evaluation_episodes: int = 10
    """Episodes of each evaluation while training."""
    evaluation_temperature: float = 0.0
    """How evaluation chooses by visits: 0 takes the most visited action (Appendix A), 1 draws in proportion to N^1, as
    acting does. Where all episodes start alike and nothing is drawn (Atari without sticky actions), 0 plays one episode
    over and over."""
    checkpoint_every: int = 50_000
    """Frames between checkpoints."""
    keep_checkpoints: int = 2
    """Newest checkpoints that are kept; more of them can be rated against each other by `smuzero elo`."""
    log_every: int = 2000
    """Frames between lines of metrics."""

    def __post_init__(self):
        check_at_least(self, frames=1, evaluate_every=1, evaluation_episodes=1)
        check_at_least(self, checkpoint_every=1, keep_checkpoints=1, log_every=1)
        check_at_least(self, evaluation_temperature=0)
        if not self.frames_per_update > 0:
            raise ValueError(f"frames_per_update is {self.frames_per_update}, but must be above 0.")


class Parts(NamedTuple):
    """What a run is made of."""

    collector: Collects
    replay: Buffer
    learner: LearnerState
    update: Update
    act: Callable[..., Any]
    """(params, key, collector's observation, its legal) -> what it steps with: a `Decision`, or something like it."""
    evaluate: Callable[[Any, int], np.ndarray]
    """(params, episodes) -> returns."""


class Counters(NamedTuple):
    """Where a run is; with the parts' own state, all of it."""

    frames: int = 0
    iterations: int = 0
    updates: int = 0
    first_frame: int = 0
    """Frames acted when learning began."""
    episodes: int = 0
    next_evaluation: int = 0
    next_checkpoint: int = 0
    next_log: int = 0
    seconds: float = 0.0
    """Wall time spent by the processes that brought the run here."""


class LocalRun:
    """Trains until the frames are done or somebody asks it to stop."""

    def __init__(
        self,
        parts: Parts,
        settings: RunSettings,
        learner_settings: LearnerSettings,
        seed: int,
        write_metrics: Callable[[dict[str, int | float]], None],
        write_checkpoint: Callable[["LocalRun"], None],
    ):
        self.parts, self.settings, self._learner_settings = parts, settings, learner_settings
        self._write_metrics, self._write_checkpoint = write_metrics, write_checkpoint
        self._act_key = jax.random.fold_in(jax.random.key(seed), 1)
        self.learner = parts.learner
        self.counters = Counters(
            next_evaluation=settings.evaluate_every,
            next_checkpoint=settings.checkpoint_every,
            next_log=settings.log_every,
        )
        self._copy = jax.jit(lambda params: jax.tree.map(jnp.copy, params))
        self._unlogged = _Unlogged()
        self._unsettled: list[tuple[np.ndarray, jax.Array]] = []
        self._last_tick = time.perf_counter()

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> dict[str, int | float]:
        """Go on to the end, or to the next place where `should_stop` is true; returns the last metrics."""
        self._last_tick = time.perf_counter()
        last: dict[str, int | float] = {}
        while self.counters.frames < self.settings.frames and not should_stop():
            self._iterate()
            due = self.counters
            done = due.frames >= self.settings.frames
            if done or due.frames >= due.next_evaluation:
                self._evaluate()
                self._count(next_evaluation=due.frames + self.settings.evaluate_every)
            if done or due.frames >= due.next_log:
                last = self._log()
                self._count(next_log=due.frames + self.settings.log_every)
            if not done and due.frames >= due.next_checkpoint:
                self._count(next_checkpoint=due.frames + self.settings.checkpoint_every)
                self.checkpoint()
        self.checkpoint()
        return last

    def checkpoint(self) -> None:
        """Write everything the run depends on."""
        self._settle()
        self._tick()
        self._write_checkpoint(self)

    def state(self) -> dict[str, Any]:
        """All parts' state; `restore` in a run built with the same settings goes on from it."""
        return {
            "learner": self.learner,
            "replay": self.parts.replay.state(),
            "acting": self.parts.collector.state(),
            "counters": self.counters._asdict(),
            "unlogged": self._unlogged.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.learner = state["learner"]
        self.parts.replay.restore(state["replay"])
        for sequence in self.parts.collector.restore(state["acting"]):
            self.parts.replay.add(sequence)
        self.counters = Counters(**state["counters"])
        self._unlogged.restore(state["unlogged"])

    def _iterate(self) -> None:
        """Every environment acts once, and the updates that are due are made."""
        parts, counters = self.parts, self.counters
        key = jax.random.fold_in(self._act_key, counters.iterations)
        params = self._copy(acting_params(self._learner_settings, self.learner))
        decision = parts.act(params, key, parts.collector.observation, parts.collector.legal)
        self._update()
        decision = jax.tree.map(np.asarray, decision)
        collected = parts.collector.step(decision)
        for sequence in collected.sequences:
            parts.replay.add(sequence)
        self._count(
            frames=counters.frames + collected.frames,
            iterations=counters.iterations + 1,
            episodes=counters.episodes + len(collected.returns),
        )
        self._unlogged.add_decision(decision, collected.returns)

    def _update(self) -> None:
        """Dispatch the updates that the frames so far allow; their results are looked at next time."""
        self._settle()
        if len(self.parts.replay) < self.settings.learn_after:
            # Frames acted before learning begins owe no updates.
            self._count(first_frame=self.counters.frames)
            return
        due = self._updates_due()
        sizes = self._learner_settings
        for _ in range(due):
            windows = self.parts.replay.sample(sizes.batch_size, sizes.unroll, sizes.reach, sizes.recall_steps - 1)
            self.learner, metrics, priorities = self.parts.update(self.learner, windows)
            self._unsettled.append((windows.index, priorities))
            self._unlogged.add_update(metrics)
        self._count(updates=self.counters.updates + due)

    def _updates_due(self) -> int:
        """Updates owed for the frames acted since learning could begin."""
        frames = self.counters.frames - self.counters.first_frame
        return int(frames / self.settings.frames_per_update) - self.counters.updates

    def _settle(self) -> None:
        """Hand the priorities of dispatched updates to the replay."""
        for index, priorities in self._unsettled:
            priorities = np.asarray(priorities)
            if not np.isfinite(priorities).all():
                raise Diverged(
                    f"Learning diverged before frame {self.counters.frames}: its values are not finite. "
                    "Lower learner.learning_rate, or set learner.max_grad_norm, for example to 10."
                )
            self.parts.replay.update_priorities(index, priorities)
        self._unsettled.clear()

    def _evaluate(self) -> None:
        params = acting_params(self._learner_settings, self.learner)
        returns = self.parts.evaluate(params, self.settings.evaluation_episodes)
        self._unlogged.set("eval/return_mean", float(np.mean(returns)))
        self._unlogged.set("eval/return_std", float(np.std(returns)))
        self._unlogged.set("eval/episodes", len(returns))

    def _log(self) -> dict[str, int | float]:
        self._settle()
        self._tick()
        counters = self.counters
        metrics = self._unlogged.take(counters)
        metrics["replay/size"] = len(self.parts.replay)
        metrics["replay/updates"] = counters.updates
        metrics["rollout/episodes"] = counters.episodes
        self._write_metrics({"env_frames": counters.frames, "wall_seconds": counters.seconds, **metrics})
        return metrics

    def _tick(self) -> None:
        now = time.perf_counter()
        self._count(seconds=self.counters.seconds + now - self._last_tick)
        self._last_tick = now

    def _count(self, **changes: Any) -> None:
        self.counters = self.counters._replace(**changes)


class _Unlogged:
    """What has happened since the last line of metrics; kept on the device until it is asked for."""

    def __init__(self):
        self._since = Counters()
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, list[Any]] = defaultdict(list)
        self._updates: list[dict[str, Any]] = []
        self._values: dict[str, int | float] = {}

    def add_decision(self, decision: Any, returns: list[float]) -> None:
        """`decision` is a `Decision`, or whatever else has its fields to be logged (a `Chunk`)."""
        self._sums["search/root_value"].append(decision.value.mean())
        self._sums["search/raw_value"].append(decision.raw_value.mean())
        self._sums["search/visit_entropy"].append(decision.visit_entropy.mean())
        self._sums["search/q_spread"].append(decision.q_spread.mean())
        self._sums["rollout/return"].extend(returns)

    def add_update(self, metrics: dict[str, Any]) -> None:
        self._updates.append(metrics)

    def set(self, name: str, value: int | float) -> None:
        self._values[name] = value

    def state(self) -> dict[str, Any]:
        """Everything noted so far, as NumPy arrays: what is written after a resume must not miss it."""
        updates = jax.device_get(_columns(self._updates)) if self._updates else {}
        return {
            "sums": {name: np.array(values) for name, values in self._sums.items()},
            "updates": {name: np.array(values) for name, values in updates.items()},
            "values": dict(self._values),
            "since": self._since._asdict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._sums = defaultdict(list, {name: list(values) for name, values in state["sums"].items()})
        names, columns = list(state["updates"]), list(state["updates"].values())
        self._updates = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        self._values = dict(state["values"])
        self._since = Counters(**state["since"])

    def take(self, counters: Counters) -> dict[str, int | float]:
        """The means of everything since the last call."""
        metrics = {name: float(np.mean(values)) for name, values in self._sums.items() if values}
        if self._updates:
            for name, values in jax.device_get(_columns(self._updates)).items():
                metrics[name] = float(np.mean(values))
        metrics.update(self._values)
        seconds = max(counters.seconds - self._since.seconds, 1e-9)
        metrics["perf/frames_per_second"] = (counters.frames - self._since.frames) / seconds
        metrics["perf/updates_per_second"] = (counters.updates - self._since.updates) / seconds
        self._clear()
        self._since = counters
        return metrics


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
