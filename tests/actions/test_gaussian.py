"""The squashed Gaussian against numerical integration, another library's numbers, and its own law.

A bound on an empirical CDF: P(sup|F_n - F| > e) <= 2 exp(-2ne²) (Dvoretzky, Kiefer,
Wolfowitz; Massart 1990), used at 1e-6.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.gaussian import FIRST_LOG_SCALE, Gaussian
from smuzero.actions.policy import Component
from smuzero.actions.spaces import SquashedBox

GOLDEN = json.loads((Path(__file__).parent / "golden" / "tanh_gaussian.json").read_text())
RAW = [[0.0, 0.0], [2.0, -3.0], [-9.0, -9.0], [-1.0, 2.0]]
EXTREME = [[1e30, 1e30], [-1e30, -1e30], [1e30, -1e30], [-1e38, 1e38]]
GRID = np.linspace(-30, 30, 400_001, dtype=np.float32)
"""Values of u; far enough for σ = e and |μ| = 5."""

log_probs = jax.jit(Gaussian.log_prob_words, static_argnums=0)


def words_of(u: np.ndarray) -> jax.Array:
    """[K, 1] packed actions tanh(u)."""
    return jax.lax.bitcast_convert_type(jnp.asarray(u, jnp.float32), jnp.uint32)[:, None]


def naive_log_slope(u: np.ndarray) -> np.ndarray:
    """log(1 - tanh²u) by way of 1 / cosh²u, in float64."""
    return -2 * np.logaddexp(u, -u) + 2 * np.log(2)


def forms(logits: list[float]) -> dict[str, jax.Array]:
    """The network's own policy, and all that a search makes of it."""
    policy, own, key = Gaussian(1), jnp.array(logits), jax.random.key(0)
    noisy = policy.noisy(key, own, 0.25, 0.3)
    return {
        "own": own,
        "noisy": noisy,
        "tempered": policy.tempered(own, 3.0),
        "noisy and tempered": policy.tempered(noisy, 0.5),
        "uniform": policy.uniform_like(own),
    }


@pytest.mark.parametrize("logits", RAW)
def test_density_integrates_to_one_over_the_actions(logits):
    """∫ p(a) da, with a = tanh(u): ∫ p(tanh u) (1 - tanh²u) du."""
    for name, form in forms(logits).items():
        found = np.asarray(log_probs(Gaussian(1), form, words_of(GRID)), np.float64)
        integral = np.trapezoid(np.exp(found + naive_log_slope(GRID.astype(np.float64))), GRID)
        np.testing.assert_allclose(integral, 1.0, atol=1e-5, err_msg=name)


def test_density_equals_that_of_distrax():
    for row in GOLDEN:
        settled = jnp.array([row["mean"], math.log(row["scale"]), 0.0])
        found = log_probs(Gaussian(1), settled, words_of(np.array([row["u"]])))
        # z = (u - μ)/σ is off by as much as u's own rounding, divided by σ.
        room = 1e-5 + 4 * abs(row["u"]) * 2.0**-24 / row["scale"]
        np.testing.assert_allclose(found[0], row["log_density"], atol=room)


def test_density_in_the_environments_units_integrates_to_one_over_its_box():
    space = SquashedBox.between(-3.0, 5.0, (1,))
    u = GRID[::40]
    found = np.asarray(log_probs(Gaussian(1), jnp.array([0.3, -0.5]), words_of(u)), np.float64) - space.log_volume
    # Where 1 - a² is below a rounding step, float32 actions coincide; double precision tells them apart.
    actions = space.decode(np.tanh(u.astype(np.float64))[:, None]).astype(np.float64)[:, 0]
    np.testing.assert_allclose(np.trapezoid(np.exp(found), actions), 1.0, atol=1e-4)


@pytest.mark.parametrize("logits", RAW + EXTREME)
def test_nothing_is_nan_at_the_bounds_or_for_extreme_outputs_of_a_network(logits):
    policy, ends = Gaussian(1), words_of(np.array([-40.0, -9.0, 0.0, 9.0, 40.0]))
    edges = jnp.array([[0.0, 2.0**-24, 0.25, 0.5, 1.0 - 2.0**-24]])
    for form in forms(logits).values():
        drawn = policy.sample_words(form, edges).T
        actions = np.asarray(policy.unpack(drawn))
        assert np.isfinite(actions).all() and (np.abs(actions) <= 1).all()
        assert np.isfinite(policy.log_prob_words(form, drawn)).all()
        assert not np.isnan(policy.log_prob_words(form, ends)).any()
    packed = policy.pack(jnp.array([[-1.0], [1.0]]))
    own = jnp.array(logits)
    assert np.isfinite(jax.grad(lambda x: jnp.sum(policy.log_prob_words(x, packed)))(own)).all()
    assert np.isfinite(policy.entropy(own)) and np.isfinite(jax.grad(policy.entropy)(own)).all()


