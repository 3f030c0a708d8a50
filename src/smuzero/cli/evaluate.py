"""`smuzero evaluate`: whole episodes with a trained agent, by the paper's protocol."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from smuzero.cli.arguments import parse

if TYPE_CHECKING:
    from smuzero.experiments.api import Evaluation


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """smuzero evaluate runs/swingup --episodes 100

    Plays whole episodes without noise, taking the most visited action (Appendix A) where nothing else is asked for.
    Is a run on tic-tac-toe perfect? smuzero evaluate runs/ttt --opponent every
    """

    path: tyro.conf.Positional[Path]
    """A run folder, of which the last whole checkpoint is taken, or one checkpoint."""
    episodes: int = 100
    """Episodes to play; the paper's number is 100."""
    seed: int = 0
    """Of the environments and of the search: the same seed gives the same returns."""
    opponent: Literal["random", "perfect", "every"] | None = None
    """On a board: random moves, the default; in tictactoe also perfect play, or every line of play there is, whatever
    the number of episodes."""
    temperature: float | None = None
    """0 takes the most visited action, 1 draws by visits as acting does, and others by N^(1/temperature); the run's
    own, run.evaluation_temperature, is 0 where nothing else was asked for."""
    json: bool = False
    """Print one JSON object."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Evaluate, "evaluate", arguments)
    from smuzero.experiments import api

    result = api.evaluate(
        given.path, episodes=given.episodes, seed=given.seed, opponent=given.opponent, temperature=given.temperature
    )
    if given.json:
        fields = {
            "path": str(given.path),
            "env": result.env,
            "frames": result.frames,
            "episodes": len(result.returns),
            "seed": given.seed,
            "temperature": result.temperature,
            "return_mean": result.mean,
            "return_std": result.std,
            "returns": result.returns.tolist(),
        }
        if result.opponent is not None:
            fields["opponent"] = result.opponent
        print(json.dumps(fields))
    else:
        print(f"{result.env} after {result.frames:,} frames{outcome(result)}")
    return 0


def outcome(result: "Evaluation") -> str:
    """What the episodes brought, in words."""
    returns, number = result.returns, len(result.returns)
    if result.opponent is None:
        return (
            f": return {result.mean:.1f}, standard deviation {result.std:.1f}, from {returns.min():.1f} to "
            f"{returns.max():.1f} over {number} episodes"
        )
    from smuzero.evaluation.matches import summarise

    against = {"random": "random moves", "perfect": "perfect play", "every": "every line of play"}[result.opponent]
    won, drawn, lost = summarise(returns)
    return f" against {against}: {won} won, {drawn} drawn, {lost} lost of {number} games"
