import gymnasium
import numpy as np
import pytest

from smuzero.cli.main import main
from smuzero.envs import make
from smuzero.envs.control import list_control
from smuzero.envs.task_sets import TASK_SETS


def test_every_task_of_a_set_is_in_the_suite():
    from dm_control import suite

    known = {".".join(task) for task in suite.ALL_TASKS}
    assert set().union(*TASK_SETS.values()) <= known
    assert all(len(set(tasks)) == len(tasks) for tasks in TASK_SETS.values())


def test_easy_medium_hard_and_the_manipulators_first_task_are_the_suites_benchmark():
    from dm_control import suite

    groups = [TASK_SETS[name] for name in ("easy", "medium", "hard")]
    together = [task for group in groups for task in group]
    assert len(set(together)) == len(together)
    assert {*together, "manipulator.bring_ball"} == {".".join(task) for task in suite.BENCHMARKING}


def test_every_task_is_listed_with_its_tags():
    listed = {one.id: one.tags for one in list_control()}
    assert len(listed) == 51
    assert listed["dmc:humanoid.run"] == ("hard",) and listed["dmc:dog.run"] == ()
    assert listed["dmc:cartpole.swingup"] == ("easy", "dreamer20")


def test_the_command_lists_a_set(capsys):
    assert main(["envs", "--tag", "manipulator"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        f"{family}:{task}" for family in ("dmc", "dmc-pixels") for task in TASK_SETS["manipulator"]
    ]


def test_the_command_lists_families_and_one_of_them(capsys):
    assert main(["envs"]) == 0
    assert "dmc:cartpole.swingup" in capsys.readouterr().out
    assert main(["envs", "gym", "--json"]) == 0
    assert "gym:CartPole-v1" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [(["dmx"], "Did you mean dmc"), (["--tag", "hrd"], "Tags are")])
def test_unknown_families_and_tags_are_answered_with_known_ones(arguments, message, capsys):
    assert main(["envs", *arguments]) == 2
    assert message in capsys.readouterr().err


# The other domains are stepped in test_fast_control.py; dog and quadruped take seconds to load.
@pytest.mark.parametrize("task", ["fish.upright", "lqr.lqr_2_1", "manipulator.bring_peg", "stacker.stack_2"])
def test_tasks_without_a_kernel_step_too(task):
    env = make(f"dmc:{task}", seed=0)
    env.spec.action_space.seed(0)
    observation = env.reset()
    for _ in range(5):
        step = env.step(env.spec.action_space.sample())
        assert step.observation.shape == observation.shape and step.observation.dtype == np.float32
        assert 0 <= step.reward <= 1 or task.startswith("lqr")


@pytest.mark.parametrize("task", ["lqr.lqr_2_1", "lqr.lqr_6_2"])
def test_lqr_has_bounds_and_episodes_that_end(task):
    env = make(f"dmc:{task}", seed=0)
    space = env.spec.action_space
    space.seed(0)
    assert isinstance(space, gymnasium.spaces.Box)
    assert (space.high == 6).all() and (space.low == -6).all()
    env.reset()
    steps = [env.step(space.sample()) for _ in range(1000)]
    assert [step.is_last for step in steps] == [False] * 999 + [True] and steps[-1].discount == 1.0
