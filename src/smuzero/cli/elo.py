"""`smuzero elo`: matches between trained players of a board game, and their Elo ratings."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from smuzero.cli.arguments import parse
from smuzero.experiments.tournament import TournamentSettings


@dataclasses.dataclass(frozen=True)
class Elo:
    """smuzero elo runs/muzero runs/k16 --games 100 --out elo

    Every checkpoint plays every other one; ratings are anchored at the first run's last checkpoint (Figure 2). A real
    opponent: smuzero elo runs/k16 --opponent "gnugo --mode gtp --level 1".
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, of which the last whole checkpoint plays, or single checkpoints. The baseline first."""
    opponent: str | None = None
    """The command line of a program that speaks the Go Text Protocol; or random; or perfect (tictactoe)."""
    every_checkpoint: bool = False
    """Rate every checkpoint that a run has kept (run.keep-checkpoints), which draws Elo over training."""
    out: Path = Path("elo")
    """Folder for elo.json, with every match, and elo.png."""
    plot: bool = True
    """Draw elo.png; needs matplotlib."""
    json: bool = False
    """Print the JSON object in place of the table."""
    match: Annotated[TournamentSettings, tyro.conf.arg(name="")] = dataclasses.field(default_factory=TournamentSettings)


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Elo, "elo", arguments)
    from smuzero.experiments import tournament
    from smuzero.runtime import durable

    found = tournament.hold(
        given.paths,
        given.match,
        opponent=given.opponent,
        every_checkpoint=given.every_checkpoint,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    with durable.writing(given.out):
        given.out.mkdir(parents=True, exist_ok=True)
    durable.write_json(given.out / "elo.json", found)
    if given.plot:
        from smuzero.report.elo import draw_elo

        draw_elo(found, given.out / "elo.png")
    print(json.dumps(found) if given.json else f"{tournament.table(found)}\nTable and matches: {given.out}/elo.json")
    return 0
