"""The sampled operators of Sections 4.3 to 4.5, and the policies that acting and learning are given."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.operators.improvement import AWR, MPO, PPO, MuZero, PolicyGradient, improve, search_strength
from smuzero.operators.sampled import (
    OPERATORS,
    expectation,
    improved_policy,
    log_ratio,
    resample,
    sampled_improve,
)

TAU, STRENGTH = 0.7, 0.4
KINDS = {
    "pg": PolicyGradient(lower=-4.0),
    "ppo": PPO(TAU),
    "mpo": MPO(TAU),
    "awr": AWR(TAU, max_weight=2.0),
    "muzero": MuZero(STRENGTH),
}
improve_jit, sampled_jit = jax.jit(improve), jax.jit(sampled_improve)
policy_jit = jax.jit(improved_policy, static_argnums=0)

BETA = np.array([0.4, 0.3, 0.2, 0.1])
PI = np.array([0.1, 0.2, 0.3, 0.4])
Q = np.array([1.0, -0.5, 0.25, 0.0])


def logs(*arrays: np.ndarray) -> list[jax.Array]:
    return [jnp.log(jnp.asarray(array, jnp.float32)) for array in arrays]


def naive(name: str, pi, beta, count, q) -> np.ndarray:
    """(β̂/β) f(s, a, Ẑ_β) slot by slot, in double precision; Ẑ_β of MuZero by halving."""
    filled = [k for k, times in enumerate(count) if times > 0]
    ratio = {k: count[k] / sum(count) / beta[k] for k in filled}
    value = sum(ratio[k] * pi[k] * q[k] for k in filled) / sum(ratio[k] * pi[k] for k in filled)

    def f(k: int, z: float) -> float:
        return {
            "pg": lambda: pi[k] * (q[k] + 4.0) / z,
            "ppo": lambda: math.exp(q[k] / TAU) / z,
            "mpo": lambda: pi[k] * math.exp(q[k] / TAU) / z,
            "awr": lambda: pi[k] * min(math.exp((q[k] - value) / TAU), 2.0) / z,
            "muzero": lambda: STRENGTH * pi[k] / (z - q[k]),
        }[name]()

    def total(z: float) -> float:
        return sum(ratio[k] * f(k, z) for k in filled)

    best = max(q[k] for k in filled)
    below, above = (best, best + 1e3) if name == "muzero" else (1e-9, 1e9)
    for _ in range(300):
        middle = (below + above) / 2 if name == "muzero" else math.sqrt(below * above)
        below, above = (middle, above) if total(middle) > 1 else (below, middle)
    return np.array([ratio[k] * f(k, above) if k in ratio else 0.0 for k in range(len(count))])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("count", [[3, 1, 0, 2], [0, 0, 1, 0], [1, 1, 1, 1]])
def test_sampled_operator_is_its_formula(name, count):
    found = sampled_jit(KINDS[name], *logs(PI, BETA), jnp.asarray(count), jnp.asarray(Q, jnp.float32))
    np.testing.assert_allclose(found, naive(name, PI, BETA, count, Q), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", KINDS)
def test_sample_in_the_proportions_of_the_proposal_gives_the_exact_operator(name):
    log_pi, log_beta = logs(PI, BETA)
    q = jnp.asarray(Q, jnp.float32)
    found = sampled_jit(KINDS[name], log_pi, log_beta, jnp.array([4, 3, 2, 1]), q)
    np.testing.assert_allclose(found, improve_jit(KINDS[name], log_pi, q), rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_repeated_draws_weigh_as_often_as_they_were_drawn(name):
    """Merged slots give what one slot for each draw gives, repeats added up."""
    draws = [0, 3, 3, 1, 3, 0]
    log_pi, log_beta = logs(PI, BETA)
    q = jnp.asarray(Q, jnp.float32)
    merged = sampled_jit(KINDS[name], log_pi, log_beta, jnp.asarray(np.bincount(draws, minlength=4)), q)
    place = jnp.asarray(draws)
    apart = sampled_jit(KINDS[name], log_pi[place], log_beta[place], jnp.ones(6, jnp.int32), q[place])
    np.testing.assert_allclose(merged, np.bincount(draws, weights=np.asarray(apart), minlength=4), rtol=1e-5)


def test_with_the_policy_as_proposal_mpo_weighs_draws_by_their_value_alone():
    # The example of Section 4.3: Î_β π = β̂ exp(Q/τ) / Σ β̂ exp(Q/τ).
    log_pi, _ = logs(PI, BETA)
    found = sampled_jit(MPO(TAU), log_pi, log_pi, jnp.array([2, 1, 1, 0]), jnp.asarray(Q, jnp.float32))
    weight = np.array([2, 1, 1, 0]) * np.exp(Q / TAU)
    np.testing.assert_allclose(found, weight / weight.sum(), rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("other", [math.nan, math.inf, -math.inf])
def test_an_empty_slot_gets_nothing_whatever_it_holds(name, other):
    log_pi, log_beta = logs(PI, BETA)
    q, count = jnp.asarray(Q, jnp.float32), jnp.array([3, 0, 1, 2])
    expected = sampled_jit(KINDS[name], log_pi, log_beta, count, q)
    found = sampled_jit(KINDS[name], log_pi.at[1].set(other), log_beta.at[1].set(other), count, q.at[1].set(other))
    np.testing.assert_array_equal(found, expected)
    assert found[1] == 0
    nothing = sampled_jit(KINDS[name], log_pi, log_beta, jnp.zeros(4, jnp.int32), q)
    np.testing.assert_array_equal(nothing, 0.0)


logits = st.floats(-10, 0, width=32)
slots = st.lists(
    st.tuples(logits, logits, st.integers(0, 5), st.floats(-1e6, 1e6, width=32)), min_size=6, max_size=6
).filter(lambda rows: any(times for _, _, times, _ in rows))


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=100, deadline=None)
@given(rows=slots)
def test_every_operator_gives_a_policy_no_worse_than_the_sampled_one(name, rows):
    log_pi, log_beta, count, q = (jnp.asarray(column) for column in zip(*rows, strict=True))
    log_pi, log_beta = log_pi.astype(jnp.float32), log_beta.astype(jnp.float32)
    found = np.asarray(policy_jit(name, log_pi, log_beta, count, q.astype(jnp.float32), 50))
    assert np.all(found >= 0) and np.all(found[np.asarray(count) == 0] == 0)
    assert found.sum(dtype=np.float64) == pytest.approx(1.0, abs=3e-6)
    weight = np.asarray(count) * np.exp(np.asarray(-log_beta if name == "ppo" else log_pi - log_beta, np.float64))
    q = np.asarray(q, np.float64)
    assert found @ q >= weight @ q / weight.sum() - 1e-5 * (np.ptp(q) + np.abs(q).max())


def test_policy_by_name_is_the_operator_with_its_constants():
    log_pi, log_beta = logs(PI, BETA)
    count, q = jnp.array([3, 1, 0, 2]), jnp.asarray(Q, jnp.float32)
    expected = {
        "muzero": MuZero(search_strength(50, 3)),
        "mpo": MPO(0.3),
        "awr": AWR(0.3, 0.125, 20.0),
        "ppo": PPO(0.3),
        "pg": PolicyGradient(),
    }
    assert set(expected) == set(OPERATORS)
    for name, operator in expected.items():
        found = policy_jit(name, log_pi, log_beta, count, q, jnp.int32(50), 0.125, temperature=0.3, max_weight=20.0)
        np.testing.assert_allclose(found, sampled_jit(operator, log_pi, log_beta, count, q), rtol=1e-6)


def test_expectation_passes_over_what_has_no_probability():
    assert float(expectation(jnp.array([0.25, 0.75, 0.0]), jnp.array([2.0, 4.0, jnp.nan]))) == 3.5
    assert math.isnan(expectation(jnp.array([0.25, jnp.nan]), jnp.array([2.0, 4.0])))


def test_resampling_draws_slots_by_their_probability():
    probs = jnp.array([0.2, 0.0, 0.5, 0.3])
    size = 20_000
    drawn = jax.vmap(resample, in_axes=(0, None))(jax.random.split(jax.random.key(0), size), probs)
    frequency = np.bincount(np.asarray(drawn), minlength=4) / size
    assert frequency[1] == 0
    # Five standard errors of a frequency.
    np.testing.assert_allclose(frequency, probs, atol=5 * math.sqrt(0.25 / size))


def test_log_ratio_is_the_frequency_over_the_proposal():
    found = log_ratio(jnp.log(jnp.array([0.5, 0.5, 0.1])), jnp.array([3, 0, 1]))
    np.testing.assert_allclose(jnp.exp(found), [1.5, 0.0, 2.5], rtol=1e-6)


def test_an_unknown_operator_is_refused_with_the_known_ones():
    log_pi, log_beta = logs(PI, BETA)
    with pytest.raises(ValueError, match="operator is 'visit', but must be one of muzero, mpo, awr, ppo, pg"):
        improved_policy("visit", log_pi, log_beta, jnp.array([3, 1, 0, 2]), jnp.asarray(Q, jnp.float32), 50)
