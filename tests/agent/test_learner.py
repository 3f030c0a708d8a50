"""The learner's step against the same step written out, and what else an update keeps to."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.learner import LearnerSettings, init_learner, learning_rate_schedule, make_update
from smuzero.agent.losses import reconstruction_losses
from smuzero.agent.sketches import FAINTEST, whitened
from smuzero.networks.model import make_network
from smuzero.networks.settings import NetworkSettings

from .small_learner import NETWORK, OBSERVATION, POLICY, SETTINGS, WIDTH, B, make_state, make_windows
from .written_out import plain_loss, plain_value_target


@pytest.fixture(scope="module")
def update():
    return make_update(NETWORK, POLICY, SETTINGS)


@pytest.fixture(scope="module")
def step(update):
    """One update: (state before, its batch, state after, metrics, priorities)."""
    state, windows = make_state(), make_windows()
    before = jax.tree.map(jnp.copy, state)
    return before, windows, *update(state, windows)


@pytest.fixture(scope="module")
def plain(step):
    before, windows = step[:2]
    return jax.value_and_grad(plain_loss, has_aux=True)(before.params, before.target_params, windows)


def test_losses_agree_with_the_step_written_out(step, plain):
    metrics, ((total, terms), _) = step[3], plain
    np.testing.assert_allclose(metrics["loss/total"], total, rtol=1e-4)
    for name in ("policy", "value", "reward", "consistency", "reconstruction"):
        np.testing.assert_allclose(metrics[f"loss/{name}"], terms[name], rtol=1e-4)


def test_gradient_agrees_with_the_step_written_out(step, plain):
    # After one step from zero, Adam's first moment is (1 - 0.9) times the gradient.
    state, gradient = step[2], plain[1]
    moments = next(part.mu for part in state.opt_state if hasattr(part, "mu"))
    jax.tree.map(lambda mu, g: np.testing.assert_allclose(10 * mu, g, rtol=1e-3, atol=1e-5), moments, gradient)
    norm = np.sqrt(sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient)))
    np.testing.assert_allclose(step[3]["learner/gradient_norm"], norm, rtol=1e-4)


def test_first_update_is_adams_and_decays_matrices_only(step):
    before, state = step[0], step[2]
    moments = next(part.mu for part in state.opt_state if hasattr(part, "mu"))

    def check(old, new, mu):
        gradient = 10 * np.asarray(mu)
        decay = 0.1 * np.asarray(old) if old.ndim > 1 else 0.0
        expected = old - 1e-2 * (gradient / (np.abs(gradient) + 1e-8) + decay)
        np.testing.assert_allclose(new, expected, atol=2e-6)

    jax.tree.map(check, before.params, state.params, moments)


def test_priorities_are_the_distance_of_search_value_and_return(step):
    before, windows, priorities = step[0], step[1], step[4]
    z = [plain_value_target(before.target_params, windows, b, 0) for b in range(B)]
    np.testing.assert_allclose(priorities, np.abs(windows.root_value[:, 0] - z), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(step[3]["value/target_mean"], np.mean(z), rtol=1e-4)


def test_a_floor_weighs_the_bonus_by_what_the_batch_lacks_of_it():
    # The bonus alone: policy, value and reward count nothing.
    alone = dict.fromkeys(("policy_weight", "value_weight", "reward_weight", "consistency_weight"), 0.0)
    settings = dataclasses.replace(SETTINGS, reconstruction_weight=0.0, **alone)
    before = make_update(NETWORK, POLICY, settings)(make_state(), make_windows())[1]
    mean = float(before["policy/entropy"])
    for floor in (0.5, 0.9, 1.0):
        held = dataclasses.replace(settings, entropy_floor=floor)
        metrics = make_update(NETWORK, POLICY, held)(make_state(), make_windows())[1]
        expected = float(before["loss/total"]) * max(0.0, 1.0 - mean / (floor * 2 * np.log(3)))
        np.testing.assert_allclose(metrics["loss/total"], expected, rtol=1e-4, atol=1e-7)


def test_an_update_follows_what_is_observed_and_no_gradient_moves_it():
    settings = NetworkSettings(width=WIDTH, num_blocks=1, value_bins=5, reward_bins=3, observation_norm=True)
    network = make_network(settings, (OBSERVATION,), POLICY, reconstructs=True)
    update = make_update(network, POLICY, dataclasses.replace(SETTINGS, target_period=1, target_rate=0.5))
    windows = make_windows()
    state, _, _ = update(init_learner(network, SETTINGS, jax.random.key(0)), windows)
    seen, met = state.params["represent"]["input"]["statistics"], windows.observation[:, 0]
    np.testing.assert_allclose(seen["mean"], met.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(seen["variance"], met.var(axis=0), rtol=1e-5)
    # The target network keeps its own, which come after.
    np.testing.assert_allclose(
        state.target_params["represent"]["input"]["statistics"]["mean"], met.mean(axis=0) / 2, rtol=1e-5
    )


def test_masked_steps_do_not_change_the_update(update, step):
    windows = make_windows()
    # Window 2 is cut after its first step: its later visits, words, rewards and actions are not to be learnt from.
    changed = windows._replace(visits=windows.visits.copy(), words=windows.words.copy(), action=windows.action.copy())
    changed.visits[2, 1:], changed.words[2, 1:], changed.action[2, 1:] = 7, 5, 2
    state, metrics, _ = update(make_state(), changed)
    np.testing.assert_allclose(metrics["loss/total"], step[3]["loss/total"], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.params, step[2].params)


def test_target_network_is_copied_once_a_period(update):
    state, windows = make_state(), make_windows()
    target = jax.tree.map(np.array, state.target_params)
    state, _, _ = update(state, windows)
    jax.tree.map(np.testing.assert_array_equal, state.target_params, target)
    state, _, _ = update(state, windows)
    jax.tree.map(np.testing.assert_array_equal, state.target_params, state.params)
    assert int(state.step) == 2


def test_target_network_is_a_moving_average_with_a_period_of_one():
    settings = dataclasses.replace(SETTINGS, target_period=1, target_rate=0.25, max_grad_norm=0.5)
    state = make_state(settings)
    target = jax.tree.map(np.array, state.target_params)
    state, _, _ = make_update(NETWORK, POLICY, settings)(state, make_windows())
    expected = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * np.asarray(new), target, state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.target_params, expected)
    # The same update shortened its gradient: the first moment is (1 - 0.9) times a vector of length 0.5.
    [mu] = [
        leaf.mu for leaf in jax.tree.leaves(state.opt_state, is_leaf=lambda x: hasattr(x, "mu")) if hasattr(leaf, "mu")
    ]
    np.testing.assert_allclose(np.sqrt(sum(float(jnp.sum(x**2)) for x in jax.tree.leaves(mu))), 0.05, rtol=1e-4)


def test_encoding_every_observation_once_changes_no_target():
    settings = dataclasses.replace(SETTINGS, encodes_once=True)
    plain, _, _ = make_update(NETWORK, POLICY, SETTINGS)(make_state(), make_windows())
    once, _, _ = make_update(NETWORK, POLICY, settings)(make_state(), make_windows())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), once.params, plain.params)


def test_sketches_in_units_of_their_variance_count_as_a_share_of_it():
    rng = np.random.default_rng(0)
    # Of four numbers one moves much, one little, one hardly and one not at all.
    sketch = rng.normal(size=(50, 3, 4)) * np.array([0.5, 0.1, 0.005, 0.0])
    sketch = (sketch - sketch.mean((0, 1))).astype(np.float32)
    white, weight = whitened(jnp.asarray(sketch))
    variance = np.square(sketch).mean((0, 1))
    np.testing.assert_allclose(white, sketch / np.sqrt(variance + FAINTEST**2), rtol=1e-5)
    np.testing.assert_allclose(weight, 2 / np.sum(variance / (variance + FAINTEST**2)), rtol=1e-5)
    losses = jax.vmap(reconstruction_losses, in_axes=(0, 0, None))(jnp.zeros_like(white), white, weight)
    np.testing.assert_allclose(jnp.mean(losses), 1.0, rtol=1e-5)


def test_an_update_takes_over_its_states_memory_and_is_compiled_once(update):
    state, windows = make_state(), make_windows()
    after, _, _ = update(state, windows)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))
    size = update._cache_size()
    update(after, windows)
    assert update._cache_size() == size


def test_updates_from_the_same_state_are_bit_equal(update):
    results = [update(make_state(), make_windows()) for _ in range(2)]
    first, second = (jax.tree.leaves((state.params, metrics)) for state, metrics, _ in results)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_repeated_updates_lower_the_loss(update):
    state, windows = init_learner(NETWORK, SETTINGS, jax.random.key(0)), make_windows()
    losses = []
    for _ in range(30):
        state, metrics, _ = update(state, windows)
        losses.append(float(metrics["loss/policy"] + metrics["loss/reward"]))
    assert losses[-1] < 0.7 * losses[0]


def test_learning_rate_falls_along_a_half_cosine_and_stays_at_zero():
    schedule = learning_rate_schedule(LearnerSettings())
    for share, expected in ((0, 1e-4), (0.25, 0.5e-4 * (1 + np.sqrt(0.5))), (0.5, 0.5e-4), (1, 0.0), (2, 0.0)):
        assert float(schedule(jnp.int32(share * 1_000_000))) == pytest.approx(expected, abs=1e-10)


def test_windows_cut_for_another_unroll_are_refused(update):
    windows = make_windows()
    with pytest.raises(ValueError, match="unroll 2 and n_step 2 need 2 and 4"):
        update(make_state(), windows._replace(action=windows.action[:, :1]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unroll", 0),
        ("discount", 1.5),
        ("target_rate", 0.0),
        ("max_grad_norm", -1.0),
        ("entropy_floor", 1.5),
    ],
)
def test_impossible_settings_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(SETTINGS, **{name: value})
