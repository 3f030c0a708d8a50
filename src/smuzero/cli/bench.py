"""`smuzero bench`: how fast the search, the learner, the environments and self-play are on this machine."""

import dataclasses
import importlib
import json
from collections.abc import Sequence
from typing import Any, Literal

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Bench:
    """smuzero bench learner

    Times one part on this machine: the search against its network calls alone and against mctx, the learner against
    the processor's matrix products, environments by number of worker processes, self-play on boards against the same
    loop on mctx.
    """

    part: tyro.conf.Positional[Literal["search", "learner", "envs", "selfplay"]]
    """What to time."""
    json: bool = False
    """Print a list of JSON objects, one for each cell."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Bench, "bench", arguments)
    from smuzero.runtime import compilation_cache

    compilation_cache.enable()
    cells = importlib.import_module(f"smuzero.experiments.benchmarks.{given.part}").measure()
    print(json.dumps(cells) if given.json else table(cells))
    return 0


def table(cells: Sequence[dict[str, Any]]) -> str:
    """Cells with the same keys as aligned columns."""
    rows = [list(cells[0]), *([_shown(value) for value in cell.values()] for cell in cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
