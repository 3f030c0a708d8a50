import json
from typing import Any

import gymnasium
import numpy as np
import pytest

from smuzero.envs import make
from smuzero.envs.base import UnknownEnvironment
from smuzero.types import UserError

pytest.importorskip("ale_py", reason="pip install 'smuzero[atari]'")
from smuzero.envs.atari import area_weights, list_atari, shrink


def actions_of(env, number: int, seed: int = 0):
    return np.random.default_rng(seed).integers(env.spec.action_space.n, size=number).tolist()


def assert_same(a, b):
    np.testing.assert_array_equal(a.observation, b.observation)
    assert a[1:5] == b[1:5]


def test_a_step_is_four_frames_of_a_96_by_96_picture_and_18_actions():
    env = make("atari:MsPacman", seed=0)
    first = env.reset()
    assert first.shape == env.spec.observation_shape == (96, 96, 3) and first.dtype == np.uint8
    assert env.spec.action_space == gymnasium.spaces.Discrete(18) and first.std() > 5
    step = env.step(2)
    assert (step.frames, step.discount, step.is_last) == (4, 1.0, False)


def test_shrinking_averages_areas():
    """Against a matrix of areas, computed on a grid fine enough to be exact: every pixel cut into 96 by 96."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (21, 16, 3), dtype=np.uint8)
    fine = picture.repeat(12, axis=0).repeat(12, axis=1).astype(float)  # [252, 192, 3]
    expected = fine.reshape(12, 21, 12, 16, 3).mean(axis=(1, 3))
    ours = shrink(picture, area_weights(21, 12), area_weights(16, 12))
    assert np.abs(ours - expected).max() <= 0.501
    for length in (210, 160, 96, 97):
        _, weight = area_weights(length, 96)
        np.testing.assert_allclose(weight.sum(axis=0), 1, rtol=1e-6)


def test_action_planes_say_which_action_led_to_each_picture():
    env = make("atari:MsPacman,planes,stack=32", seed=0)
    first = env.reset()
    assert first.shape == (96, 96, 128) and env.spec.stack == 32
    env.step(7)
    observation = env.step(3).observation
    planes = observation[0, 0, 3::4]
    assert planes.tolist() == [0] * 30 + [round(255 * 7 / 18), round(255 * 3 / 18)]
    np.testing.assert_array_equal(observation[..., 3::4], np.broadcast_to(planes, (96, 96, 32)))


@pytest.mark.parametrize("options", ["", ",sticky=0.25", ",lives"])
def test_a_fresh_environment_goes_on_bit_for_bit(options):
    env, fresh = (make(f"atari:MsPacman{options}", seed=3) for _ in range(2))
    env.reset()
    for action in actions_of(env, 30):
        env.step(action)
    state = env.state()
    json.dumps(state, default=lambda array: array.tolist(), allow_nan=False)
    assert fresh.restore(state)
    for action in actions_of(env, 60, seed=1):
        assert_same(env.step(action), fresh.step(action))
    np.testing.assert_array_equal(env.reset(), fresh.reset())


def test_same_seed_gives_the_same_games_and_another_seed_others():
    first, again, other = (make("atari:MsPacman,sticky=0.25", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.reset(), again.reset())
    other.reset()
    shown = [(first.step(action), again.step(action), other.step(action)) for action in actions_of(first, 80)]
    for ours, same, _ in shown:
        assert_same(ours, same)
    assert any(not np.array_equal(ours.observation, theirs.observation) for ours, _, theirs in shown)


def inner(env: Any) -> Any:
    """The environment within the one that `make` returns."""
    return env.env


def play_to_the_end(env):
    env.reset()
    steps = []
    for action in actions_of(env, 3000):
        steps.append(env.step(action))
        if steps[-1].is_last:
            return steps
    raise AssertionError("the game did not end")


def test_a_lost_life_ends_an_episode_only_if_that_is_asked_for():
    whole, life = make("atari:MsPacman,size=8", seed=0), make("atari:MsPacman,lives,size=8", seed=0)
    game = play_to_the_end(whole)
    assert game[-1].discount == 0.0
    first = play_to_the_end(life)
    assert first[-1].discount == 0.0 and len(first) < len(game)
    emulator = inner(life)._ale
    assert emulator.lives() == 2
    frames = emulator.getEpisodeFrameNumber()
    life.reset()
    assert emulator.lives() == 2 and emulator.getEpisodeFrameNumber() > frames


def test_the_time_limit_keeps_the_discount():
    env = make("atari:MsPacman,limit=40,noops=0", seed=0)
    env.reset()
    steps = [env.step(0) for _ in range(10)]
    assert [step.is_last for step in steps] == [False] * 9 + [True] and steps[-1].discount == 1.0


def test_every_game_is_listed_and_unknown_ones_are_answered_with_near_names():
    listed = {one.id for one in list_atari()}
    assert {"atari:MsPacman", "atari:SpaceInvaders"} <= listed and len(listed) > 50
    with pytest.raises(UnknownEnvironment, match="MsPacman"):
        make("atari:MsPackman", seed=0)
    with pytest.raises(UserError, match="actions is 'few'"):
        make("atari:MsPacman,actions=few", seed=0)
    assert make("atari:MsPacman,actions=minimal", seed=0).spec.action_space == gymnasium.spaces.Discrete(9)
