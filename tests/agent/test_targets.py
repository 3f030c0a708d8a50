import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies

from smuzero.agent.targets import Targets, bootstrap_values, make_targets
from smuzero.networks.network import Network
from smuzero.operators.scalars import Support
from smuzero.types import Windows

UNROLL, N, GAMMA = 3, 2, 0.9
ROWS = UNROLL + N


def make_window(length, ends, seed=0):
    """A window in which `length` steps are stored; the sequence's last step is a "termination" or a "limit"."""
    rng = np.random.default_rng(seed)
    is_step = np.arange(ROWS + 1) < length
    reward = np.where(is_step[:-1], rng.normal(size=ROWS), 0.0).astype(np.float32)
    discount = np.ones(ROWS, np.float32)
    if ends == "termination" and length <= ROWS:
        discount[length - 1] = 0.0
    observation = np.minimum(np.arange(ROWS + 1), length).astype(np.float32)[:, None]
    visits = np.where(is_step[: UNROLL + 1, None], rng.integers(1, 9, (UNROLL + 1, 4)), 0).astype(np.int32)
    return Windows(
        observation=observation,
        action=np.zeros((UNROLL, 1), np.int32),
        reward=reward,
        discount=discount,
        is_step=is_step,
        is_terminal=np.asarray(ends == "termination" and length <= ROWS),
        words=np.zeros((UNROLL + 1, 4, 1), np.uint32),
        visits=visits,
        root_value=np.zeros(UNROLL + 1, np.float32),
        weight=np.asarray(1.0, np.float32),
        index=np.asarray(0),
    )


def naive_targets(window, length, ends, bootstrap):
    """Each step by itself, in the words of the contract: (policy mask, value mask, reward mask, z, reward)."""
    terminates = ends == "termination" and length <= ROWS
    rows = []
    for k in range(UNROLL + 1):
        stored = k < length
        z, product = 0.0, 1.0
        for i in range(k, k + N):
            if i < length:
                z += product * window.reward[i]
                product *= GAMMA * window.discount[i]
        z = z + product * bootstrap[k] if stored else 0.0
        known = stored or terminates
        rows.append((stored, known, known, z, window.reward[k] if stored else 0.0))
    return [np.array(column, np.float32) for column in zip(*rows, strict=True)]


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    strategies.integers(1, ROWS + 1), strategies.sampled_from(["termination", "limit"]), strategies.integers(0, 9)
)
def test_targets_and_masks_agree_with_a_plain_loop(length, ends, seed):
    window = make_window(length, ends, seed)
    bootstrap = np.linspace(5, 9, UNROLL + 1, dtype=np.float32)
    targets = make_targets(jax.tree.map(jnp.asarray, window), jnp.asarray(bootstrap), GAMMA)
    policy_mask, value_mask, reward_mask, value, reward = naive_targets(window, length, ends, bootstrap)
    np.testing.assert_array_equal(targets.policy_mask, policy_mask)
    np.testing.assert_array_equal(targets.value_mask, value_mask)
    np.testing.assert_array_equal(targets.reward_mask, reward_mask[:-1])
    np.testing.assert_allclose(targets.value, value, rtol=1e-6)
    np.testing.assert_array_equal(targets.reward, reward[:-1])
    total = np.maximum(window.visits.sum(axis=-1, keepdims=True), 1)
    np.testing.assert_allclose(targets.policy, window.visits / total, rtol=1e-6)


def targets_of(length, ends) -> Targets:
    window = jax.tree.map(jnp.asarray, make_window(length, ends))
    return make_targets(window, jnp.full(UNROLL + 1, 10.0), GAMMA)


def test_a_time_limit_bootstraps_and_a_termination_does_not():
    reward = make_window(1, "limit").reward[0]
    np.testing.assert_allclose(targets_of(1, "limit").value[0], reward + GAMMA * 10, rtol=1e-6)
    np.testing.assert_allclose(targets_of(1, "termination").value[0], reward, rtol=1e-6)


def test_steps_after_a_termination_are_absorbing_and_after_a_time_limit_masked():
    ended, cut = targets_of(2, "termination"), targets_of(2, "limit")
    np.testing.assert_array_equal(ended.value_mask, [1, 1, 1, 1])
    np.testing.assert_array_equal(ended.value[2:], [0, 0])
    np.testing.assert_array_equal(ended.policy_mask, [1, 1, 0, 0])
    np.testing.assert_array_equal(cut.value_mask, [1, 1, 0, 0])
    np.testing.assert_array_equal(cut.reward_mask, [1, 1, 0])


def test_bootstraps_are_the_target_networks_values_n_steps_later():
    support = Support(0.0, 10.0, 11)

    def predict(params, latent):
        return jnp.zeros(2), 40.0 * support.encode(params * latent[0])

    network = Network(
        init=lambda key: 1.0,
        represent=lambda params, observation: observation,
        dynamics=lambda params, latent, action: (latent, jnp.zeros(2)),
        predict=predict,
        value_support=support,
        reward_support=support,
    )
    window = jax.tree.map(jnp.asarray, make_window(4, "limit"))
    # Observations count rows and stop at the final one, row 4; whole numbers lie on the bins.
    values = bootstrap_values(network, jnp.float32(2.0), window)
    np.testing.assert_allclose(values, [2 * min(k + N, 4) for k in range(UNROLL + 1)], atol=1e-4)


def test_a_window_without_any_visit_has_no_policy_target():
    window = jax.tree.map(jnp.asarray, make_window(1, "limit"))
    targets = make_targets(window, jnp.zeros(UNROLL + 1), GAMMA)
    np.testing.assert_array_equal(targets.policy[1:], np.zeros((UNROLL, 4)))
    assert float(targets.policy[0].sum()) == pytest.approx(1.0)
