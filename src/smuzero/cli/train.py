"""`smuzero train`: an agent learns in an environment; every setting of the run is an option."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from smuzero.cli.arguments import given_options, parse, value_of
from smuzero.envs import boards
from smuzero.experiments import presets
from smuzero.experiments.config import Config, settings_of


@dataclasses.dataclass(frozen=True)
class Train:
    """smuzero train dmc:cartpole.swingup --frames 100000 --seed 0 --out runs/swingup

    Trains an agent and prints its run folder. Ctrl-C stops with a checkpoint; `smuzero resume` goes on.
    The defaults shown are those of the preset: --preset paper --help shows the paper's.
    """

    env: tyro.conf.Positional[str] = tyro.MISSING
    """The environment: dmc:domain.task (DeepMind Control Suite), gym:ID (Gymnasium), or a board game: go:9x9 (any
    size), tictactoe, connect_four, othello, hex, chess."""
    preset: str = "quick"
    """The settings to start from: quick (two CPU cores), efficient (few frames) or paper (Appendix A)."""
    frames: int | None = None
    """Environment frames in all, action repeat included; the preset's number by default."""
    seed: int = 0
    """All randomness follows from it: the same seed gives the same run."""
    out: Path | None = None
    """The run folder, new or empty; by default one under runs/ named after the run."""
    dry_run: bool = False
    """Print what the run would take in memory, and do nothing else."""
    quiet: bool = False
    """Show no progress."""
    config: Annotated[Config, tyro.conf.arg(name="")] = dataclasses.field(default_factory=Config)


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    arguments = [SHORT.get(name, name) + equals + value for name, equals, value in map(_parted, arguments)]
    given = parse(Train, "train", arguments, default=defaults(arguments))
    from smuzero.cli.results import trained
    from smuzero.experiments import api, sizes

    overrides = overridden(given.config, arguments)
    if given.dry_run:
        found = api.dry_run(given.env, preset=given.preset, frames=given.frames, overrides=overrides)
        print("\n".join(found.lines()))
        if complaint := sizes.complaint(found, sizes.machine_memory()):
            print(complaint)
        return 0
    agent = api.train(
        given.env,
        preset=given.preset,
        frames=given.frames,
        seed=given.seed,
        out=given.out,
        overrides=overrides,
        progress=not given.quiet,
    )
    print(trained(agent))
    return 0


SHORT = {"--improvement": "--improvement.operator"}
"""Settings that have a name without their section."""


def _parted(argument: str) -> tuple[str, str, str]:
    return argument.partition("=")


def defaults(arguments: Sequence[str]) -> Train:
    """What holds where no option says otherwise: it depends on the preset and the environment's family."""
    preset = value_of("--preset", arguments) or Train.preset
    env = next((argument for argument in arguments if _names_environment(argument)), "")
    return Train(preset=preset, config=presets.compose(preset, env))


def _names_environment(argument: str) -> bool:
    return not argument.startswith("-") and (":" in argument or boards.is_board(argument))


def overridden(config: Config, arguments: Sequence[str]) -> dict[str, Any]:
    """The settings that were given as options, by dotted name."""
    values = settings_of(config)
    # A flag is turned off by `--section.no-flag`.
    names = [name.replace(".no_", ".") if name not in values else name for name in given_options(arguments)]
    return {name: values[name] for name in names if name in values}
