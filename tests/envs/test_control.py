import json
import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from smuzero.envs.base import InvalidEnvironmentOutput, MissingExtra, UnknownEnvironment
from smuzero.envs.control import ControlEnv, make_control
from smuzero.envs.registry import make
from smuzero.types import UserError


def actions_of(env, number: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    space = env.spec.action_space
    return [rng.uniform(space.low, space.high) for _ in range(number)]


def assert_same(a, b):
    np.testing.assert_array_equal(a.observation, b.observation)
    assert a[1:5] == b[1:5]


@pytest.mark.parametrize(
    ("task", "observation", "action"),
    [("cartpole.swingup", 5, 1), ("humanoid.run", 67, 21), ("quadruped.walk", 78, 12), ("finger.turn_hard", 12, 2)],
)
def test_sizes_are_those_of_the_suite(task, observation, action):
    env = make(f"dmc:{task}", seed=0)
    assert env.spec.observation_shape == (observation,) and env.spec.observation_dtype == np.float32
    assert env.spec.action_space.shape == (action,)
    assert env.reset().shape == (observation,)


def test_observation_is_the_suites_dictionary_in_its_own_order():
    from dm_control import suite

    env = make("dmc:walker.walk", seed=5)
    inner = suite.load("walker", "walk", task_kwargs={"random": 5})
    expected = inner.reset().observation
    flat = np.concatenate([np.ravel(expected[key]) for key in ("orientations", "height", "velocity")])
    np.testing.assert_array_equal(env.reset(), flat.astype(np.float32))


def test_bounds_come_from_the_spec():
    space = make("dmc:quadruped.walk", seed=0).spec.action_space
    assert isinstance(space, gymnasium.spaces.Box)
    np.testing.assert_allclose(space.high[:3], [1.0, 1.1, 0.8])


def test_time_limit_ends_the_episode_and_keeps_the_discount():
    env = make("dmc:cartpole.swingup", seed=0)
    env.reset()
    steps = [env.step(action) for action in actions_of(env, 1000)]
    assert [step.is_last for step in steps] == [False] * 999 + [True]
    assert {step.discount for step in steps} == {1.0}


def test_true_termination_has_discount_0():
    env = make_control("cartpole.swingup,stepping=plain", seed=0)
    assert isinstance(env, ControlEnv)
    env.reset()
    env._env.task.get_termination = lambda physics: 0.0
    step = env.step(np.zeros(1))
    assert step.is_last and step.discount == 0.0


def test_same_seed_gives_the_same_steps_and_another_seed_others():
    first, again, other = (make("dmc:reacher.easy", seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.reset(), again.reset())
    for action in actions_of(first, 5):
        assert_same(first.step(action), again.step(action))
    assert not np.array_equal(make("dmc:reacher.easy", seed=7).reset(), other.reset())


TASKS = [
    "ball_in_cup.catch",
    "cartpole.swingup",
    "finger.spin",
    "finger.turn_hard",
    "fish.swim",
    "manipulator.bring_ball",
    "point_mass.hard",
    "quadruped.escape",
    "reacher.easy",
    "walker.walk",
]


@pytest.mark.parametrize("task", TASKS)
def test_a_fresh_environment_goes_on_bit_for_bit(task):
    env, fresh = make(f"dmc:{task}", seed=3), make(f"dmc:{task}", seed=3)
    env.reset()
    for action in actions_of(env, 23):
        env.step(action)
    assert fresh.restore(env.state())
    for action in actions_of(env, 50, seed=1):
        assert_same(env.step(action), fresh.step(action))
    np.testing.assert_array_equal(env.reset(), fresh.reset())
    for action in actions_of(env, 5, seed=2):
        assert_same(env.step(action), fresh.step(action))


def test_a_used_environment_forgets_its_own_episode_when_restored():
    env, used = make("dmc:finger.turn_hard", seed=3), make("dmc:finger.turn_hard", seed=3)
    env.reset()
    state = env.state()
    for _ in range(3):
        used.reset()
        for action in actions_of(used, 10):
            used.step(action)
    used.restore(state)
    for action in actions_of(env, 20):
        assert_same(env.step(action), used.step(action))


def test_a_state_taken_before_the_first_step_goes_on_too():
    env, fresh = make("dmc:walker.walk", seed=3), make("dmc:walker.walk", seed=3)
    env.reset()
    fresh.restore(env.state())
    for action in actions_of(env, 20):
        assert_same(env.step(action), fresh.step(action))


def test_the_step_counter_is_part_of_the_state():
    env, fresh = make("dmc:pendulum.swingup", seed=0), make("dmc:pendulum.swingup", seed=0)
    env.reset()
    for action in actions_of(env, 990):
        env.step(action)
    fresh.restore(env.state())
    assert [fresh.step(np.zeros(1)).is_last for _ in range(10)] == [False] * 9 + [True]


def test_a_state_is_made_of_arrays_and_json_scalars():
    env = make("dmc:reacher.easy", seed=0)
    env.reset()

    def refuse_all_but_arrays(value):
        assert isinstance(value, np.ndarray) and value.dtype != object
        return value.tolist()

    json.dumps(env.state(), default=refuse_all_but_arrays, allow_nan=False)


def test_a_state_does_not_change_with_its_environment():
    env = make("dmc:reacher.easy", seed=0)
    env.reset()
    state = env.state()
    before = state["env"]["physics"].copy()
    env.step(np.ones(2))
    np.testing.assert_array_equal(state["env"]["physics"], before)


def test_a_state_of_another_model_is_refused():
    env = make("dmc:cartpole.swingup", seed=0)
    env.reset()
    with pytest.raises(UserError, match="another model"):
        make("dmc:pendulum.swingup", seed=0).restore(env.state())


@pytest.mark.parametrize(
    ("name", "near"),
    [("cartpol.swingup", "cartpole.swingup"), ("cartpole.swing", "tasks of cartpole are"), ("foo", "domains are")],
)
def test_unknown_tasks_are_answered_with_near_names(name, near):
    with pytest.raises(UnknownEnvironment, match=near):
        make(f"dmc:{name}", seed=0)


def test_an_action_of_the_wrong_shape_is_refused():
    env = make("dmc:reacher.easy", seed=0)
    env.reset()
    with pytest.raises(ValueError, match=r"shape \(1,\), not \(2,\)"):
        env.step(np.zeros(1))


def test_diverging_physics_are_reported_with_the_action():
    env = make("dmc:cartpole.swingup", seed=0)
    env.reset()
    with pytest.raises(InvalidEnvironmentOutput, match=r"dmc:cartpole.swingup.*step 0.*nan"):
        env.step(np.array([np.nan]))


def test_missing_dm_control_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dm_control", None)
    with pytest.raises(MissingExtra, match=r"pip install 'smuzero\[dmc\]'"):
        make("dmc:cartpole.swingup", seed=0)


def test_an_opengl_that_does_not_start_is_named():
    """As on a machine whose shell profile asks for one that it lacks."""
    code = "from smuzero.envs import make; make('dmc:cartpole.swingup', seed=0)"
    environment = os.environ | {"MUJOCO_GL": "none-such", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode != 0
    assert "MissingExtra: dm_control cannot be imported with MUJOCO_GL=none-such" in run.stderr
    assert "Unset MUJOCO_GL" in run.stderr


def test_without_a_screen_nothing_is_said_and_jax_is_not_imported():
    """Also of dog, whose model uses settings that MuJoCo calls deprecated."""
    code = (
        "import sys; from smuzero.envs import make; e = make('dmc:dog.walk', seed=0); e.reset(); "
        "assert not {'jax', 'flax', 'OpenGL.GL'} & set(sys.modules), sys.modules"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "MUJOCO_GL")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
