"""Dirichlet noise: the quantiles of its gamma draws against SciPy's, and its law."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from smuzero.actions.dirichlet import dirichlet, log_gamma_quantile


@pytest.mark.parametrize("concentration", [0.03, 0.3, 0.42, 1.0, 1.2, 3.0, 50.0])
def test_gamma_quantiles_are_scipys(concentration):
    """Over all that a uniform number of 24 bits can give, and between."""
    exponential = np.geomspace(2.0**-24, 17.3, 5000).astype(np.float32).astype(np.float64)
    upper = exponential > 0.7
    quantile = np.where(
        upper,
        special.gammainccinv(concentration, np.exp(-exponential)),
        special.gammaincinv(concentration, -np.expm1(-exponential)),
    )
    # Below what SciPy resolves, the power law at zero.
    power_law = np.log(exponential) / concentration + special.gammaln(concentration + 1) / concentration
    expected = np.where(quantile > 1e-200, np.log(np.maximum(quantile, 1e-200)), power_law)
    found = log_gamma_quantile(jnp.asarray(exponential, jnp.float32), concentration)
    np.testing.assert_allclose(found, expected, rtol=3e-5, atol=1e-4)


def test_a_concentration_too_small_for_its_table_follows_the_power_law():
    found = dirichlet(jax.random.key(0), 1e-3, jnp.ones((1, 3), bool))
    np.testing.assert_allclose(np.sort(np.asarray(found)[0]), [0, 0, 1], atol=1e-3)


def many_dirichlets(concentration: float, allowed: np.ndarray, number: int) -> np.ndarray:
    keys = jax.random.split(jax.random.key(3), number)
    return np.asarray(jax.jit(jax.vmap(lambda key: dirichlet(key, concentration, jnp.asarray(allowed))))(keys), float)


@pytest.mark.parametrize("concentration", [0.03, 0.3, 2.0])
def test_dirichlet_has_the_moments_and_the_marginal_of_its_law(concentration):
    """Mean 1/m, variance (m-1)/(m²(mα+1)) and marginal Beta(α, (m-1)α) over m allowed entries."""
    number, allowed = 20_000, np.ones((2, 5), bool)
    allowed[1, [0, 4]] = False
    found = many_dirichlets(concentration, allowed, number)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-5)
    assert (found[:, ~allowed] == 0).all()
    for row, m in ((0, 5), (1, 3)):
        values = found[:, row][:, allowed[row]]
        variance = (m - 1) / (m**2 * (m * concentration + 1))
        assert (np.abs(values.mean(axis=0) - 1 / m) < 6 * math.sqrt(variance / number)).all()
        # Hoeffding for (x - 1/m)² in [0, 1], at a chance of 1e-6.
        room = math.sqrt(math.log(2e6) / (2 * number))
        assert (np.abs(((values - 1 / m) ** 2).mean(axis=0) - variance) < room).all()
        grid = np.linspace(0.001, 0.999, 200)
        law = jax.scipy.special.betainc(concentration, (m - 1) * concentration, jnp.asarray(grid, jnp.float32))
        empirical = (values[:, 1, None] <= grid).mean(axis=0)
        assert np.abs(empirical - np.asarray(law)).max() < room


def test_entries_of_a_dirichlet_are_correlated_as_its_law_says():
    """Every pair has correlation -1/(m-1)."""
    number = 20_000
    values = many_dirichlets(0.3, np.ones((1, 4), bool), number)[:, 0]
    found = np.corrcoef(values.T)[~np.eye(4, dtype=bool)]
    np.testing.assert_allclose(found, -1 / 3, atol=6 / math.sqrt(number))
