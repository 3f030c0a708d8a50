"""Learning curves: a metric of several runs over environment frames, drawn into a file."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smuzero.envs.base import MissingExtra
from smuzero.report.published import Score
from smuzero.runtime import durable, run_folder
from smuzero.runtime.metrics import read_metrics
from smuzero.types import UserError

FORMATS = ("png", "svg", "pdf")
MARKERS = "xsD^v<>P*hp"


def draw_curves(
    folders: Sequence[Path], out: Path, *, metric: str = "eval/return_mean", scores: Sequence[Score] = ()
) -> None:
    """Draws `metric` of each run folder as one line into `out`, whose ending names the format.

    An existing file is replaced. Where a metric has its spread beside it
    (`eval/return_std`), a band shows it. Published scores of the runs' environments
    are points, an agent each. Raises UserError for what cannot be drawn.
    """
    _format(out)  # before anything is drawn
    figure = new_figure((10.0, 5.0) if scores else (7.0, 4.5))
    axes = figure.subplots()
    last = max([_draw_run(axes, folder, metric) for folder in folders], default=0)
    _draw_scores(axes, {run_folder.open_run(folder).config().get("env_name") for folder in folders}, last, scores)
    axes.set_xlabel("environment frames")
    axes.set_ylabel(metric)
    axes.grid(alpha=0.3)
    if scores:
        axes.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    else:
        axes.legend(fontsize="small")
    save(figure, out)


def label_of(folder: Path) -> str:
    """A run's environment, preset and seed, in short."""
    recorded = run_folder.open_run(folder).config()
    return f"{recorded.get('env_name')}, {recorded.get('preset')}, seed {recorded.get('seed')}"


def curves_with(metric: str, folder: Path, use: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A run's curves, this metric's among them; raises UserError where there is none for such use."""
    curves = read_metrics(folder)
    if metric not in curves:
        written = ", ".join(sorted(curves)) or "nothing yet"
        raise UserError(f"{folder} has no {metric} {use}. Its metrics hold {written}.")
    return curves


def _draw_run(axes: Any, folder: Path, metric: str) -> int:
    """One run's line; the frames at which it ends."""
    label, curves = label_of(folder), curves_with(metric, folder, "to draw")
    frames, values = curves[metric]
    (line,) = axes.plot(frames, values, marker="o", markersize=3, label=label)
    spread = curves.get(metric.replace("_mean", "_std")) if metric.endswith("_mean") else None
    if spread is not None and np.array_equal(spread[0], frames):
        axes.fill_between(frames, values - spread[1], values + spread[1], color=line.get_color(), alpha=0.15, lw=0)
    return int(frames[-1])


def _draw_scores(axes: Any, envs: set[Any], last: int, scores: Sequence[Score]) -> None:
    """A marker for every agent, at each of its published budgets that the runs reach, and a little more."""
    shown = [score for score in scores if score.env in envs and score.frames <= 1.05 * last]
    for number, agent in enumerate(dict.fromkeys(score.agent for score in shown)):
        points = [(score.frames, score.return_mean) for score in shown if score.agent == agent]
        axes.plot(*zip(*points, strict=True), MARKERS[number % len(MARKERS)], markersize=5, alpha=0.7, label=agent)


def new_figure(size: tuple[float, float] = (7.0, 4.5)) -> Any:
    """An empty figure of so many inches; MissingExtra where matplotlib is not installed."""
    try:
        # No pyplot: it would look for a screen, and keep the figure for ever.
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("Drawing needs matplotlib, which is not installed: pip install 'smuzero[plots]'") from error
    return Figure(figsize=size, layout="constrained")


def save(figure: Any, out: Path, dots_per_inch: int = 120) -> None:
    """Writes or replaces the picture, whole or not at all; its ending names the format."""
    content = io.BytesIO()
    figure.savefig(content, format=_format(out), dpi=dots_per_inch)
    with durable.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    durable.write_atomically(out, content.getvalue())


def _format(out: Path) -> str:
    kind = out.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise UserError(f"{out} ends in {out.suffix or 'nothing'}, but a picture's file ends in .png, .svg or .pdf.")
    return kind
