"""`smuzero resume`: a run goes on from its last whole checkpoint."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Resume:
    """smuzero resume runs/swingup --frames 200000

    Goes on with a run from its last whole checkpoint, with the settings it was started with.
    """

    folder: tyro.conf.Positional[Path]
    """The run folder that `smuzero train` printed."""
    frames: int | None = None
    """The new total of frames, if the run is to go on for longer; the learning rate's schedule is stretched."""
    quiet: bool = False
    """Show no progress."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Resume, "resume", arguments)
    from smuzero.cli.results import trained
    from smuzero.experiments import api

    print(trained(api.resume(given.folder, frames=given.frames, progress=not given.quiet)))
    return 0
