"""Root actions evaluated by several steps of the model."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import FactoredCategorical
from smuzero.search.plan import Model, search
from smuzero.search.settings import SearchSettings

from .random_models import random_model, random_roots, repeated

POLICY = FactoredCategorical(1, 4)
MODEL = random_model(POLICY)
ALONE = SearchSettings(num_samples=6, num_simulations=0, root_lookahead=2, noise_fraction=0.0)


def outcome(state, actions):
    """Σ γ^l r_l + γ^L v along a sequence of actions, and how likely the policy is to go on so after the first."""
    total, weight, prob = 0.0, 1.0, 1.0
    for index, action in enumerate(actions):
        if index > 0:
            prob *= float(jax.nn.softmax(MODEL.predict(state)[0])[action])
        state, reward, discount = MODEL.dynamics(state, jnp.array([action]))
        total, weight = total + weight * float(reward), weight * float(discount)
    return total + weight * float(MODEL.predict(state)[1]), prob


@pytest.mark.parametrize("depth", [1, 3])
def test_peaked_policies_are_followed_for_as_many_steps_as_were_asked(depth):
    roots = random_roots(3, 5)._replace(spread=jnp.full(5, 1e6))
    settings = dataclasses.replace(ALONE, root_lookahead=depth, proposal="uniform")
    found = search(jax.random.key(0), roots, MODEL, settings)
    for b in range(5):
        for k in np.flatnonzero(found.count[b]):
            root = jax.tree.map(lambda x, b=b: x[b], roots)
            state, actions = root, [int(found.action[b, k, 0])]
            for _ in range(depth - 1):
                state = MODEL.dynamics(state, jnp.array([actions[-1]]))[0]
                actions.append(int(jnp.argmax(MODEL.predict(state)[0])))
            np.testing.assert_allclose(found.q[b, k], outcome(root, actions)[0], rtol=1e-5, atol=1e-5)


def test_mean_of_many_lookaheads_is_what_the_policy_brings():
    number, root = 4000, random_roots(1, 1)
    found = search(jax.random.key(1), repeated(root, number), MODEL, dataclasses.replace(ALONE, proposal="uniform"))
    one = jax.tree.map(lambda x: x[0], root)
    for first in range(4):
        outcomes = [outcome(one, path) for path in itertools.product([first], range(4))]
        mean = sum(p * q for q, p in outcomes)
        deviation = np.sqrt(sum(p * (q - mean) ** 2 for q, p in outcomes))
        q = np.asarray(found.q)[(np.asarray(found.action)[:, :, 0] == first) & (np.asarray(found.count) > 0)]
        # Six standard errors; equal actions of one root are one slot, so that the numbers are independent.
        np.testing.assert_allclose(q.mean(), mean, atol=6 * deviation / np.sqrt(len(q)) + 1e-5)


def test_actions_of_one_root_are_compared_by_the_same_random_numbers():
    # The first action does nothing; the later ones are drawn and paid.
    def dynamics(state, action):
        return state + 1, jnp.where(state > 0, action[0], 0).astype(jnp.float32), jnp.float32(1.0)

    model = Model(POLICY, dynamics, lambda state: (jnp.zeros(4), jnp.float32(0.0)))
    found = search(jax.random.key(2), jnp.zeros(50, jnp.int32), model, dataclasses.replace(ALONE, root_lookahead=4))
    q = np.where(np.asarray(found.count) > 0, np.asarray(found.q), np.nan)
    np.testing.assert_array_equal(np.nanmax(q, axis=1), np.nanmin(q, axis=1))
    assert len(np.unique(np.nanmax(q, axis=1))) > 3


def test_without_simulations_nothing_is_visited_and_the_value_is_the_models_own():
    found = search(jax.random.key(3), random_roots(4, 7), MODEL, ALONE)
    assert int(found.visits.sum()) == 0
    np.testing.assert_array_equal(found.value, found.raw_value)


def test_a_search_that_follows_begins_with_the_same_draws_and_goes_on_from_the_lookahead():
    roots = random_roots(5, 9)
    alone = search(jax.random.key(4), roots, MODEL, ALONE)
    found = search(jax.random.key(4), roots, MODEL, dataclasses.replace(ALONE, num_simulations=4))
    np.testing.assert_array_equal(found.words, alone.words)
    unvisited = np.asarray(found.visits) == 0
    np.testing.assert_allclose(np.asarray(found.q)[unvisited], np.asarray(alone.q)[unvisited], rtol=1e-5)


def test_impossible_lookaheads_are_refused():
    with pytest.raises(ValueError, match="root_lookahead is 0"):
        SearchSettings(root_lookahead=0)
    with pytest.raises(ValueError, match="num_simulations is 0, but a search needs at least 1"):
        SearchSettings(num_simulations=0, evaluate_root=False)
