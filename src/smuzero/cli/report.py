"""`smuzero report`: the learning curves of runs, as a picture."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Report:
    """smuzero report runs/swingup --out curve.png

    Draws a metric of one run or of several over environment frames, and prints it as a table if asked to.
    """

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders."""
    out: Path = Path("curve.png")
    """The picture's file, which is replaced if it exists; its ending decides the format: png, svg or pdf."""
    metric: str = "eval/return_mean"
    """The key of metrics.jsonl to draw."""
    published: Path | None = None
    """A CSV of published scores (env, agent, frames, return_mean) to be drawn and listed beside the runs of the same
    environment, such as results/published.csv of the repository."""
    table: bool = False
    """Print the curves as a table in Markdown as well."""
    every: int = 10_000
    """Frames from one column of the table to the next."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Report, "report", arguments)
    from smuzero.report.curves import draw_curves
    from smuzero.report.published import read_scores
    from smuzero.report.tables import curve_table
    from smuzero.types import UserError

    if not given.folders:
        raise UserError("Give at least one run folder: smuzero report runs/swingup --out curve.png")
    if given.every < 1:
        raise UserError(f"every is {given.every}, but a column of the table stands for at least 1 frame.")
    if given.published is not None and given.metric != Report.metric:
        raise UserError(
            f"Published scores are returns, and cannot be held against {given.metric}: leave one of them out."
        )
    scores = [] if given.published is None else read_scores(given.published)
    draw_curves(given.folders, given.out, metric=given.metric, scores=scores)
    if given.table:
        print(curve_table(given.folders, metric=given.metric, every=given.every, scores=scores))
    print(given.out)
    return 0
