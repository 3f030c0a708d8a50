"""The public face: train, resume, load, evaluate.

```python
agent = smuzero.train("dmc:cartpole.swingup", frames=100_000, seed=0)
agent = smuzero.load("runs/...")
action = agent.act(observation)
```
"""

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float64

from smuzero.agent.agent import Agent
from smuzero.agent.learner import acting_params
from smuzero.envs.boards import is_board
from smuzero.envs.registry import EnvFactory
from smuzero.experiments import build, presets, recipe, sizes, training
from smuzero.experiments.boards import OPPONENTS
from smuzero.experiments.recipe import Recipe
from smuzero.runtime import checkpoints, compilation_cache, durable, run_folder
from smuzero.types import UserError

__all__ = ["Agent", "Evaluation", "evaluate", "load", "resume", "train"]


class Evaluation(NamedTuple):
    """Undiscounted returns of whole episodes, played without noise."""

    env: str
    frames: int
    """Environment frames the agent had been trained for."""
    returns: Float64[np.ndarray, " episodes"]
    opponent: str | None = None
    """Whom games on a board were played against."""
    temperature: float = 0.0
    """Of visits, by which actions were taken; 0 is the most visited one."""

    @property
    def mean(self) -> float:
        return float(self.returns.mean())

    @property
    def std(self) -> float:
        return float(self.returns.std())


