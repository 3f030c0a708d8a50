"""`smuzero report`: the learning curves of runs, as a picture."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Report:
    """smuzero report runs/swingup --out curve.png

    Draws a metric of one run or of several over environment frames.
    """

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders."""
    out: Path = Path("curve.png")
    """The picture's file, which is replaced if it exists; its ending decides the format: png, svg or pdf."""
    metric: str = "eval/return_mean"
    """The key of metrics.jsonl to draw."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Report, "report", arguments)
    from smuzero.report.curves import draw_curves
    from smuzero.types import UserError

    if not given.folders:
        raise UserError("Give at least one run folder: smuzero report runs/swingup --out curve.png")
    draw_curves(given.folders, given.out, metric=given.metric)
    print(given.out)
    return 0
