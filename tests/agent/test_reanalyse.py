"""Reanalysed targets: fresh searches by the target network, of the steps and in the proportion that were asked for."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.acting import search_model
from smuzero.agent.batches import batch_targets
from smuzero.agent.improvement import ImprovementSettings, improved_policy
from smuzero.agent.learner import make_update
from smuzero.agent.model_errors import model_errors
from smuzero.agent.reanalyse import ReanalyseSettings, make_reanalyse, with_fresh_policy
from smuzero.search.plan import search
from smuzero.search.settings import SearchSettings

from .small_learner import GAMMA, NETWORK, POLICY, SETTINGS, B, K, U, make_state, make_windows

ACTING = SearchSettings(num_samples=K, num_simulations=5)
MPO = ImprovementSettings("mpo", temperature=0.5)


def settings(share, num_samples=6, **changes):
    return ReanalyseSettings(share, num_samples=num_samples, num_simulations=3, value_weight=0.25, **changes)


@pytest.fixture(scope="module")
def params():
    return make_state().target_params


def fresh_of(params, share, num_samples=6, **changes):
    reanalyse = make_reanalyse(NETWORK, POLICY, settings(share, num_samples, **changes), ACTING, MPO, GAMMA)
    return reanalyse(params, jax.random.key(5), make_windows())


@pytest.mark.parametrize("value_of", ["improved", "policy"])
def test_a_fresh_search_is_the_search_of_the_stored_observations(params, value_of):
    fresh, windows = fresh_of(params, 1.0, value_of=value_of), make_windows()
    own = SearchSettings(num_samples=6, num_simulations=3, noise_fraction=0.0)
    rows = jnp.asarray(windows.observation[:, : U + 1].reshape(B * (U + 1), -1))
    root = jax.vmap(NETWORK.represent, in_axes=(None, 0))(params, rows)
    found = search(jax.random.key(5), root, search_model(NETWORK, POLICY, params, GAMMA), own)
    probs = improved_policy(found, MPO, own)
    np.testing.assert_array_equal(fresh.words.reshape(found.words.shape), found.words)
    np.testing.assert_allclose(fresh.probs.reshape(probs.shape), probs, atol=1e-6)
    ratio = found.count / 6 * jnp.exp(found.log_pi - found.log_beta)  # (β̂/β) π
    weights = probs if value_of == "improved" else jnp.where(jnp.isfinite(found.q), ratio, 0.0)
    rows = zip(*map(np.asarray, (weights, found.q, found.count)), strict=True)
    expected = [np.dot(w[c > 0], np.nan_to_num(q[c > 0], neginf=0.0)) / w[c > 0].sum() for w, q, c in rows]
    np.testing.assert_allclose(fresh.value.ravel(), expected, rtol=1e-4)


@pytest.mark.parametrize(("share", "num_steps", "lookahead"), [(1.0, None, 1), (1 / 3, 1, 2)])
def test_corrected_values_have_the_errors_along_the_stored_actions_added(params, share, num_steps, lookahead):
    plain = fresh_of(params, share, num_steps=num_steps, lookahead=lookahead)
    corrected = fresh_of(params, share, num_steps=num_steps, lookahead=lookahead, corrects_values=True)
    errors = model_errors(NETWORK, params, make_windows(), plain.value.shape[1], lookahead, GAMMA)
    np.testing.assert_allclose(corrected.value, plain.value + errors[: len(plain.value)], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(corrected.words, plain.words)


def test_the_number_of_searches_is_that_of_the_rows_which_are_searched(params):
    for share, num_steps in ((1.0, None), (1.0, 1), (2 / 3, U + 5)):
        asked = dataclasses.replace(settings(share), num_steps=num_steps)
        fresh = make_reanalyse(NETWORK, POLICY, asked, ACTING, MPO, GAMMA)(params, jax.random.key(5), make_windows())
        assert asked.num_searches(B, U) == fresh.value.size


@pytest.mark.parametrize("num_samples", [2, 6])
def test_only_the_share_is_replaced_and_slots_are_made_to_fit(params, num_samples):
    windows, fresh = make_windows(), fresh_of(params, 1 / 3, num_samples)
    mixed = with_fresh_policy(windows, fresh)
    assert fresh.words.shape[:3] == (1, U + 1, num_samples)
    np.testing.assert_array_equal(mixed.words[0, :, :num_samples], fresh.words[0])
    np.testing.assert_array_equal(mixed.visits[0, :, num_samples:], 0)
    np.testing.assert_array_equal(mixed.words[1:, :, :K], windows.words[1:])
    np.testing.assert_array_equal(mixed.visits[1:, :, :K], windows.visits[1:])
    np.testing.assert_array_equal(mixed.visits[1:, :, K:], 0)


def test_another_value_than_the_two_there_are_is_refused():
    with pytest.raises(Exception, match="value_of"):
        dataclasses.replace(ReanalyseSettings(), value_of="both")


def test_an_update_learns_from_fresh_targets_and_ranks_them_by_its_own_error():
    share = settings(2 / 3)
    reanalyse = make_reanalyse(NETWORK, POLICY, share, ACTING, MPO, GAMMA)
    state, windows = make_state(), make_windows()
    before = jax.tree.map(jnp.copy, state)
    after, metrics, priorities = make_update(NETWORK, POLICY, SETTINGS, reanalyse, share.value_weight)(state, windows)
    search_key, key = jax.random.split(before.key)
    fresh = reanalyse(before.target_params, search_key, windows)
    stored = batch_targets(NETWORK, SETTINGS, before.target_params, windows).value
    expected = np.array(stored)
    for b in range(2):
        for u in range(U + 1):
            if windows.is_step[b, u]:
                expected[b, u] = 0.75 * stored[b, u] + 0.25 * fresh.value[b, u]
    np.testing.assert_allclose(metrics["value/target_mean"], expected[:, 0].mean(), rtol=1e-4)
    own = [value_of(before.params, windows.observation[b, 0]) for b in range(2)]
    ranked = np.array([*own, windows.root_value[2, 0]])
    np.testing.assert_allclose(priorities, np.abs(ranked - expected[:, 0]), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(jax.random.key_data(after.key), jax.random.key_data(key))


def value_of(params, observation):
    _, logits = NETWORK.predict(params, NETWORK.represent(params, jnp.asarray(observation)))
    return float(NETWORK.value_support.decode(logits))


def test_stored_visits_do_not_matter_where_everything_is_searched_anew():
    reanalyse = make_reanalyse(NETWORK, POLICY, settings(1.0), ACTING, MPO, GAMMA)
    update = make_update(NETWORK, POLICY, SETTINGS, reanalyse, 0.25)
    windows = make_windows()
    losses = [
        float(update(make_state(), windows._replace(visits=visits))[1]["loss/policy"])
        for visits in (windows.visits, windows.visits[:, :, ::-1] + np.float32(1.0))
    ]
    assert losses[0] == losses[1]


def test_a_fresh_search_draws_legal_actions_only(params):
    legal = np.random.default_rng(0).random((B, U + 1, 2, 3)) < 0.5
    legal[..., 0] |= ~legal.any(axis=-1)
    windows = make_windows()._replace(legal=legal.reshape(B, U + 1, 6))
    fresh = make_reanalyse(NETWORK, POLICY, settings(1.0), ACTING, MPO, GAMMA)(params, jax.random.key(5), windows)
    actions = np.asarray(POLICY.unpack(fresh.words))
    for dim in range(2):
        chosen = np.take_along_axis(legal[:, :, dim], actions[..., dim], axis=-1)
        assert chosen.all()


def test_steps_past_the_asked_number_teach_the_policy_nothing(params):
    asked = dataclasses.replace(settings(1.0), num_steps=1)
    fresh = make_reanalyse(NETWORK, POLICY, asked, ACTING, MPO, GAMMA)(params, jax.random.key(5), make_windows())
    mixed = with_fresh_policy(make_windows(), fresh)
    assert fresh.probs.shape[1] == 1
    np.testing.assert_allclose(mixed.visits[:, 0].sum(axis=-1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(mixed.visits[:, 1:], 0.0)


def test_a_short_lookahead_stands_in_for_the_tree_with_draws_of_its_own_mixture(params):
    asked = ReanalyseSettings(1.0, num_samples=6, num_simulations=0, lookahead=2, mixed_fraction=0.5)
    fresh = make_reanalyse(NETWORK, POLICY, asked, ACTING, MPO, GAMMA)(params, jax.random.key(5), make_windows())
    own = SearchSettings(num_samples=6, num_simulations=0, root_lookahead=2, mixed_fraction=0.5, noise_fraction=0.0)
    rows = jnp.asarray(make_windows().observation[:, : U + 1].reshape(B * (U + 1), -1))
    root = jax.vmap(NETWORK.represent, in_axes=(None, 0))(params, rows)
    found = search(jax.random.key(5), root, search_model(NETWORK, POLICY, params, GAMMA), own)
    probs = np.asarray(improved_policy(found, MPO, own))
    np.testing.assert_array_equal(fresh.words.reshape(found.words.shape), found.words)
    # π·(β̂/β)·exp(Q/τ) in units of the range of the Qs that were found, by hand.
    for b in range(len(probs)):
        used = np.flatnonzero(found.count[b])
        q = np.asarray(found.q[b, used], np.float64)
        unit = max(q.max() - q.min(), own.min_value_range)
        log_weight = found.log_pi[b, used] - found.log_beta[b, used] + np.log(found.count[b, used])
        weight = np.exp(log_weight + (q - q.max()) / unit / MPO.temperature)
        np.testing.assert_allclose(fresh.probs.reshape(probs.shape)[b, used], weight / weight.sum(), atol=1e-4)


@pytest.mark.parametrize(
    "changes", [{"share": 1.5}, {"num_samples": 0}, {"value_weight": -0.1}, {"mixed_fraction": 1.1}, {"lookahead": 0}]
)
def test_impossible_settings_are_refused_by_name(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        dataclasses.replace(ReanalyseSettings(), **changes)
