"""The operators of Sections 4.1 and F against plain float64 sums, and the laws they must obey."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smuzero.operators.improvement import (
    AWR,
    MPO,
    PPO,
    MuZero,
    PolicyGradient,
    improve,
    log_improve,
    search_strength,
)

TAU, STRENGTH, BOUND = 0.7, 0.4, 1.5
OPERATORS = {
    "pg": PolicyGradient(),
    "ppo": PPO(TAU),
    "mpo": MPO(TAU),
    "awr": AWR(TAU),
    "awr bounded": AWR(TAU, max_weight=BOUND),
    "muzero": MuZero(STRENGTH),
}
improve_jit = jax.jit(improve)
log_improve_jit = jax.jit(log_improve)


def naive_root(weight, q) -> float:
    """Z above all Q with Σ w/(Z − Q) = 1, by halving; measured from the largest Q."""
    below, above = 0.0, sum(weight)
    for _ in range(2000):
        middle = (below + above) / 2
        total = sum(w / (middle + max(q) - x) if w > 0 else 0.0 for w, x in zip(weight, q, strict=True))
        below, above = (middle, above) if total > 1 else (below, middle)
    return above


def naive(name: str, pi, q, measure=None) -> np.ndarray:
    """measure · f(s, a, Z), each formula as the paper prints it, in double precision."""
    pi, q = np.asarray(pi, np.float64), np.asarray(q, np.float64)
    measure = np.ones_like(pi) if measure is None else np.asarray(measure, np.float64)
    if name == "muzero":
        weight = STRENGTH * measure * pi
        gap = naive_root(weight.tolist(), q.tolist())
        return weight / (gap + q.max() - q)
    value = (measure * pi * q).sum() / (measure * pi).sum()
    g = {
        "pg": lambda: pi * (q - min(q.min(), 0.0)),
        "ppo": lambda: np.exp(q / TAU),
        "mpo": lambda: pi * np.exp(q / TAU),
        "awr": lambda: pi * np.exp((q - value) / TAU),
        "awr bounded": lambda: pi * np.exp(np.minimum((q - value) / TAU, np.log(BOUND))),
    }[name]()
    return measure * g / (measure * g).sum()


def random_state(seed: int, size: int = 9) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.ones(size)).astype(np.float32), draw.normal(size=size).astype(np.float32)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("seed", range(5))
def test_operator_is_its_formula(name, seed):
    pi, q = random_state(seed)
    found = improve_jit(OPERATORS[name], jnp.log(pi), jnp.asarray(q))
    np.testing.assert_allclose(found, naive(name, pi, q), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_weighs_actions_by_their_measure(name):
    pi, q = random_state(7)
    measure = np.random.default_rng(0).uniform(0.1, 3.0, size=9).astype(np.float32)
    found = jnp.exp(log_improve_jit(OPERATORS[name], jnp.log(pi), jnp.asarray(q), jnp.log(measure)))
    np.testing.assert_allclose(found, naive(name, pi, q, measure), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_works_in_double_precision(name):
    pi, q = random_state(3)
    pi = pi.astype(np.float64) / pi.sum(dtype=np.float64)
    with jax.enable_x64(True):
        found = np.asarray(improve_jit(OPERATORS[name], jnp.log(pi), jnp.asarray(q, jnp.float64)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, naive(name, pi, q), rtol=1e-12)


def test_policy_gradient_keeps_the_papers_formula_for_positive_q():
    found = improve_jit(PolicyGradient(), jnp.log(jnp.array([0.5, 0.3, 0.2])), jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, np.array([0.5, 0.6, 0.6]) / 1.7, rtol=1e-6)


def test_policy_gradient_measures_negative_q_from_its_least_or_from_a_bound():
    log_pi, q = jnp.log(jnp.array([0.5, 0.3, 0.2])), jnp.array([-3.0, -2.0, -1.0])
    np.testing.assert_allclose(improve_jit(PolicyGradient(), log_pi, q), np.array([0, 0.3, 0.4]) / 0.7, rtol=1e-6)
    bounded = improve_jit(PolicyGradient(lower=-4.0), log_pi, q)
    np.testing.assert_allclose(bounded, np.array([0.5, 0.6, 0.6]) / 1.7, rtol=1e-6)
    np.testing.assert_allclose(improve_jit(PolicyGradient(lower=-1.5), log_pi, q), [0, 0, 1], rtol=1e-6)


def test_advantage_changes_nothing_until_its_weight_is_bounded():
    pi, q = random_state(1)
    log_pi, q = jnp.log(pi), jnp.asarray(q)
    mpo = improve_jit(MPO(TAU), log_pi, q)
    for value in (None, -50.0, 50.0):
        np.testing.assert_allclose(improve_jit(AWR(TAU, value), log_pi, q), mpo, rtol=1e-4)
    # All advantages far above the bound: all weigh the same, and π is left.
    np.testing.assert_allclose(improve_jit(AWR(TAU, value=-50.0, max_weight=20.0), log_pi, q), pi, rtol=1e-5)


def test_strength_of_a_search_is_worked_by_hand():
    # c = 1.25 + log(19703/19652) = 1.252591..., √50/(50 + 20) = 0.101015...
    assert float(search_strength(50, 20)) == pytest.approx(1.2525917 * 0.1010153, rel=1e-5)
    assert float(search_strength(0, 4)) == float(search_strength(1, 4)) > 0


@pytest.mark.parametrize("visits", [10, 100, 1000, 10_000])
def test_visits_of_a_search_follow_the_muzero_operator(visits):
    """Appendix F: with Q held fixed, PUCT's (1 + n)/(|A| + N) stays within (|A| − 1)/(|A| + N) of it (Grill et al.)."""
    pi, _ = random_state(5, 6)
    q = np.random.default_rng(5).uniform(size=6)
    counts = np.zeros(6)
    for n in range(visits):
        c = 1.25 + math.log((1 + 19652 + n) / 19652)
        counts[np.argmax(q + c * pi * math.sqrt(n) / (1 + counts))] += 1
    found = improve_jit(MuZero(search_strength(visits, 6)), jnp.log(pi), jnp.asarray(q, jnp.float32))
    np.testing.assert_allclose((1 + counts) / (6 + visits), found, atol=5 / (6 + visits))


