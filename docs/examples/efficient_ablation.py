"""The `efficient` preset without each of its parts, one at a time, beside the whole of it.

python efficient_ablation.py --seeds 0 1 --out efficient_ablation     in this folder

Every run has a folder OUT/TASK-PART-sSEED, and those that are finished are not done again, so that seeds and parts
can be added later. The tables are made of all finished runs there are.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

import smuzero
from smuzero.runtime.metrics import read_metrics

WHOLE = "preset"

# The parts were taken away before the last one came, which is therefore added by a row of its own.
COMMON: dict[str, Any] = {"network.matmul_precision": "bfloat16", "reanalyse.corrects_values": False}

# What takes a part away; where it has a temperature or a scale of its own, that is the one it was last used with.
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    WHOLE: ("the preset, its values not corrected", {}),
    "corrected": ("nothing: the preset, its values corrected along stored steps", {"reanalyse.corrects_values": True}),
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
    overrides = {**COMMON, "run.evaluate_every": frames // 4, **PARTS[part][1]}
    smuzero.train(f"dmc:{task}", preset="efficient", frames=frames, seed=seed, out=out, overrides=overrides)


def returns(folder: Path, frames: int) -> np.ndarray | None:
    """What a run's evaluations had, None where it has not come to its end."""
    if not (folder / "metrics.jsonl").exists():
        return None
    at, values = read_metrics(folder).get("eval/return_mean", (np.zeros(0), np.zeros(0)))
    return values if len(at) and at[-1] >= frames else None


class Row(NamedTuple):
    """What the seeds of one part had."""

    means: np.ndarray
    """Mean of a seed's four evaluations."""
    last: np.ndarray
    """A seed's last evaluation."""
    difference: float
    """Of the mean from the preset's,"""
    width: float
    """and half its 95 % interval, by Student's t with one variance for all rows: that of seeds within a row."""


def rows(task: str, frames: int, out: Path) -> dict[str, Row]:
    """A row for each part that has a finished run, the preset's first."""
    found: dict[str, np.ndarray] = {}
    for part in PARTS:
        runs = [returns(folder, frames) for folder in sorted(out.glob(f"{task}-{part}-s[0-9]*"))]
        if done := [run for run in runs if run is not None]:
            found[part] = np.stack(done)
    if WHOLE not in found:
        raise SystemExit(f"{out} has no finished run of the preset on {task}, to which the others are compared.")
    means = {part: runs.mean(axis=1) for part, runs in found.items()}
    freedom = sum(len(values) - 1 for values in means.values())
    if freedom == 0:
        raise SystemExit(f"{out} has one seed of everything on {task}: intervals need a second of something.")
    variance = sum(((values - values.mean()) ** 2).sum() for values in means.values()) / freedom
    quantile, whole = stats.t.ppf(0.975, freedom), means[WHOLE]

    def row(part: str) -> Row:
        values = means[part]
        width = quantile * np.sqrt(variance * (1 / len(values) + 1 / len(whole)))
        return Row(values, found[part][:, -1], values.mean() - whole.mean(), width)

    return {part: row(part) for part in found}


def table(task: str, found: dict[str, Row]) -> str:
    """The rows of a task in Markdown."""
    lines = [
        f"| {task}: without | seeds, mean of four evaluations | mean | difference | at the end |",
        "|---|---|---|---|---|",
    ]
    for part, row in found.items():
        seeds, last = (", ".join(f"{value:.0f}" for value in values) for values in (row.means, row.last))
        difference = "" if part == WHOLE else f"{round(row.difference):+d} ± {row.width:.0f}"
        lines.append(f"| {PARTS[part][0]} | {seeds} | {row.means.mean():.0f} | {difference} | {last} |")
    return "\n".join(lines)


def over_all(found: list[dict[str, Row]]) -> str:
    """Differences in percent of the preset's mean, and their mean over tasks, the greatest loss first."""
    wholes = [rows_of[WHOLE].means.mean() for rows_of in found]
    lines = []
    for part in PARTS:
        if part == WHOLE or not all(part in rows_of for rows_of in found):
            continue
        each = [
            (100 * of[part].difference / whole, 100 * of[part].width / whole)
            for of, whole in zip(found, wholes, strict=True)
        ]
        mean, width = np.mean([by for by, _ in each]), np.linalg.norm([half for _, half in each]) / len(each)
        columns = " | ".join(f"{round(by):+d} ± {half:.0f}" for by, half in [*each, (mean, width)])
        lines.append((mean, f"| {PARTS[part][0]} | {columns} |"))
    return "\n".join(line for _, line in sorted(lines))


def main(arguments: list[str] | None = None) -> None:
    """Does the runs that are missing, and goes on with those that were cut off; then prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["cartpole.swingup", "walker.walk"])
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1], help="none: the table alone")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=Path("efficient_ablation"))
    given = parser.parse_args(arguments)
    for seed, part, task in itertools.product(given.seeds, given.parts, given.tasks):
        folder = given.out / f"{task}-{part}-s{seed}"
        if not folder.exists():
            train(task, part, seed, given.frames, folder)
        elif returns(folder, given.frames) is None:
            smuzero.resume(folder)
    found = [rows(task, given.frames, given.out) for task in given.tasks]
    for task, of_task in zip(given.tasks, found, strict=True):
        print(table(task, of_task), end="\n\n")
    print(f"| without, in percent | {' | '.join(given.tasks)} | mean |\n|---{'|---' * len(given.tasks)}|---|")
    print(over_all(found))


if __name__ == "__main__":
    main()
