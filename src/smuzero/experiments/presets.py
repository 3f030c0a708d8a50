"""Presets: named differences from the paper's settings.

`paper` is Appendix A, which is what every setting's own default is. `quick` is
for two CPU cores: a small network and schedule, and policy targets made fresh
by a search of every batch. `efficient` differs from `quick` and is for where
frames are few. What a family of environments needs (the size of its rewards, how
long an action is held) is part of a preset; a setting per task is not.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from smuzero.envs import registry
from smuzero.envs.boards import is_board
from smuzero.experiments.board_presets import SIZES, board_changes
from smuzero.experiments.config import Config, InvalidSetting, changed
from smuzero.experiments.domain_presets import domain_changes


@dataclasses.dataclass(frozen=True)
class Preset:
    """How a set of settings differs from the defaults, by dotted names."""

    description: str
    changes: Mapping[str, Any]
    """For every environment."""
    families: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """For the environments of one family, on top."""
    action_seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """By family, how long an action is held: as many frames as come nearest to so many seconds, at least one."""
    base: str | None = None
    """The preset that these are differences from, what it changes for families and boards included; None is the
    defaults."""


# The rewards of up to four frames together, and what γ = 0.99 makes of them.
_HELD_CONTROL: dict[str, Any] = {"network.reward_range": (-4.0, 4.0), "network.value_range": (-400.0, 400.0)}

# Some of them are near a reward that long episodes would not find, or come back to.
_MANY_STARTS: dict[str, Any] = {"acting.cut_after": 100, "acting.cut_share": 0.25}

PRESETS: dict[str, Preset] = {
    "paper": Preset(
        "Appendix A exactly: 512 x 10 blocks, batch 1024, 1 million updates over 25 million frames.",
        # 25 million frames for 1 million updates.
        {"run.frames_per_update": 25.0},
    ),
    "quick": Preset(
        "Sampled MuZero for two CPU cores: a small network, more updates per frame, policy targets made fresh.",
        {
            "network.width": 128,
            "network.num_blocks": 1,
            # These make the noise of a young model small beside what an action changes, which is what a search acts on.
            "network.latent": "layernorm",
            "network.action_input": "coordinates",
            "learner.consistency_weight": 20.0,
            # Stored visits compound one improvement of the policy per lifetime of the replay, which is all of a short
            # run; a fresh search of every batch compounds one per update. Its few simulations say more by Q than by
            # counts.
            "reanalyse.share": 1.0,
            "reanalyse.num_steps": 1,
            "reanalyse.num_samples": 8,
            "reanalyse.num_simulations": 8,
            "reanalyse.noise_fraction": 0.25,
            "reanalyse.value_weight": 0.5,
            "improvement.operator": "mpo",
            "improvement.unit": "spread",
            "improvement.temperature": 3.0,
            # Dirichlet noise of a quarter is meant for millions of frames.
            "search.noise_fraction": 0.1,
            "replay.max_length": 100,
            "replay.priority_offset": 0.1,
            "learner.batch_size": 128,
            "learner.learning_rate": 1e-3,
            "learner.target_period": 1,
            "learner.target_rate": 0.05,
            "run.frames": 100_000,
            "run.frames_per_update": 3.0,
            "run.evaluate_every": 20_000,
        },
        {
            "gym": {
                "network.value_transform": True,
                "network.value_range": (-50.0, 50.0),
                "network.reward_range": (-20.0, 20.0),
            }
        },
    ),
    "efficient": Preset(
        "For few frames: quick with more updates, fresh targets at every step of a window, and actions held longer.",
        {
            # What was done is learned from sooner.
            "acting.num_envs": 8,
            "replay.max_length": 50,
            "run.learn_after": 800,
            "run.frames_per_update": 1.0,
            "run.evaluate_every": 10_000,
            # Noise in each of six dimensions held the policy at uniform.
            "reanalyse.noise_fraction": 0.0,
            "reanalyse.mixed_fraction": 0.25,
            # A mean spread of all states is that of the few next to a reward: far from it nothing would be decided.
            "improvement.unit": "range",
            "improvement.temperature": 0.5,
            "search.min_value_range": 1e-3,
            # That unit makes noise as decisive as what is known, and a policy would be closed after a thousand actions.
            # A floor for the whole batch leaves single states decided: without any, pendulum.swingup is not found.
            "learner.entropy_floor": 0.4,
            "learner.entropy_weight": 4.0,
            "reanalyse.num_steps": None,
            "reanalyse.num_simulations": 0,
            "reanalyse.lookahead": 2,
            # A return of stored rewards is that of all who ever played, which is far below what is learned by now.
            "reanalyse.value_weight": 1.0,
            # An operator prefers what the model's errors make look best: a fifth too high in six dimensions, and where
            # rewards are few, values of what was never met.
            "reanalyse.value_of": "policy",
            "learner.unroll": 3,
            "learner.max_grad_norm": 10.0,
            # A better model: a third less error of cheetah.run's rewards, and a fifth less by what is smooth.
            "network.observation_norm": True,
            "network.input_block": "linear",
            "network.activation": "silu",
            # Latents that are read off by one linear layer, or mostly for values, tell actions apart less well.
            "network.head_layers": 1,
            "learner.value_weight": 0.25,
            "replay.priority_exponent": 0.0,
        },
        {
            "dmc": {
                **_HELD_CONTROL,
                "run.frames_per_update": 2.0,
                **_MANY_STARTS,
                # Values that are all imagined stay high where nothing is paid: one hopper in three did not stay up.
                "reanalyse.corrects_values": True,
            },
            "dmc-pixels": {
                # Where a pole goes next hangs on how fast it turns: latents then hold speeds as well.
                "learner.consistency_weight": 20.0,
                "run.frames_per_update": 4.0,
                **_MANY_STARTS,
            },
            "rwrl": {
                **_HELD_CONTROL,
                # Rewards late and noisy are learned by heart where they are learned often, by an LSTM above all.
                "run.frames_per_update": 8.0,
                # What actions differ by is 2 to 5 points of noise there.
                "search.min_value_range": 5.0,
                # What is observed is learned from before the LSTM has learned anything.
                "network.lstm_skip": True,
            },
        },
        # Frames of the suite last 10 to 40 ms: what an action does, and how far γ sees, is then much the same in all.
        action_seconds={"dmc": 0.04, "rwrl": 0.04},
        base="quick",
    ),
}

DERIVED = "learner.total_updates"
"""Follows from the frames, unless it is given: the learning rate reaches 0 as the run ends."""


def compose(
    preset: str, env: object, *, frames: int | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """The settings of a run: a preset, what its environment's family needs, then the user's overrides.

    `env` is an environment's id; anything else counts as a factory of Gymnasium
    environments. `frames` is short for the override `run.frames`. Raises
    InvalidSetting.
    """
    if preset not in PRESETS:
        raise InvalidSetting(f"There is no preset {preset!r}. Presets are {', '.join(PRESETS)}.")
    overrides = dict(overrides or {})
    if frames is not None and overrides.setdefault("run.frames", frames) != frames:
        raise InvalidSetting(f"frames is {frames}, but run.frames {overrides['run.frames']}: give one of them.")
    # A board's sizes are those of the nearest preset that has some.
    sized = next((name for name in reversed(lineage(preset)) if name in SIZES), preset)
    of_game = board_changes(sized, env) if isinstance(env, str) and is_board(env) else {}
    # What makes control quick does not carry over: where a preset has sizes for boards, they are all there is.
    changes = {} if of_game and sized in SIZES else control_changes(preset, family_of(env))
    if "acting.action_repeat" not in overrides:
        changes = {**changes, **held_frames(preset, env)}
    config = changed(Config(), {**changes, **of_game})
    config = changed(config, overrides)
    if DERIVED in overrides:
        return config
    return changed(config, {DERIVED: updates_for(config, config.run.frames)})


def lineage(preset: str) -> list[str]:
    """The presets that one builds on, the first of them first, and itself."""
    base = PRESETS[preset].base
    return [*([] if base is None else lineage(base)), preset]


def control_changes(preset: str, family: str) -> dict[str, Any]:
    """All settings that a preset and those it builds on change for a family; a family's own come after the general."""
    names, changes = lineage(preset), {}
    for name in names:
        changes |= PRESETS[name].changes
    for name in names:
        changes |= {**PRESETS[name].families.get(family, {}), **domain_changes(name, family)}
    return changes


