"""One training run in its folder: parts built, checkpoints and metrics written, signals heeded.

A checkpoint is written before the first step, so that a disk that is full or not
writable is found at once, and there is always something to continue from.
"""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from smuzero.actions import spaces
from smuzero.agent.agent import Agent
from smuzero.agent.learner import acting_params
from smuzero.envs.pool import Pool
from smuzero.envs.registry import EnvFactory
from smuzero.experiments import build
from smuzero.experiments.boards import BoardGames
from smuzero.experiments.config import Config
from smuzero.experiments.recipe import Recipe
from smuzero.runtime import checkpoints
from smuzero.runtime.local import LocalRun
from smuzero.runtime.metrics import MetricsLogger
from smuzero.runtime.progress import Progress
from smuzero.runtime.run_folder import RunFolder
from smuzero.runtime.signals import StopOnSignal
from smuzero.types import UserError


class Interrupted(KeyboardInterrupt):
    """A signal asked a run to stop. Its checkpoint is written."""

    def __init__(self, folder: Path, frames: int, signal_name: str):
        super().__init__(
            f"Stopped by {signal_name} at {frames:,} frames, with a checkpoint. Continue with: smuzero resume {folder}"
        )
        self.folder, self.frames, self.signal_name = folder, frames, signal_name


def make_recipe(env: str | EnvFactory, config: Config, preset: str, seed: int, pool: Pool | BoardGames) -> Recipe:
    """What a run in this pool is made from. Raises UnsupportedActionSpace."""
    return Recipe(
        env=env if isinstance(env, str) else None,
        env_name=pool.spec.name,
        seed=seed,
        preset=preset,
        config=config,
        observation_shape=pool.spec.observation_shape,
        observation_dtype=pool.spec.observation_dtype.name,
        parts=pool.spec.parts,
        stack=pool.spec.stack,
        space=spaces.from_gymnasium(pool.spec.action_space, config.acting.bins, config.acting.head),
    )


def read_state(checkpoint: Path, recipe: Recipe) -> dict[str, Any]:
    """All parts of a checkpoint. Raises `DamagedCheckpoint` or `trees.Mismatch`."""
    return checkpoints.restore(checkpoint, {"learner": build.learner_template(recipe)})


def carry_out(
    folder: RunFolder,
    recipe: Recipe,
    env: str | EnvFactory,
    pool: Pool | BoardGames,
    *,
    state: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Agent:
    """Trains to the recipe's frames, from the start or from a checkpoint's `state`, and returns the agent.

    The caller holds the folder's lock. Raises Interrupted after a signal, and
    whatever UserError stopped the run, with a note on what is kept. Warns of a run that ends before its first update.
    """
    parts = build.build_parts(recipe, env, pool)
    settings = recipe.config.run
    start = 0 if state is None else state["counters"]["frames"]
    with (
        MetricsLogger(folder.path) as logger,
        Progress(settings.frames, start=start, quiet=not progress) as bar,
        StopOnSignal() as stop,
    ):
        run = LocalRun(
            parts,
            settings,
            recipe.config.learner,
            recipe.seed,
            write_metrics=_metrics_writer(logger, bar),
            write_checkpoint=lambda run: _save(folder, run, logger, settings.keep_checkpoints),
        )
        if state is None:
            run.checkpoint()
        else:
            logger.restore(state["metrics"])
            run.restore(dict(state))
        _train(folder, run, bar, stop)
    if stop.stop_requested and run.counters.frames < settings.frames:
        raise Interrupted(folder.path, run.counters.frames, stop.signal_name or "request")
    if not run.counters.updates:
        warnings.warn(
            f"Nothing was learned: the {run.counters.frames:,} frames of this run ended before its first update, which "
            f"waits for run.learn_after = {settings.learn_after:,} stored steps. Go on with more frames: "
            f"smuzero resume {folder.path} --frames {10 * max(run.counters.frames, settings.learn_after)}",
            stacklevel=3,
        )
    return build.build_agent(recipe, acting_params(recipe.config.learner, run.learner), recipe.seed, folder.path)


def _train(folder: RunFolder, run: LocalRun, bar: Progress, stop: StopOnSignal) -> None:
    def should_stop() -> bool:
        bar.update(run.counters.frames)
        return stop.stop_requested

    try:
        run.run(should_stop)
    except UserError as error:
        error.add_note(f"The run stopped at {run.counters.frames:,} frames. {_what_is_kept(folder)}")
        raise


def _what_is_kept(folder: RunFolder) -> str:
    with contextlib.suppress(UserError, OSError):
        kept = checkpoints.latest(folder.checkpoints)
        frames = checkpoints.step_of(kept)
        return f"Its checkpoint of {frames:,} frames is kept: smuzero resume {folder.path} continues from there."
    return "It has no checkpoint."


def _metrics_writer(logger: MetricsLogger, bar: Progress) -> Callable[[dict[str, int | float]], None]:
    def write(metrics: dict[str, int | float]) -> None:
        # The logger has a clock of its own, which counts on over every resume.
        values = {key: value for key, value in metrics.items() if key not in ("env_frames", "wall_seconds")}
        frames = int(metrics["env_frames"])
        logger.write(frames, values)
        bar.update(frames, metrics.get("eval/return_mean", metrics.get("rollout/return")))

    return write


def _save(folder: RunFolder, run: LocalRun, logger: MetricsLogger, keep_last: int) -> None:
    checkpoints.save(
        folder.checkpoints, run.counters.frames, {**run.state(), "metrics": logger.state()}, keep_last=keep_last
    )
