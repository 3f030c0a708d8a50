"""The arithmetic of a diagnosis, on plain arrays: rankings, errors, calibration, the age of what is replayed.

The paper has none of it. It is what shows why an agent does not learn.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

RESOLUTION = 1e-6
"""Differences below this share of the largest number are rounding of single precision, and rank nothing."""


class Bin(NamedTuple):
    """Steps of similar predicted value: what was predicted, and what followed."""

    count: int
    predicted: float
    """Their mean prediction,"""
    returned: float
    """their mean return."""


def correlations(
    model: Float[np.ndarray, "S K"], true: Float[np.ndarray, "S K"], exists: Bool[np.ndarray, "S K"]
) -> Float64[np.ndarray, " S"]:
    """Correlation over the actions of each state.

    NaN where the truth is the same for all actions; 0 where only the model sees no difference.
    """
    rows = zip(model, true, exists, strict=True)
    return np.array([_ranked(m[e].astype(np.float64), t[e].astype(np.float64)) for m, t, e in rows], np.float64)


def correlation(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Pearson's; NaN where either does not vary."""
    if not (_varies(one) and _varies(other)):
        return float("nan")
    return float(np.corrcoef(one.astype(np.float64), other.astype(np.float64))[0, 1])


def rms(errors: Float[np.ndarray, " n"]) -> float:
    """Root mean square; NaN of nothing."""
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64)))) if len(errors) else float("nan")


def spread(values: Float[np.ndarray, "S K"], exists: Bool[np.ndarray, "S K"]) -> float:
    """Standard deviation over the actions of a state, mean over states."""
    return mean(np.array([row[there].astype(np.float64).std() for row, there in zip(values, exists, strict=True)]))


def lost_by_trust(
    model: Float[np.ndarray, "S K"], true: Float[np.ndarray, "S K"], exists: Bool[np.ndarray, "S K"]
) -> float:
    """What the model's best action lacks of the truly best, over what a random action lacks.

    Σ_s [max_a Q(s,a) − Q(s, argmax_a Q̂)]  /  Σ_s [max_a Q(s,a) − mean_a Q(s,a)]
    """
    lost, by_chance = 0.0, 0.0
    for m, t, there in zip(model, true, exists, strict=True):
        true_q = t[there].astype(np.float64)
        if _varies(true_q):
            lost += float(true_q.max() - true_q[np.argmax(m[there])])
            by_chance += float(true_q.max() - true_q.mean())
    return lost / by_chance if by_chance > 0 else float("nan")


def calibration(predicted: Float[np.ndarray, " n"], returned: Float[np.ndarray, " n"], bins: int = 10) -> list[Bin]:
    """Steps sorted by prediction, in so many parts of equal count."""
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    return [Bin(len(p), float(predicted[p].mean()), float(returned[p].mean())) for p in parts if len(p)]


def returns_of(
    reward: Float[np.ndarray, " T"], discount: Float[np.ndarray, " T"], last_value: float, gamma: float
) -> Float64[np.ndarray, " T"]:
    """G_t = r_t + γ d_t G_{t+1}, with `last_value` as G_T: the discounted returns of an episode's steps."""
    found = np.zeros(len(reward))
    following = last_value
    for t in reversed(range(len(reward))):
        following = float(reward[t]) + gamma * float(discount[t]) * following
        found[t] = following
    return found


def ages(replay: dict[str, Any]) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """For each step of a replay's state: the steps stored after it, and its share of what is drawn."""
    length = np.asarray(replay["length"], np.int64)
    ends = np.cumsum(length)
    slots = [np.arange(end - count, end) for end, count in zip(ends, length, strict=True)]
    if len(length) == replay["settings"]["max_sequences"]:
        oldest = int(replay["next_slot"])
        slots = slots[oldest:] + slots[:oldest]
    order = np.concatenate([np.zeros(0, np.int64), *slots])
    mass = np.asarray(replay["mass"], np.float64)[order]
    return np.arange(len(order), dtype=np.float64)[::-1].copy(), mass / max(mass.sum(), 1e-300)  # an empty one has none


def mean(values: Float[np.ndarray, "..."]) -> float:
    """Of the numbers that are none of NaN; NaN of nothing."""
    there = np.asarray(values, np.float64)
    there = there[~np.isnan(there)]
    return float(there.mean()) if there.size else float("nan")


def _ranked(model: Float64[np.ndarray, " n"], true: Float64[np.ndarray, " n"]) -> float:
    if not _varies(true):
        return float("nan")
    return correlation(model, true) if _varies(model) else 0.0


def _varies(values: Float[np.ndarray, " n"]) -> bool:
    return len(values) > 1 and float(np.ptp(values)) > RESOLUTION * (1.0 + float(np.abs(values).max()))
