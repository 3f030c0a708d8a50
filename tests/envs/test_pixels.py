import functools
import operator
import sys

import numpy as np
import pytest

from smuzero.envs import make, rendering
from smuzero.envs.base import MissingExtra
from smuzero.types import UserError


def can_draw() -> bool:
    try:
        rendering.new_context(8, 8).free()
    except MissingExtra:
        return False
    return True


needs_opengl = pytest.mark.skipif(not can_draw(), reason="OpenGL does not work here: see `smuzero doctor`")


def actions_of(env, number: int, seed: int = 0):
    rng, space = np.random.default_rng(seed), env.spec.action_space
    return rng.uniform(space.low, space.high, (number, *space.shape))


@needs_opengl
def test_pictures_are_stacked_bytes_and_the_rest_is_the_tasks_own():
    env, states = make("dmc-pixels:cartpole.balance", seed=1), make("dmc:cartpole.balance", seed=1)
    first = env.reset()
    states.reset()
    assert first.dtype == np.uint8 and first.shape == env.spec.observation_shape == (84, 84, 9)
    assert env.spec.stack == 3 and first.std() > 5
    np.testing.assert_array_equal(first[..., :3], first[..., 6:])
    for action in actions_of(env, 3):
        step, other = env.step(action), states.step(action)
        assert (step.reward, step.discount, step.is_last) == (other.reward, other.discount, other.is_last)
    assert not np.array_equal(step.observation[..., :3], step.observation[..., 6:])
    env.close()


@needs_opengl
def test_fast_pictures_are_almost_the_plain_ones():
    fast, plain = (make(f"dmc-pixels:cartpole.swingup,stack=1,render={kind}", seed=1) for kind in ("fast", "plain"))
    ours, theirs = fast.reset().astype(int), plain.reset().astype(int)
    # Shadows and the last of the smoothing are few pixels of 84x84: the mean change is below 1 of 255.
    assert 0 < np.abs(ours - theirs).mean() < 2
    fast.close()
    plain.close()


@needs_opengl
def test_fast_pictures_show_motion_of_less_than_a_point():
    env = make("dmc-pixels:cartpole.balance,stack=1,size=64", seed=1)
    env.reset()
    # Early steps of a pole that begins to fall: it moves by a fraction of a point in each.
    pictures = [env.step(np.zeros(1, np.float32)).observation for _ in range(12)]
    assert len({picture.tobytes() for picture in pictures}) > 6
    env.close()


@needs_opengl
def test_gray_pictures_are_how_bright_the_coloured_ones_are():
    coloured, gray = (make(f"dmc-pixels:cartpole.swingup,size=32,stack=2{option}", seed=3) for option in ("", ",gray"))
    assert gray.spec.observation_shape == (32, 32, 2)
    coloured.reset()
    gray.reset()
    for action in actions_of(gray, 2):
        colours, brightness = coloured.step(action).observation, gray.step(action).observation
    weights = np.array([0.299, 0.587, 0.114])
    expected = np.stack([colours[..., :3] @ weights, colours[..., 3:] @ weights], axis=-1)
    # Weights are rounded to 1/256, which three channels of at most 255 can turn into less than one level.
    assert brightness.dtype == np.uint8 and np.abs(brightness - expected).max() < 1.5
    coloured.close()
    gray.close()


@needs_opengl
def test_a_fresh_environment_goes_on_picture_for_picture():
    env, fresh = (make("dmc-pixels:reacher.easy,size=32", seed=3) for _ in range(2))
    env.reset()
    for action in actions_of(env, 4):
        env.step(action)
    assert fresh.restore(env.state())
    for action in actions_of(env, 4, seed=1):
        np.testing.assert_array_equal(env.step(action).observation, fresh.step(action).observation)
    np.testing.assert_array_equal(env.reset(), fresh.reset())
    env.close()
    fresh.close()


@needs_opengl
def test_a_held_action_is_given_several_times_and_only_the_last_frame_drawn():
    held, single = (
        make(f"dmc-pixels:cartpole.swingup,size=32,stack=2{option}", seed=3) for option in (",repeat=4", "")
    )
    np.testing.assert_array_equal(held.reset(), single.reset())
    drawn = [held.reset()[..., 3:]]
    single.reset()
    for action in actions_of(held, 3):
        step, steps = held.step(action), [single.step(action) for _ in range(4)]
        drawn.append(steps[-1].observation[..., 3:])
        np.testing.assert_array_equal(step.observation, np.concatenate(drawn[-2:], axis=-1))
        assert step.frames == 4 and step.reward == functools.reduce(operator.add, (one.reward for one in steps))
    assert held.spec.stack == 2
    held.close()
    single.close()


@needs_opengl
@pytest.mark.parametrize("option", ["camera=7", "size=2", "render=fancy", "repeat=0"])
def test_options_that_are_not_there_are_refused(option):
    with pytest.raises(UserError, match=option.partition("=")[0]):
        make(f"dmc-pixels:cartpole.swingup,{option}", seed=0)


def test_without_opengl_it_is_said_what_to_install(monkeypatch):
    for name in ("mujoco.egl", "mujoco.osmesa", "mujoco.glfw"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match="apt-get install libegl1 libgl1-mesa-dri"):
        make("dmc-pixels:cartpole.swingup", seed=0).reset()


def test_shapes_are_known_without_opengl(monkeypatch):
    monkeypatch.setattr("smuzero.envs.pixels.Renderer", lambda *_, **__: pytest.fail("OpenGL was opened"))
    env = make("dmc-pixels:cartpole.swingup", seed=0)
    assert env.spec.observation_shape == (84, 84, 9)
    env.close()


def test_mujoco_gl_decides_what_is_tried(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setitem(sys.modules, "mujoco.osmesa", None)
    with pytest.raises(MissingExtra, match=r"\(osmesa: [^)]*\)\. Drawing"):
        rendering.new_context(8, 8)
