"""Elo ratings by maximum likelihood from the results of matches (Section 6.1, Appendix B, Figure 2).

    P(i beats j) = 1 / (1 + 10^((R_j − R_i) / 400))

Ratings are the R under which the games that were played are likeliest: the
Bradley-Terry model in Elo's units. A draw counts as half a win and half a loss.
Only differences are determined, so one player is anchored (the paper: the final
MuZero baseline at 2000). Intervals are those of the likelihood's curvature
there, of differences to the anchor, which itself has none.

Paper: silent on how its ratings were computed.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from smuzero.types import UserError

SCALE = 400.0 / math.log(10.0)
"""Elo points for a factor of e in the odds of winning."""
MOST_STEPS = 100
"""Newton's method takes fewer than ten from even ratings; this many mean that no maximum exists."""


class Unrated(UserError):
    """The games that were played determine no ratings."""


class Ratings(NamedTuple):
    """One rating a player, in Elo, with a confidence interval."""

    names: tuple[str, ...]
    elo: Float64[np.ndarray, " P"]
    low: Float64[np.ndarray, " P"]
    high: Float64[np.ndarray, " P"]
    points: Float64[np.ndarray, " P"]
    """Games won, draws as halves."""
    games: Float64[np.ndarray, " P"]


def expected_score(difference: Float64[np.ndarray, "*P"] | float) -> Any:
    """The share of points that a player so many Elo above another can expect, between 0 and 1."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(difference, np.float64) / SCALE))


def rate(
    names: Sequence[str],
    points: Float64[np.ndarray, "P P"],
    *,
    anchor: int = 0,
    anchor_elo: float = 2000.0,
    prior_draws: float = 0.0,
    confidence: float = 0.95,
) -> Ratings:
    """Ratings of P players from `points[i, j]`, the games i won against j, draws as halves.

    `prior_draws` adds so many drawn games to each pair that met, which keeps a
    player who won or lost every game at a finite rating. Raises Unrated for
    players who are not linked by games and, without prior draws, for those whom
    every rating's doubling would fit better still.
    """
    points = _checked(names, points, anchor)
    prior = 0.5 * prior_draws * ((points + points.T) > 0)
    _check_linked(names, points + prior)
    theta, information = _maximise(points + prior)
    elo = SCALE * (theta - theta[anchor]) + anchor_elo
    others = np.arange(len(names)) != anchor
    deviation = np.zeros(len(names))
    deviation[others] = SCALE * np.sqrt(np.diag(np.linalg.inv(information[np.ix_(others, others)])))
    width = statistics.NormalDist().inv_cdf(0.5 + 0.5 * confidence) * deviation
    won = points.sum(axis=1)
    return Ratings(tuple(names), elo, elo - width, elo + width, won, won + points.sum(axis=0))


def _checked(names: Sequence[str], points: Float64[np.ndarray, "P P"], anchor: int) -> Float64[np.ndarray, "P P"]:
    points = np.array(points, np.float64)
    if points.shape != (len(names), len(names)):
        raise ValueError(f"points has shape {points.shape}, but there are {len(names)} players.")
    if not np.isfinite(points).all() or (points < 0).any():
        raise ValueError("points holds negative or non-finite numbers, but counts games won.")
    if not 0 <= anchor < len(names):
        raise ValueError(f"anchor is {anchor}, but players are numbered 0 to {len(names) - 1}.")
    np.fill_diagonal(points, 0.0)
    return points


def _check_linked(names: Sequence[str], points: Float64[np.ndarray, "P P"]) -> None:
    """Finite ratings exist exactly if everyone can be reached from everyone along games won (Ford 1957)."""
    met = _reachable((points + points.T) > 0)
    if not met.all():
        group = [name for name, linked in zip(names, met[0], strict=True) if linked]
        others = [name for name, linked in zip(names, met[0], strict=True) if not linked]
        raise Unrated(
            f"No game links {', '.join(group)} with {', '.join(others)}, so their ratings cannot be compared: "
            "let some of them play each other."
        )
    beats = _reachable(points > 0)
    if not beats.all():
        winner = int(np.argmax(beats.sum(axis=1)))
        never = [name for name, back in zip(names, beats[:, winner], strict=True) if not back]
        raise Unrated(
            f"{names[winner]} and its like took every point from {', '.join(never)}, which fits any difference of "
            "ratings that is large enough: play more games, or add prior draws (--prior-draws 1)."
        )


def _reachable(edge: Bool[np.ndarray, "P P"]) -> Bool[np.ndarray, "P P"]:
    reach = edge | np.eye(len(edge), dtype=bool)
    for _ in range(len(edge)):
        reach = (reach.astype(np.int64) @ reach.astype(np.int64)) > 0
    return reach


def _maximise(points: Float64[np.ndarray, "P P"]) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, "P P"]]:
    """Newton's method on Σ_ij points_ij log σ(θ_i − θ_j); also returns the information at the maximum."""
    games, theta = points + points.T, np.zeros(len(points))
    for _ in range(MOST_STEPS):
        chance = expected_score(SCALE * (theta[:, None] - theta[None, :]))
        slope = (points - games * chance).sum(axis=1)
        curvature = games * chance * chance.T
        information = np.diag(curvature.sum(axis=1)) - curvature
        # Singular along "all ratings higher"; the least-squares step has no part in that direction.
        step = np.linalg.lstsq(information, slope, rcond=None)[0]
        # A full step overshoots where one side nearly always wins; e² in the odds at once is far enough.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        theta = theta + step
        if np.abs(step).max() < 1e-10:
            return theta, information
    raise Unrated("The likelihood of these games has no maximum that could be found: play more games.")
