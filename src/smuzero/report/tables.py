"""Learning curves as a table in Markdown, runs and published scores in one."""

from collections.abc import Sequence
from pathlib import Path

from smuzero.report.curves import curves_with
from smuzero.report.published import Score
from smuzero.runtime import run_folder


def curve_table(
    folders: Sequence[Path], *, metric: str = "eval/return_mean", every: int = 10_000, scores: Sequence[Score] = ()
) -> str:
    """A row for each run, a column for every `every` frames, with the last value of `metric` in each.

    The minutes are those of the whole run. Rows of published agents have what they reached within each column's
    frames. Environments follow one another in the order of their first run.
    """
    runs = [_run(folder, metric, every) for folder in folders]
    last = max(column for _, _, values, _ in runs for column in values)
    columns = range(every, last + 1, every)
    rows = [["environment", "agent", *(f"{frames:,}" for frames in columns), "minutes"]]
    for env in dict.fromkeys(env for env, *_ in runs):
        rows += [[env, label, *_cells(values, columns), minutes] for of, label, values, minutes in runs if of == env]
        known = [score for score in scores if score.env == env]
        for agent in dict.fromkeys(score.agent for score in known):
            values = {_column(s.frames, every): s.return_mean for s in known if s.agent == agent}
            if any(column in columns for column in values):
                rows.append([env, f"{agent}, published", *_cells(values, columns), ""])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _run(folder: Path, metric: str, every: int) -> tuple[str, str, dict[int, float], str]:
    """A run's environment, what it is called, its values by column, and its minutes."""
    recorded, curves = run_folder.open_run(folder).config(), curves_with(metric, folder, "for a table")
    frames, values = curves[metric]
    by_column = {_column(int(at), every): float(value) for at, value in zip(frames, values, strict=True)}
    label, minutes = f"{recorded.get('preset')}, seed {recorded.get('seed')}", curves["wall_seconds"][1][-1] / 60
    return str(recorded.get("env_name")), label, by_column, f"{minutes:.0f}"


def _column(frames: int, every: int) -> int:
    """The column that frames belong to: an evaluation comes with the first step at or after what it was planned for."""
    return max(1, frames // every) * every


def _cells(values: dict[int, float], columns: range) -> list[str]:
    return [f"{values[column]:.0f}" if column in values else "" for column in columns]
