"""A diagnosis of a model that is exact, of one that is wrong in a known way, and of the arithmetic."""

import dataclasses

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest

from smuzero.actions import spaces
from smuzero.actions.distributions import make_policy
from smuzero.envs.base import Env, EnvStep
from smuzero.experiments.config import Config, changed
from smuzero.experiments.diagnosis import measure, numbers, visits
from smuzero.networks.network import Network
from smuzero.operators.scalars import Support
from smuzero.types import EnvSpec

GAMMA, DECAY, LENGTH = 0.9, 0.8, 12
SUPPORT = Support(-60.0, 60.0, 121)
SPACE = spaces.from_gymnasium(gymnasium.spaces.Discrete(5))
POLICY = make_policy(SPACE)
CONFIG = changed(
    Config(),
    {
        "learner.discount": GAMMA,
        "search.num_samples": 5,
        "search.num_simulations": 16,
        "search.enumerate_actions": True,
    },
)
SETTINGS = measure.DiagnosisSettings(states=15, episodes=2, steps=100)


class Tray(Env):
    """x decays, w is what the action last left; action 2 is best everywhere, and worth v = x/(1 − γ·DECAY) + w."""

    def __init__(self, seed, goes_back=True):
        self.spec = EnvSpec("tray", (2,), np.dtype(np.float32), gymnasium.spaces.Discrete(5))
        self._generator, self._goes_back = np.random.default_rng(seed), goes_back

    def reset(self):
        self._x, self._w, self._steps = self._generator.uniform(1.0, 5.0), 0.0, 0
        return self._observation()

    def step(self, action):
        reward = self._x + self._w - (action - 2) ** 2
        self._x, self._w, self._steps = DECAY * self._x, 0.5 * (action - 2), self._steps + 1
        return EnvStep(self._observation(), float(reward), 1.0, self._steps == LENGTH, 1, None)

    def state(self):
        return {"x": self._x, "w": self._w, "steps": self._steps}

    def restore(self, state):
        self._x, self._w, self._steps = state["x"], state["w"], state["steps"]
        return self._goes_back

    def close(self):
        pass

    def _observation(self):
        return np.array([self._x, self._w], np.float32)


class VeiledTray(Tray):
    """Shows x at the start of an episode only."""

    def _observation(self):
        return np.array([self._x if self._steps == 0 else 0.0, self._w], np.float32)


def model_of_tray(sign=1.0, bias=0.0):
    """Exact with sign 1; with -1 it takes the best action for the worst. Values are off by `bias`."""

    def logits(scalar):
        return jnp.log(SUPPORT.encode(scalar) + 1e-20)  # 0 has no logarithm

    def dynamics(params, latent, action):
        u = (action[0] - 2).astype(jnp.float32)
        cost = u**2 if sign > 0 else 8.0 - u**2
        following = jnp.stack([DECAY * latent[0], sign * 0.5 * u])
        return following, logits(latent[0] + latent[1] - cost)

    def predict(params, latent):
        return jnp.zeros(5), logits(latent[0] / (1 - GAMMA * DECAY) + latent[1] + bias)

    return Network(lambda key: {}, lambda params, x: x, dynamics, predict, SUPPORT, SUPPORT)


def remembering_model_of_tray():
    """Exact where x is veiled: it remembers x and knows how x decays."""

    def recall(params, memory, observation):
        x = jnp.where(observation[0] > 0, observation[0], DECAY * memory[0])
        return jnp.stack([x, observation[1]])

    return dataclasses.replace(model_of_tray(), recall=recall, memory_size=2)


def examined(network, goes_back=True, settings=SETTINGS, config=CONFIG, tray=Tray):
    envs = [tray(seed, goes_back) for seed in range(settings.episodes)]
    return measure.examine(envs, config, network, POLICY, {}, SPACE, settings, seed=0)


def test_an_exact_model_ranks_all_rightly_and_errs_nowhere():
    found = examined(model_of_tray())
    values = found.values
    for name in ("q_correlation", "reward_correlation", "value_correlation", "states"):
        assert values[f"ranking/{name}"] == pytest.approx(1.0, abs=1e-5)
    assert values["ranking/lost"] == 0.0 and values["ranking/candidates"] == 5
    # Single precision, and numbers up to 20 read off 121 bins.
    for name in ("model/q_error", "model/reward_error", "model/value_error", "value/bias", "value/error"):
        assert values[name] == pytest.approx(0.0, abs=1e-4)
    true_q = np.array([-((a - 2) ** 2) + GAMMA * 0.5 * (a - 2) for a in range(5)])
    assert values["spread/true_q"] == pytest.approx(true_q.std(), rel=1e-4)
    assert values["value/correlation"] == pytest.approx(1.0, abs=1e-5)
    assert values["policy/entropy"] == pytest.approx(np.log(5)) == values["policy/entropy_uniform"]
    assert len(found.met.scores) == 2 and len(found.met.returned) == 2 * LENGTH and len(found.met.visits) == 15
    assert found.notes == [] and len(found.correlations) == 15


def test_a_model_that_remembers_is_asked_with_its_memory_of_the_episode():
    found = examined(remembering_model_of_tray(), tray=VeiledTray).values
    for name in ("model/q_error", "model/reward_error", "model/value_error", "value/bias", "value/error"):
        assert found[name] == pytest.approx(0.0, abs=1e-4)
    forgetful = examined(model_of_tray(), tray=VeiledTray).values["value/error"]
    assert forgetful is not None and forgetful > 1.0


