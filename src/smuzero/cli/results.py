"""What is told at the end of a run."""

from smuzero.agent.agent import Agent
from smuzero.runtime.metrics import read_metrics


def trained(agent: Agent) -> str:
    """The last evaluation of the agent's run, and what to do next."""
    assert agent.folder is not None, "agents that were trained have a folder"
    curves = read_metrics(agent.folder)
    lines = [f"Run folder: {agent.folder}"]
    if "eval/return_mean" in curves:
        frames, mean = (column[-1] for column in curves["eval/return_mean"])
        std, episodes = curves["eval/return_std"][1][-1], curves["eval/episodes"][1][-1]
        lines.insert(
            0,
            f"Evaluation at {frames:,} frames: return {mean:.1f}, standard deviation {std:.1f}, "
            f"over {episodes:.0f} episodes",
        )
    return "\n".join([*lines, "Next:", *next_commands(agent)])


def next_commands(agent: Agent) -> list[str]:
    """Commands to try with a run."""
    return [
        f"  smuzero evaluate {agent.folder} --episodes 100",
        f"  smuzero report {agent.folder} --out curve.png",
        f"  tensorboard --logdir {agent.folder}",
    ]
