import functools
import operator
import os
import signal

import gymnasium
import numpy as np
import pytest

from smuzero.envs import make_pool
from smuzero.envs.base import UnknownEnvironment
from smuzero.envs.pool import Cut
from smuzero.envs.workers import WorkerError
from smuzero.types import UserError


def random_actions(pool, steps: int, seed: int = 0):
    """`[steps, E, ...]` actions drawn for a pool, whose space is seeded here."""
    space = pool.spec.action_space
    space.seed(seed)
    return np.array([[space.sample() for _ in range(pool.num_envs)] for _ in range(steps)])


def assert_same_steps(first, second, actions):
    for action in actions:
        for ours, theirs in zip(first.step(action), second.step(action), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def workers():
    """Makes worker pools and closes them after the test."""
    pools = []

    def start(*args, **kwargs):
        pools.append(make_pool(*args, **kwargs))
        return pools[-1]

    yield start
    for pool in pools:
        pool.close()


def test_where_an_episode_ends_the_step_holds_both_its_end_and_the_next_beginning():
    pool = make_pool("gym:CartPole-v1", num_envs=2, seed=0)
    observation, legal = pool.reset()
    assert observation.shape == (2, 4) and legal is None
    for _ in range(100):
        step = pool.step(np.array([1, 0]))
        last = step.is_last
        np.testing.assert_array_equal(step.observation[~last], step.next_observation[~last])
        assert np.all(np.abs(step.observation[last]) <= 0.05)  # CartPole's episodes begin within 0.05 of 0.
        assert np.all(np.abs(step.next_observation[last]).max(axis=1) > 0.05) if last.any() else True
        np.testing.assert_array_equal(step.discount, np.where(last, 0.0, 1.0))
    assert step.reward.dtype == step.discount.dtype == np.float32 and step.frames.tolist() == [1, 1]


def test_every_environment_has_randomness_of_its_own_whatever_the_size_of_the_pool():
    small, large = make_pool("dmc:reacher.easy", 2, seed=5), make_pool("dmc:reacher.easy", 3, seed=5)
    first, _ = small.reset()
    second, _ = large.reset()
    np.testing.assert_array_equal(first, second[:2])
    assert len({row.tobytes() for row in second}) == 3


def test_workers_give_the_same_steps_as_this_process(workers):
    factory = functools.partial(gymnasium.make, "CartPole-v1")
    local = make_pool(factory, 3, seed=1, action_repeat=2)
    remote = workers(factory, 3, seed=1, action_repeat=2, num_workers=2)
    assert local.spec == remote.spec
    np.testing.assert_array_equal(local.reset()[0], remote.reset()[0])
    assert_same_steps(local, remote, random_actions(local, 60))


def test_masks_pass_through_workers(workers):
    local, remote = make_pool("gym:Taxi-v4", 3, seed=1), workers("gym:Taxi-v4", 3, seed=1, num_workers=2)
    legal = local.reset()[1]
    assert legal is not None and legal.shape == (3, 6)
    np.testing.assert_array_equal(legal, remote.reset()[1])
    assert_same_steps(local, remote, random_actions(local, 5))


def test_a_state_goes_on_in_a_pool_with_other_workers(workers):
    local = make_pool("dmc:reacher.easy", 3, seed=1)
    local.reset()
    for action in random_actions(local, 10):
        local.step(action)
    remote = workers("dmc:reacher.easy", 3, seed=1, num_workers=2)
    assert remote.restore(local.state()).tolist() == [True, True, True]
    np.testing.assert_array_equal(remote.observation, local.observation)
    assert_same_steps(local, remote, random_actions(local, 20, seed=1))
    np.testing.assert_array_equal(remote.reset()[0], local.reset()[0])
    back = make_pool("dmc:reacher.easy", 3, seed=1)
    back.restore(remote.state())
    assert_same_steps(local, back, random_actions(local, 5, seed=2))


def test_restoring_gymnasium_starts_new_episodes_and_says_so():
    pool, fresh = make_pool("gym:CartPole-v1", 2, seed=1), make_pool("gym:CartPole-v1", 2, seed=1)
    pool.reset()
    pool.step(np.array([0, 1]))
    assert fresh.restore(pool.state()).tolist() == [False, False]
    np.testing.assert_array_equal(fresh.observation, pool.reset()[0])


def test_a_state_of_another_size_is_refused():
    pool = make_pool("gym:CartPole-v1", 2, seed=1)
    pool.reset()
    with pytest.raises(ValueError, match="state of 2 environments does not fit a pool of 3"):
        make_pool("gym:CartPole-v1", 3, seed=1).restore(pool.state())


@pytest.mark.parametrize("number", [1, 3])
def test_a_wrong_number_of_actions_is_refused(number):
    pool = make_pool("gym:CartPole-v1", 2, seed=1)
    pool.reset()
    with pytest.raises(ValueError, match=f"pool of 2 environments was given {number} actions"):
        pool.step(np.zeros(number, np.int64))


def test_a_workers_failure_comes_with_its_traceback():
    with pytest.raises(WorkerError, match=r"(?s)Environment worker 0 failed.*ZeroDivisionError"):
        make_pool(functools.partial(operator.truediv, 1, 0), 2, seed=0, num_workers=1)  # pyright: ignore


def test_a_users_mistake_in_a_worker_is_the_users_mistake_here():
    with pytest.raises(UnknownEnvironment, match="CartPole-v1"):
        make_pool("gym:CartPol-v1", 2, seed=0, num_workers=1)


def test_some_environments_end_their_episodes_early_as_by_a_time_limit(workers):
    cut, steps = Cut(after=6, count=2), 9
    pools = [make_pool("dmc:pendulum.swingup", 3, seed=1, action_repeat=2, cut=cut)]
    pools.append(workers("dmc:pendulum.swingup", 3, seed=1, action_repeat=2, num_workers=2, cut=cut))
    whole = make_pool("dmc:pendulum.swingup", 3, seed=1, action_repeat=2)
    for pool in (*pools, whole):
        pool.reset()
    actions = np.full((3, 1), 0.5, np.float32)
    for number in range(1, steps + 1):
        step, other = (pool.step(actions) for pool in pools)
        uncut = whole.step(actions)
        np.testing.assert_array_equal(step.is_last, [number % 3 == 0] * 2 + [False])
        np.testing.assert_array_equal(step.discount, 1.0)
        np.testing.assert_array_equal(step.next_observation[2], uncut.next_observation[2])
        if number <= 3:
            np.testing.assert_array_equal(step.next_observation, uncut.next_observation)
        np.testing.assert_array_equal(step.observation, other.observation)
        np.testing.assert_array_equal(step.is_last, other.is_last)


def test_a_cut_is_where_it_was_after_a_state_is_taken_back():
    def make():
        return make_pool("dmc:pendulum.swingup", 1, seed=1, cut=Cut(after=5, count=1))

    pool, back = make(), make()
    pool.reset()
    action = np.zeros((1, 1), np.float32)
    for _ in range(3):
        pool.step(action)
    assert back.restore(pool.state()).all()
    assert [bool(back.step(action).is_last[0]) for _ in range(7)] == [False, True, False, False, False, False, True]


def test_a_worker_that_ends_at_once_is_reported():
    with pytest.raises(WorkerError, match="exit code 3"):
        make_pool(functools.partial(os._exit, 3), 1, seed=0, num_workers=1)  # pyright: ignore


def test_a_worker_that_is_killed_is_reported_and_the_pool_closed(workers):
    pool = workers("gym:CartPole-v1", 2, seed=0, num_workers=2)
    pool.reset()
    processes = list(pool._processes)
    processes[1].kill()
    with pytest.raises(WorkerError, match=rf"worker 1 \(environments 1 to 1\).*exit code -{signal.SIGKILL:d}"):
        pool.step(np.array([0, 1]))
    assert not any(process.is_alive() for process in processes)
    with pytest.raises(WorkerError, match="closed"):
        pool.reset()


def test_closing_ends_the_workers_and_may_be_done_twice(workers):
    with workers("gym:CartPole-v1", 2, seed=0, num_workers=1) as pool:
        process = pool._processes[0]
        assert process.daemon
    assert process.exitcode == 0
    pool.close()


def test_a_factory_that_cannot_travel_is_refused_with_what_to_do():
    with pytest.raises(UserError, match=r"at the top of an importable module.*num_workers=0"):
        make_pool(lambda: gymnasium.make("CartPole-v1"), 2, seed=0, num_workers=1)


def test_more_workers_than_environments_are_not_started(workers):
    pool = workers("gym:CartPole-v1", 1, seed=0, num_workers=4)
    assert len(pool._processes) == 1


@pytest.mark.parametrize(("num_envs", "num_workers"), [(0, 0), (1, -1)])
def test_impossible_sizes_are_refused(num_envs, num_workers):
    with pytest.raises(ValueError, match="at least 1 and 0"):
        make_pool("gym:CartPole-v1", num_envs, seed=0, num_workers=num_workers)
