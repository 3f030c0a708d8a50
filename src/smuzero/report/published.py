"""Published scores, to hold learning curves against: a CSV with a line for each agent, environment and budget.

`results/published.csv` of this project's repository is one, each line with its source.
"""

import csv
import math
from pathlib import Path
from typing import NamedTuple

from smuzero.types import UserError

COLUMNS = ("env", "agent", "frames", "return_mean")
"""Needed; further ones, such as where a score is from, are for readers."""


class Score(NamedTuple):
    """What an agent was published to reach."""

    env: str
    """The environment's id."""
    agent: str
    frames: int
    """Environment frames, an action's repetitions counted each."""
    return_mean: float


def read_scores(path: Path) -> list[Score]:
    """The scores of a file, in its order; raises UserError where it is none."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise UserError(f"{path} lacks the columns {', '.join(missing)}: its first line must name {COLUMNS}.")
            return [_score(path, number, line) for number, line in enumerate(lines, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as published scores: {error}") from error


def _score(path: Path, number: int, line: dict[str, str]) -> Score:
    try:
        score = Score(line["env"], line["agent"], int(line["frames"]), float(line["return_mean"]))
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}, line {number}: frames and return_mean must be numbers ({error}).") from error
    if not math.isfinite(score.return_mean):
        raise UserError(f"{path}, line {number}: return_mean is {score.return_mean}, but must be finite.")
    return score