Q_CASES = {
    "huge": [1e6, 1e6 - 1, -1e6, 0.0, 3.0],
    "all huge and equal": [1e6] * 5,
    "all very negative": [-1e6, -1e6, -1e6, -1e6, -1e6 + 0.25],
    "all zero": [0.0] * 5,
    "tiny differences": [0.0, 1e-7, 2e-7, 3e-7, 4e-7],
}


@pytest.mark.parametrize("case", Q_CASES)
@pytest.mark.parametrize("name", OPERATORS)
def test_extreme_q_gives_the_right_probabilities(name, case):
    pi, q = np.array([0.4, 0.3, 0.2, 0.1, 1e-6], np.float32), np.array(Q_CASES[case], np.float32)
    pi = pi / pi.sum()
    found = np.asarray(improve_jit(OPERATORS[name], jnp.log(pi), jnp.asarray(q)))
    # Measured from the best in double precision: exp of 10⁶/τ is infinite as the paper writes it. Without a bound, AWR
    # is MPO; policy gradient, 0/0 where all Q are 0, is what it is for any other constant.
    q = q.astype(np.float64) - (0.0 if name == "pg" else q.max())
    expected = naive("mpo" if name == "awr" else name, pi, q if q.any() else q + 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_an_action_nobody_expected_takes_all_where_it_is_best_by_far():
    log_pi = jnp.array([0.0, -80.0])
    np.testing.assert_allclose(improve_jit(MuZero(STRENGTH), log_pi, jnp.array([-1e6, 1e6])), [0.0, 1.0], atol=1e-6)


numbers = st.floats(-1e6, 1e6, width=32)
states = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        st.lists(st.floats(-20, 0, width=32), min_size=size, max_size=size),
        st.lists(numbers, min_size=size, max_size=size),
        st.lists(st.booleans(), min_size=size, max_size=size),
    )
)
PADDED = 12


