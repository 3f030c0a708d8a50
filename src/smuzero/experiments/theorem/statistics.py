"""What errors over many repeats say: a power law with its confidence interval, a variance, a test of normality."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Slope(NamedTuple):
    """An exponent with its standard error."""

    value: float
    standard_error: float

    def interval(self, deviations: float = 1.96) -> tuple[float, float]:
        """The confidence interval; 1.96 standard errors on each side are 95 %."""
        return self.value - deviations * self.standard_error, self.value + deviations * self.standard_error


def power_law(sizes: Float[np.ndarray, " S"], errors: Float[np.ndarray, "S R"], terms: int) -> Slope:
    """The exponent s of RMSE(K) = e^a K^s, by weighted least squares on logarithms.

    The theorem speaks of K → ∞; at finite K the variance of Î_β has further terms,
    each smaller by 1/K, of which the first `terms` (b/K, c/K², …) are fitted as
    well. A log RMSE is as uncertain as its R squared errors scatter:
    var(e²) / (4 R mean(e²)²).
    """
    squares = errors**2
    mean = squares.mean(axis=1)
    deviation = squares.std(axis=1, ddof=1) / (2 * mean * math.sqrt(errors.shape[1]))
    columns = [np.ones(len(sizes)), np.log(sizes), *(sizes ** -float(power + 1) for power in range(terms))]
    design = np.stack(columns, axis=1) / deviation[:, None]
    covariance = np.linalg.inv(design.T @ design)
    fitted = covariance @ design.T @ (0.5 * np.log(mean) / deviation)
    return Slope(float(fitted[1]), math.sqrt(covariance[1, 1]))


def variance_with_error(values: Float[np.ndarray, " R"]) -> tuple[float, float]:
    """The variance, and its standard error (from the fourth moment, so for any distribution)."""
    centred = values - values.mean()
    return float(values.var(ddof=1)), float((centred**2).std(ddof=1) / math.sqrt(len(values)))


def kolmogorov_smirnov(values: Float[np.ndarray, " R"]) -> tuple[float, float]:
    """Largest distance of the distribution of `values` from N(0, 1)'s, and the p-value of one as large by chance.

    The p-value is Kolmogorov's limit 2 Σ_j (−1)^(j−1) exp(−2 j² t²), with
    Stephens' t = D (√R + 0.12 + 0.11/√R).
    """
    ordered, size = np.sort(values), len(values)
    normal = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in ordered])
    steps = np.arange(size + 1) / size
    distance = float(max(np.max(steps[1:] - normal), np.max(normal - steps[:-1])))
    t = distance * (math.sqrt(size) + 0.12 + 0.11 / math.sqrt(size))
    # Below 0.2 the series converges slowly, and the p-value is 1 to twelve digits.
    series = 2 * sum((-1) ** (j - 1) * math.exp(-2 * (j * t) ** 2) for j in range(1, 101)) if t > 0.2 else 1.0
    return distance, min(max(series, 0.0), 1.0)
