"""Presets: what they say, and that each can act and learn."""

import pathlib

import jax
import numpy as np
import pytest

from smuzero.actions.spaces import from_gymnasium
from smuzero.envs.base import UnknownEnvironment
from smuzero.experiments import build, presets, training
from smuzero.experiments.benchmarks.learner import random_windows
from smuzero.experiments.config import InvalidSetting, differences

HELD = "acting.action_repeat"
"""Follows from the task's frames, where a preset says for how long an action is held."""


def test_paper_preset_is_appendix_a():
    paper = presets.compose("paper", "dmc:humanoid.run")
    assert (paper.network.width, paper.network.num_blocks) == (512, 10)
    assert (paper.network.value_bins, paper.network.value_range) == (51, (-150.0, 150.0))
    assert (paper.network.reward_bins, paper.network.reward_range) == (51, (-1.0, 1.0))
    assert (paper.search.num_samples, paper.search.num_simulations) == (20, 50)
    assert (paper.learner.batch_size, paper.learner.total_updates) == (1024, 1_000_000)
    assert (paper.learner.learning_rate, paper.learner.weight_decay) == (1e-4, 2e-5)
    assert (paper.learner.unroll, paper.learner.n_step, paper.learner.discount) == (5, 5, 0.99)
    assert (paper.replay.max_sequences, paper.replay.max_length) == (2000, 500)
    assert (paper.acting.bins, paper.acting.action_repeat, paper.run.frames) == (7, 1, 25_000_000)


def test_quick_preset_differs_from_paper_only_where_it_says_so():
    quick, paper = presets.compose("quick", "dmc:cartpole.swingup"), presets.compose("paper", "dmc:cartpole.swingup")
    chosen = presets.PRESETS["quick"]
    said = {*chosen.changes, *chosen.families.get("dmc", {}), presets.DERIVED}
    assert set(differences(quick, paper)) <= said


def test_readme_lists_every_difference_of_quick_from_paper():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    chosen = presets.PRESETS["quick"]
    names = {
        *chosen.changes,
        *presets.DERIVED.split(),
        *(name for family in chosen.families.values() for name in family),
    }
    assert {name for name in names if f"`{name}`" not in readme} == set()


def test_efficient_preset_differs_from_quick_only_where_it_says_so():
    for env in ("dmc:walker.walk", "rwrl:walker.walk/easy", "gym:Pendulum-v1"):
        efficient, quick = presets.compose("efficient", env), presets.compose("quick", env)
        chosen = presets.PRESETS["efficient"]
        said = {*chosen.changes, *chosen.families.get(presets.family_of(env), {}), presets.DERIVED, HELD}
        assert set(differences(efficient, quick)) <= said


def test_readme_lists_every_difference_of_efficient_from_quick():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    _, section = readme.split("### `efficient`")
    chosen = presets.PRESETS["efficient"]
    names = {*chosen.changes, HELD, *(name for family in chosen.families.values() for name in family)}
    assert {name for name in names if f"`{name}`" not in section.split("\n#")[0]} == set()


def test_a_preset_builds_on_another_with_its_families_and_boards():
    quick = presets.compose("quick", "atari:MsPacman")
    assert presets.compose("efficient", "atari:MsPacman").network.picture_blocks == quick.network.picture_blocks
    assert presets.compose("efficient", "tictactoe") == presets.compose("quick", "tictactoe")


def test_efficient_holds_actions_for_the_same_time_in_every_task():
    # Frames of 10, 20, 25 and 40 ms.
    for task, repeat in (("cartpole.swingup", 4), ("finger.spin", 2), ("walker.walk", 2), ("fish.upright", 1)):
        assert presets.compose("efficient", f"dmc:{task}").acting.action_repeat == repeat
    assert presets.compose("efficient", "dmc:walker.walk,stack=2").acting.action_repeat == 2
    assert presets.compose("efficient", "rwrl:cartpole.swingup/easy").acting.action_repeat == 4
    assert presets.compose("efficient", "gym:Pendulum-v1").acting.action_repeat == 1
    given = presets.compose("efficient", "dmc:walker.walk", overrides={"acting.action_repeat": 3})
    assert given.acting.action_repeat == 3
    assert presets.compose("quick", "dmc:cartpole.swingup").acting.action_repeat == 1


