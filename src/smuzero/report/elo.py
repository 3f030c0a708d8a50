"""Figure 2: Elo over training, one line a run, and what has no training as a level."""

from pathlib import Path
from typing import Any

from smuzero.report.curves import new_figure, save


def draw_elo(found: dict[str, Any], out: Path) -> None:
    """Draws a tournament's ratings (`experiments.tournament.hold`); an existing file is replaced."""
    figure = new_figure()
    axes = figure.subplots()
    runs: dict[str, list[dict[str, Any]]] = {}
    for player in found["players"]:
        if "run" in player:
            runs.setdefault(player["run"], []).append(player)
        else:
            axes.axhline(player["elo"], linestyle="--", color="gray", label=player["name"])
    # Folders' names, unless two folders have the same.
    short = len({Path(run).name for run in runs}) == len(runs)
    for run, players in runs.items():
        players.sort(key=lambda player: player["frames"])
        frames, elo = ([player[key] for player in players] for key in ("frames", "elo"))
        below = [player["elo"] - player["low"] for player in players]
        above = [player["high"] - player["elo"] for player in players]
        label = Path(run).name if short else run
        axes.errorbar(frames, elo, yerr=[below, above], marker="o", markersize=3, capsize=2, label=label)
    axes.set_xlabel("moves of self-play")
    axes.set_ylabel(f"Elo, {found['env']}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    save(figure, out)
