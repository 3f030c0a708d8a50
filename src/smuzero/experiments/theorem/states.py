"""The states the theorem is measured in: one with many discrete actions, one with a continuous action.

Both have a policy π, a proposal β to draw from, action values Q and a random
variable X, all known in closed form, so that what sampling estimates can also be
summed over all actions, or integrated.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int32

DIMS, BINS = 5, 7
"""The discrete action: 5 dimensions of 7 bins (Section 6.3), 16,807 actions."""
REACH, NODES = 9.0, 3601
"""The continuous action's integrals: trapezoids on [−9, 9]. Nothing here is narrower than 0.5, so the error is tiny.
One node is at 0.7, where Q is largest: MuZero's operator measures from there."""
SPACES = ("discrete", "continuous")
PROPOSALS = ("β = π", "β ≠ π")


class Actions(NamedTuple):
    """What is known of actions, for each of them."""

    log_pi: Float[np.ndarray, "*shape"]
    log_beta: Float[np.ndarray, "*shape"]
    q: Float[np.ndarray, "*shape"]
    x: Float[np.ndarray, "*shape"]
    """X(s, a)."""


class State(NamedTuple):
    """One state: all of its actions, and how to draw from them."""

    actions: Actions
    """Every action, or every node of the integral: arrays `[N]`."""
    log_measure: Float64[np.ndarray, " N"]
    """Log of an action's weight in sums over all of them: 0, or the width of a node's strip."""
    place: Float64[np.ndarray, " N"]
    """Where an action lies on a line, for pictures."""
    draw: Callable[[np.random.Generator, int, int], tuple[Float[np.ndarray, "R K"], Int32[np.ndarray, "R K"]]]
    """(generator, R, K) -> R samples of K draws from β, and how often each action was drawn; 0 at every repeat."""
    look_up: Callable[[Float[np.ndarray, "R K"]], Actions]
    """What is known of drawn actions."""


def make_state(space: str, proposal: str) -> State:
    """One of `SPACES` with one of `PROPOSALS`."""
    return {"discrete": discrete, "continuous": continuous}[space](proposal)


def discrete(proposal: str) -> State:
    """Factored categorical π; β is π or π^(1/2), normalised (Section 5.5 with τ = 2). Draws repeat, and are merged."""
    chosen = np.random.default_rng(2021)
    logits = chosen.normal(scale=0.7, size=(DIMS, BINS))
    bins = np.stack(np.unravel_index(np.arange(BINS**DIMS), (BINS,) * DIMS))
    angle = chosen.uniform(0, 2 * np.pi, size=(3, DIMS)) @ (bins / BINS)
    log_pi = _joint(logits, bins)
    log_beta = log_pi if proposal == PROPOSALS[0] else _joint(logits / 2, bins)
    actions = Actions(log_pi, log_beta, 0.5 * np.sin(angle[0]) + 0.5 * np.cos(angle[1]), 0.5 + np.sin(angle[2]))
    cumulative = np.cumsum(np.exp(log_beta))
    cumulative /= cumulative[-1]

    def draw(generator: np.random.Generator, repeats: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        # Sorted draws lie beside their repeats, and are looked up much faster.
        uniforms = np.sort(generator.random((repeats, size)), axis=1)
        index = np.searchsorted(cumulative, uniforms, side="right")
        return index.astype(np.float64), merged_counts(index)

    def look_up(index: np.ndarray) -> Actions:
        return Actions(*(column[index.astype(np.int64)] for column in actions))

    return State(actions, np.zeros(BINS**DIMS), np.arange(BINS**DIMS, dtype=np.float64), draw, look_up)


def continuous(proposal: str) -> State:
    """Gaussian π = N(0, 1); β is π or N(−0.5, 1.3²). No draw repeats."""
    mean, scale = (0.0, 1.0) if proposal == PROPOSALS[0] else (-0.5, 1.3)

    def look_up(place: np.ndarray) -> Actions:
        q, x = np.exp(-((place - 0.7) ** 2)), place + 0.5 * place**2
        return Actions(_gaussian(place, 0.0, 1.0), _gaussian(place, mean, scale), q, x)

    def draw(generator: np.random.Generator, repeats: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        places = mean + scale * generator.standard_normal((repeats, size))
        return places, np.ones((repeats, size), np.int32)

    nodes = np.linspace(-REACH, REACH, NODES)
    strip = np.full(NODES, np.log(nodes[1] - nodes[0]))
    return State(look_up(nodes), strip, nodes, draw, look_up)


def merged_counts(draws: np.ndarray) -> Int32[np.ndarray, "R K"]:
    """How often each draw of a sorted row occurs, at its first occurrence; 0 at every repeat."""
    size = draws.shape[1]
    first = np.ones(draws.shape, bool)
    first[:, 1:] = draws[:, 1:] != draws[:, :-1]
    place = np.where(first, np.arange(size), size)
    # The next first occurrence, looking from the right, is where this run of equal draws ends.
    following = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    end = np.concatenate([following[:, 1:], np.full((len(draws), 1), size)], axis=1)
    return np.where(first, end - np.arange(size), 0).astype(np.int32)


def single(actions: Actions) -> Actions:
    """The same in single precision, which the operators are measured in."""
    return Actions(*(column.astype(np.float32) for column in actions))


def _joint(logits: Float64[np.ndarray, "A M"], bins: np.ndarray) -> Float64[np.ndarray, " N"]:
    """Log-probability of every combination of bins under a factored categorical."""
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return sum((row[column] for row, column in zip(log_probs, bins, strict=True)), np.zeros(bins.shape[1]))


def _gaussian(place: np.ndarray, mean: float, scale: float) -> np.ndarray:
    return -0.5 * ((place - mean) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))
