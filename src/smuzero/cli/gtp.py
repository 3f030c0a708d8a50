"""`smuzero gtp`: a trained player as a Go engine, for any Go program or GUI to drive."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Gtp:
    """smuzero gtp runs/go9

    Speaks the Go Text Protocol, version 2, on stdin and stdout. Give this command line to a GUI as an engine.
    """

    path: tyro.conf.Positional[Path]
    """A run folder, of which the last whole checkpoint plays, or one checkpoint."""
    simulations: int | None = None
    """Simulations of each move; as trained, where not given."""
    resign_below: float = -0.95
    """Resign where the search's value, from -1 (lost) to 1, is lower; -1 never resigns."""
    seed: int = 0
    """Of the searches' draws."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Gtp, "gtp", arguments)
    from smuzero.evaluation.gtp_engine import serve
    from smuzero.experiments.gtp import open_engine

    engine = open_engine(given.path, given.simulations, given.resign_below, given.seed)
    serve(engine, sys.stdin, _write)
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
