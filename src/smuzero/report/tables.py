"""Learning curves as a table in Markdown, runs and published scores in one."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from smuzero.report.curves import curves_with
from smuzero.report.published import Score
from smuzero.runtime import run_folder
from smuzero.types import UserError


def curve_table(
    folders: Sequence[Path], *, metric: str = "eval/return_mean", every: int = 10_000, scores: Sequence[Score] = ()
) -> str:
    """A row for each run, a column for every `every` frames, with the value that `metric` had there.

    The minutes are those of the whole run. Rows of published agents have what they reached by each column's frames.
    Environments follow one another in the order of their first run.
    """
    runs = [_run(folder, metric, every) for folder in folders]
    last = max((column for _, _, values, _ in runs for column in values), default=0)
    if last == 0:
        raise UserError(f"No run has {metric} at a multiple of {every:,} frames: give smaller steps.")
    columns = range(every, last + 1, every)
    rows = [["environment", "agent", *(f"{frames:,}" for frames in columns), "minutes"]]
    for env in dict.fromkeys(env for env, *_ in runs):
        rows += [[env, label, *_cells(values, columns), minutes] for of, label, values, minutes in runs if of == env]
        known = [score for score in scores if score.env == env]
        for agent in dict.fromkeys(score.agent for score in known):
            values = _by_column(((s.frames, s.return_mean) for s in known if s.agent == agent), every)
            if any(column in columns for column in values):
                rows.append([env, f"{agent}, published", *_cells(values, columns), ""])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _run(folder: Path, metric: str, every: int) -> tuple[str, str, dict[int, float], str]:
    """A run's environment, what it is called, its values by column, and its minutes."""
    recorded, curves = run_folder.open_run(folder).config(), curves_with(metric, folder, "for a table")
    frames, values = curves[metric]
    by_column = _by_column(((int(at), float(value)) for at, value in zip(frames, values, strict=True)), every)
    label, minutes = f"{recorded.get('preset')}, seed {recorded.get('seed')}", curves["wall_seconds"][1][-1] / 60
    return str(recorded.get("env_name")), label, by_column, f"{minutes:.0f}"


def _by_column(points: Iterable[tuple[int, float]], every: int) -> dict[int, float]:
    """The first of the points at or just after each multiple of `every`; the others have no column.

    An evaluation comes with the first step at or after what it was planned for: a fifth of `every` is just after.
    """
    found: dict[int, float] = {}
    for frames, value in sorted(points):
        column = frames // every * every
        if column > 0 and frames - column <= every / 5:
            found.setdefault(column, value)
    return found


def _cells(values: dict[int, float], columns: range) -> list[str]:
    return [f"{values[column]:.0f}" if column in values else "" for column in columns]
