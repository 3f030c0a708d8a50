"""Every method of the factored categorical against the sentence that defines it.

Statistical bounds are derived: P(X > d + 2√(dt) + 2t) <= exp(-t) for a
chi-square X with d degrees of freedom (Laurent & Massart 2000), and
P(sup|F_n - F| > e) <= 2 exp(-2ne²) for an empirical CDF (Dvoretzky, Kiefer,
Wolfowitz; Massart 1990). t = 14 and 2 exp(-2ne²) = 1e-6 are used throughout.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.actions import spaces
from smuzero.actions.distributions import FactoredCategorical, Policy, make_policy

SIZES = [2, 7, 18, 362]
LARGEST = float(np.nextafter(np.float32(1), np.float32(0)))
"""The largest float32 below 1; a search's own numbers end at 1 - 2^-24, which is the same."""


def random_logits(policy: FactoredCategorical, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=policy.num_logits).astype(np.float32))


def naive_probs(policy: FactoredCategorical, logits: jax.Array) -> np.ndarray:
    weights = np.exp(np.asarray(logits, np.float64)).reshape(policy.num_dims, policy.num_choices)
    return weights / weights.sum(axis=1, keepdims=True)


@functools.cache
def jitted_draw(policy: FactoredCategorical):
    return jax.jit(lambda logits, uniforms: policy.unpack(policy.sample_words(logits, uniforms).T))


def draws(policy: FactoredCategorical, logits: jax.Array, uniforms: np.ndarray) -> np.ndarray:
    """[K, A] actions for uniforms [A, K]."""
    return np.asarray(jitted_draw(policy)(logits, jnp.asarray(uniforms, jnp.float32)))


def is_plausible(counts: np.ndarray, probs: np.ndarray) -> bool:
    """Whether draws with these probabilities could have these counts; cells that expect under 8 are joined."""
    expected = probs * counts.sum()
    rare = expected < 8
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    freedom, t = len(counts) - 1, 14.0
    return ((counts - expected) ** 2 / expected).sum() < freedom + 2 * math.sqrt(freedom * t) + 2 * t


@pytest.mark.parametrize("choices", SIZES)
def test_draws_have_the_probabilities_of_the_policy_in_every_dimension(choices):
    policy = FactoredCategorical(2, choices)
    logits = random_logits(policy)
    found = draws(policy, logits, np.random.default_rng(1).random((2, 40_000)))
    for dim, probs in enumerate(naive_probs(policy, logits)):
        assert is_plausible(np.bincount(found[:, dim], minlength=choices), probs)


def test_dimensions_are_drawn_independently():
    policy = FactoredCategorical(2, 4)
    logits = random_logits(policy)
    found = draws(policy, logits, np.random.default_rng(2).random((2, 40_000)))
    first, second = naive_probs(policy, logits)
    assert is_plausible(np.bincount(found[:, 0] * 4 + found[:, 1], minlength=16), np.outer(first, second).ravel())


@pytest.mark.parametrize("choices", SIZES)
def test_a_draw_is_the_first_choice_whose_cumulative_probability_exceeds_the_uniform(choices):
    policy = FactoredCategorical(1, choices)
    logits = random_logits(policy, choices)
    cumulative = np.cumsum(naive_probs(policy, logits)[0])
    # Float32 sums of M terms are good to M·2^-24; numbers closer than that to an edge may fall either way.
    room = choices * 2.0**-23
    uniforms = np.concatenate([np.linspace(0, LARGEST, 2001), cumulative[:-1] - room, cumulative[:-1] + room])
    uniforms = uniforms.astype(np.float32)
    is_clear = np.abs(uniforms[:, None] - cumulative[None, :-1]).min(axis=1) > 0.9 * room
    expected = [int(np.flatnonzero(cumulative > u)[0]) if u < cumulative[-1] else choices - 1 for u in uniforms]
    found = draws(policy, logits, uniforms[None])[:, 0]
    np.testing.assert_array_equal(found[is_clear], np.array(expected)[is_clear])
    assert is_clear.sum() > 2000


