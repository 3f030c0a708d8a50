"""The distributions of Figure 1: π, draws from β, Î_β for more and more of them, and Iπ."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from smuzero.experiments.theorem import states
from smuzero.experiments.theorem.rate import OPERATORS
from smuzero.operators.improvement import log_improve
from smuzero.operators.sampled import sampled_improve

SIZES = (16, 256, 4096)
"""Draws from β; the few first of them are shown."""
EDGES = np.linspace(-4.0, 3.0, 43)
"""Bins of the histograms."""


def illustrate(seed: int = 0, operator: str = "mpo") -> dict[str, Any]:
    """Probabilities of each bin, as JSON values, in the continuous state with β ≠ π."""
    state = states.make_state("continuous", "β ≠ π")
    with jax.enable_x64(True):
        log_pi, _, q, _ = (jnp.asarray(column) for column in state.actions)
        improved = np.exp(log_improve(OPERATORS[operator], log_pi, q, jnp.asarray(state.log_measure)))
    widths = np.exp(state.log_measure)
    places, count = state.draw(np.random.default_rng(seed), 1, max(SIZES))
    sampled = {}
    for size in SIZES:
        drawn = states.single(state.look_up(places[0, :size]))
        probs = jax.jit(sampled_improve)(
            OPERATORS[operator], *(jnp.asarray(x) for x in (drawn.log_pi, drawn.log_beta, count[0, :size], drawn.q))
        )
        sampled[size] = _histogram(places[0, :size], np.asarray(probs))
    return {
        "operator": operator,
        "edges": EDGES.tolist(),
        "pi": _histogram(state.place, np.exp(state.actions.log_pi) * widths),
        "beta": _histogram(state.place, np.exp(state.actions.log_beta) * widths),
        "draws": places[0, : min(SIZES)].tolist(),
        "sampled": sampled,
        "improved": _histogram(state.place, improved),
    }


def _histogram(places: np.ndarray, probs: np.ndarray) -> list[float]:
    return np.histogram(places, EDGES, weights=probs)[0].tolist()
