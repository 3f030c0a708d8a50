"""The agent for use: acting and planning by one observation."""

import dataclasses

import jax
import numpy as np
import pytest

from smuzero.actions.distributions import make_policy
from smuzero.actions.spaces import BinnedBox, Discrete
from smuzero.agent.agent import Agent, InvalidObservation
from smuzero.agent.improvement import VISITS, ImprovementSettings
from smuzero.networks.model import make_network
from smuzero.networks.settings import NetworkSettings
from smuzero.search.settings import SearchSettings

SEARCH = SearchSettings(num_samples=8, num_simulations=6)


def make_agent(space, seed=0, **given):
    policy = make_policy(space)
    network = make_network(NetworkSettings(width=8, num_blocks=0), (3,), policy)
    params = network.init(jax.random.key(0))
    given = {"search": SEARCH, "discount": 0.9, "observation_shape": (3,)} | given
    return Agent(network, policy, space, params, seed=seed, **given)


@pytest.fixture(scope="module")
def discrete():
    return make_agent(Discrete(4, start=10))


def test_plan_holds_the_distinct_draws_and_its_action_is_what_act_returns(discrete):
    observation = np.array([0.1, -2.0, 3.0])
    plan = discrete.plan(observation)
    assert plan.count.sum() == SEARCH.num_samples and (plan.count > 0).all()
    assert plan.visits.sum() == SEARCH.num_simulations
    assert len(set(plan.actions.tolist())) == len(plan.actions)
    assert np.isclose(plan.prior.sum(), 1.0)
    assert plan.value == pytest.approx((plan.visits * plan.q).sum() / SEARCH.num_simulations, abs=1e-6)
    assert plan.action == plan.actions[np.argmax(plan.visits + 0.5 * plan.prior)]
    assert discrete.act(observation) == plan.action and plan.action in range(10, 14)
    assert plan.tree.visits[0, plan.slot].tolist() == plan.visits.tolist()
    assert isinstance(plan.tree.visits, np.ndarray) and len(plan.tree.visits) == SEARCH.num_simulations + 1


def test_where_the_improved_policy_acts_the_agent_takes_its_likeliest_action():
    """At a small temperature that is the action of the highest Q, visited most or not."""
    greedy = ImprovementSettings("mpo", temperature=1e-6, acts=True)
    space, search = BinnedBox.between(-2.0, 2.0, (2,)), dataclasses.replace(SEARCH, c1=50.0)
    agents = [make_agent(space, search=search, improvement=improvement) for improvement in (greedy, VISITS)]
    differ = 0
    for observation in np.random.default_rng(0).normal(size=(8, 3)):
        by_policy, by_visits = (agent.plan(observation) for agent in agents)
        np.testing.assert_array_equal(by_policy.q, by_visits.q)
        np.testing.assert_array_equal(by_policy.action, by_policy.actions[np.argmax(by_policy.q)])
        differ += not np.array_equal(by_policy.action, by_visits.action)
    assert differ > 0


def test_same_seed_plans_alike_and_another_draws_otherwise():
    space = BinnedBox.between(-2.0, 2.0, (2, 2))
    one, same, other = (make_agent(space, seed).plan(np.ones(3)) for seed in (0, 0, 1))
    actions = [np.asarray(plan.actions).tolist() for plan in (one, same, other)]
    assert actions[0] == actions[1] and one.visits.tolist() == same.visits.tolist()
    assert actions[0] != actions[2]
    assert one.action.shape == (2, 2) and one.action.dtype == np.float32


def test_illegal_actions_are_never_taken(discrete):
    plan = discrete.plan(np.zeros(3), legal=[False, True, False, False])
    assert plan.actions.tolist() == [11] and discrete.act(np.zeros(3), [False, True, False, False]) == 11


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (np.zeros(4), r"shape \(4,\), but this agent was trained on \(3,\)"),
        (np.zeros((1, 3)), "batches are not taken"),
        ([0.0, np.nan, np.inf], "2 entries that are NaN or infinite, the first at 1"),
        ({"position": 1.0}, "is dict, but an array of shape"),
        ("here", "is str"),
    ],
)
def test_observation_of_another_kind_is_refused(discrete, observation, message):
    with pytest.raises(InvalidObservation, match=message):
        discrete.act(observation)


@pytest.mark.parametrize("legal", [[True], [False] * 4])
def test_mask_has_to_allow_one_of_all_choices(discrete, legal):
    with pytest.raises(InvalidObservation, match="each of its 4 choices"):
        discrete.act(np.zeros(3), legal)
