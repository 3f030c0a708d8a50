import itertools
import math

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies

from smuzero.operators.scalars import Support, from_two_hot, gaussian_hot, squash, symlog, two_hot, unsquash

reals = strategies.floats(-1e4, 1e4, width=32)
supports = strategies.sampled_from(
    [Support(-150.0, 150.0, 51), Support(-1.0, 1.0, 51), Support(0.0, 1.0, 2), Support(-2.0, 7.0, 4)]
)


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(reals, supports)
def test_two_hot_is_a_distribution_over_at_most_two_neighbours(x, support):
    probs = np.asarray(two_hot(jnp.float32(x), support.low, support.high, support.bins))
    assert probs.min() >= 0
    assert probs.sum() == pytest.approx(1.0, abs=2e-6)
    used = np.flatnonzero(probs)
    assert used[-1] - used[0] <= 1


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(reals, supports)
def test_expectation_of_two_hot_is_the_clipped_scalar(x, support):
    mean = from_two_hot(two_hot(jnp.float32(x), support.low, support.high, support.bins), support.low, support.high)
    tolerance = 1e-5 * (support.high - support.low)
    assert float(mean) == pytest.approx(np.clip(x, support.low, support.high), abs=tolerance)


def test_two_hot_agrees_with_shares_worked_by_hand():
    # Bins at -2, 1, 4, 7: 2 lies a third of the way from 1 to 4.
    np.testing.assert_allclose(two_hot(jnp.float32(2.0), -2.0, 7.0, 4), [0, 2 / 3, 1 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(two_hot(jnp.float32(9.0), -2.0, 7.0, 4), [0, 0, 0, 1], atol=1e-6)


def naive_gaussian_hot(x, low, high, bins, spread):
    """The Gaussian's mass in each bin, from its distribution function, as a share of all that is inside."""
    width = (high - low) / (bins - 1)
    x = min(max(x, low), high)
    edges = [low + (i - 0.5) * width for i in range(bins + 1)]
    below = [0.5 * (1 + math.erf((edge - x) / (spread * width * math.sqrt(2)))) for edge in edges]
    return [(b - a) / (below[-1] - below[0]) for a, b in itertools.pairwise(below)]


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(strategies.floats(-8, 14, width=32), strategies.sampled_from([0.5, 0.75, 2.0]))
def test_spread_target_is_the_mass_of_a_gaussian_in_each_bin(x, spread):
    found = gaussian_hot(jnp.float32(x), -5.0, 10.0, 31, spread)
    np.testing.assert_allclose(found, naive_gaussian_hot(x, -5.0, 10.0, 31, spread), atol=2e-6)


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(strategies.floats(-120, 120, width=32))
def test_expectation_of_a_spread_target_is_the_scalar_away_from_the_ends(x):
    support = Support(-150.0, 150.0, 51, spread=0.75)
    probs = support.encode(jnp.float32(x))
    # The mean of a histogram errs by (w/π) exp(−2π²σ²) sin(2πx/w) at most: 3e-5 of a width of 6 here; and rounding.
    np.testing.assert_allclose(from_two_hot(probs, support.low, support.high), x, atol=1e-3)
    np.testing.assert_allclose(support.decode(jnp.log(jnp.maximum(probs, 1e-30))), x, atol=1e-3)


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(reals)
def test_symlog_is_odd_and_the_logarithm_of_one_more(x):
    np.testing.assert_allclose(symlog(jnp.float32(x)), np.sign(x) * np.log(1 + abs(x)), rtol=2e-6, atol=1e-6)


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(reals)
def test_squash_is_the_formula_of_the_paper(x):
    expected = np.sign(x) * (np.sqrt(abs(x) + 1) - 1) + 0.001 * x
    np.testing.assert_allclose(squash(jnp.float32(x)), expected, rtol=2e-6, atol=1e-12)


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(strategies.floats(-1e6, 1e6, width=32))
def test_unsquash_undoes_squash_for_small_and_large_values(x):
    np.testing.assert_allclose(unsquash(squash(jnp.float32(x))), x, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("transform", [False, True])
@pytest.mark.parametrize("x", [-100.0, -0.3, 0.0, 2.5, 120.0])
def test_decode_reads_back_what_encode_wrote(x, transform):
    support = Support(-150.0, 150.0, 51, transform)
    probs = support.encode(jnp.float32(x))
    logits = jnp.log(jnp.maximum(probs, 1e-30))
    # Rounding is relative to the range of 150 and, with the transform, to h's slope of at most 25 below 120.
    np.testing.assert_allclose(support.decode(logits), x, atol=2e-4 * (25 if transform else 1))


def test_uniform_logits_are_the_middle_of_the_support():
    np.testing.assert_allclose(Support(-150.0, 150.0, 51).decode(jnp.zeros(51)), 0.0, atol=1e-4)
    np.testing.assert_allclose(Support(-2.0, 7.0, 4).decode(jnp.zeros(4)), 2.5, atol=1e-5)


def test_support_is_batched_by_vmap():
    probs = jax.vmap(Support(-1.0, 1.0, 51).encode)(jnp.array([-1.0, 0.0, 0.5]))
    assert probs.shape == (3, 51)


@pytest.mark.parametrize(("low", "high", "bins", "message"), [(0.0, 1.0, 1, "at least 2"), (1.0, 1.0, 5, "empty")])
def test_support_refuses_what_it_cannot_represent(low, high, bins, message):
    with pytest.raises(ValueError, match=message):
        Support(low, high, bins)
    with pytest.raises(ValueError, match="spread is -1"):
        Support(0.0, 1.0, 2, spread=-1.0)