@pytest.mark.parametrize("choices", SIZES)
@pytest.mark.parametrize("impossible", ["first", "last", "most", "underflowing"])
def test_impossible_choices_are_never_drawn_not_even_at_the_edges(choices, impossible):
    policy = FactoredCategorical(1, choices)
    is_possible = np.ones(choices, bool)
    if impossible == "first":
        is_possible[: choices // 2] = False
    elif impossible == "last":
        is_possible[choices - choices // 2 :] = False
    else:
        is_possible = np.arange(choices) == choices // 2
    for seed in range(5):
        logits = random_logits(policy, seed)
        if impossible == "underflowing":  # exp(-300) is 0 in float32
            logits = jnp.where(jnp.asarray(is_possible), logits, -300.0)
        else:
            logits = policy.masked(logits, jnp.asarray(is_possible))
        grid = np.arange(2**12) / 2**12
        edges = np.cumsum(naive_probs(policy, logits)[0]).astype(np.float32)
        near = np.concatenate([np.nextafter(edges, np.float32(side)) for side in (0, 2)])
        uniforms = np.clip(np.concatenate([grid, edges, near, [0.0, 2.0**-24, LARGEST]]), 0, LARGEST)
        found = draws(policy, logits, uniforms[None])[:, 0]
        assert is_possible[found].all()


@pytest.mark.parametrize("choices", SIZES)
def test_every_choice_of_an_even_policy_is_drawn_by_evenly_spaced_numbers(choices):
    policy = FactoredCategorical(1, choices)
    found = draws(policy, jnp.zeros(choices), (np.arange(choices)[None] + 0.5) / choices)
    np.testing.assert_array_equal(found[:, 0], np.arange(choices))


@st.composite
def actions_of_a_policy(draw) -> tuple[FactoredCategorical, list[list[int]]]:
    dims, choices = draw(
        st.sampled_from([(1, 1), (1, 2), (1, 362), (3, 7), (11, 7), (12, 7), (38, 7), (33, 2), (4, 362)])
    )
    action = st.lists(st.integers(0, choices - 1), min_size=dims, max_size=dims)
    return FactoredCategorical(dims, choices), draw(st.lists(action, min_size=3, max_size=3))


@settings(max_examples=60, deadline=None)
@given(actions_of_a_policy())
def test_packing_is_undone_by_unpacking_and_words_are_equal_exactly_if_actions_are(case):
    policy, rows = case
    words = policy.pack(jnp.asarray(rows, jnp.int32))
    assert words.shape == (3, policy.num_words)
    assert policy.unpack(words).tolist() == rows
    for k in range(3):
        for j in range(3):
            assert (words[k].tolist() == words[j].tolist()) == (rows[k] == rows[j])


@pytest.mark.parametrize(
    ("dims", "choices", "words"), [(1, 362, 1), (6, 7, 1), (11, 7, 1), (12, 7, 2), (38, 7, 4), (32, 2, 1), (33, 2, 2)]
)
def test_largest_actions_fit_their_words(dims, choices, words):
    policy = FactoredCategorical(dims, choices)
    assert policy.num_words == words
    last = jnp.full((1, dims), choices - 1, jnp.int32)
    assert policy.unpack(policy.pack(last)).tolist() == last.tolist()


@pytest.mark.parametrize("shape", [(1, 5), (2, 3), (1, 18)])
def test_log_prob_sums_over_dimensions_and_sums_to_one_over_actions(shape):
    policy = FactoredCategorical(*shape)
    logits = random_logits(policy)
    words = jnp.asarray(policy.enumerate_words())
    actions = np.asarray(policy.unpack(words))
    assert len({tuple(a) for a in actions.tolist()}) == shape[1] ** shape[0]
    probs = naive_probs(policy, logits)
    expected = [sum(math.log(probs[dim, choice]) for dim, choice in enumerate(a)) for a in actions]
    found = policy.log_prob_words(logits, words)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(found).sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize("choices", [5, 18])
def test_log_prob_has_a_finite_gradient_under_a_mask(choices):
    policy = FactoredCategorical(1, choices)
    legal = jnp.arange(choices) != 2
    words = policy.pack(jnp.array([[0], [1]], jnp.int32))

    def loss(logits):
        return -jnp.sum(policy.log_prob_words(policy.masked(logits, legal), words))

    assert np.isfinite(jax.grad(loss)(random_logits(policy))).all()


@pytest.mark.parametrize("choices", [5, 18])
def test_log_prob_of_an_impossible_action_is_minus_infinity(choices):
    policy = FactoredCategorical(1, choices)
    logits = policy.masked(random_logits(policy), jnp.arange(choices) != 2)
    assert policy.log_prob_words(logits, policy.pack(jnp.array([[2]], jnp.int32)))[0] == -jnp.inf


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 1e9])
def test_tempered_is_the_normalised_power_of_the_policy(temperature):
    policy = FactoredCategorical(2, 5)
    logits = policy.masked(random_logits(policy), jnp.arange(10) != 7)
    probs = naive_probs(policy, logits)
    power = np.where(probs > 0, probs ** (1 / temperature), 0.0)
    found = np.exp(policy.log_probs(policy.tempered(logits, temperature)))
    np.testing.assert_allclose(found, power / power.sum(axis=1, keepdims=True), atol=1e-6)