def held_frames(preset: str, env: object) -> dict[str, Any]:
    """For how many frames a preset, or one that it builds on, holds an action of this environment, where one says so.

    Raises UnknownEnvironment where the environment would have to be known for it.
    """
    said = {family: held for name in lineage(preset) for family, held in PRESETS[name].action_seconds.items()}
    seconds = said.get(family_of(env))
    frame = registry.frame_seconds(env) if seconds is not None and isinstance(env, str) else None
    return {} if seconds is None or frame is None else {"acting.action_repeat": max(1, round(seconds / frame))}


def updates_for(config: Config, frames: int) -> int:
    """The updates that this many frames bring, at least 1."""
    return max(1, int(frames / config.run.frames_per_update))


def extended(config: Config, frames: int) -> Config:
    """The settings with another number of frames; the learning rate's schedule is stretched with it.

    A schedule that did not follow from the frames stays as it is.
    """
    was_derived = config.learner.total_updates == updates_for(config, config.run.frames)
    config = changed(config, {"run.frames": frames})
    return changed(config, {DERIVED: updates_for(config, frames)}) if was_derived else config


def family_of(env: object) -> str:
    """The part of an environment's id before the colon; factories make Gymnasium environments."""
    return env.partition(":")[0] if isinstance(env, str) else "gym"
