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

    Times one part on this machine: the search against its network calls alone and against mctx, the learner against
    the processor's matrix products, environments by number of worker processes and beside dm_control's own, self-play
    on boards against the same loop on mctx.
    """

    part: tyro.conf.Positional[Literal["search", "learner", "envs", "selfplay"]]
    """What to time."""
    envs: tyro.conf.Positional[tuple[str, ...]] = ()
    """With `envs`: the ids of those to time; by default a few of several families."""
    json: bool = False
    """Print a list of JSON objects, one for each cell."""
    networks: tuple[str, ...] = ()
    """Of the search: the networks to time, each as WIDTHxBLOCKS; 128x2, 256x2 and 512x10 by default."""
    batches: tuple[int, ...] = ()
    """Of the search: how many trees at once; 1, 8, 32 and 128 by default."""
    dims: tuple[int, ...] = ()
    """Of the search: dimensions of an action; 1, 6 and 21 by default."""
    options: bool = False
    """Of the search: time each of its options on against all of them off, in place of mctx."""
    seconds: float | None = None
    """Of the search: how long each cell is timed, after compiling; 3 by default, 6 with --options."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Bench, "bench", arguments)
    sizes = search_sizes(given)
    from smuzero.runtime import compilation_cache

    compilation_cache.enable()
    if given.envs and given.part != "envs":
        raise UserError(f"`smuzero bench {given.part}` takes no environments, but was given {' '.join(given.envs)}.")
    benchmark = importlib.import_module(f"smuzero.experiments.benchmarks.{given.part}")
    asked = {"environments": given.envs} if given.envs else sizes
    cells = (benchmark.measure_options if given.options else benchmark.measure)(**asked)
    print(json.dumps(cells) if given.json else table(cells))
    return 0


def search_sizes(given: Bench) -> dict[str, Any]:
    """What was asked for of the search's benchmark, as it takes it; raises UserError."""
    sizes = {
        "networks": [_network(text) for text in given.networks],
        "batches": list(given.batches),
        "action_dims": list(given.dims),
        "seconds": given.seconds,
    }
    if any(size < 1 for size in (*given.batches, *given.dims)):
        raise UserError("--batches and --dims take whole numbers above 0, such as --batches 1 8 --dims 6.")
    sizes = {name: value for name, value in sizes.items() if value not in ([], None)}
    if given.part != "search" and (sizes or given.options):
        raise UserError(
            f"--networks, --batches, --dims, --options and --seconds belong to `smuzero bench search`, "
            f"but the part is {given.part}."
        )
    return sizes


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
