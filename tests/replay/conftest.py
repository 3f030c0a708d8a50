"""Sequences whose rows can be told apart."""

from collections.abc import Callable

import numpy as np
import pytest

from smuzero.types import Sequence


def _make_sequence(
    number: int, num_steps: int, is_terminal: bool = False, num_samples: int = 3, num_words: int = 2
) -> Sequence:
    """Random contents, but `observation[t]` is (number, t) and `action[t]` is (number, t) too."""
    rng = np.random.default_rng(number)
    discount = np.ones(num_steps, np.float32)
    discount[-1] = 0 if is_terminal else 1
    rows = np.stack([np.full(num_steps + 1, number), np.arange(num_steps + 1)], axis=1)
    return Sequence(
        observation=rows.astype(np.float32),
        action=rows[:-1].astype(np.int32),
        reward=rng.normal(size=num_steps).astype(np.float32),
        discount=discount,
        words=rng.integers(1, 2**32, (num_steps, num_samples, num_words), dtype=np.uint32),
        visits=rng.integers(1, 50, (num_steps, num_samples), dtype=np.int32).astype(np.float32),
        root_value=rng.normal(size=num_steps).astype(np.float32),
        legal=rng.random((num_steps, 4)) < 0.7,
        recurrent=rng.normal(size=(num_steps, 5)).astype(np.float32),
    )


@pytest.fixture(scope="session")
def make_sequence() -> Callable[..., Sequence]:
    return _make_sequence


@pytest.fixture(scope="session")
def count_tolerance() -> Callable[[np.ndarray], np.ndarray]:
    """How far counts may lie from their expectation, all of them together with probability 1 - 1e-9.

    A count of independent draws has a variance below its mean μ, strata or not, so Bernstein's inequality
    P(|X - μ| >= t) <= 2 exp(-t² / (2 (μ + t / 3))), set to δ = 1e-9 / (number of counts), gives
    t = c / 3 + √(c² / 9 + 2 c μ) with c = log(2 / δ).
    """

    def tolerance(mean: np.ndarray) -> np.ndarray:
        c = np.log(2 * mean.size / 1e-9)
        return c / 3 + np.sqrt(c**2 / 9 + 2 * c * mean)

    return tolerance
