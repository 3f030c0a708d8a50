import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.actions.distributions import FactoredCategorical, Gaussian
from smuzero.search import proposal
from smuzero.search.expand import (
    counts_at_nodes,
    enumerate_all,
    expand,
    merged_counts,
    num_slots,
    search_prior,
    word_factors,
)
from smuzero.search.settings import SearchSettings

POLICY = FactoredCategorical(2, 3)
expand_jit = jax.jit(expand, static_argnums=(0, 3))


def random_inputs(seed: int, num_samples: int = 12) -> tuple[jax.Array, jax.Array]:
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=POLICY.num_logits).astype(np.float32)
    return jnp.asarray(logits), jnp.asarray(draw.random((POLICY.num_uniforms, num_samples)).astype(np.float32))


def test_prior_equals_draw_frequencies_when_proposal_is_policy():
    log_pi = jnp.log(jnp.array([0.7, 0.2, 0.1]))
    prior = jnp.exp(search_prior(log_pi, log_pi, jnp.array([3, 1, 0])))
    np.testing.assert_allclose(prior, [0.75, 0.25, 0.0], atol=1e-6)


def test_prior_is_the_policy_when_draws_match_a_uniform_proposal():
    pi = jnp.array([0.7, 0.2, 0.1])
    prior = jnp.exp(search_prior(jnp.log(pi), jnp.log(jnp.full(3, 1 / 3)), jnp.array([2, 2, 2])))
    np.testing.assert_allclose(prior, pi, atol=1e-6)


def test_prior_is_the_normalised_product_of_section_5_1():
    pi, beta, count = np.array([0.5, 0.3, 0.1, 0.1]), np.array([0.4, 0.3, 0.2, 0.1]), np.array([5, 0, 2, 1])
    weight = [count[a] / sum(count) / beta[a] * pi[a] for a in range(4)]
    log_pi, log_beta = (jnp.log(jnp.asarray(x, jnp.float32)) for x in (pi, beta))
    prior = jnp.exp(search_prior(log_pi, log_beta, jnp.asarray(count, jnp.int32)))
    np.testing.assert_allclose(prior, np.array(weight) / sum(weight), atol=1e-6)


@pytest.mark.parametrize("other", [jnp.inf, -jnp.inf, jnp.nan])
def test_an_empty_slot_has_no_prior_whatever_else_it_holds(other):
    log_pi = jnp.array([-1.0, other, -2.0])
    log_prior = search_prior(log_pi, log_pi, jnp.array([1, 0, 1]))
    np.testing.assert_allclose(jnp.exp(log_prior), [0.5, 0.0, 0.5], atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=7, max_size=7))
def test_repeats_are_counted_at_the_first_draw(rows):
    found = merged_counts(jnp.asarray(rows, jnp.uint32))
    total = collections.Counter(rows)
    assert found.tolist() == [total[row] if row not in rows[:k] else 0 for k, row in enumerate(rows)]


@pytest.mark.parametrize("num_words", [1, 5, 21])
def test_repeats_at_many_nodes_are_those_of_each(num_words):
    random = np.random.default_rng(0)
    words = random.integers(0, 2**32, (3, 8, num_words), dtype=np.uint32)
    assert counts_at_nodes(jnp.asarray(words).swapaxes(1, 2), 8).tolist() == np.ones((3, 8), int).tolist()
    words[1, 5] = words[1, 2]
    words[2, 1:4] = words[2, 7]
    counts = [[1] * 8, [1, 1, 2, 1, 1, 0, 1, 1], [1, 4, 0, 0, 1, 1, 1, 0]]
    assert counts_at_nodes(jnp.asarray(words).swapaxes(1, 2), 8).tolist() == counts


def test_different_actions_of_one_sum_are_told_apart():
    words = np.random.default_rng(0).integers(0, 2**32, (1, 8, 5), dtype=np.uint32)
    factors = word_factors(5)
    words[0, 3] = words[0, 6]
    words[0, 3, 1:2] += factors[4]
    words[0, 3, 4:5] -= factors[1]
    sums = (words[0] * factors).sum(axis=-1, dtype=np.uint32).tolist()
    assert sums[3] == sums[6] and (words[0, 3] != words[0, 6]).any()
    assert counts_at_nodes(jnp.asarray(words).swapaxes(1, 2), 8).tolist() == [[1] * 8]


def test_few_actions_have_a_slot_each_and_many_share_those_of_the_draws():
    logits, uniforms = random_inputs(0)
    draws = proposal.draw(POLICY, logits, uniforms, SearchSettings(12)).T
    words, slots = expand(POLICY, logits[None], draws.T[None], SearchSettings(12))
    drawn = collections.Counter(map(tuple, np.asarray(draws)))
    assert words[0].tolist() == POLICY.enumerate_words().tolist()
    assert slots.count[0].tolist() == [drawn[tuple(word)] for word in np.asarray(words[0])]
    sizes = {samples: num_slots(POLICY, SearchSettings(samples)) for samples in (3, 8, 9, 20)}
    assert sizes == {3: 3, 8: 8, 9: 9, 20: 9}
    assert num_slots(POLICY, SearchSettings(20, widening_start=2)) == 20
    assert num_slots(Gaussian(1), SearchSettings(20)) == 20
    assert num_slots(FactoredCategorical(6, 7), SearchSettings(20)) == 20


@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_slots_hold_the_draws_with_the_prior_of_section_5_1(seed, temperature):
    logits, uniforms = random_inputs(seed)
    settings = SearchSettings(12, temperature=temperature)
    draws = proposal.draw(POLICY, logits, uniforms, settings)
    words, slots = jax.tree.map(lambda x: x[0], expand_jit(POLICY, logits[None], draws[None], settings))
    count, prior = slots.count, slots.prior
    pi = np.exp(np.asarray(POLICY.log_prob_words(logits, words), np.float64))
    per_dim = np.exp(np.asarray(POLICY.log_probs(logits), np.float64) / temperature)
    per_dim /= per_dim.sum(axis=1, keepdims=True)
    beta = np.array([per_dim[0, a] * per_dim[1, b] for a, b in np.asarray(POLICY.unpack(words))])
    weight = np.asarray(count) / 12 / beta * pi
    np.testing.assert_allclose(np.maximum(prior, 0.0), weight / weight.sum(), rtol=1e-4)
    assert int(count.sum()) == 12
    assert (np.asarray(prior)[np.asarray(count) == 0] == -np.inf).all()


def test_enumeration_holds_every_legal_action_once_with_the_policy_as_prior():
    logits, _ = random_inputs(0)
    logits = POLICY.masked(logits, jnp.array([True, False, True, True, True, False]))
    words, slots = enumerate_all(POLICY, logits, SearchSettings())
    count, prior = slots.count, slots.prior
    per_dim = np.exp(np.asarray(POLICY.log_probs(logits)))
    actions = [tuple(a) for a in np.asarray(POLICY.unpack(words)).tolist()]
    assert sorted(actions) == [(a, b) for a in range(3) for b in range(3)]
    for (a, b), times, p in zip(actions, np.asarray(count), np.asarray(prior), strict=True):
        expected = per_dim[0, a] * per_dim[1, b]
        assert times == (expected > 0)
        np.testing.assert_allclose(p, expected if expected > 0 else -np.inf, rtol=1e-5)
