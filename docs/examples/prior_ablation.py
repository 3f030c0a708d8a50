"""Figure 13 on a small task: π̂_β against π in PUCT, with K = 5 and 20, with and without root Q.

Everything else is the same in all eight cells, and the targets are the paper's own:
the visits of the search that played, none made afresh. In this folder:

python prior_ablation.py --seeds 0 1 2 3 4 5 6 7 8 9 --out prior_ablation

Every finished run becomes a line of runs.jsonl, and runs that have one are not done
again: seeds and numbers of draws can be added later, or shared out among processes.
The table and the picture are made of all lines there are.
"""

import argparse
import functools
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import reach
from scipy import stats

from smuzero.agent.acting import Act
from smuzero.experiments import build, presets, training
from smuzero.experiments.config import Config
from smuzero.networks.network import Params
from smuzero.report.curves import new_figure, save
from smuzero.runtime import compilation_cache
from smuzero.runtime.local import LocalRun, Parts

PRIORS = {"sampled": "π̂_β", "policy": "π"}


class Cell(NamedTuple):
    """One way to search."""

    num_samples: int
    evaluate_root: bool
    prior: str

    @property
    def label(self) -> str:
        return f"{PRIORS[self.prior]}, K = {self.num_samples}{'' if self.evaluate_root else ', no Q'}"

    @property
    def settings(self) -> dict[str, Any]:
        return {f"search.{name}": value for name, value in self._asdict().items()}


def cells_of(draws: Sequence[int]) -> list[Cell]:
    """All there is to run with so many draws each; the two priors of one search are neighbours."""
    return [Cell(*cell) for cell in itertools.product(draws, (True, False), PRIORS)]


class Programs(NamedTuple):
    """What all seeds of a cell share: settings, and compiled functions."""

    config: Config
    parts: Parts
    greedy: Act


@functools.cache
def programs(cell: Cell, frames: int) -> Programs:
    """Compiled once, which takes longer than a run."""
    config = presets.compose("quick", reach.Reach, frames=frames, overrides={**reach.SETTINGS, **cell.settings})
    with build.open_pool(config, reach.Reach, seed=0) as pool:
        recipe = training.make_recipe(reach.Reach, config, "quick", 0, pool)
        parts = build.build_parts(recipe, reach.Reach, pool)
    return Programs(config, parts, build.evaluation_act(config, *build.network_of(recipe)))


def train(cell: Cell, seed: int, frames: int) -> dict[str, Any]:
    """One run, as `smuzero.train` would do it with these settings, but for the folder: what it was, and its curves."""
    config, shared, greedy = programs(cell, frames)
    lines: list[dict[str, float]] = []
    with build.open_pool(config, reach.Reach, seed) as pool:
        recipe = training.make_recipe(reach.Reach, config, "quick", seed, pool)
        parts = build.build_parts(recipe, reach.Reach, pool)

        def evaluate(params: Params, episodes: int) -> np.ndarray:
            return build.play_in(reach.Reach, config, recipe.space, greedy, params, episodes, seed)

        parts = parts._replace(act=shared.act, update=shared.update, evaluate=evaluate)
        LocalRun(parts, config.run, config.learner, seed, lines.append, lambda run: None).run()
    shown = [line for line in lines if "eval/return_mean" in line]
    return {
        **cell._asdict(),
        "seed": seed,
        "frames": [line["env_frames"] for line in shown],
        "returns": [round(line["eval/return_mean"], 4) for line in shown],
        "entropy": [round(line["policy/entropy"], 3) for line in shown],
        "seconds": round(shown[-1]["wall_seconds"], 1),
    }


def is_of(run: dict[str, Any], cell: Cell) -> bool:
    """Whether the cell is what was run."""
    return all(run[name] == value for name, value in cell._asdict().items())


