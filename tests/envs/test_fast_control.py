"""The fast stepping path against dm_control itself, over whole episodes from the same state."""

import math

import numpy as np
import pytest

from smuzero.envs import make
from smuzero.envs.base import InvalidEnvironmentOutput
from smuzero.envs.control import ControlEnv, FastControlEnv, make_control
from smuzero.envs.fast_control import KERNELS, concatenated, tolerance

TASKS = [
    "acrobot.swingup",
    "acrobot.swingup_sparse",
    "ball_in_cup.catch",
    "cartpole.balance",
    "cartpole.balance_sparse",
    "cartpole.swingup",
    "cartpole.swingup_sparse",
    "cartpole.two_poles",
    "cartpole.three_poles",
    "cheetah.run",
    "finger.spin",
    "finger.turn_easy",
    "finger.turn_hard",
    "hopper.hop",
    "hopper.stand",
    "humanoid.run",
    "humanoid.run_pure_state",
    "humanoid.stand",
    "humanoid.walk",
    "pendulum.swingup",
    "reacher.easy",
    "reacher.hard",
    "walker.run",
    "walker.stand",
    "walker.walk",
]


def both(task: str, seed: int = 0) -> tuple[FastControlEnv, ControlEnv]:
    fast, plain = make_control(task, seed), make_control(f"{task},stepping=plain", seed)
    assert isinstance(fast, FastControlEnv) and isinstance(plain, ControlEnv) and type(plain) is ControlEnv
    return fast, plain