@pytest.mark.parametrize("form", ["own", "noisy", "tempered", "noisy and tempered", "uniform"])
def test_draws_follow_the_density(form):
    number, policy, logits = 40_000, Gaussian(1), forms([-1.0, 0.5])[form]
    uniforms = np.random.default_rng(0).random((1, number)).astype(np.float32)
    drawn = np.sort(np.asarray(jax.jit(policy.sample_words)(logits, uniforms)).view(np.float32)[0])
    density = np.exp(np.asarray(log_probs(policy, logits, words_of(GRID)), np.float64) + naive_log_slope(GRID))
    law = np.interp(drawn, GRID, np.cumsum(density) * (GRID[1] - GRID[0]))
    room = math.sqrt(math.log(2e6) / (2 * number)) + 1e-3
    assert np.abs(law - (np.arange(number) + 0.5) / number).max() < room


def test_noise_is_the_uniform_density_with_its_weight_in_every_dimension():
    """p = Π_i (1 - ε) p_i + ε/2, computed by hand in float64."""
    policy = Gaussian(2)
    logits, u = jnp.array([0.5, -1.0, 0.3, -0.2]), np.array([[0.1, -2.0], [3.0, 0.4]], np.float32)
    words = jax.lax.bitcast_convert_type(jnp.asarray(u), jnp.uint32)
    mean, log_scale, _ = (np.asarray(x, np.float64) for x in policy.moments(logits))
    u = u.astype(np.float64)
    normal = np.exp(-0.5 * ((u - mean) / np.exp(log_scale)) ** 2 - log_scale) / math.sqrt(2 * math.pi)
    expected = np.log(0.75 * normal * np.cosh(u) ** 2 + 0.25 / 2).sum(axis=1)
    noisy = policy.noisy(jax.random.key(0), logits, 0.25, 0.3)
    np.testing.assert_allclose(policy.log_prob_words(noisy, words), expected, rtol=1e-5)


def test_a_temperature_multiplies_the_variance_before_squashing():
    policy, logits = Gaussian(3), jnp.array([0.5, -1.0, 2.0, 0.3, -0.2, 1.0])
    mean, log_scale, _ = policy.moments(logits)
    tempered = policy.moments(policy.tempered(logits, 4.0))
    np.testing.assert_allclose(tempered[0], mean)
    np.testing.assert_allclose(jnp.exp(tempered[1]), 2 * jnp.exp(log_scale), rtol=1e-6)


@pytest.mark.parametrize("logits", [*RAW, [5.0, 9.0]])
def test_entropy_is_the_mean_surprise(logits):
    """Against -∫ p log p da on a fine grid."""
    policy, own = Gaussian(1), jnp.array(logits)
    u = GRID.astype(np.float64)
    mean, log_scale, _ = (float(x[0]) for x in policy.moments(own))
    log_normal = -0.5 * ((u - mean) / math.exp(log_scale)) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)
    expected = -np.trapezoid(np.exp(log_normal) * (log_normal - naive_log_slope(u)), u)
    np.testing.assert_allclose(policy.entropy(own), expected, atol=1e-3)


def test_before_learning_the_policy_is_centred_and_wide():
    mean, log_scale, wide = Gaussian(2).moments(jnp.zeros(4))
    np.testing.assert_allclose(mean, 0.0)
    np.testing.assert_allclose(log_scale, FIRST_LOG_SCALE, rtol=1e-5)
    np.testing.assert_allclose(wide, 0.0)


def test_words_hold_the_draw_itself_and_zero_has_one_word():
    policy, u = Gaussian(2), np.array([[0.5, -12.25], [1e-30, 3.0]], np.float32)
    words = jax.lax.bitcast_convert_type(jnp.asarray(u), jnp.uint32)
    np.testing.assert_allclose(policy.unpack(words), np.tanh(u), rtol=1e-6)
    actions = jnp.array([[0.0, -0.0], [0.3, -0.9], [1.0, -1.0]])
    packed = policy.pack(actions)
    assert packed[0].tolist() == [0, 0]
    np.testing.assert_allclose(policy.unpack(packed), actions, atol=2e-7)


def test_features_are_one_hot_at_the_knots_and_shared_between_them():
    policy = Gaussian(2)
    found = np.asarray(policy.features(jnp.array([-1.0, 0.5]))).reshape(2, 7)
    np.testing.assert_allclose(found, [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.5, 0.5, 0]], atol=1e-6)
    np.testing.assert_allclose(policy.coordinates(jnp.array([-1.0, 0.5])), [-1.0, 0.5])


def test_continuous_actions_cannot_be_enumerated():
    with pytest.raises(ValueError, match=r"infinitely many slots.*num_samples"):
        Gaussian(1).enumerate_words()


def test_a_gaussian_is_a_static_component():
    assert isinstance(Gaussian(2), Component) and hash(Gaussian(2)) == hash(Gaussian(2))
