"""Dependent components: exact joint probabilities, what can be said and what cannot."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.autoregressive import Autoregressive
from smuzero.actions.categorical import FactoredCategorical
from smuzero.actions.gaussian import Gaussian
from smuzero.actions.policy import Policy

QUICK = {"xla_backend_optimization_level": 0}
PAIR = Autoregressive((FactoredCategorical(1, 2), FactoredCategorical(1, 3)))
TRIPLE = Autoregressive((FactoredCategorical(1, 3), FactoredCategorical(1, 2), FactoredCategorical(1, 4)))
MIXED = Autoregressive((FactoredCategorical(1, 2), Gaussian(1), FactoredCategorical(1, 3)))


def random_logits(policy: Policy, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=policy.num_logits).astype(np.float32))


def naive_probs(logits: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """The joint distribution by its definition: b first, then for each component one matrix for every earlier one."""
    biases, rest = np.split(np.asarray(logits, np.float64), [sum(sizes)])
    bias = np.split(biases, np.cumsum(sizes)[:-1])
    weight = {}
    for i, j in sorted(itertools.combinations(range(len(sizes)), 2), key=lambda pair: pair[::-1]):
        weight[i, j], rest = rest[: sizes[i] * sizes[j]].reshape(sizes[i], sizes[j]), rest[sizes[i] * sizes[j] :]
    assert len(rest) == 0
    joint = np.zeros(sizes)
    for action in itertools.product(*map(range, sizes)):
        probability = 1.0
        for j in range(len(sizes)):
            own = bias[j] + sum(weight[i, j][action[i]] for i in range(j))
            probability *= np.exp(own[action[j]]) / np.exp(own).sum()
        joint[action] = probability
    return joint


def test_joint_probabilities_are_products_of_conditional_softmaxes():
    logits = random_logits(TRIPLE)
    expected = naive_probs(np.asarray(logits), (3, 2, 4))
    words = jnp.asarray(TRIPLE.enumerate_words())
    found = np.exp(jax.jit(TRIPLE.log_prob_words)(logits, words))
    np.testing.assert_allclose(found, [expected[tuple(action)] for action in np.asarray(TRIPLE.unpack(words))], 1e-5)
    np.testing.assert_allclose(expected.sum(), 1.0)


def test_draws_have_the_joint_probabilities():
    """Chi-square of the 6 cells: above 5 + 2√(5·14) + 2·14 with a chance below 1e-6 (Laurent & Massart 2000)."""
    logits, number = random_logits(PAIR), 30_000
    uniforms = jnp.asarray(np.random.default_rng(0).random((2, number)).astype(np.float32) * 0.9999999)
    drawn = np.asarray(PAIR.unpack(jax.jit(PAIR.sample_words, compiler_options=QUICK)(logits, uniforms).T))
    expected = number * naive_probs(np.asarray(logits), (2, 3)).ravel()
    counts = np.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=6)
    assert ((counts - expected) ** 2 / expected).sum() < 5 + 2 * np.sqrt(5 * 14) + 2 * 14


def test_a_pair_can_have_any_joint_distribution_and_a_product_cannot():
    """b_2 + W[a_1] are free for every a_1, so each conditional is."""
    joint = np.array([[0.5, 0.0, 0.0], [0.0, 0.2, 0.3]])
    with np.errstate(divide="ignore"):
        conditional = np.log(joint / joint.sum(axis=1, keepdims=True))
    logits = np.concatenate([np.log(joint.sum(axis=1)), np.zeros(3), np.maximum(conditional, -100).ravel()])
    words = jnp.asarray(PAIR.enumerate_words())
    found = np.exp(jax.jit(PAIR.log_prob_words)(jnp.asarray(logits, jnp.float32), words))
    np.testing.assert_allclose(found, joint.ravel(), atol=1e-6)


def test_a_continuous_component_depends_on_the_choice_before_it():
    """Integrated over the amount, what is left are the probabilities of the choices."""
    policy = Autoregressive((FactoredCategorical(1, 2), Gaussian(1)))
    logits = jnp.array([0.3, 0.0, 0.0, -1.0, 1.5, 0.0, -1.5, 0.0])
    u = np.linspace(-20, 20, 20_001, dtype=np.float32)
    density = jax.jit(policy.log_prob_words)
    for choice, mean in ((0, 1.5), (1, -1.5)):
        words = jnp.stack([jnp.full(u.size, choice, jnp.uint32), jnp.asarray(u.view(np.uint32))], axis=-1)
        log_slope = -2 * np.log(np.cosh(u.astype(np.float64)))
        found = np.exp(np.asarray(density(logits, words), np.float64) + log_slope)
        probability = np.exp(0.3 * (1 - choice)) / (1 + np.exp(0.3))
        np.testing.assert_allclose(np.trapezoid(found, u), probability, rtol=1e-4)
        # The mean's soft bound moves 1.5 by 0.04.
        np.testing.assert_allclose(np.trapezoid(found * u, u) / probability, mean, atol=0.1)


def test_noise_and_temperature_change_every_conditional_distribution():
    """((1 - ε) π_j + ε η_j)^(1/τ), normalised for every prefix; η is read off a policy that is all noise."""
    logits, key = random_logits(PAIR), jax.random.key(2)
    words = jnp.asarray(PAIR.enumerate_words())

    def joint(form):
        return np.exp(np.asarray(jax.jit(PAIR.log_prob_words)(form, words), np.float64)).reshape(2, 3)

    pi, noise = joint(logits), joint(PAIR.noisy(key, logits, 1.0, 0.3))
    np.testing.assert_allclose(noise[0] / noise[0].sum(), noise[1] / noise[1].sum(), rtol=1e-4)
    mixed = [0.7 * pi.sum(axis=1) + 0.3 * noise.sum(axis=1)]
    mixed.append(0.7 * pi / pi.sum(axis=1, keepdims=True) + 0.3 * noise.sum(axis=0)[None])
    power = [np.sqrt(probs) / np.sqrt(probs).sum(axis=-1, keepdims=True) for probs in mixed]
    found = joint(PAIR.tempered(PAIR.noisy(key, logits, 0.3, 0.3), 2.0))
    np.testing.assert_allclose(found, power[0][:, None] * power[1], rtol=1e-4)


@functools.cache
def entropy_and_gradient(policy: Autoregressive):
    return jax.jit(jax.value_and_grad(policy.entropy), compiler_options=QUICK)


def test_entropy_and_its_gradient_are_exact_where_prefixes_are_few():
    logits = random_logits(TRIPLE)

    def naive(x: np.ndarray) -> float:
        joint = naive_probs(x, (3, 2, 4))
        return -np.sum(joint * np.log(joint))

    found, gradient = entropy_and_gradient(TRIPLE)(logits)
    np.testing.assert_allclose(found, naive(np.asarray(logits)), rtol=1e-5)
    x, step = np.asarray(logits, np.float64), 1e-5
    differences = [(naive(x + step * e) - naive(x - step * e)) / (2 * step) for e in np.eye(len(x))]
    np.testing.assert_allclose(gradient, differences, atol=1e-5)


def test_entropy_is_estimated_where_a_prefix_is_continuous():
    """H of (choice, amount, choice): with no weights the components are independent, and their entropies add up."""
    biases = np.random.default_rng(0).normal(size=2 + 2 + 3)
    logits = jnp.asarray(np.concatenate([biases, np.zeros(MIXED.num_logits - 7)]), jnp.float32)
    found, gradient = entropy_and_gradient(MIXED)(logits)
    parts = FactoredCategorical(1, 2), Gaussian(1), FactoredCategorical(1, 3)
    shares = jnp.split(logits[:7], [2, 4])
    expected = sum(float(part.entropy(share)) for part, share in zip(parts, shares, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_a_policy_with_too_many_logits_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"over 40 components needs \d+ logits; 65536 .*fewer bins"):
        Autoregressive((FactoredCategorical(1, 11),) * 40)
