"""Figure 1 of the paper, and under it how fast its limit is reached."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smuzero.report.curves import new_figure, save

STYLES = {
    "sampled": ("o-", "C0", r"$\hat{\mathcal{I}}_\beta\pi$, with $\hat{Z}_\beta$"),
    "known_z": ("s-", "C2", "with $Z$ known"),
    "no_ratio": ("v--", "C1", r"naive: no $\hat{\beta}/\beta$"),
    "pi_prior": ("^:", "C3", r"naive: $\pi$ for $\hat{\pi}_\beta$"),
}
SHOWN = "muzero"
"""The operator whose errors are drawn; the other one's look the same, and are in the table."""


def draw_theorem(illustration: dict[str, Any], cells: Sequence[dict[str, Any]], out: Path) -> None:
    """Draws what `illustrate` and `measure` found into `out`; an existing file is replaced."""
    figure = new_figure((11.0, 8.5))
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1, 1.5, 1.2))
    _draw_figure_1(top, illustration)
    _draw_errors(middle, [cell for cell in cells if cell["operator"] == SHOWN])
    left, right = bottom.subplots(1, 2)
    _draw_variances(left, [cell for cell in cells if cell["form"] == "sampled"])
    _draw_quantiles(right, [cell for cell in cells if cell["form"] == "sampled"])
    save(figure, out, dots_per_inch=90)


def _draw_figure_1(figure: Any, found: dict[str, Any]) -> None:
    figure.suptitle("Figure 1: the sampled improvement comes to the improved policy as K grows", fontsize="medium")
    panels = [
        (r"$\pi$", found["pi"]),
        (rf"$\beta$, {len(found['draws'])} draws", found["beta"]),
        *((rf"$\hat{{\mathcal{{I}}}}_\beta\pi$, $K$ = {size}", probs) for size, probs in found["sampled"].items()),
        (r"$\mathcal{I}\pi$", found["improved"]),
    ]
    edges = np.array(found["edges"])
    for axes, (title, probs) in zip(figure.subplots(1, len(panels), sharex=True), panels, strict=True):
        axes.stairs(probs, edges, fill=True, color="C0", alpha=0.6)
        if "hat" in title:
            axes.stairs(found["improved"], edges, color="black", lw=0.8)
        if "draws" in title:
            axes.plot(found["draws"], np.zeros(len(found["draws"])), "|", color="C3", ms=14)
        axes.set_title(title, fontsize="small")
        axes.set_yticks([])
        axes.set_xlabel("action", fontsize="small")


def _draw_errors(figure: Any, cells: Sequence[dict[str, Any]]) -> None:
    names = list(dict.fromkeys((cell["space"], cell["proposal"]) for cell in cells))
    all_axes = figure.subplots(1, len(names), sharey=True)
    for axes, name in zip(all_axes, names, strict=True):
        for cell in cells:
            if (cell["space"], cell["proposal"]) == name:
                _draw_error(axes, cell)
        axes.set_title(", ".join(name), fontsize="small")
        axes.set_xlabel("K")
        axes.grid(alpha=0.3)
    all_axes[0].set_ylabel(f"root mean square error ({SHOWN})")
    all_axes[0].legend(fontsize="x-small", loc="lower left")


def _draw_error(axes: Any, cell: dict[str, Any]) -> None:
    sizes, (style, color, label) = np.array(cell["sizes"]), STYLES[cell["form"]]
    axes.loglog(sizes, cell["rmse"], style, color=color, ms=3.5, lw=1, label=label)
    if cell["form"] in ("sampled", "known_z"):
        axes.loglog(sizes, cell["sigma"] / np.sqrt(sizes), color="black", lw=0.6)
    if cell["bias_limit"] is not None:
        axes.axhline(abs(cell["bias_limit"]), color=color, lw=0.6)


def _draw_variances(axes: Any, cells: Sequence[dict[str, Any]]) -> None:
    for place, cell in enumerate(cells):
        # Beside each other rather than over each other.
        sizes = np.array(cell["sizes"]) * 1.04 ** (place - len(cells) / 2)
        label = f"{cell['space']}, {cell['proposal']}, {cell['operator']}"
        error = 1.96 * np.array(cell["variance_over_sigma2_error"])
        axes.errorbar(sizes, cell["variance_over_sigma2"], error, fmt=".", ms=4, lw=0.8, label=label)
    axes.axhline(1.0, color="black", lw=0.6)
    axes.set_xscale("log")
    axes.set_xlabel("K")
    axes.set_ylabel(r"$K$ · variance / $\hat{\sigma}^2$")
    axes.legend(fontsize="xx-small", ncols=2)
    axes.grid(alpha=0.3)


def _draw_quantiles(axes: Any, cells: Sequence[dict[str, Any]]) -> None:
    normal = np.linspace(-3, 3, len(cells[0]["quantiles"]))
    for cell in cells:
        axes.plot(normal, cell["quantiles"], ".-", ms=4, lw=0.6)
    axes.axline((0, 0), slope=1, color="black", lw=0.6)
    axes.set_xlabel("quantile of N(0, 1)")
    axes.set_ylabel(rf"of error · $\sqrt{{K}}$ / $\hat{{\sigma}}$, $K$ = {cells[0]['sizes'][-1]:.0f}")
    axes.grid(alpha=0.3)
