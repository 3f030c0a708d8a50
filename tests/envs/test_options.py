import numpy as np
import pytest

from smuzero.envs import make
from smuzero.envs.base import Env, EnvStep
from smuzero.envs.options import split_options
from smuzero.envs.wrappers import Stack, stacked
from smuzero.types import EnvSpec, Part, UserError, join_observation, split_observation

DEFAULTS = {"sticky": 0.25, "lives": False, "frames": 4, "render": "fast"}


def test_options_have_the_types_of_their_defaults():
    name, options = split_options("f", "thing.task,sticky=0,lives,frames=2,render=plain", DEFAULTS)
    assert name == "thing.task" and options == {"sticky": 0.0, "lives": True, "frames": 2, "render": "plain"}
    assert [type(value) for value in options.values()] == [float, bool, int, str]
    assert split_options("f", "thing", DEFAULTS) == ("thing", DEFAULTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t,speed=3", "option 'speed', but f: has sticky=0.25"),
        ("t,frames=two", "frames is 'two', but must be a whole number; the default is 4"),
        ("t,lives=maybe", "must be yes or no"),
    ],
)
def test_options_that_are_not_there_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        split_options("f", text, DEFAULTS)


def test_a_choice_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="stepping is 'quick', but may be fast, plain"):
        make("dmc:cartpole.swingup,stepping=quick", seed=0)


class Counting(Env):
    """Observes `[H, W, 1]` frames full of its step number."""

    def __init__(self):
        self.spec = EnvSpec("counting", (2, 2, 1), np.dtype(np.uint8), None)  # pyright: ignore[reportArgumentType]
        self.time = 0

    def reset(self):
        self.time = 0
        return self._frame()

    def step(self, action):
        self.time += 1
        return EnvStep(self._frame(), 0.0, 1.0, False, 1, None)

    def _frame(self):
        return np.full((2, 2, 1), self.time, np.uint8)

    def state(self):
        return {"time": self.time}

    def restore(self, state):
        self.time = state["time"]
        return True

    def close(self):
        pass


def test_a_stack_shows_the_last_observations_oldest_first():
    env = stacked(Counting(), 3)
    assert env.spec.observation_shape == (2, 2, 3) and env.spec.stack == 3
    assert env.reset()[0, 0].tolist() == [0, 0, 0]
    shown = [env.step(None).observation[1, 1].tolist() for _ in range(4)]
    assert shown == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert env.reset()[0, 0].tolist() == [0, 0, 0]
    assert isinstance(stacked(Counting(), 1), Counting)


def test_a_stack_goes_on_where_it_was():
    env, fresh = Stack(Counting(), 3), Stack(Counting(), 3)
    env.reset()
    env.step(None)
    state = env.state()
    fresh.restore(state)
    for _ in range(3):
        np.testing.assert_array_equal(env.step(None).observation, fresh.step(None).observation)
    assert state["latest"][0, 0].tolist() == [0, 0, 1]


def test_vectors_are_stacked_too():
    env = make("dmc:pendulum.swingup,stack=4", seed=0)
    first = env.reset()
    assert env.spec.observation_shape == (12,) and env.spec.stack == 4
    np.testing.assert_array_equal(first, np.tile(first[:3], 4))


def test_several_arrays_travel_as_one_and_come_apart_again():
    rng = np.random.default_rng(0)
    camera = rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    body = rng.normal(size=(5, 7)).astype(np.float32)
    joined = np.stack([join_observation(arrays) for arrays in zip(camera, body, strict=True)])
    assert joined.dtype == np.uint8 and joined.shape == (5, 4 * 4 * 3 + 7 * 4)
    parts = (Part("camera", (4, 4, 3), np.dtype(np.uint8)), Part("body", (7,), np.dtype(np.float32)))
    apart = split_observation(parts, joined)
    np.testing.assert_array_equal(apart["camera"], camera)
    np.testing.assert_array_equal(apart["body"], body)
