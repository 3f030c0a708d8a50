"""Policy targets from a search: each against the operator's own equation, in units worked out by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.agent.improvement import ImprovementSettings, improved_policy, q_spread
from smuzero.search.plan import Model, search
from smuzero.search.settings import SearchSettings

SEARCH = SearchSettings(num_samples=6, num_simulations=12, temperature=1.5)
POLICY = FactoredCategorical(num_dims=1, num_choices=5)


@pytest.fixture(scope="module")
def found():
    """A search of three states whose one step is rewarded by the action."""
    model = Model(
        POLICY,
        lambda state, action: (state * 0.5, 0.3 * action[0].astype(jnp.float32) * state[0], jnp.float32(0.9)),
        lambda state: (jnp.sin(7.0 * state[0] + jnp.arange(5.0)), 2.0 * state[1]),
    )
    return search(jax.random.key(3), jnp.array([[1.0, 0.2], [-1.0, 0.5], [0.4, -2.0]]), model, SEARCH)


def test_visits_are_normalised_and_are_the_default(found):
    probs = improved_policy(found, ImprovementSettings(), SEARCH)
    np.testing.assert_allclose(probs, np.asarray(found.visits) / 12.0, rtol=1e-6)


@pytest.mark.parametrize("operator", ["mpo", "awr", "ppo"])
@pytest.mark.parametrize("unit", ["range", "spread"])
def test_an_operator_weighs_the_drawn_actions_by_its_equation(found, operator, unit):
    settings = ImprovementSettings(operator, temperature=0.7, unit=unit, max_weight=1e9)
    probs = improved_policy(found, settings, SEARCH)
    count = np.asarray(found.count, np.float64)
    ratio = count / 6 / np.exp(np.asarray(found.log_beta, np.float64))
    policy = 1.0 if operator == "ppo" else np.exp(np.asarray(found.log_pi, np.float64))
    if unit == "range":
        scale = np.asarray(found.tree.high - found.tree.low, np.float64)[:, None]
    else:
        scale = np.mean([naive_spread(*row) for row in zip(found.prior, found.q, count, strict=True)])
    q = np.where(count > 0, np.asarray(found.q, np.float64), 0.0)
    weight = np.where(count > 0, ratio * policy * np.exp((q - q.max(1, keepdims=True)) / (0.7 * scale)), 0.0)
    np.testing.assert_allclose(probs, weight / weight.sum(1, keepdims=True), rtol=2e-4, atol=1e-6)


def naive_spread(prior, q, count):
    drawn = np.asarray(count) > 0
    prior, q = np.asarray(prior, np.float64)[drawn], np.asarray(q, np.float64)[drawn]
    return np.sqrt(np.average((q - np.average(q, weights=prior)) ** 2, weights=prior))


def test_spread_is_the_deviation_of_q_under_the_sampled_prior(found):
    expected = [naive_spread(*row) for row in zip(found.prior, found.q, found.count, strict=True)]
    np.testing.assert_allclose(q_spread(found), expected, rtol=1e-4)


def test_an_operator_on_the_proposal_weighs_the_draws_alone(found):
    probs = improved_policy(found, ImprovementSettings("mpo", 0.7, "spread", reference="proposal"), SEARCH)
    count = np.asarray(found.count, np.float64)
    scale = np.mean([naive_spread(n, q, n) for n, q in zip(count, found.q, strict=True)])
    q = np.where(count > 0, np.asarray(found.q, np.float64), 0.0)
    weight = count * np.exp((q - q.max(1, keepdims=True)) / (0.7 * scale))
    np.testing.assert_allclose(probs, weight / weight.sum(1, keepdims=True), rtol=2e-4, atol=1e-6)


def test_a_floor_keeps_equal_q_from_being_told_apart(found):
    equal = found._replace(q=jnp.where(found.count > 0, 1e-6 * jnp.arange(5.0)[None], -jnp.inf))
    probs = improved_policy(equal, ImprovementSettings("mpo", temperature=1.0, unit="spread"), SEARCH)
    np.testing.assert_allclose(probs, found.prior, atol=1e-3)


def test_actions_without_an_estimate_get_nothing(found):
    blind = found._replace(q=found.q.at[:, 0].set(-jnp.inf))
    probs = improved_policy(blind, ImprovementSettings("muzero"), SEARCH)
    np.testing.assert_array_equal(probs[:, 0], 0.0)
    np.testing.assert_allclose(jnp.sum(probs, axis=-1), 1.0, atol=1e-5)
    assert np.isfinite(q_spread(blind)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operator": "trpo"}, "operator"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"unit": "metres"}, "unit"),
        ({"operator": "muzero", "unit": "spread"}, "tree's range"),
        ({"operator": "visits", "reference": "proposal"}, "needs an operator"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(Exception, match=message):
        dataclasses.replace(ImprovementSettings(), **changes)