def test_a_model_that_prefers_the_worst_is_seen_through():
    """It is judged apart from how the agent acts with it, so the value's own error is not asked for here."""
    values = examined(model_of_tray(sign=-1.0)).values
    assert values["ranking/q_correlation"] == pytest.approx(-1.0, abs=1e-5)
    model, true = (np.array([s * (-(u**2) + GAMMA * 0.5 * u) for u in (-2, -1, 0, 1, 2)]) for s in (-1, 1))
    assert values["ranking/lost"] == pytest.approx(
        (true.max() - true[model.argmax()]) / (true.max() - true.mean()), rel=1e-4
    )


def test_a_value_that_is_too_high_everywhere_is_a_bias_and_no_wrong_ranking():
    """The return is bootstrapped by the same value at its end, with γ to the steps that are left."""
    values = examined(model_of_tray(bias=2.0)).values
    left = np.arange(LENGTH, 0, -1)
    assert values["value/bias"] == pytest.approx(np.mean(2.0 - 2.0 * GAMMA**left), abs=1e-3)
    assert values["ranking/q_correlation"] == pytest.approx(1.0, abs=1e-5)


def test_sampled_candidates_are_distinct_and_no_more_than_asked_for():
    config = dataclasses.replace(CONFIG, search=dataclasses.replace(CONFIG.search, enumerate_actions=False))
    few = dataclasses.replace(SETTINGS, candidates=3, proposal="uniform")
    found = examined(model_of_tray(), settings=few, config=config)
    assert found.judged is not None and found.judged.exists.shape == (15, 3)
    assert (found.judged.exists.sum(axis=1) <= 3).all() and found.judged.exists.sum() > 15
    assert found.values["ranking/q_correlation"] == pytest.approx(1.0, abs=1e-5)


def test_what_needs_a_simulator_that_goes_back_is_left_out_and_said():
    found = examined(model_of_tray(), goes_back=False)
    assert found.judged is None and "tray cannot be put back" in found.notes[0]
    empty = {name for name, value in found.values.items() if value is None}
    assert {name for name in empty if not name.startswith("replay/")} == {
        name for name in measure.MEANINGS if name.partition("/")[0] in ("ranking", "model", "spread")
    }


def test_an_episode_that_is_cut_is_bootstrapped():
    found = examined(model_of_tray(), settings=dataclasses.replace(SETTINGS, steps=5))
    assert len(found.met.returned) == 10
    assert found.values["value/error"] == pytest.approx(0.0, abs=1e-4)


def test_returns_end_at_a_termination_and_go_on_through_a_time_limit():
    reward, last = np.array([1.0, 2.0, 3.0]), 10.0
    through = numbers.returns_of(reward, np.ones(3), last, 0.5)
    np.testing.assert_allclose(through, [1 + 0.5 * (2 + 0.5 * (3 + 0.5 * 10)), 2 + 0.5 * (3 + 0.5 * 10), 3 + 0.5 * 10])
    ended = numbers.returns_of(reward, np.array([1.0, 1.0, 0.0]), last, 0.5)
    np.testing.assert_allclose(ended, [1 + 0.5 * (2 + 0.5 * 3), 2 + 0.5 * 3, 3])


def test_a_state_whose_actions_are_alike_ranks_nothing_and_a_blind_model_ranks_at_0():
    true = np.array([[5.0, 5.0, 5.0], [1.0, 2.0, 3.0], [1.0, 2.0, 9.0]])
    model = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0], [1.0, 2.0, -9.0]])
    exists = np.array([[True] * 3, [True] * 3, [True, True, False]])
    np.testing.assert_allclose(numbers.correlations(model, true, exists), [np.nan, 0.0, 1.0], atol=1e-12)
    assert numbers.spread(true, exists) == pytest.approx((0 + np.sqrt(2 / 3) + 0.5) / 3)
    # Rows 1 and 2: the blind model takes its first action, and lacks 2 of the best; a random one lacks 1 and 0.5.
    assert numbers.lost_by_trust(model, true, exists) == pytest.approx(2.0 / 1.5)


def test_calibration_sorts_by_prediction():
    parts = numbers.calibration(np.array([3.0, 1.0, 2.0, 4.0]), np.array([30.0, 10.0, 20.0, 40.0]), bins=2)
    assert parts == [(2, 1.5, 15.0), (2, 3.5, 35.0)]


@pytest.mark.parametrize(("next_slot", "ages"), [(0, [4, 3, 2, 1, 0]), (1, [4, 3, 2, 1, 0])])
def test_ages_count_the_steps_stored_since_in_a_ring_that_may_have_turned(next_slot, ages):
    """Slots of 2 and 3 steps; with `next_slot` 1 the second is the older one."""
    replay = {"length": [2, 3], "settings": {"max_sequences": 2}, "next_slot": next_slot, "mass": [1, 2, 3, 4, 10]}
    found, share = numbers.ages(replay)
    np.testing.assert_array_equal(found, ages)
    np.testing.assert_allclose(share, np.array([1, 2, 3, 4, 10] if next_slot == 0 else [3, 4, 10, 1, 2]) / 20)


def test_every_step_is_kept_with_the_same_chance():
    env = Tray(0)
    env.reset()
    kept = []
    for seed in range(400):
        keeper = visits._Keeper(2, seed)
        for step in range(8):
            keeper.offer(step, np.zeros(2), None, env)
        kept += [visit.env for visit in keeper.kept]
    # 400 of 8 steps are kept 2 at a time: 100 each, with a deviation below √(400 · ¼ · ¾) = 8.7; five of them.
    assert np.abs(np.bincount(kept, minlength=8) - 100).max() < 5 * 8.7