def of_cell(runs: list[dict[str, Any]], cell: Cell, key: str = "returns") -> np.ndarray:
    """The curves of a cell's seeds, `[seeds, evaluations]`, in the order of the seeds."""
    chosen = sorted((run for run in runs if is_of(run, cell)), key=lambda run: run["seed"])
    return np.array([run[key] for run in chosen])


def interval(values: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % interval of a mean over the first axis, by Student's t."""
    number = len(values)
    return stats.t.ppf(0.975, number - 1) * values.std(axis=0, ddof=1) / np.sqrt(number)


def difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The difference of two means and half the width of its 95 % interval, by Welch's t."""
    low, high = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    return float(low + high) / 2, float(high - low) / 2


def table(runs: list[dict[str, Any]], cells: list[Cell]) -> str:
    """Returns at the last evaluation with 95 % intervals, and the difference that the correction makes."""
    lines = ["| K | root Q | π̂_β | π | difference | entropy, π̂_β | π |", "|---|---|---|---|---|---|---|"]
    for sampled, policy in zip(cells[::2], cells[1::2], strict=True):
        last = [of_cell(runs, cell)[:, -1] for cell in (sampled, policy)]
        means = [f"{values.mean():.3f} ± {interval(values):.3f}" for values in last]
        by, half = difference(*last)
        entropies = [f"{of_cell(runs, cell, 'entropy')[:, -1].mean():.1f}" for cell in (sampled, policy)]
        columns = [
            f"{sampled.num_samples}",
            "yes" if sampled.evaluate_root else "no",
            *means,
            f"{by:+.3f} ± {half:.3f}",
        ]
        lines.append("| " + " | ".join(columns + entropies) + " |")
    return "\n".join(lines)


def draw(runs: list[dict[str, Any]], cells: list[Cell], out: Path) -> None:
    """Curves of the mean return with 95 % intervals, one panel for each of K and root Q."""
    figure = new_figure((1.125 * len(cells), 2.8))
    panels = figure.subplots(1, len(cells) // 2, sharey=True)
    frames = runs[0]["frames"]
    for place, cell in enumerate(cells):
        returns = of_cell(runs, cell)
        axes, color = panels[place // 2], f"C{place % 2}"
        mean, half = returns.mean(axis=0), interval(returns)
        axes.plot(frames, mean, color=color, label=[r"$\hat\pi_\beta$", r"$\pi$"][place % 2])
        axes.fill_between(frames, mean - half, mean + half, color=color, alpha=0.2, lw=0)
        axes.set_title(f"K = {cell.num_samples}{'' if cell.evaluate_root else ', no Q'}", fontsize="medium")
        axes.set_xlabel("environment frames")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("return")
    panels[0].legend(fontsize="small", loc="lower right")
    save(figure, out, dots_per_inch=90)


def main(arguments: list[str] | None = None) -> None:
    """Does the runs that are missing, then prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--draws", type=int, nargs="+", default=[5, 20], help="the numbers K to run")
    parser.add_argument("--frames", type=int, default=reach.FRAMES)
    parser.add_argument("--out", type=Path, default=Path("prior_ablation"))
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    recorded = given.out / "runs.jsonl"
    recorded.touch()
    compilation_cache.enable()
    cells = cells_of(given.draws)
    for seed, cell in itertools.product(given.seeds, cells):
        if not any(run["seed"] == seed for run in read(recorded, cell)):
            with recorded.open("a") as file:
                file.write(json.dumps(train(cell, seed, given.frames)) + "\n")
    runs = read(recorded)
    if min(len(read(recorded, cell)) for cell in cells) > 1:
        print(table(runs, cells))
        draw(runs, cells, given.out / "curves.png")


def read(recorded: Path, cell: Cell | None = None) -> list[dict[str, Any]]:
    """The finished runs, of one cell or of all."""
    runs = [json.loads(line) for line in recorded.read_text().splitlines()]
    return runs if cell is None else [run for run in runs if is_of(run, cell)]


if __name__ == "__main__":
    main()