def actions_of(env, number: int, seed: int):
    """Actions that persist, so that the state goes far; some beyond the bounds, which MuJoCo clips."""
    rng, space = np.random.default_rng(seed), env.spec.action_space
    held = np.repeat(rng.uniform(1.2 * space.low, 1.2 * space.high, (number // 5 + 1, *space.shape)), 5, axis=0)
    return held[:number]


def test_all_tasks_of_the_covered_domains_are_compared():
    from dm_control import suite

    covered = {".".join(task) for task in suite.ALL_TASKS if task[0] in KERNELS}
    assert covered == set(TASKS)


def assert_steps_do_nothing_but_set_the_controls(task: type):
    """What the fast path leaves out of a step is not there."""
    for method in ("get_termination", "before_step", "after_step"):
        owner = next(kind for kind in task.__mro__ if method in vars(kind))
        assert owner.__module__ in ("dm_control.rl.control", "dm_control.suite.base")


@pytest.mark.parametrize("task", TASKS)
def test_a_whole_episode_is_dm_controls_own(task):
    fast, plain = both(task)
    assert_steps_do_nothing_but_set_the_controls(type(plain._env.task))
    np.testing.assert_array_equal(fast.reset(), plain.reset())
    for action in actions_of(plain, 1000, seed=1):
        ours, theirs = fast.step(action), plain.step(action)
        np.testing.assert_allclose(ours.observation, theirs.observation, rtol=1e-6, atol=1e-7)
        assert ours.reward == pytest.approx(theirs.reward, rel=0, abs=1e-9)
        assert ours[2:] == theirs[2:] and type(ours.is_last) is bool and type(ours.reward) is float
    assert ours.is_last
    physics, other = fast._env.physics.get_state(), plain._env.physics.get_state()
    np.testing.assert_array_equal(physics, other)


def enlarge_targets(env: ControlEnv):
    """Makes small targets large enough to be met by chance; the kernel must read sizes as they are now."""
    model, domain = env._env.physics.model, env.spec.name.removeprefix("dmc:").partition(".")[0]
    if domain == "reacher":
        model.geom_size[model.name2id("target", "geom"), 0] = 0.15
    if domain in ("ball_in_cup", "finger"):
        model.site_size[model.name2id("target", "site")] = 0.2


@pytest.mark.parametrize("task", TASKS)
def test_rewards_agree_wherever_the_state_is(task):
    """Random play seldom earns a reward; states thrown far and wide do."""
    fast, plain = both(task)
    fast.reset()
    plain.reset()
    rng, seen = np.random.default_rng(2), []
    data, model = plain._env.physics.data, plain._env.physics.model
    home = data.qpos.copy()
    for env in (fast, plain):
        enlarge_targets(env)
    for _ in range(100):
        scale = rng.choice([0.01, 0.1, 1.0])
        state = (
            home * rng.choice([0.0, 1.0]) + scale * rng.normal(size=model.nq),
            20 * scale * rng.normal(size=model.nv),
        )
        control = rng.uniform(-1.2, 1.2, model.nu)
        for env in (fast, plain):
            env._env.physics.data.qpos[:], env._env.physics.data.qvel[:] = state
            env._env.physics.data.ctrl[:] = control
            env._env.physics.forward()
        theirs = plain._env.task.get_reward(plain._env.physics)
        seen.append(float(theirs))
        assert fast._reward() == pytest.approx(theirs, rel=0, abs=1e-9)
        expected = plain._env.task.get_observation(plain._env.physics)
        flat = np.concatenate([np.ravel(part) for part in expected.values()])
        np.testing.assert_allclose(fast._observe(), flat, rtol=1e-6, atol=1e-7)
    assert len(set(seen)) > 1, "the states must tell rewards apart"


def test_a_domain_without_a_kernel_is_stepped_by_dm_control():
    assert type(make_control("fish.swim", seed=0)) is ControlEnv


def test_fast_and_plain_share_their_states():
    fast, plain = both("finger.turn_hard", seed=4)
    fast.reset()
    for action in actions_of(fast, 30, seed=3):
        fast.step(action)
    plain.restore(fast.state())
    for action in actions_of(fast, 30, seed=5):
        ours, theirs = fast.step(action), plain.step(action)
        np.testing.assert_allclose(ours.observation, theirs.observation, rtol=1e-6, atol=1e-7)
        assert ours.reward == theirs.reward
    np.testing.assert_array_equal(fast.reset(), plain.reset())


def test_a_warning_of_the_physics_is_raised_once_and_named():
    fast, _ = both("cheetah.run")
    fast.reset()
    with pytest.raises(InvalidEnvironmentOutput, match=r"dmc:cheetah.run.*mjWARN_BADCTRL"):
        fast.step(np.full(6, np.nan))
    fast.reset()
    fast.step(np.zeros(6))


def test_what_nobody_looks_for_is_still_refused():
    """`make` does not look at every observation of such an environment: the physics itself says what went wrong."""
    env = make("dmc:cheetah.run", seed=0)
    env.reset()
    env.step(np.zeros(6))
    with pytest.raises(InvalidEnvironmentOutput, match=r"dmc:cheetah.run.*mjWARN_BADCTRL"):
        env.step(np.full(6, np.nan))


@pytest.mark.parametrize("task, alone", [("cheetah.run", True), ("finger.spin", False), ("ball_in_cup.catch", False)])
def test_groups_are_left_out_only_where_there_is_one(task, alone):
    """Several islands are solved one by one, with other roundings than all at once."""
    import mujoco

    fast, plain = both(task)
    flags = mujoco.mjtDisableBit  # pyright: ignore[reportAttributeAccessIssue]
    bits = flags.mjDSBL_ISLAND | flags.mjDSBL_MIDPHASE
    assert fast._env.physics.model.opt.disableflags & bits == (bits if alone else 0)
    assert plain._env.physics.model.opt.disableflags & bits == 0


def test_parts_of_one_block_are_joined_in_the_order_asked_for():
    block = np.random.default_rng(0).normal(size=60)
    parts = [block[40:], block[:27].reshape(3, 9)[1:, 8::-6], block[7:7], block[30:31], block[:40:3][::-1]]
    observe = concatenated(*parts)
    for _ in range(2):
        expected = np.concatenate([part.ravel() for part in parts]).astype(np.float32)
        np.testing.assert_array_equal(observe(), expected)
        assert observe().dtype == np.float32
        block *= -2
    first = observe()
    block[:] = 0
    assert first.any(), "an observation must not change with the physics"


@pytest.mark.parametrize("sigmoid", ["gaussian", "linear", "quadratic"])
@pytest.mark.parametrize("bounds", [(0.0, 0.0), (-0.25, 0.25), (1.2, math.inf)])
def test_tolerance_is_dm_controls(sigmoid, bounds):
    from dm_control.utils import rewards

    for value in (0.0, 0.1) if sigmoid != "gaussian" else (0.1, 0.5):
        ours = tolerance(*bounds, margin=0.7, sigmoid=sigmoid, value_at_margin=value)
        for x in np.linspace(-3, 3, 101).tolist():
            theirs = rewards.tolerance(x, bounds, 0.7, sigmoid, value)
            assert ours(x) == pytest.approx(theirs, abs=1e-15)
    assert tolerance(*bounds)(bounds[0]) == 1.0 and tolerance(*bounds)(-9.0) == 0.0
