"""`smuzero evaluate`: whole episodes with a trained agent, by the paper's protocol."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import tyro

from smuzero.cli.arguments import parse


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """smuzero evaluate runs/swingup --episodes 100

    Plays whole episodes without noise, taking the most visited action (Appendix A).
    """

    path: tyro.conf.Positional[Path]
    """A run folder, of which the last whole checkpoint is taken, or one checkpoint."""
    episodes: int = 100
    """Episodes to play; the paper's number is 100."""
    seed: int = 0
    """Of the environments and of the search: the same seed gives the same returns."""
    json: bool = False
    """Print one JSON object."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Evaluate, "evaluate", arguments)
    from smuzero.experiments import api

    result = api.evaluate(given.path, episodes=given.episodes, seed=given.seed)
    if given.json:
        fields = {
            "path": str(given.path),
            "env": result.env,
            "frames": result.frames,
            "episodes": given.episodes,
            "seed": given.seed,
            "return_mean": result.mean,
            "return_std": result.std,
            "returns": result.returns.tolist(),
        }
        print(json.dumps(fields))
    else:
        print(
            f"{result.env} after {result.frames:,} frames: return {result.mean:.1f}, standard deviation "
            f"{result.std:.1f}, from {result.returns.min():.1f} to {result.returns.max():.1f} "
            f"over {given.episodes} episodes"
        )
    return 0
