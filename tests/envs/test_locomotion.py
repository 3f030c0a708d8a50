"""The quickest task is tested here; tests/envs/play_all.py plays the others."""

import numpy as np
import pytest

from smuzero.envs import make
from smuzero.envs.base import UnknownEnvironment
from smuzero.envs.locomotion import _update_activation, list_locomotion
from smuzero.types import UserError


def test_the_humanoid_has_56_actions_and_its_episodes_depend_on_the_seed_alone():
    first, again = (make("cmu:go_to_target", seed=2) for _ in range(2))
    assert first.spec.action_space.shape == (56,)
    observation = first.reset()
    assert observation.shape == first.spec.observation_shape == (171,) and observation.dtype == np.float32
    np.testing.assert_array_equal(observation, again.reset())
    action = np.random.default_rng(0).uniform(-1, 1, 56)
    for _ in range(3):
        ours, theirs = first.step(action), again.step(action)
        np.testing.assert_array_equal(ours.observation, theirs.observation)
        assert ours[1:5] == theirs[1:5]
    again.reset()
    assert not first.restore(again.state())
    np.testing.assert_array_equal(first.reset(), again.reset())


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