def train(
    env: str | EnvFactory,
    *,
    preset: str = "quick",
    frames: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Agent:
    """Trains an agent in a run folder of its own, and returns it.

    `env` is an id, such as `dmc:cartpole.swingup` or `gym:Pendulum-v1`, or a
    function that makes a Gymnasium environment. `preset` is `quick`, `efficient`
    or `paper`; `overrides` changes single settings, `{"search.num_samples": 5}`; `frames`
    are environment frames, action repeat included. The folder is `out`, which must be
    new or empty, or one under `runs/` named after the run.

    Ctrl-C and SIGTERM write a checkpoint and raise KeyboardInterrupt; `resume`
    goes on from there. Raises UserError for what is wrong with the arguments; a run
    that cannot fit in this machine's memory warns of it before it begins.
    """
    check_seed(seed)
    config = presets.compose(preset, env, frames=frames, overrides=overrides)
    compilation_cache.enable()
    with build.open_pool(config, env, seed) as pool:
        made_from = training.make_recipe(env, config, preset, seed, pool)
        if complaint := sizes.complaint(sizes.measure(made_from), sizes.machine_memory()):
            warnings.warn(complaint, stacklevel=2)
        path = Path(out) if out is not None else run_folder.default_path(pool.spec.name, preset, seed)
        with run_folder.create(path, made_from.to_json()) as folder:
            return training.carry_out(folder, made_from, env, pool, progress=progress)


def dry_run(
    env: str | EnvFactory,
    *,
    preset: str = "quick",
    frames: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> sizes.Sizes:
    """What `train` would take in memory with these arguments. One environment is made, and nothing else."""
    config = presets.compose(preset, env, frames=frames, overrides=overrides)
    one = dataclasses.replace(config, acting=dataclasses.replace(config.acting, num_envs=1, num_workers=0))
    with build.open_pool(one, env, seed=0) as pool:
        return sizes.measure(training.make_recipe(env, config, preset, 0, pool))


def resume(
    path: str | os.PathLike[str],
    *,
    frames: int | None = None,
    env: EnvFactory | None = None,
    progress: bool = True,
) -> Agent:
    """Goes on with a run from its last whole checkpoint, and returns the agent.

    `frames`, where given, is the new total; the learning rate's schedule is
    stretched with it. A run that was started with a function that makes its
    environment needs that function again as `env`. Raises UserError where there is
    nothing to go on from, or nothing left to do.
    """
    compilation_cache.enable()
    with run_folder.open_run(Path(path)).lock() as folder:
        made_from = _recipe_of(folder)
        where = environment_of(made_from, env, folder.path)
        if frames is not None:
            made_from = _with_frames(made_from, frames)
        state = training.read_state(checkpoints.latest(folder.checkpoints), made_from)
        done, wanted = state["counters"]["frames"], made_from.config.run.frames
        if done >= wanted:
            raise UserError(
                f"The run in {folder.path} has {done:,} of {wanted:,} frames: it is complete. "
                f"Go on with more, for example: smuzero resume {folder.path} --frames {2 * done}"
            )
        with build.open_pool(made_from.config, where, made_from.seed) as pool:
            if frames is not None:
                durable.write_json(folder.path / run_folder.CONFIG, made_from.to_json())
            return training.carry_out(folder, made_from, where, pool, state=state, progress=progress)


def load(path: str | os.PathLike[str], *, seed: int = 0) -> Agent:
    """The agent of a run folder's last whole checkpoint, or of the checkpoint at `path`.

    It needs no environment. `seed` decides what its searches draw. Raises
    UserError where there is none.
    """
    return load_checkpoint(Path(path), seed)[0]


def evaluate(
    path: str | os.PathLike[str],
    *,
    env: str | EnvFactory | None = None,
    episodes: int = 100,
    seed: int = 0,
    opponent: str | None = None,
    temperature: float | None = None,
) -> Evaluation:
    """Plays whole episodes with the agent of a run folder or checkpoint.

    In the environment it was trained in, or in `env`, which must have the same
    observations and actions. The same seed brings the same episodes. `temperature` 0 takes the most visited action
    (Appendix A), 1 draws by visits as acting does; None is the run's `evaluation_temperature`.
    On a board, `opponent` is "random", or in tic-tac-toe "perfect" or "every", which
    plays all lines against the agent, however many episodes were asked for.
    """
    check_seed(seed)
    if episodes < 1:
        raise UserError(f"episodes is {episodes}, but must be at least 1. The paper's protocol has 100.")
    agent, made_from, frames = load_checkpoint(Path(path), seed)
    where = env if isinstance(env, str) else environment_of(made_from, env, Path(path))
    if opponent == "every":
        # Every line there is, is every line against an agent that answers each position in one way.
        if temperature:
            raise UserError(f"temperature is {temperature}, but every line of play is known only of an agent at 0.")
        temperature = 0.0
    temperature = made_from.config.run.evaluation_temperature if temperature is None else temperature
    if not 0 <= temperature < math.inf:
        raise UserError(f"temperature is {temperature}, but must be 0 (the most visited action) or more.")
    act = build.evaluation_act(made_from.config, agent.policy, agent.network, temperature)
    name = where if isinstance(where, str) else made_from.env_name
    if not is_board(where):
        if opponent is not None:
            raise UserError(f"An opponent was given, {opponent}, but {name} is no game for two.")
        returns = build.play_in(where, made_from.config, made_from.space, act, agent.params, episodes, seed)
        return Evaluation(name, frames, returns, temperature=temperature)
    opponent = opponent or "random"
    if opponent not in OPPONENTS:
        raise UserError(f"There is no opponent {opponent!r}. Opponents are {', '.join(OPPONENTS)}.")
    returns = build.play_in(where, made_from.config, made_from.space, act, agent.params, episodes, seed, opponent)
    return Evaluation(name, frames, returns, opponent, temperature)


def load_checkpoint(path: Path, seed: int) -> tuple[Agent, Recipe, int]:
    """The agent of a run folder or one of its checkpoints, what it was made from, and its frames."""
    compilation_cache.enable()
    folder = run_folder.open_run(path)
    made_from = _recipe_of(folder)
    checkpoint = run_folder.find_checkpoint(path)
    template = build.learner_template(made_from)
    state = checkpoints.restore(checkpoint, {"learner": template}, only=["learner", "counters"])
    params = jax.tree.map(jax.numpy.asarray, acting_params(made_from.config.learner, state["learner"]))
    return build.build_agent(made_from, params, seed, folder.path), made_from, state["counters"]["frames"]


def _recipe_of(folder: run_folder.RunFolder) -> Recipe:
    return recipe.from_json(folder.config(), folder.path / run_folder.CONFIG)


def _with_frames(made_from: Recipe, frames: int) -> Recipe:
    return dataclasses.replace(made_from, config=presets.extended(made_from.config, frames))


def environment_of(made_from: Recipe, env: EnvFactory | None, path: Path) -> str | EnvFactory:
    """The environment to make: by the run's id, or by the factory given again."""
    if made_from.env is None and env is None:
        raise UserError(
            f"The run in {path} was trained in {made_from.env_name}, made by a function of yours that a run folder "
            "cannot hold. Give the function again, in Python: smuzero.resume(path, env=make_env), "
            "or smuzero.evaluate(path, env=make_env)."
        )
    if made_from.env is not None and env is not None:
        raise UserError(f"The run in {path} has an environment of its own, {made_from.env}: leave out env.")
    return env if made_from.env is None else made_from.env  # pyright: ignore[reportReturnType]


def check_seed(seed: int) -> None:
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise UserError(f"The seed is {seed!r}, but must be a whole number between 0 and 2**32 - 1.")
