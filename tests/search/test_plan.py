"""Laws of the search that need no second implementation."""

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import smuzero
from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model, SearchResult, corrected_visits, search
from smuzero.search.settings import SearchSettings

from .random_models import random_model, random_roots, repeated

POLICY = FactoredCategorical(1, 6)
MODEL = random_model(POLICY)
PLAIN = SearchSettings(num_samples=8, num_simulations=32, noise_fraction=0.0)


@functools.cache
def compiled(model: Model, settings: SearchSettings):
    return jax.jit(lambda key, root, legal: search(key, root, model, settings, legal=legal))


def run(model: Model, root: Any, seed: int = 0, legal: Array | None = None, **fields: Any) -> SearchResult:
    settings = dataclasses.replace(PLAIN, **fields)
    return jax.device_get(compiled(model, settings)(jax.random.key(seed), root, legal))


def probs_of(found: SearchResult, weights: Any) -> np.ndarray:
    """The slots' weights, normalised, over the actions 0..M-1 of a one-dimensional policy: [B, M]."""
    probs = np.zeros((found.visits.shape[0], POLICY.num_choices))
    rows = np.arange(len(probs))[:, None]
    np.add.at(probs, (rows, np.asarray(found.action)[:, :, 0]), np.asarray(weights))
    return probs / probs.sum(axis=1, keepdims=True)


def visit_probs(found: SearchResult) -> np.ndarray:
    """N(a)/ΣN: [B, M]."""
    return probs_of(found, found.visits)


def distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Total variation."""
    return 0.5 * np.abs(p - q).sum(axis=-1)


def test_visits_sum_to_the_simulations_and_empty_slots_have_none():
    found = run(MODEL, random_roots(0, 64))
    assert (found.visits.sum(axis=1) == PLAIN.num_simulations).all()
    assert (found.count.sum(axis=1) == PLAIN.num_samples).all()
    assert (found.visits[found.count == 0] == 0).all()
    assert (found.prior[found.count == 0] == 0).all()
    assert (found.q[found.count == 0] == -np.inf).all()
    np.testing.assert_allclose(found.prior.sum(axis=1), 1.0, rtol=1e-6)


def test_a_search_without_options_keeps_nothing_for_them():
    tree = run(MODEL, random_roots(0, 64)).tree
    assert [name for name in tree._fields if getattr(tree, name) is None] == [
        "value",
        "side",
        "first",
        "log_weight",
        "log_correction",
    ]


def test_root_value_is_the_mean_return_of_the_simulations():
    found = run(MODEL, random_roots(1, 64))
    total = (found.visits * np.where(found.visits > 0, found.q, 0.0)).sum(axis=1)
    np.testing.assert_allclose(found.value, total / PLAIN.num_simulations, atol=1e-5)


@pytest.mark.parametrize("enumerate_actions", [False, True])
def test_illegal_actions_are_neither_drawn_nor_visited(enumerate_actions):
    draw = np.random.default_rng(2)
    legal = draw.random((64, 6)) < 0.4
    legal[np.arange(64), draw.integers(0, 6, 64)] = True
    found = run(MODEL, random_roots(2, 64), legal=jnp.asarray(legal), enumerate_actions=enumerate_actions)
    is_legal = legal[np.arange(64)[:, None], found.action[:, :, 0]]
    assert is_legal[found.count > 0].all()
    assert (found.visits[~is_legal] == 0).all()
    assert (found.visits.sum(axis=1) == PLAIN.num_simulations).all()


def test_one_key_gives_one_result_and_another_key_another():
    roots = random_roots(3, 16)
    first, again, other = (run(MODEL, roots, seed) for seed in (4, 4, 5))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert (first.count != other.count).any()


def test_a_row_does_not_depend_on_the_other_rows():
    roots, others = random_roots(6, 16), random_roots(7, 16)
    mixed = jax.tree.map(lambda x, y: jnp.concatenate([x[:8], y[8:]]), roots, others)
    alone, beside = run(MODEL, roots), run(MODEL, mixed)
    for name in ("words", "count", "prior", "visits", "q", "value", "raw_value"):
        np.testing.assert_array_equal(getattr(alone, name)[:8], getattr(beside, name)[:8])


def test_rows_of_one_batch_draw_different_numbers():
    found = run(MODEL, repeated(random_roots(8, 1), 16))
    assert len({count.tobytes() for count in found.count}) > 8


def test_package_can_be_called_as_the_search():
    roots = random_roots(0, 64)
    found = jax.jit(lambda key, root: smuzero.search(key, root, MODEL, PLAIN))(jax.random.key(0), roots)
    np.testing.assert_array_equal(found.visits, run(MODEL, roots).visits)


@dataclasses.dataclass(frozen=True)
class EachOnce(FactoredCategorical):
    """Draws every action exactly once: K = |A|."""

    def sample_words(self, logits, uniforms):
        every = jnp.asarray(self.enumerate_words()).T
        return jnp.tile(every, 2)[:, : uniforms.shape[1]]


def test_search_is_muzeros_when_a_uniform_proposal_draws_every_action_once():
    """β is uniform as τ grows; with β̂ uniform too, π̂_β = π."""
    policy = EachOnce(1, 6)
    roots = random_roots(9, 64, barred=0.0)
    sampled = run(random_model(policy), roots, num_samples=6, temperature=1e9)
    every = run(MODEL, roots, enumerate_actions=True)
    np.testing.assert_allclose(sampled.prior, every.prior, rtol=1e-5)
    np.testing.assert_array_equal(sampled.visits, every.visits)


# A root whose actions have fixed returns, so that visits depend on the root's prior alone, as in Appendix F.
BANDIT = MODEL._replace(
    dynamics=lambda state, action: (
        MODEL.dynamics(state, action)[0],
        jnp.array([0.3, 0.0, 0.25, 0.1, 0.2, 0.28])[action[0]],
        jnp.float32(0),
    )
)


@functools.cache
def bandit_visits(rows: int = 64, **fields: Any) -> np.ndarray:
    root = repeated(random_roots(10, 1, barred=0.0)._replace(spread=jnp.array([1.5])), rows)
    return visit_probs(run(BANDIT, root, num_simulations=100, min_value_range=1.0, **fields))


def bandit_proposal(temperature: float = 1.0, proposal: str = "policy", mixed_fraction: float = 0.0) -> np.ndarray:
    """β at the bandit's root; a second part is flattened at τ₂ = 2."""
    logits = MODEL.predict(jax.tree.map(lambda x: x[0], random_roots(10, 1)._replace(spread=jnp.array([1.5]))))[0]
    pi = np.exp(np.asarray(logits, np.float64))
    first = np.ones(6) if proposal == "uniform" else pi ** (1 / temperature)
    return (1 - mixed_fraction) * first / first.sum() + mixed_fraction * pi**0.5 / (pi**0.5).sum()


