"""`smuzero demo`: the whole way in one command, from nothing to a trained agent and its learning curve."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from smuzero.cli.arguments import parse

ENVIRONMENT = "dmc:cartpole.swingup"
EVALUATIONS = 6
"""Points of the learning curve."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """smuzero demo

    Trains an agent to swing up a pole, on a CPU and in less than 8 minutes on two cores; evaluates it; draws its
    learning curve; and says what to try next.
    """

    frames: int = 95_000
    """Environment frames; 1000 are one episode."""
    seed: int = 0
    """All randomness follows from it."""
    episodes: int = 10
    """Episodes of the evaluation at the end."""
    out: Path | None = None
    """The run folder, new or empty; by default one under runs/."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command."""
    given = parse(Demo, "demo", arguments)
    from smuzero.cli.results import next_commands
    from smuzero.experiments import api
    from smuzero.report.curves import draw_curves

    print(f"Training on {ENVIRONMENT} for {given.frames:,} frames. Compiling takes up to a minute the first time.")
    # Flushed, or the progress on stderr would come before it where stdout is a pipe.
    print("Ctrl-C stops with a checkpoint.", flush=True)
    every = max(1, given.frames // EVALUATIONS)
    agent = api.train(
        ENVIRONMENT, frames=given.frames, seed=given.seed, out=given.out, overrides={"run.evaluate_every": every}
    )
    assert agent.folder is not None, "agents that were trained have a folder"
    result = api.evaluate(agent.folder, episodes=given.episodes, seed=given.seed)
    picture = agent.folder / "curve.png"
    draw_curves([agent.folder], picture)
    print(f"\nReturn {result.mean:.1f} of at most 1000, over {given.episodes} episodes without noise.")
    print(f"Learning curve: {picture}\nRun folder: {agent.folder}\nNext:")
    more = [
        f"  smuzero resume {agent.folder} --frames {2 * given.frames}",
        "  smuzero train gym:CartPole-v1 --frames 50000",
        "  smuzero train --help",
    ]
    print("\n".join([*next_commands(agent), *more]))
    return 0
