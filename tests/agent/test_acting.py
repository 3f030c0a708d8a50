"""How an action is chosen from what a search found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.agent.acting import choose_slot, make_act
from smuzero.agent.improvement import ImprovementSettings
from smuzero.search.settings import SearchSettings

from .small_learner import GAMMA, NETWORK, OBSERVATION, POLICY, make_state

SEARCH = SearchSettings(num_samples=6, num_simulations=8)


def test_slots_are_drawn_in_proportion_to_visits_and_the_greedy_one_is_the_most_visited():
    visits = jnp.tile(jnp.array([[6, 0, 3, 3]]), (20_000, 1))
    prior = jnp.full(visits.shape, 0.25).at[:, 3].set(0.3)
    slots = np.asarray(choose_slot(jax.random.key(0), visits, prior, 1.0))
    shares = np.bincount(slots, minlength=4) / len(slots)
    # Five deviations of a share of 20,000 draws.
    np.testing.assert_allclose(shares, [0.5, 0.0, 0.25, 0.25], atol=5 * np.sqrt(0.25 / len(slots)))
    ties = visits[:2].at[:, 0].set(3)
    np.testing.assert_array_equal(choose_slot(jax.random.key(0), ties, prior[:2], 0.0), [3, 3])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_improved_policy_that_acts_takes_what_it_is_sure_of(temperature):
    """With a tiny τ, MPO is sure of the best Q, which need not be the most visited."""
    sure = ImprovementSettings("mpo", temperature=1e-4, acts=True)
    act = make_act(NETWORK, POLICY, SEARCH, GAMMA, temperature, sure)
    observation = np.random.default_rng(0).normal(size=(50, OBSERVATION)).astype(np.float32)
    decision = act(make_state().params, jax.random.key(1), observation, None)
    best = jnp.argmax(decision.visits, axis=-1)
    words = jnp.take_along_axis(decision.words, best[:, None, None], axis=1)[:, 0]
    # Where two actions are nearly as good, τ may not tell them apart.
    is_sure = np.asarray(jnp.max(decision.visits, axis=-1) > 1 - 1e-6)
    assert is_sure.sum() > 40
    np.testing.assert_array_equal(POLICY.pack(decision.action)[is_sure], words[is_sure])