@pytest.mark.parametrize(
    "fields",
    [{}, {"temperature": 2.0}, {"proposal": "uniform"}, {"mixed_fraction": 0.5}],
    ids=["policy", "flattened", "uniform", "mixed"],
)
@pytest.mark.parametrize("num_samples", [32, 256])
def test_visits_approach_muzeros_as_fast_as_the_corollary_of_appendix_e_says(num_samples, fields):
    """Îπ(a) ~ N(Iπ(a), σ²/K) with σ² = Var_β[f/β·1(a)] = Iπ(a)²·(1 - β(a))/β(a).

    E|X| <= σ, so the mean total variation is at most ½ Σ σ_a/√K. Visits are whole
    numbers, which adds at most one visit an action on either side: ½ M/ΣN.
    """
    full = bandit_visits(rows=1, enumerate_actions=True)[0]
    beta = bandit_proposal(**fields)
    sigma = full * np.sqrt((1 - beta) / beta)
    found = bandit_visits(num_samples=num_samples, **fields)
    assert distance(found, full).mean() < 0.5 * sigma.sum() / np.sqrt(num_samples) + 0.5 * 6 / 100


def test_corrected_visits_are_those_of_section_5_1_normalised():
    found = run(MODEL, random_roots(14, 16), prior="policy", temperature=2.0)
    corrected = np.asarray(corrected_visits(found))
    for row in range(16):
        filled = np.flatnonzero(found.count[row])
        beta_hat, beta = found.count[row, filled] / found.count[row].sum(), np.exp(found.log_beta[row, filled])
        weight = beta_hat / beta * found.visits[row, filled]
        np.testing.assert_allclose(corrected[row, filled], weight / weight.sum(), rtol=1e-4)
        assert corrected[row].sum() == pytest.approx(1.0, abs=1e-5)


