"""`smuzero diagnose`: what a trained run's model, values and policy are worth."""

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Diagnose:
    """smuzero diagnose runs/swingup --out diagnosis

    Says why an agent does not learn: how well its model ranks actions against the simulator, how its values compare
    with the returns that followed, how much its policy and its search decide, and how old what it learns from is.
    """

    path: tyro.conf.Positional[Path]
    """A run folder, of which the last whole checkpoint is taken, or one checkpoint."""
    states: int = 256
    """States in which candidate actions are tried."""
    candidates: int = 16
    """Actions tried in each: all where there are no more, else so many draws."""
    proposal: Literal["search", "uniform"] = "search"
    """What draws them: the acting search's own proposal with its noise, or the uniform distribution."""
    episodes: int = 4
    """Episodes played without noise."""
    steps: int = 1000
    """Most steps of an episode; where it is cut, the value stands for the rest."""
    seed: int = 0
    """Of the environments and of all draws: the same seed gives the same numbers."""
    out: Path | None = None
    """Folder for diagnosis.png and diagnosis.json, which are replaced if they exist."""
    json: bool = False
    """Print one JSON object in place of the table."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Diagnose, "diagnose", arguments)
    from smuzero.experiments.diagnosis import measure
    from smuzero.report import curves
    from smuzero.report.diagnosis import draw_diagnosis
    from smuzero.runtime import durable

    if given.out is not None:
        curves.new_figure()  # whether it can be drawn is known before it is measured
    names = [field.name for field in dataclasses.fields(measure.DiagnosisSettings)]
    settings = measure.DiagnosisSettings(**{name: getattr(given, name) for name in names})
    found = measure.diagnose(given.path, settings=settings, seed=given.seed)
    fields = {
        "path": str(given.path),
        "seed": given.seed,
        "settings": dataclasses.asdict(settings),
        **found.to_json(),
    }
    if given.out is not None:
        draw_diagnosis(found, given.out / "diagnosis.png")
        durable.write_json(given.out / "diagnosis.json", fields)
    print(json.dumps(fields) if given.json else describe(fields, measure.MEANINGS))
    if given.out is not None and not given.json:
        print(f"\n{given.out / 'diagnosis.png'}")
    return 0


def describe(fields: dict[str, Any], meanings: dict[str, str], width: int = 120) -> str:
    """Every number beside what it means, then how predictions compare with returns."""
    lines = [f"{fields['env']} after {fields['frames']:,} frames", ""]
    column = max(map(len, meanings))
    for name, meaning in meanings.items():
        value = fields["values"][name]
        first, *more = textwrap.wrap(meaning, width - column - 14)
        lines.append(f"{name.ljust(column)}  {'-' if value is None else f'{value:.4g}':>10}  {first}")
        lines += [" " * (column + 14) + line for line in more]
    lines += ["", "steps by predicted value, in parts of equal count:", "  steps  predicted   returned"]
    lines += [f"{p['count']:7d}  {p['predicted']:9.4g}  {p['returned']:9.4g}" for p in fields["calibration"]]
    return "\n".join([*lines, *(f"\n{note}" for note in fields["notes"])])
