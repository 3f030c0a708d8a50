"""`smuzero bench`: how fast the search, the learner, the environments and self-play are on this machine."""

import dataclasses
import importlib
import json
from collections.abc import Sequence
from typing import Any, Literal

import tyro

from smuzero.cli.arguments import parse
from smuzero.types import UserError


@dataclasses.dataclass(frozen=True)
class Bench:
    """smuzero bench search --networks 128x2 256x2 --batches 1 8 --dims 6

    And smuzero bench selfplay go:9x9 --networks 32x2 64x4 --batches 16 128. Times one part on this machine: the
    search against its network calls alone and against mctx, the learner against the processor's matrix products,
    environments by number of worker processes and beside dm_control's own, self-play on boards against the same loop
    on mctx.
    """

    part: tyro.conf.Positional[Literal["search", "learner", "envs", "selfplay"]]
    """What to time."""
    envs: tyro.conf.Positional[tuple[str, ...]] = ()
    """With `envs`: the ids of those to time; by default a few of several families. With `selfplay`: the games."""
    json: bool = False
    """Print a list of JSON objects, one for each cell."""
    networks: tuple[str, ...] = ()
    """Of the search: the networks to time, each as WIDTHxBLOCKS; 128x2, 256x2 and 512x10 by default. Of self-play:
    planes and blocks; 32x2 by default."""
    batches: tuple[int, ...] = ()
    """Of the search: how many trees at once; 1, 8, 32 and 128 by default. Of self-play: games at once; 16 and 64."""
    dims: tuple[int, ...] = ()
    """Of the search: dimensions of an action; 1, 6 and 21 by default."""
    options: bool = False
    """Of the search: time each of its options on against none, in place of mctx."""
    heads: bool = False
    """Of the search: time it with continuous and mixed heads against their own network's calls, in place of mctx."""
    seconds: float | None = None
    """Of the search and of self-play: how long each cell is timed, after compiling; 3 by default, 6 with --options."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Bench, "bench", arguments)
    sizes = asked_for(given)
    from smuzero.runtime import compilation_cache

    compilation_cache.enable()
    benchmark = importlib.import_module(f"smuzero.experiments.benchmarks.{given.part}")
    measure = "measure_options" if given.options else "measure_heads" if given.heads else "measure"
    cells = getattr(benchmark, measure)(**sizes)
    print(json.dumps(cells) if given.json else table(cells))
    return 0


TAKES = {
    "search": {"networks", "batches", "dims", "options", "heads", "seconds"},
    "learner": set(),
    "envs": {"envs"},
    "selfplay": {"envs", "networks", "batches", "seconds"},
}
"""What may be said of each part."""


def asked_for(given: Bench) -> dict[str, Any]:
    """What was asked for, as the part's benchmark takes it; raises UserError."""
    said = {name for name in ("envs", "networks", "batches", "dims", "options", "heads") if getattr(given, name)}
    said |= set() if given.seconds is None else {"seconds"}
    if wrong := said - TAKES[given.part]:
        raise UserError(f"`smuzero bench {given.part}` takes no {_listed(wrong)}. {_who_takes(wrong)}")
    if given.options and given.heads:
        raise UserError("--options and --heads are two tables: ask for one of them.")
    if any(size < 1 for size in (*given.batches, *given.dims)):
        raise UserError("--batches and --dims take whole numbers above 0, such as --batches 1 8 --dims 6.")
    sizes = {
        "environments": given.envs,
        "networks": [_network(text) for text in given.networks],
        "batches": list(given.batches),
        "action_dims": list(given.dims),
        "seconds": given.seconds,
    }
    return {name: value for name, value in sizes.items() if value not in ([], (), None)}


def _listed(names: set[str]) -> str:
    return ", ".join("environments" if name == "envs" else f"--{name}" for name in sorted(names))


def _who_takes(names: set[str]) -> str:
    parts = [f"`smuzero bench {part}`" for part, taken in TAKES.items() if names <= taken]
    return f"They belong to {' and '.join(parts)}." if parts else "No part takes them together."


def _network(text: str) -> tuple[int, int]:
    width, _, blocks = text.partition("x")
    if not (width.isdecimal() and blocks.isdecimal() and int(width) > 0):
        raise UserError(f"--networks has {text!r}, but a network is WIDTHxBLOCKS, such as 128x2.")
    return int(width), int(blocks)


def table(cells: Sequence[dict[str, Any]]) -> str:
    """Cells with the same keys as aligned columns."""
    rows = [list(cells[0]), *([_shown(value) for value in cell.values()] for cell in cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
