"""The quickest task is tested here; tests/envs/play_all.py plays the others."""

import numpy as np
import pytest

from smuzero.envs import make
from smuzero.envs.base import UnknownEnvironment
from smuzero.envs.locomotion import Locomotion, _update_activation, list_locomotion, original
from smuzero.types import UserError


def assert_same(a, b):
    np.testing.assert_array_equal(a.observation, b.observation)
    assert a[1:5] == b[1:5]


def test_the_humanoid_has_56_actions_and_its_episodes_depend_on_the_seed_alone():
    first, again = (make("cmu:go_to_target", seed=2) for _ in range(2))
    assert first.spec.action_space.shape == (56,)
    observation = first.reset()
    assert observation.shape == first.spec.observation_shape == (171,) and observation.dtype == np.float32
    np.testing.assert_array_equal(observation, again.reset())
    action = np.random.default_rng(0).uniform(-1, 1, 56)
    for _ in range(3):
        assert_same(first.step(action), again.step(action))


@pytest.mark.parametrize("task", ["go_to_target", "run_walls", "run_gaps", "forage"])
def test_a_fresh_environment_goes_on_bit_for_bit(task):
    """In a second episode, so that the arena is another than the first one's."""
    env, fresh = make(f"cmu:{task}", seed=3), make(f"cmu:{task}", seed=3)
    rng = np.random.default_rng(0)
    env.reset()
    env.reset()
    for _ in range(4):
        env.step(rng.uniform(-1, 1, 56))
    assert fresh.restore(env.state())
    for _ in range(8):
        action = rng.uniform(-1, 1, 56)
        assert_same(env.step(action), fresh.step(action))
    np.testing.assert_array_equal(env.reset(), fresh.reset())
    assert_same(env.step(action), fresh.step(action))


def test_an_episode_can_be_gone_back_in_many_times():
    env = make("cmu:go_to_target", seed=3)
    env.reset()
    rng = np.random.default_rng(0)
    env.step(rng.uniform(-1, 1, 56))
    state, actions = env.state(), rng.uniform(-1, 1, (10, 56))
    first = [env.step(action) for action in actions]
    env.restore(state)
    for action, step in zip(actions, first, strict=True):
        assert_same(env.step(action), step)


def test_a_body_that_is_kept_does_what_one_compiled_anew_does():
    env = Locomotion("cmu:go_to_target", "go_to_target", 5, sees=False, is_fast=True)
    plain = original("go_to_target", 5)
    rng, targets = np.random.default_rng(0), []
    for episode in range(3):
        plain.random_state.seed(int(np.random.SeedSequence([5, episode]).generate_state(1)[0]))
        first = plain.reset()
        np.testing.assert_array_equal(env.reset(), flat(first.observation))
        targets.append(tuple(plain.task.target_position(plain.physics)))
        assert targets[-1] == tuple(env._env.task.target_position(env._env.physics))
        is_last = False
        while not is_last:
            action = rng.uniform(-1, 1, 56)
            step, own = plain.step(action), env.step(action)
            np.testing.assert_array_equal(own.observation, flat(step.observation))
            is_last = step.last()
            assert (own.reward, own.discount, own.is_last) == (step.reward, step.discount, is_last)
    assert len(set(targets)) == 3


def flat(observation):
    return np.concatenate(list(observation.values()), axis=None).astype(np.float32)


def test_targets_that_were_reached_stay_so():
    env, fresh = (Locomotion("cmu:forage", "forage", 1, sees=False, is_fast=True) for _ in range(2))
    env.reset()
    targets, walker = env._env.task._active_targets[0], env._env.task._walker
    place = env._env.physics.bind(targets[2].geom).xpos
    walker.set_pose(env._env.physics, position=(place[0], place[1], 1.0))
    touched = env.step(np.zeros(56))
    assert touched.reward == 50.0 and targets[2].activated
    assert fresh.restore(env.state())
    again = fresh._env.task._active_targets[0]
    assert [target.activated for target in again] == [target.activated for target in targets]
    for _ in range(3):
        step, other = env.step(np.zeros(56)), fresh.step(np.zeros(56))
        assert_same(step, other)
        assert other.reward == 0.0, "a target is paid for once"
    for physics, target in ((env._env.physics, targets[2]), (fresh._env.physics, again[2])):
        assert physics.bind(target.material).rgba[-1] == 0


def test_a_state_from_before_the_first_episode_begins_it():
    env, fresh = make("cmu:go_to_target", seed=3), make("cmu:go_to_target", seed=3)
    assert not fresh.restore(env.state())
    np.testing.assert_array_equal(env.reset(), fresh.reset())


def test_mazes_come_from_the_seed_and_leave_numpys_random_numbers_alone():
    np.random.seed(0)
    env, again = (make("cmu:forage", seed=2) for _ in range(2))
    np.testing.assert_array_equal(env.reset(), again.reset())
    drawn = np.random.random_sample()
    np.random.seed(0)
    assert drawn == np.random.random_sample()


class Physics:
    """As much of a physics as a target looks at."""

    def __init__(self, pairs):
        self.pairs, self.rgba = pairs, [1.0]
        geom = np.array(pairs, np.int32).reshape(-1, 2)
        contacts = [type("Contact", (), {"geom1": a, "geom2": b}) for a, b in pairs]
        vector = type("Contacts", (list,), {"geom": geom})(contacts)
        self.data = type("Data", (), {"contact": vector})

    def bind(self, _):
        return self


@pytest.mark.parametrize("pairs", [[], [(1, 2), (3, 4)], [(1, 2), (5, 7)], [(7, 0)]])
def test_a_target_is_touched_exactly_when_dm_controls_loop_says_so(pairs):
    from dm_control.locomotion.props.target_sphere import TargetSphere

    ours, theirs = (TargetSphere() for _ in range(2))
    ours._geom_id = theirs._geom_id = 7
    first, second = Physics(pairs), Physics(pairs)
    _update_activation(ours, first)
    theirs._update_activation(second)
    assert ours.activated == theirs.activated == any(7 in pair for pair in pairs)
    assert first.rgba == second.rgba


def test_tasks_are_listed_and_others_refused():
    assert [one.id for one in list_locomotion()] == ["cmu:run_walls", "cmu:run_gaps", "cmu:go_to_target", "cmu:forage"]
    with pytest.raises(UnknownEnvironment, match="cmu: has run_walls"):
        make("cmu:dance", seed=0)
    with pytest.raises(UserError, match="has no camera"):
        make("cmu:go_to_target,camera", seed=0)
