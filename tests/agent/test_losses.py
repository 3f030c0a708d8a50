import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.agent.losses import Losses, cross_entropy, policy_loss, scale_gradient, shortfall, total_loss, unroll
from smuzero.networks.network import Network
from smuzero.operators.scalars import Support

POLICY = FactoredCategorical(num_dims=2, num_choices=3)


def test_scaled_gradients_leave_the_value_alone():
    value, gradient = jax.value_and_grad(lambda x: scale_gradient(3.0 * x, 0.5))(jnp.float32(2.0))
    assert (float(value), float(gradient)) == (6.0, 1.5)


def test_gradient_is_halved_at_every_dynamics_input():
    support = Support(-1.0, 1.0, 2)
    network = Network(
        init=lambda key: 1.0,
        represent=lambda params, observation: params * observation,
        dynamics=lambda params, latent, action: (latent, latent),
        predict=lambda params, latent: (latent, latent),
        value_support=support,
        reward_support=support,
    )

    def values(params):
        return unroll(network, params, jnp.ones(1), jnp.zeros((3, 1))).value_logits[:, 0]

    np.testing.assert_allclose(values(1.0), [1, 1, 1, 1])
    np.testing.assert_allclose(jax.jacrev(values)(1.0), [1, 1 / 2, 1 / 4, 1 / 8])


def test_cross_entropy_agrees_with_numbers_worked_by_hand():
    logits = jnp.log(jnp.array([0.5, 0.25, 0.25]))
    expected = -(0.5 * np.log(0.5) + 0.5 * np.log(0.25))
    np.testing.assert_allclose(cross_entropy(jnp.array([0.5, 0.5, 0.0]), logits), expected, rtol=1e-6)


def test_policy_loss_is_the_visits_cross_entropy_with_the_policy_at_the_sampled_actions():
    logits = jnp.log(jnp.array([0.5, 0.3, 0.2, 0.1, 0.1, 0.8]))
    actions = jnp.array([[0, 2], [1, 1]])
    loss = policy_loss(POLICY, logits, POLICY.pack(actions), jnp.array([0.75, 0.25]))
    expected = -(0.75 * np.log(0.5 * 0.8) + 0.25 * np.log(0.3 * 0.1))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_an_action_of_probability_zero_in_an_empty_slot_harms_neither_loss_nor_gradient():
    logits = jnp.array([0.0, 0.0, -jnp.inf, 0.0, 0.0, 0.0])
    words = POLICY.pack(jnp.array([[0, 0], [2, 0]]))
    target = jnp.array([1.0, 0.0])
    loss, gradient = jax.value_and_grad(lambda logits: policy_loss(POLICY, logits, words, target))(logits)
    np.testing.assert_allclose(loss, np.log(2) + np.log(3), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-1 / 2, 1 / 2, 0, -2 / 3, 1 / 3, 1 / 3], atol=1e-6)


def test_shortfall_is_what_the_mean_entropy_lacks_of_its_floor():
    assert float(shortfall(jnp.array([0.5, 1.0]), 1.0)) == 0.25
    assert float(shortfall(jnp.array([0.0, 3.0]), 1.0)) == 0.0


def test_total_loss_weighs_terms_then_windows():
    one = jnp.ones(2)
    losses = Losses(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0]), jnp.array([5.0, 6.0]), -one, one, 2 * one)
    weights = Losses(1.0, 0.5, 2.0, 0.1, 3.0, 4.0)  # pyright: ignore[reportArgumentType]
    expected = np.mean([1.0 * (1 + 1.5 + 10 - 0.1 + 3 + 8), 0.5 * (2 + 2 + 12 - 0.1 + 3 + 8)])
    assert float(total_loss(losses, weights, jnp.array([1.0, 0.5]))) == pytest.approx(expected)