def test_naive_visits_are_biased_until_they_are_corrected():
    """All returns are 0, so that visits follow the prior: π among the actions drawn, whose mean is not π.

    Corrected they follow the frequency of the draws, whose mean over B rows is off by at most
    ½ Σ_a √(π(1-π)/(K·B)) on average; whole numbers of visits add at most ½ M/ΣN.
    """
    pi, samples, simulations, rows = np.array([0.4, 0.3, 0.1, 0.1, 0.05, 0.05]), 3, 200, 512
    flat = MODEL._replace(
        dynamics=lambda state, action: (MODEL.dynamics(state, action)[0], jnp.float32(0), jnp.float32(0)),
        predict=lambda state: (jnp.log(jnp.asarray(pi, jnp.float32)), jnp.float32(0)),
    )
    roots = repeated(random_roots(15, 1), rows)
    found = run(flat, roots, prior="policy_normalised", num_samples=samples, num_simulations=simulations)
    naive, corrected = (probs_of(found, x).mean(axis=0) for x in (found.visits, corrected_visits(found)))
    bound = 2 * 0.5 * np.sqrt(pi * (1 - pi) / (samples * rows)).sum() + 0.5 * 6 / simulations
    assert distance(corrected, pi) < bound
    assert distance(naive, pi) > 2 * bound


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_a_widening_root_counts_the_draws_that_its_last_visit_offered(exponent):
    found = run(MODEL, random_roots(16, 16), widening_start=2, widening_exponent=exponent)
    offered = min(PLAIN.num_samples, int(np.ceil(2 * PLAIN.num_simulations**exponent)))
    assert (found.count.sum(axis=1) == offered).all()
    assert (found.visits[found.count == 0] == 0).all()
    np.testing.assert_allclose(found.prior.sum(axis=1), 1.0, rtol=1e-6)


OPTIONS = (
    {"prior": "policy_normalised", "correct_backup": True, "proposal": "uniform"},
    {"widening_start": 2, "mixed_fraction": 0.3, "unvisited": "parent", "two_player": True},
)


@pytest.mark.parametrize("fields", OPTIONS, ids=["naive", "others"])
def test_options_leave_the_visits_whole_and_the_mask_unbroken(fields):
    draw = np.random.default_rng(17)
    legal = draw.random((64, 6)) < 0.4
    legal[np.arange(64), draw.integers(0, 6, 64)] = True
    found = run(MODEL, random_roots(17, 64, opposed=0.5), legal=jnp.asarray(legal), **fields)
    is_legal = legal[np.arange(64)[:, None], found.action[:, :, 0]]
    assert is_legal[found.count > 0].all()
    assert (found.visits.sum(axis=1) == PLAIN.num_simulations).all()
    assert np.isfinite(found.value).all() and not np.isnan(found.tree.q).any()


def test_visits_under_a_broad_proposal_follow_the_policy_and_not_the_proposal():
    full = bandit_visits(rows=1, enumerate_actions=True)[0]
    root = random_roots(10, 1, barred=0.0)._replace(spread=jnp.array([1.5]))
    flatter = root._replace(spread=root.spread / 4.0)
    proposal = visit_probs(run(BANDIT, flatter, num_simulations=100, min_value_range=1.0, enumerate_actions=True))[0]
    found = bandit_visits(num_samples=256, temperature=4.0).mean(axis=0)
    assert distance(found, full) < 0.25 * distance(proposal, full)


def test_visits_of_a_deep_tree_come_closer_to_muzeros_with_more_samples():
    root = random_roots(12, 1)._replace(spread=jnp.array([1.5]))
    full = visit_probs(run(MODEL, root, enumerate_actions=True))[0]
    far = [distance(visit_probs(run(MODEL, repeated(root, 64), num_samples=k)), full) for k in (2, 16, 128)]
    for less, more in itertools.pairwise(far):
        noise = np.sqrt(less.var() / len(less) + more.var() / len(more))
        assert less.mean() - more.mean() > 4 * noise


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_unlikely_actions_are_drawn_at_the_rate_that_noise_gives_them(fraction):
    """Draws are from p = (1-ε)π + ε·Dirichlet(α): mean m = (1-ε)π + ε/M, variance v = ε²(M-1)/(M²(Mα+1)).

    A row's frequency over K draws has variance (m(1-m) - v)/K + v.
    """
    rows, alpha, samples, choices = 2048, 0.3, 8, 6
    probs = np.array([1 - 5e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4])
    skewed = MODEL._replace(predict=lambda state: (jnp.log(jnp.asarray(probs, jnp.float32)), jnp.float32(0)))
    roots = repeated(random_roots(13, 1), rows)
    found = run(skewed, roots, num_simulations=1, noise_fraction=fraction, noise_concentration=alpha)
    frequency = np.stack([(found.count * (found.action[:, :, 0] == a)).sum(axis=1) / samples for a in range(choices)])
    mean = (1 - fraction) * probs + fraction / choices
    spread = fraction**2 * (choices - 1) / (choices**2 * (choices * alpha + 1))
    error = np.sqrt(((mean * (1 - mean) - spread) / samples + spread) / rows)
    # Six standard errors, and one draw for the skew of a rare count.
    assert (np.abs(frequency.mean(axis=1) - mean) < 6 * error + 1 / (rows * samples)).all()