def padded(values, fill) -> jax.Array:
    return jnp.asarray([*values, *[fill] * (PADDED - len(values))], jnp.float32)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=60, deadline=None)
@given(state=states)
def test_probabilities_are_normalised_masked_and_no_worse_than_the_policy(name, state):
    logits, q, legal = state
    legal = [*legal[:-1], True]
    log_pi = jax.nn.log_softmax(
        padded([x if ok else -math.inf for x, ok in zip(logits, legal, strict=True)], -math.inf)
    )
    found = np.asarray(improve_jit(OPERATORS[name], log_pi, padded(q, math.nan)), np.float64)
    q = np.array([*q, *[0.0] * (PADDED - len(q))])
    pi = np.exp(np.asarray(log_pi, np.float64))
    assert np.all(found >= 0) and np.all(found[pi == 0] == 0)
    assert found.sum() == pytest.approx(1.0, abs=3e-6)
    base = pi if name != "ppo" else (pi > 0) / (pi > 0).sum()  # PPO improves on the uniform policy: it has no π
    spread = np.ptp(q[pi > 0])
    assert found @ q >= base @ q - 1e-5 * (spread + np.abs(q).max())


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("other", [math.nan, math.inf, -math.inf])
def test_what_an_illegal_action_holds_does_not_matter(name, other):
    pi, q = random_state(2, 5)
    alone = improve_jit(OPERATORS[name], jnp.log(pi / pi.sum()), jnp.asarray(q))
    log_pi = jnp.log(jnp.append(pi / pi.sum(), 0.0).astype(jnp.float32))
    found = improve_jit(OPERATORS[name], log_pi, jnp.append(q, other).astype(jnp.float32))
    np.testing.assert_allclose(found, [*alone, 0.0], rtol=1e-6)


@pytest.mark.parametrize("name", OPERATORS)
def test_action_without_an_estimate_is_left_out_and_nan_is_not_hidden(name):
    log_pi = jnp.log(jnp.array([0.5, 0.25, 0.25]))
    found = improve_jit(OPERATORS[name], log_pi, jnp.array([1.0, 1.0, -jnp.inf]))
    expected = [0.5, 0.5, 0.0] if name == "ppo" else [2 / 3, 1 / 3, 0.0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isnan(improve_jit(OPERATORS[name], log_pi, jnp.array([1.0, jnp.nan, 0.0]))).all()
    np.testing.assert_array_equal(improve_jit(OPERATORS[name], jnp.full(3, -jnp.inf), jnp.zeros(3)), 0.0)


def test_a_program_compiled_for_one_operator_is_never_run_for_another():
    kinds = {type(operator): jax.tree.structure(operator) for operator in OPERATORS.values()}
    for kind, structure in kinds.items():
        assert [other for other in kinds if kinds[other] == structure] == [kind]


@pytest.mark.parametrize("name", OPERATORS)
def test_a_batch_gives_what_its_states_give(name):
    pi, q = zip(*(random_state(seed) for seed in range(6)), strict=True)
    log_pi, q = jnp.log(jnp.stack(pi)), jnp.stack(q) * jnp.array([1.0, 1e6, 1e-6, 10.0, 0.0, -5.0])[:, None]
    together = jax.jit(jax.vmap(improve, in_axes=(None, 0, 0)))(OPERATORS[name], log_pi, q)
    for row in range(6):
        np.testing.assert_allclose(together[row], improve_jit(OPERATORS[name], log_pi[row], q[row]), rtol=1e-6)
