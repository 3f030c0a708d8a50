"""The normal quantile against scipy's, over all that `uniforms` can give."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from smuzero.actions.quantiles import LEAST, even_quantile, normal_quantile

STEP = 2.0**-24
UNIFORMS = np.unique(
    np.concatenate(
        [np.arange(0, 2**24, 97), np.arange(3000), 2**24 - np.arange(1, 3000), 2**23 + np.arange(-3000, 3000)]
    )
).astype(np.float32) * np.float32(STEP)


def test_normal_quantiles_are_scipys():
    found = np.asarray(jax.jit(normal_quantile)(jnp.asarray(UNIFORMS)), np.float64)
    expected = ndtri(np.maximum(UNIFORMS.astype(np.float64), LEAST))
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-9)
    assert (np.diff(found) >= -1e-6).all()


def test_quantiles_are_finite_at_both_ends():
    ends = jnp.array([0.0, 1.0])
    for quantile in (normal_quantile, even_quantile):
        low, high = np.asarray(quantile(ends))
        assert np.isfinite([low, high]).all() and low < -5 < 5 < high


def test_even_quantiles_have_an_even_tanh():
    found = np.tanh(np.asarray(even_quantile(jnp.asarray(UNIFORMS)), np.float64))
    np.testing.assert_allclose(found, 2.0 * np.maximum(UNIFORMS, LEAST) - 1.0, atol=1e-6)