def test_efficient_updates_once_for_two_frames_of_control_eight_of_realworld_and_once_for_each_elsewhere():
    realworld = "rwrl:cartpole.swingup/easy"
    for env, repeat, updates in (("dmc:walker.walk", 2, 500), (realworld, 4, 125), ("gym:Pendulum-v1", 1, 1000)):
        config = presets.compose("efficient", env, frames=1000)
        assert (config.acting.action_repeat, config.learner.total_updates) == (repeat, updates)


def test_a_preset_holds_actions_as_the_one_it_builds_on(monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "mine", presets.Preset("", {}, base="efficient"))
    assert presets.compose("mine", "dmc:cartpole.swingup") == presets.compose("efficient", "dmc:cartpole.swingup")


def test_a_task_that_is_not_known_has_no_time_to_hold_an_action_for():
    with pytest.raises(UnknownEnvironment, match="no task"):
        presets.compose("efficient", "dmc:cartpole.swingupp")


def test_family_adds_its_own_settings_and_overrides_win():
    family = presets.PRESETS["quick"].families["gym"]
    assert family, "the family of Gymnasium environments has rewards of other sizes"
    composed = presets.compose("quick", "gym:CartPole-v1", overrides={"search.num_samples": 3})
    assert composed.network.value_range == family["network.value_range"]
    assert composed.search.num_samples == 3
    assert presets.compose("quick", lambda: None) == presets.compose("quick", "gym:CartPole-v1")


def test_learning_rate_schedule_ends_with_the_frames():
    composed = presets.compose("quick", "dmc:x", frames=4000, overrides={"run.frames_per_update": 4})
    assert composed.learner.total_updates == 1000
    assert presets.extended(composed, 8000).learner.total_updates == 2000


def test_schedule_that_was_given_stays():
    composed = presets.compose("quick", "dmc:x", frames=4000, overrides={"learner.total_updates": 7})
    assert composed.learner.total_updates == 7
    assert presets.extended(composed, 8000).learner.total_updates == 7


def test_unknown_preset_and_contradicting_frames_are_refused():
    with pytest.raises(InvalidSetting, match="Presets are paper, quick, efficient"):
        presets.compose("quik", "dmc:x")
    with pytest.raises(InvalidSetting, match="give one of them"):
        presets.compose("quick", "dmc:x", frames=5, overrides={"run.frames": 6})


CASES = [
    *((name, "dmc:cartpole.swingup") for name in presets.PRESETS),
    *((name, "gym:CartPole-v1") for name, preset in presets.PRESETS.items() if "gym" in preset.families),
]


@pytest.mark.parametrize(("preset", "env"), CASES)
def test_preset_takes_an_acting_step_and_a_learner_step(preset, env):
    config = presets.compose(preset, env, overrides={"acting.num_envs": 2, "learner.batch_size": 32})
    with build.open_pool(config, env, seed=0) as pool:
        recipe = training.make_recipe(env, config, preset, 0, pool)
        parts = build.build_parts(recipe, env, pool)
        collector = parts.collector
        decision = parts.act(parts.learner.params, jax.random.key(0), collector.observation, collector.legal)
        np.testing.assert_allclose(np.asarray(decision.visits).sum(axis=-1), 1.0, rtol=1e-5)
        decision = jax.tree.map(np.asarray, decision)
        assert collector.step(decision).frames == 2 * config.acting.action_repeat
        space = from_gymnasium(pool.spec.action_space, config.acting.bins)
        windows = random_windows(config, pool.spec.observation_shape, space)
    learner, metrics, priorities = parts.update(parts.learner, windows)
    assert int(learner.step) == 1
    assert np.isfinite(float(metrics["loss/total"]))
    assert priorities.shape == (config.learner.batch_size,)
