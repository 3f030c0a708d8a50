"""A diagnosis as one picture: is the model's ranking right, are the values, and is anything decided."""

from pathlib import Path
from typing import Any

import numpy as np

from smuzero.experiments.diagnosis.measure import Diagnosis, q_of
from smuzero.report.curves import new_figure, save


def draw_diagnosis(found: Diagnosis, out: Path) -> None:
    """Draws what `diagnose` found into `out`; an existing file is replaced."""
    figure = new_figure((11.0, 7.0))
    figure.suptitle(f"{found.env} after {found.frames:,} frames", fontsize="medium")
    (ranking, correlations, spreads), (values, calibration, errors) = figure.subplots(2, 3)
    if found.judged is None:
        for axes in (ranking, correlations, spreads):
            axes.text(0.5, 0.5, "needs an environment\nthat can be put back", ha="center", va="center", color="gray")
            axes.set_axis_off()
    else:
        _draw_ranking(ranking, found)
        _draw_correlations(correlations, found)
        _draw_spreads(spreads, found)
    _draw_values(values, found)
    _draw_calibration(calibration, found)
    _draw_q_spread(errors, found)
    save(figure, out)


def _draw_ranking(axes: Any, found: Diagnosis) -> None:
    """Every candidate's Q, less its state's mean."""
    assert found.judged is not None
    exists = found.judged.exists
    centred = []
    for q in q_of(found.judged, found.gamma):
        means = np.where(exists, q, 0.0).sum(axis=1) / np.maximum(exists.sum(axis=1), 1)
        centred.append((q - means[:, None])[exists])
    model, true = centred
    axes.plot(true, model, ".", ms=2, alpha=0.3)
    axes.axline((0, 0), slope=1, color="black", lw=0.6)
    _label(axes, "Q of candidates, less their state's mean", "simulator", "model")


def _draw_correlations(axes: Any, found: Diagnosis) -> None:
    there = found.correlations[~np.isnan(found.correlations)]
    axes.hist(there, bins=np.linspace(-1, 1, 21).tolist(), color="C0", alpha=0.7)
    if len(there):
        axes.axvline(there.mean(), color="black", lw=0.8)
    _label(axes, "ranking: correlation over a state's actions", "correlation (line: mean)", "states")


def _draw_spreads(axes: Any, found: Diagnosis) -> None:
    assert found.judged is not None
    spreads = [
        [row[there].std() for row, there in zip(q, found.judged.exists, strict=True)]
        for q in q_of(found.judged, found.gamma)
    ]
    axes.plot(spreads[1], spreads[0], ".", ms=3, alpha=0.5)
    axes.axline((0, 0), slope=1, color="black", lw=0.6)
    _label(axes, "spread of Q over a state's actions", "simulator", "model")


def _draw_values(axes: Any, found: Diagnosis) -> None:
    axes.plot(found.met.returned, found.met.raw_value, ".", ms=2, alpha=0.3)
    mean = float(found.met.returned.mean())
    axes.axline((mean, mean), slope=1, color="black", lw=0.6)
    _label(axes, "value of every step", "discounted return that followed", "network's value")


def _draw_calibration(axes: Any, found: Diagnosis) -> None:
    predicted = [part.predicted for part in found.calibration]
    axes.plot(predicted, [part.returned for part in found.calibration], "o-", ms=4)
    axes.axline((predicted[0], predicted[0]), slope=1, color="black", lw=0.6)
    _label(axes, "calibration, in parts of equal count", "mean value", "mean return")


def _draw_q_spread(axes: Any, found: Diagnosis) -> None:
    axes.hist(found.met.q_spread, bins=30, color="C1", alpha=0.7)
    error = found.values["model/q_error"]
    if error is not None:
        axes.axvline(error, color="black", lw=0.8)
    _label(axes, "spread of root Q" + (" (line: the model's error)" if error is not None else ""), "max − min", "steps")


def _label(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize="small")
    axes.set_xlabel(x, fontsize="small")
    axes.set_ylabel(y, fontsize="small")
    axes.grid(alpha=0.3)
