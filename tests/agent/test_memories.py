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
from smuzero.agent.learner import init_learner, make_update
from smuzero.agent.learner_settings import LearnerSettings
from smuzero.agent.memories import with_memories
from smuzero.envs import make_pool
from smuzero.evaluation.episodes import play_episodes
from smuzero.networks.model import make_network
from smuzero.networks.settings import NetworkSettings
from smuzero.replay.buffer import Buffer, ReplaySettings
from smuzero.search.settings import SearchSettings

EPISODE, LENGTH, HISTORY = 10, 6, 3
SEARCH = SearchSettings(num_samples=2, num_simulations=2)
TOLERANCE = 1e-5
"""Between one observation at a time and many at once; memories lie in [-1, 1] and thereabouts."""
LEARNER = LearnerSettings(batch_size=4, unroll=2, n_step=1, recall_steps=HISTORY + 1, total_updates=10)


class Counting(gymnasium.Env):
    """Shows how many steps have passed, what was done, and its episode's own number; a time limit ends episodes."""

    observation_space = gymnasium.spaces.Box(-1.0, 100.0, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.mark = 0, 10 * self.np_random.random()
        return np.array([0.0, 1.0, self.mark], np.float32), {}

    def step(self, action):
        self.time += 1
        return np.array([self.time, action, self.mark], np.float32), 1.0, False, self.time == EPISODE, {}


@pytest.fixture(scope="module")
def played():
    """A network with fixed parameters that has acted for 25 steps, and what was stored of it."""
    space = from_gymnasium(Counting.action_space)
    policy = make_policy(space)
    network = make_network(NetworkSettings(width=4, num_blocks=0, lstm=True), (3,), policy)
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


def recomputed(network, params, sequences):
    """By the number of its own, for every whole episode: the memory after 0, 1, … of its observations, one by one."""
    episodes = {}
    for sequence in sequences:
        rows = episodes.setdefault(float(sequence.observation[0, 2]), {})
        rows |= {int(observation[0]): observation for observation in sequence.observation}
    recall, memories = jax.jit(network.recall), {}
    for mark, rows in episodes.items():
        assert sorted(rows) == list(range(EPISODE + 1)), "both sequences of an episode were stored"
        memories[mark] = [np.zeros(network.memory_size, np.float32)]
        for time in sorted(rows):
            memories[mark].append(np.asarray(recall(params, memories[mark][-1], rows[time])))
    return {mark: np.stack(rows) for mark, rows in memories.items()}


def changed(params):
    return jax.tree.map(lambda leaf: leaf + 0.1, params)


def test_stored_memories_are_those_of_a_pass_over_their_own_episode_alone(played):
    network, _, _, learner, *_, sequences, _ = played
    memories = recomputed(network, learner.params, sequences)
    assert len(memories) == 4
    for sequence in sequences:
        own = memories[float(sequence.observation[0, 2])]
        times = sequence.observation[:-1, 0].astype(int)
        np.testing.assert_allclose(sequence.recurrent, own[times], atol=TOLERANCE)
    # What a leak would have left: the first observations of an episode after the last memory of another.
    one, other = list(memories)[:2]
    first = next(sequence for sequence in sequences if float(sequence.observation[0, 2]) == one)
    leaked = jax.jit(network.recall)(learner.params, memories[other][-1], first.observation[0])
    assert np.abs(leaked - first.recurrent[1]).max() > 100 * TOLERANCE
    # Nor would other parameters' memories pass for these.
    others = recomputed(network, changed(learner.params), sequences)
    assert np.abs(others[one][1:] - memories[one][1:]).max(axis=1).min() > 100 * TOLERANCE


def test_recomputed_memories_of_every_drawn_row_agree_with_the_episodes(played):
    network, _, _, learner, _, _, _, replay, sequences, _ = played
    memories = recomputed(network, learner.params, sequences)
    windows = replay.sample(64, 2, 1, HISTORY)
    assert set(windows.is_history.sum(axis=1)) == {0, 1, 2, 3}, "starts of sequences and their middles were drawn"
    assert not windows.is_step.all(), "and windows past the end of a sequence"
    found = np.asarray(jax.jit(lambda w: with_memories(network, learner.params, w).observation)(windows))
    times, marks = windows.observation[..., 0].astype(int), windows.observation[..., 2]
    # Past the end of a sequence, the final observation is shown again, and nothing is made of it a second time.
    expected = np.stack(
        [
            np.stack([memories[float(m)][t + 1] for t, m in zip(*row, strict=True)])
            for row in zip(times, marks, strict=True)
        ]
    )
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    other = np.asarray(with_memories(network, changed(learner.params), windows).observation)
    assert np.abs(other - expected).max(axis=-1).min() > 100 * TOLERANCE, "they are recomputed, not the stored ones"


def test_what_stands_before_a_sequence_or_after_its_end_touches_no_memory_and_no_gradient(played):
    network, _, _, learner, _, _, _, replay, *_ = played
    windows = replay.sample(64, 2, 1, HISTORY)
    poisoned = windows._replace(
        history=np.where(windows.is_history[..., None], windows.history, np.float32(1e3)),
        observation=np.where(shown(windows)[..., None], windows.observation, np.float32(1e3)),
    )
    assert not np.array_equal(poisoned.history, windows.history)
    assert not np.array_equal(poisoned.observation, windows.observation)

    def memories(params, windows):
        return with_memories(network, params, windows).observation

    np.testing.assert_array_equal(memories(learner.params, windows), memories(learner.params, poisoned))

    def loss(params, windows):
        return jnp.sum(jnp.sin(memories(params, windows)))

    jax.tree.map(
        np.testing.assert_array_equal,
        jax.grad(loss)(learner.params, windows)["recall"],
        jax.grad(loss)(learner.params, poisoned)["recall"],
    )


def shown(windows):
    """Where a row of a window was met: its steps, and the observation after the last of them."""
    is_step = windows.is_step
    return np.concatenate([np.ones_like(is_step[:, :1]), is_step[:, :-1]], axis=1)


def test_nothing_is_remembered_across_episodes(played):
    states = played[9]
    assert not states[EPISODE - 1]["memory"].any() and states[EPISODE]["memory"].any()


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


def test_evaluation_remembers_within_an_episode_only(played):
    network, _, space, learner, act, *_ = played
    met = []

    def watched(params, key, seen, legal):
        decision = act(params, key, seen, legal)
        met.append((seen.observation, np.asarray(seen.memory), np.asarray(decision.memory)))
        return decision

    with make_pool(Counting, 2, seed=0) as pool:
        returns = play_episodes(watched, learner.params, pool, space, 3, 0, network.memory_size)
    np.testing.assert_array_equal(returns, [EPISODE] * 3)
    for index in range(2):
        for step, (observation, memory, _) in enumerate(met):
            expected = met[step - 1][2][index] if observation[index, 0] else np.zeros(network.memory_size)
            np.testing.assert_array_equal(memory[index], expected)


def test_an_agent_remembers_until_it_is_reset(played):
    network, policy, space, learner, *_ = played
    agent = Agent(network, policy, space, learner.params, search=SEARCH, discount=0.9, observation_shape=(3,), seed=0)
    seen = np.array([0.0, 1.0, 5.0], np.float32)
    first = agent.plan(seen).raw_value, agent._memory
    agent.act(seen)
    assert agent._memory.any() and not first[1].any()
    agent.reset()
    assert not agent._memory.any() and agent.plan(seen).raw_value == first[0]
