import functools
import json

import gymnasium
import numpy as np
import pytest

from smuzero.envs.base import InvalidEnvironmentOutput, UnknownEnvironment, UnsupportedObservationSpace
from smuzero.envs.registry import _load, make
from smuzero.types import UserError


class Counting(gymnasium.Env):
    """Observes its own step; lasts 5 steps; forbids the action it was given last."""

    def __init__(self, observation_space=None, answers=None):
        self.action_space = gymnasium.spaces.Discrete(3, start=1)
        self.observation_space = observation_space or gymnasium.spaces.Box(0, 9, (2, 2))
        self.answers = answers or {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._observation(), {"action_mask": np.ones(3, np.int8)}

    def step(self, action):
        self.time += 1
        mask = np.ones(3, np.int8)
        mask[action - 1] = 0
        reward = self.answers.get("reward", {}).get(self.time, float(self.time))
        return self._observation(), reward, self.time == 5, False, {"action_mask": mask}

    def _observation(self):
        value = self.answers.get("observation", {}).get(self.time, self.time)
        return np.full((2, 2), value, np.float32)


def test_termination_has_discount_0():
    env = make("gym:CartPole-v1", seed=0)
    env.reset()
    steps = [env.step(1)]
    while not steps[-1].is_last:
        steps.append(env.step(1))
    assert [step.discount for step in steps] == [1.0] * (len(steps) - 1) + [0.0]
    assert len(steps) < 20


def test_time_limit_keeps_discount_1():
    env = make("gym:Pendulum-v1", seed=0)
    env.reset()
    steps = [env.step(np.zeros(1, np.float32)) for _ in range(200)]
    assert steps[-1].is_last and not any(step.is_last for step in steps[:-1])
    assert {step.discount for step in steps} == {1.0}


def test_a_termination_at_the_time_limit_is_a_termination():
    env = make(functools.partial(gymnasium.wrappers.TimeLimit, Counting(), 5), seed=0)
    env.reset()
    assert [env.step(1).discount for _ in range(5)] == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_box_observations_are_flat_float32_and_the_callers_own():
    env = make(Counting, seed=0)
    first = env.reset()
    assert env.spec.observation_shape == first.shape == (4,) and first.dtype == np.float32
    env.step(1)
    np.testing.assert_array_equal(first, np.zeros(4))


def test_discrete_observations_are_one_hot():
    env = make("gym:FrozenLake-v1", seed=0)
    np.testing.assert_array_equal(env.reset(), np.eye(16)[0])


def test_other_observations_are_refused_with_what_to_do():
    with pytest.raises(UnsupportedObservationSpace, match=r"Tuple.*FlattenObservation"):
        make("gym:Blackjack-v1", seed=0)
    env = make(lambda: gymnasium.wrappers.FlattenObservation(gymnasium.make("Blackjack-v1")), seed=0)
    assert env.reset().shape == (32 + 11 + 2,)


def test_action_mask_says_what_is_legal():
    env = make(Counting, seed=0)
    env.reset()
    np.testing.assert_array_equal(env.legal, [True, True, True])
    np.testing.assert_array_equal(env.step(2).legal, [True, False, True])
    np.testing.assert_array_equal(env.legal, [True, False, True])


def test_an_action_mask_of_the_wrong_length_is_refused():
    def broken():
        env = Counting()
        env.action_space = gymnasium.spaces.Discrete(4)
        return env

    with pytest.raises(InvalidEnvironmentOutput, match="one entry for each of its 4 choices"):
        make(broken, seed=0).reset()


def test_same_seed_gives_the_same_episodes_and_each_its_own():
    first, again = make("gym:CartPole-v1", seed=3), make("gym:CartPole-v1", seed=3)
    episodes = [first.reset() for _ in range(3)]
    np.testing.assert_array_equal(episodes, [again.reset() for _ in range(3)])
    assert len({episode.tobytes() for episode in episodes}) == 3


def test_restoring_starts_the_episode_that_would_have_followed():
    env, fresh = make("gym:CartPole-v1", seed=3), make("gym:CartPole-v1", seed=0)
    for _ in range(3):
        env.reset()
    state = json.loads(json.dumps(env.state()))
    assert not fresh.restore(state)
    np.testing.assert_array_equal(fresh.reset(), env.reset())


@pytest.mark.parametrize(("answers", "what"), [("observation", "observation"), ("reward", "reward")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused_naming_what_and_when(answers, what, value):
    env = make(lambda: Counting(answers={answers: {3: value}}), seed=0)
    env.reset()
    env.step(1)
    env.step(2)
    with pytest.raises(InvalidEnvironmentOutput, match=rf"'Counting' gave a {what} that is not finite at step 3 .*"):
        env.step(1)


def test_a_first_observation_that_is_nan_is_refused():
    with pytest.raises(InvalidEnvironmentOutput, match="first observation"):
        make(lambda: Counting(answers={"observation": {0: np.nan}}), seed=0).reset()


def test_an_observation_of_the_wrong_size_is_refused():
    with pytest.raises(InvalidEnvironmentOutput, match="of 4 numbers, but its observation space"):
        make(lambda: Counting(observation_space=gymnasium.spaces.Box(0, 1, (3,))), seed=0).reset()


def test_action_repeat_sums_rewards_counts_frames_and_stops_at_the_end():
    env = make(RepeatTolerant, seed=0, action_repeat=3)
    env.reset()
    first, second = env.step(1), env.step(1)
    assert (first.reward, first.frames, first.is_last) == (1 + 2 + 3, 3, False)
    assert (second.reward, second.frames, second.is_last, second.discount) == (4 + 5, 2, True, 0.0)
    np.testing.assert_array_equal(first.observation, np.full(4, 3))


def test_action_repeat_stops_where_the_action_is_not_legal_any_more():
    env = make(Counting, seed=0, action_repeat=3)
    env.reset()
    assert env.step(1).frames == 1


class RepeatTolerant(Counting):
    def step(self, action):
        *answer, _ = super().step(action)
        return *answer, {}


@pytest.mark.parametrize(
    ("env_id", "near"),
    [
        ("gym:CartPol-v1", "CartPole-v1"),
        ("gym:CartPole-v7", "CartPole-v1"),
        ("gim:CartPole-v1", "Did you mean gym"),
        ("CartPole-v1", "Ids start with their family: .*dmc:…, .*gym:…"),
        ("gym:no_such_module:Thing-v0", "no_such_module"),
    ],
)
def test_unknown_ids_are_answered_with_near_names(env_id, near):
    with pytest.raises(UnknownEnvironment, match=near):
        make(env_id, seed=0)


def test_an_environment_in_place_of_a_factory_is_refused():
    with pytest.raises(UserError, match="a function that returns a new one"):
        _load(Counting(), seed=0)
    with pytest.raises(UserError, match=r"must return a gymnasium\.Env"):
        make(lambda: 3, seed=0)  # pyright: ignore[reportArgumentType]


def test_an_impossible_seed_or_repeat_is_refused():
    with pytest.raises(UserError, match="seed -1"):
        make(Counting, seed=-1)
    with pytest.raises(ValueError, match="action_repeat is 0"):
        make(Counting, seed=0, action_repeat=0)
