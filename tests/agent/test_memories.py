"""The LSTM's memory from acting through the replay to the learner."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions.distributions import make_policy
from smuzero.actions.spaces import from_gymnasium
from smuzero.agent.acting import make_act
from smuzero.agent.agent import Agent
from smuzero.agent.collecting import Collector
from smuzero.agent.learner import LearnerSettings, init_learner, make_update
from smuzero.agent.memories import with_memories
from smuzero.envs import make_pool
from smuzero.evaluation.episodes import play_episodes
from smuzero.networks.model import NetworkSettings, make_network
from smuzero.replay.buffer import Buffer, ReplaySettings
from smuzero.search.settings import SearchSettings

EPISODE, LENGTH, HISTORY = 10, 6, 3
SEARCH = SearchSettings(num_samples=2, num_simulations=2)
LEARNER = LearnerSettings(batch_size=4, unroll=2, n_step=1, recall_steps=HISTORY + 1, total_updates=10)


class Counting(gymnasium.Env):
    """Shows how many steps have passed; a time limit ends its episodes."""

    observation_space = gymnasium.spaces.Box(-1.0, 100.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.array([0.0, 1.0], np.float32), {}

    def step(self, action):
        self.time += 1
        return np.array([self.time, action], np.float32), 1.0, False, self.time == EPISODE, {}


@pytest.fixture(scope="module")
def played():
    """A network with fixed parameters that has acted for 25 steps, and what was stored of it."""
    space = from_gymnasium(Counting.action_space)
    policy = make_policy(space)
    network = make_network(NetworkSettings(width=4, num_blocks=0, lstm=True), (2,), policy)
    learner = init_learner(network, LEARNER, jax.random.key(0))
    act = make_act(network, policy, SEARCH, 0.9)
    pool = make_pool(Counting, 2, seed=0)
    collector = Collector(pool, space, LENGTH, network.memory_size)
    replay, sequences, states = Buffer(ReplaySettings(20, LENGTH), seed=0), [], []
    for number in range(25):
        decision = act(learner.params, jax.random.key(number), collector.observation, collector.legal)
        sequences += collector.step(jax.tree.map(np.asarray, decision)).sequences
        states.append(collector.state())
    for sequence in sequences:
        replay.add(sequence)
    return network, policy, space, learner, act, pool, collector, replay, sequences, states


def test_episodes_start_with_nothing_remembered_and_later_sequences_go_on(played):
    sequences = played[8]
    starts = [sequence for sequence in sequences if sequence.observation[0, 0] == 0]
    later = [sequence for sequence in sequences if sequence.observation[0, 0] == LENGTH]
    assert len(starts) == 4 and len(later) == 4, "10 steps are cut into 6 and 4"
    for sequence in starts:
        assert not sequence.recurrent[0].any() and sequence.recurrent[1:].any(axis=1).all()
    for sequence in later:
        assert sequence.recurrent.any(axis=1).all()


def test_stored_and_recomputed_memories_agree_while_parameters_are_the_same(played):
    network, _, _, learner, _, _, _, replay, sequences, _ = played
    windows = replay.sample(64, 2, 1, HISTORY)
    memories = np.asarray(jax.jit(lambda w: with_memories(network, learner.params, w).observation)(windows))
    assert set(windows.is_history.sum(axis=1)) == {0, 1, 2, 3}, "starts of sequences and their middles were drawn"
    for window in range(64):
        # An episode is known by the actions it shows, a step by its number.
        time = int(windows.observation[window, 0, 0])
        rows = [
            sequence.recurrent[time % LENGTH + 1]
            for sequence in sequences
            if time % LENGTH + 1 < len(sequence.action)
            and int(sequence.observation[0, 0]) == time - time % LENGTH
            and np.allclose(sequence.recurrent[time % LENGTH + 1], memories[window, 0], atol=1e-5)
        ]
        if windows.is_step[window, 1]:
            assert rows, "the memory after the first observation is what was stored before the next"
        ended = np.flatnonzero(~windows.is_step[window])
        for row in ended[1:]:
            np.testing.assert_array_equal(memories[window, row], memories[window, ended[0]])


def test_nothing_is_remembered_across_episodes(played):
    network, _, _, learner, *_ = played
    states = played[9]
    assert not states[EPISODE - 1]["memory"].any() and states[EPISODE]["memory"].any()
    first = [sequence.recurrent[1] for sequence in played[8] if sequence.observation[0, 0] == 0]
    expected = network.recall(learner.params, jnp.zeros(network.memory_size), jnp.array([0.0, 1.0]))
    for memory in first:
        np.testing.assert_allclose(memory, expected, atol=1e-6)


def test_an_update_learns_the_lstm_through_its_history(played):
    network, policy, _, learner, _, _, _, replay, _, _ = played
    copies = jax.tree.map(jnp.copy, learner)
    before = jax.tree.map(np.asarray, learner.params["recall"])
    update = make_update(network, policy, LEARNER)
    for _ in range(2):  # the heads start at zero, so that the first update reaches no further than them
        copies, metrics, _ = update(copies, replay.sample(4, 2, LEARNER.reach, HISTORY))
    assert np.isfinite(float(metrics["loss/total"]))
    after = copies.params["recall"]["cell"]
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), before["cell"], jax.tree.map(np.asarray, after))
    assert max(jax.tree.leaves(moved)) > 0


def test_windows_without_memories_are_refused(played):
    network, _, _, learner, *_ = played
    windows = played[7].sample(4, 2, 1, HISTORY)._replace(history=None)
    with pytest.raises(ValueError, match="hold no memory"):
        with_memories(network, learner.params, windows)


def test_a_restored_collector_and_replay_remember_what_they_did(played):
    network, _, space, _, _, _, _, replay, _, states = played
    with make_pool(Counting, 2, seed=0) as fresh_pool:
        fresh = Collector(fresh_pool, space, LENGTH, network.memory_size)
        fresh.restore(states[-1])
        assert not fresh.observation.memory.any(), "Gymnasium's episodes start anew after a restore"
    restored = Buffer(ReplaySettings(20, LENGTH), seed=0)
    restored.restore(replay.state())
    one, other = (buffer.sample(8, 2, 1, HISTORY) for buffer in (replay, restored))
    np.testing.assert_array_equal(one.recurrent, other.recurrent)
    np.testing.assert_array_equal(one.history, other.history)


def test_evaluation_and_the_agent_remember_within_an_episode_only(played):
    network, policy, space, learner, act, *_ = played
    with make_pool(Counting, 2, seed=0) as pool:
        returns = play_episodes(act, learner.params, pool, space, 3, 0, network.memory_size)
    np.testing.assert_array_equal(returns, [EPISODE] * 3)
    agent = Agent(network, policy, space, learner.params, search=SEARCH, discount=0.9, observation_shape=(2,), seed=0)
    seen = np.array([0.0, 1.0], np.float32)
    first = agent.plan(seen).raw_value, agent._memory
    agent.act(seen)
    assert agent._memory.any() and not first[1].any()
    agent.reset()
    assert not agent._memory.any() and agent.plan(seen).raw_value == first[0]
