"""The `efficient` preset without each of its parts, one at a time, beside the whole of it.

python efficient_ablation.py --seeds 0 1 --out efficient_ablation     in this folder

Every run has a folder OUT/TASK-PART-sSEED, and those that are finished are not done again, so that seeds and parts
can be added later. The table is made of all finished runs there are.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import smuzero
from smuzero.runtime.metrics import read_metrics

WHOLE = "preset"

# What takes a part away; where it has a temperature or a scale of its own, that is the one it was last used with.
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    WHOLE: ("the preset", {}),
    "no-fresh": ("no fresh targets: stored visits, n-step returns", {"reanalyse.share": 0.0}),
    "one-step": ("fresh targets at the first step of a window alone", {"reanalyse.num_steps": 1}),
    "tree": ("a tree of 8 simulations in place of the lookahead", {"reanalyse.num_simulations": 8}),
    "tree-visits": (
        "such a tree, and its visits as the policy's target",
        {"reanalyse.num_simulations": 8, "improvement.operator": "visits"},
    ),
    "half-fresh-values": ("half of the value target from stored rewards", {"reanalyse.value_weight": 0.5}),
    "improved-values": ("values of the improved policy", {"reanalyse.value_of": "improved"}),
    "spread": (
        "one unit of Q for a batch: τ three mean spreads",
        {"improvement.unit": "spread", "improvement.temperature": 3.0, "search.min_value_range": 1e-2},
    ),
    "no-floor": (
        "no floor of the entropy, and τ one range",
        {"learner.entropy_floor": None, "learner.entropy_weight": 0.0, "improvement.temperature": 1.0},
    ),
    "no-mix": ("no draws from the flattened policy", {"reanalyse.mixed_fraction": 0.0}),
    "no-consistency": ("no latent consistency", {"learner.consistency_weight": 0.0}),
    "raw-observations": ("observations as they are", {"network.observation_norm": False}),
    "layernorm-tanh": ("LayerNorm and tanh in the input block", {"network.input_block": "layernorm_tanh"}),
    "relu": ("ReLU", {"network.activation": "relu"}),
    "one-hot": ("actions as one-hot choices", {"network.action_input": "one_hot"}),
    "no-head-layers": ("no hidden layer in the heads", {"network.head_layers": 0}),
    "value-weight1": ("a value loss of weight 1", {"learner.value_weight": 1.0}),
    "priorities": ("prioritised replay", {"replay.priority_exponent": 1.0}),
    "no-cuts": ("no episodes cut short", {"acting.cut_after": 0}),
    "rate.01": ("a target network that moves by a hundredth", {"learner.target_rate": 0.01}),
    "fpu4": ("half as many updates", {"run.frames_per_update": 4.0}),
    "repeat1": ("an action for every frame", {"acting.action_repeat": 1}),
}


def train(task: str, part: str, seed: int, frames: int, out: Path) -> None:
    """One run, evaluated four times."""
    overrides = {
        "network.matmul_precision": "bfloat16",
        "run.evaluate_every": frames // 4,
        **PARTS[part][1],
    }
    smuzero.train(f"dmc:{task}", preset="efficient", frames=frames, seed=seed, out=out, overrides=overrides)


def returns(folder: Path, frames: int) -> np.ndarray | None:
    """What a run's evaluations had, None where it has not come to its end."""
    if not (folder / "metrics.jsonl").exists():
        return None
    at, values = read_metrics(folder).get("eval/return_mean", (np.zeros(0), np.zeros(0)))
    return values if len(at) and at[-1] >= frames else None


def table(task: str, frames: int, out: Path) -> str:
    """A row for each part: its seeds, and by how much it differs from the preset.

    Intervals are of 95 %, by Student's t with one variance for all rows, that of seeds within a row.
    """
    found: dict[str, list[np.ndarray]] = {}
    for part in PARTS:
        runs = [returns(folder, frames) for folder in sorted(out.glob(f"{task}-{part}-s[0-9]*"))]
        if done := [run for run in runs if run is not None]:
            found[part] = done
    means = {part: np.array([run.mean() for run in runs]) for part, runs in found.items()}
    freedom = sum(len(values) - 1 for values in means.values())
    variance = sum(((values - values.mean()) ** 2).sum() for values in means.values()) / max(freedom, 1)
    lines = [
        f"| {task}: without | seeds, mean of four evaluations | mean | difference | at the end |",
        "|---|---|---|---|---|",
    ]
    for part, values in means.items():
        seeds = ", ".join(f"{value:.0f}" for value in values)
        width = stats.t.ppf(0.975, freedom) * np.sqrt(variance * (1 / len(values) + 1 / len(means[WHOLE])))
        by = values.mean() - means[WHOLE].mean()
        difference = "" if part == WHOLE else f"{by:+.0f} ± {width:.0f}" if freedom else f"{by:+.0f}"
        last = ", ".join(f"{run[-1]:.0f}" for run in found[part])
        lines.append(f"| {PARTS[part][0]} | {seeds} | {values.mean():.0f} | {difference} | {last} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Does the runs that are missing, then prints a table for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["cartpole.swingup", "walker.walk"])
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1], help="none: the table alone")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("efficient_ablation"))
    given = parser.parse_args(arguments)
    for seed, part, task in itertools.product(given.seeds, given.parts, given.tasks):
        folder = given.out / f"{task}-{part}-s{seed}"
        if folder.exists() and returns(folder, given.frames) is None:
            smuzero.resume(folder)
        elif not folder.exists():
            train(task, part, seed, given.frames, folder)
    for task in given.tasks:
        print(table(task, given.frames, given.out), end="\n\n")


if __name__ == "__main__":
    main()
