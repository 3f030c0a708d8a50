"""The search over mixed, continuous and dependent actions: priors by hand, masks, and better actions found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import Autoregressive, FactoredCategorical, Gaussian, Product
from smuzero.search import expand, proposal
from smuzero.search.plan import Model, search
from smuzero.search.settings import SearchSettings

from .random_models import QUICK

MIXED = Product((FactoredCategorical(1, 3), Gaussian(1)))
TEMPERATURE, FRACTION = 2.0, 0.25


def gaussian_density(u: np.ndarray, mean: float, variance: float) -> np.ndarray:
    """Of a = tanh(u), with the uniform density mixed in."""
    normal = np.exp(-0.5 * (u - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    return (1 - FRACTION) * normal * np.cosh(u) ** 2 + FRACTION / 2


def test_prior_of_a_mixed_action_equals_the_formula_in_float64():
    """π̂_β(a) ∝ (β̂/β)(a) π(a) with noise in π, and β its flattened form."""
    logits = jnp.array([0.3, -jnp.inf, 1.0, 0.7, -0.4])
    noisy = MIXED.noisy(jax.random.key(0), logits, FRACTION, 0.3)
    uniforms = np.random.default_rng(0).random((2, 6)).astype(np.float32)
    # A draw repeated twice more, as a saturated policy would.
    settings = SearchSettings(8, temperature=TEMPERATURE)
    words = proposal.draw(MIXED, noisy, jnp.asarray(uniforms), settings).T[np.array([0, 1, 0, 2, 3, 4, 5, 0])]
    slots = expand.weigh(MIXED, noisy, words, expand.merged_counts(words), settings)
    count, prior = slots.count, slots.prior
    assert count.tolist() == [3, 1, 0, 1, 1, 1, 1, 0]

    pi_choice = np.exp(np.asarray(noisy[:3], np.float64))
    beta_choice = pi_choice ** (1 / TEMPERATURE) / np.sum(pi_choice ** (1 / TEMPERATURE))
    mean, log_scale, _ = (float(x[0]) for x in Gaussian(1).moments(logits[3:]))
    choice, u = np.asarray(words)[:, 0], np.asarray(words)[:, 1].view(np.float32).astype(np.float64)
    pi = pi_choice[choice] * gaussian_density(u, mean, np.exp(2 * log_scale))
    beta = beta_choice[choice] * gaussian_density(u, mean, TEMPERATURE * np.exp(2 * log_scale))
    expected = np.asarray(count) / 8 / beta * pi
    filled = np.asarray(count) > 0
    np.testing.assert_allclose(np.asarray(prior)[filled], (expected / expected.sum())[filled], rtol=1e-4)
    assert (np.asarray(prior)[~filled] == -np.inf).all()


def model(policy, reward) -> Model:
    """One step is worth `reward(action)`; nothing is worth anything after it."""
    return Model(
        policy,
        lambda state, action: (state, jnp.float32(reward(action)), jnp.float32(0.0)),
        lambda state: (jnp.zeros(policy.num_logits), jnp.float32(0.0)),
    )


def run(policy, reward, settings: SearchSettings, legal=None):
    mask = None if legal is None else jnp.asarray(legal)
    found = jax.jit(
        lambda key, roots: search(key, roots, model(policy, reward), settings, legal=mask), compiler_options=QUICK
    )
    return jax.tree.map(np.asarray, found(jax.random.key(0), jnp.zeros((3, 1))))


@pytest.mark.parametrize("is_chained", [False, True])
def test_only_the_legal_action_is_drawn_where_there_is_but_one(is_chained):
    parts = (FactoredCategorical(1, 3), FactoredCategorical(1, 2))
    policy = Autoregressive(parts) if is_chained else Product(parts)
    legal = np.array([[False, True, False, True, False]] * 2 + [[True, True, False, False, True]])
    found = run(policy, lambda action: 0.0, SearchSettings(num_samples=10, num_simulations=8), legal)
    assert found.count[:2].max(axis=1).tolist() == [10, 10]
    assert found.visits[:2].max(axis=1).tolist() == [8, 8]
    # More draws than legal actions: two slots share them.
    assert (found.count[2] > 0).sum() == 2 and found.visits[2].sum() == 8
    drawn = found.action[found.count > 0].reshape(-1, 2)
    assert {tuple(action) for action in drawn.tolist()} == {(1, 0), (0, 1), (1, 1)}


def test_the_most_visited_of_the_drawn_mixed_actions_is_nearly_the_best():
    """A choice, and an amount whose best value depends on it."""
    best = jnp.array([-0.5, 0.2, 0.8])

    def reward(action):
        return action[0] - 4.0 * jnp.square(action[1] - best[action[0].astype(jnp.int32)])

    found = run(MIXED, reward, SearchSettings(num_samples=30, num_simulations=100, temperature=1.0))
    for row in range(3):
        worth = np.array([reward(action) for action in jnp.asarray(found.action[row])])
        # Among the best the prior decides.
        assert worth[found.visits[row].argmax()] > worth.max() - 0.03 * np.ptp(worth)
