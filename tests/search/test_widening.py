import collections

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.search import widening
from smuzero.search.settings import SearchSettings


def test_draws_on_offer_grow_by_the_power_law_from_the_start_to_all():
    grown = SearchSettings(widening_start=2, widening_exponent=0.5, num_samples=7, num_simulations=16)
    # ⌈2·√(N + 1)⌉, at most 7
    assert widening.offered_draws(grown).tolist() == [2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7]


@pytest.mark.parametrize(("exponent", "expected"), [(0.0, [3] * 5), (1.0, [3, 6, 9, 12, 15])])
def test_exponents_at_their_bounds_keep_the_start_or_grow_with_the_visits(exponent, expected):
    grown = SearchSettings(widening_start=3, widening_exponent=exponent, num_simulations=5)
    assert widening.offered_draws(grown).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(1, 6))
def test_counts_are_those_of_the_first_draws_alone(draws, num_draws):
    first = jnp.array([draws.index(action) for action in draws])
    found = widening.counts(first, jnp.int32(num_draws))
    count = collections.Counter(draws[:num_draws])
    assert found.tolist() == [count[a] if draws.index(a) == k else 0 for k, a in enumerate(draws)]


@pytest.mark.parametrize("prior", ["sampled", "policy_normalised"])
def test_priors_of_the_draws_on_offer_sum_to_one_whatever_the_others_weigh(prior):
    """Weights of π/β that far apart have no common scale in float32."""
    log_weight, first = jnp.array([[-300.0, -301.0, -300.0, 0.0]]), jnp.array([[0, 1, 0, 3]])
    chosen = SearchSettings(widening_start=1, prior=prior)
    found = np.asarray(widening.priors(first, log_weight, jnp.array([3]), chosen))[0]
    times = 2 if prior == "sampled" else 1
    np.testing.assert_allclose(found[:2], np.array([times, np.exp(-1)]) / (times + np.exp(-1)), rtol=1e-5)
    assert (found[2:] == -np.inf).all()