def test_masked_is_the_policy_restricted_to_the_legal_choices():
    policy = FactoredCategorical(2, 4)
    logits = random_logits(policy)
    legal = np.array([[True, False, True, True], [False, False, True, False]])
    probs = naive_probs(policy, logits) * legal
    found = np.exp(policy.log_probs(policy.masked(logits, jnp.asarray(legal.ravel()))))
    np.testing.assert_allclose(found, probs / probs.sum(axis=1, keepdims=True), atol=1e-6)


def test_entropy_is_the_mean_surprise():
    policy = FactoredCategorical(3, 7)
    logits = policy.masked(random_logits(policy), jnp.arange(21) % 7 != 3)
    expected = -sum(p * math.log(p) for p in naive_probs(policy, logits).ravel() if p > 0)
    np.testing.assert_allclose(policy.entropy(logits), expected, rtol=1e-5)
    np.testing.assert_allclose(policy.entropy(jnp.zeros(21)), 3 * math.log(7), rtol=1e-5)


def test_entropy_has_a_finite_gradient_under_a_mask():
    policy = FactoredCategorical(1, 5)
    logits = random_logits(policy)
    legal = jnp.arange(5) != 2

    def entropy(x: jax.Array) -> jax.Array:
        return policy.entropy(policy.masked(x, legal))

    step = 1e-2
    naive = [(entropy(logits + step * e) - entropy(logits - step * e)) / (2 * step) for e in jnp.eye(5)]
    np.testing.assert_allclose(jax.grad(entropy)(logits), naive, atol=1e-3)


def test_features_are_one_hot_in_every_dimension():
    policy = FactoredCategorical(3, 4)
    found = policy.features(jnp.array([2, 0, 3])).reshape(3, 4)
    np.testing.assert_array_equal(found, np.eye(4)[[2, 0, 3]])


@pytest.mark.parametrize("fraction", [0.25, 1.0])
def test_noise_mixes_a_dirichlet_into_every_dimension(fraction):
    """The mean over keys is (1-ε)p + ε/m, with m the possible choices; impossible ones stay impossible."""
    policy, number, alpha = FactoredCategorical(2, 5), 10_000, 0.3
    logits = policy.masked(random_logits(policy), jnp.arange(10) != 9)
    keys = jax.random.split(jax.random.key(4), number)
    noisy = jax.jit(jax.vmap(lambda key: policy.noisy(key, logits, fraction, alpha)))(keys)
    found = np.exp(np.asarray(noisy, np.float64)).reshape(number, 2, 5)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-5)
    assert (found[:, 1, 4] == 0).all()
    for dim, m in ((0, 5), (1, 4)):
        expected = (1 - fraction) * naive_probs(policy, logits)[dim, :m] + fraction / m
        error = fraction * math.sqrt((m - 1) / (m**2 * (m * alpha + 1)) / number)
        assert (np.abs(found[:, dim, :m].mean(axis=0) - expected) < 6 * error).all()
    # Each dimension draws noise of its own.
    assert abs(np.corrcoef(found[:, 0, 0], found[:, 1, 0])[0, 1]) < 6 / math.sqrt(number)


def test_too_many_actions_to_enumerate_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"117649 slots.*6 dimensions of 7 choices.*num_samples"):
        FactoredCategorical(6, 7).enumerate_words()


def test_policies_are_made_from_spaces_and_are_static():
    policy = make_policy(spaces.BinnedBox(low=(-1.0,) * 6, high=(1.0,) * 6, shape=(6,)))
    again = make_policy(spaces.BinnedBox(low=(-1.0,) * 6, high=(1.0,) * 6, shape=(6,)))
    assert isinstance(policy, FactoredCategorical) and isinstance(policy, Policy)
    assert (policy.num_dims, policy.num_choices) == (6, 7)
    assert (policy, hash(policy)) == (again, hash(again))
    discrete = make_policy(spaces.Discrete(18))
    assert discrete == FactoredCategorical(1, 18)


def test_coordinates_are_evenly_spaced_for_bins_and_one_hot_for_names():
    bins = FactoredCategorical(num_dims=2, num_choices=5, is_ordered=True)
    assert bins.num_coordinates == 2
    np.testing.assert_allclose(bins.coordinates(jnp.array([0, 3])), [-1.0, 0.5])
    names = FactoredCategorical(num_dims=1, num_choices=3)
    assert names.num_coordinates == 3
    np.testing.assert_array_equal(names.coordinates(jnp.array([2])), [0, 0, 1])
