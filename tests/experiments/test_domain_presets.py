"""Presets of the paper's other domains: what they say, and that each acts, stores and learns."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from smuzero.cli import train as cli_train
from smuzero.envs.rendering import Renderer
from smuzero.experiments import api, build, presets, recipe, sizes, training
from smuzero.experiments.config import InvalidSetting
from smuzero.experiments.domain_presets import DOMAINS, domain_changes, with_options

TINY = {
    "acting.num_envs": 2,
    "acting.action_repeat": 1,
    "network.width": 4,
    "network.num_blocks": 1,
    "network.picture_blocks": [0, 0, 0],
    "network.value_bins": 3,
    "network.reward_bins": 3,
    "search.num_samples": 2,
    "search.num_simulations": 2,
    "reanalyse.num_samples": 2,
    "reanalyse.num_simulations": 2,
    "reanalyse.lookahead": 1,
    "learner.batch_size": 2,
    "learner.unroll": 1,
    "learner.n_step": 1,
    "replay.max_length": 3,
    "replay.max_sequences": 4,
}
ENVIRONMENTS = {
    "dmc-pixels": "dmc-pixels:cartpole.balance,size=20",
    "cmu": "cmu:run_walls,camera=yes",
    "rwrl": "rwrl:cartpole.swingup/easy",
    "atari": "atari:MsPacman,size=20,noops=0",
}


class Noise(Renderer):
    """In the place of a renderer: pictures of noise, which need no OpenGL."""

    def __init__(self, model, data, size, camera, *, is_fast):
        self._shape, self._random = (*size, 3), np.random.default_rng(0)

    def draw(self):
        return self._random.integers(0, 256, self._shape, np.uint8)

    def close(self):
        pass


CASES = [(preset, family) for preset, families in DOMAINS.items() for family in families]


@pytest.mark.parametrize(("preset", "family"), CASES)
def test_preset_acts_stores_and_learns(preset, family, monkeypatch):
    monkeypatch.setattr("smuzero.envs.pixels.Renderer", Noise)
    monkeypatch.setattr("smuzero.envs.locomotion.Renderer", Noise)
    if family in ("dmc-pixels", "cmu", "rwrl"):
        pytest.importorskip("dm_control")
    if family == "atari":
        pytest.importorskip("ale_py")
    env = ENVIRONMENTS[family]
    config = presets.compose(preset, env, overrides=TINY)
    with build.open_pool(config, env, seed=0) as pool:
        made_from = training.make_recipe(env, config, preset, 0, pool)
        assert recipe.from_json(made_from.to_json(), "here") == made_from
        parts = build.build_parts(made_from, env, pool)
        collector = parts.collector
        for _ in range(3):
            decision = parts.act(parts.learner.params, jax.random.key(0), collector.observation, collector.legal)
            for sequence in collector.step(jax.tree.map(np.asarray, decision)).sequences:
                parts.replay.add(sequence)
    assert len(parts.replay) == 6
    windows = parts.replay.sample(2, 1, config.learner.reach, config.learner.recall_steps - 1)
    assert windows.observation.dtype == pool.spec.observation_dtype == made_from.observation_dtype
    assert windows.observation.shape[2:] == pool.spec.observation_shape
    learner, metrics, priorities = parts.update(parts.learner, windows)
    assert int(learner.step) == 1 and np.isfinite(float(metrics["loss/total"])) and priorities.shape == (2,)
    agent = build.build_agent(made_from, learner.params, 0, pathlib.Path())
    agent.act(windows.observation[0, 0])


def test_paper_presets_are_appendix_a_and_muzero_for_atari():
    state, pixels = (presets.compose("paper", f"{family}:x") for family in ("dmc", "dmc-pixels"))
    assert presets.compose("paper", "cmu:x") == state
    assert (pixels.network.width, pixels.network.num_blocks, pixels.network.picture_blocks) == (256, 16, (2, 3, 3))
    assert (pixels.learner, pixels.search, pixels.replay) == (state.learner, state.search, state.replay)
    realworld = presets.compose("paper", "rwrl:x")
    assert realworld.network.lstm and realworld.network.width == 512 and realworld.learner.recall_steps == 8
    assert realworld.acting.env_options == "stack=4"
    assert presets.compose("quick", "rwrl:x").acting.env_options == "stack=4,actions=yes"
    atari = presets.compose("paper", "atari:MsPacman")
    assert (atari.learner.discount, atari.learner.n_step, atari.learner.batch_size) == (0.997, 10, 1024)
    assert (atari.network.value_bins, atari.network.value_range) == (601, (-300.0, 300.0))
    assert atari.network.value_transform and atari.network.reward_transform
    assert (atari.learner.optimiser, atari.learner.learning_rate, atari.learner.weight_decay) == ("sgd", 0.05, 1e-4)
    assert (atari.replay.max_sequences, atari.replay.max_length) == (125_000, 200)
    assert atari.learner.total_updates == 1_000_000


def test_options_of_a_preset_give_way_to_those_of_the_id():
    assert with_options("rwrl:a.b/easy", "stack=4") == "rwrl:a.b/easy,stack=4"
    assert with_options("atari:X,stack=2,planes", "planes=yes,stack=32") == "atari:X,stack=2,planes"
    assert with_options("go:9x9", "stack=4") == "go:9x9" and with_options(None, "stack=4") is None
    assert domain_changes("quick", "dmc") == {}


@pytest.mark.parametrize("motion_planes", [1, 4, 6])
def test_motion_is_of_whole_pictures(motion_planes):
    pytest.importorskip("ale_py")
    env = "atari:MsPacman,size=20,noops=0,stack=2"
    overrides = {**TINY, "acting.env_options": "", "network.motion_planes": motion_planes}
    config = presets.compose("quick", env, overrides=overrides)
    with build.open_pool(config, env, seed=0) as pool:
        made_from = training.make_recipe(env, config, "quick", 0, pool)
    with pytest.raises(
        InvalidSetting, match=rf"{motion_planes}, but the 6 planes that are observed are 2 pictures of 3"
    ):
        build.network_of(made_from)
    # With actions held over several steps a pool does not know what is stacked.
    build.network_of(dataclasses.replace(made_from, stack=1, observation_shape=(20, 20, 2 * motion_planes)))


def test_documentation_lists_every_difference_of_quick():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "environments.md").read_text()
    names = {name for families in DOMAINS.values() for changes in families.values() for name in changes}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_sizes_are_those_of_what_a_run_allocates():
    env = "dmc:cartpole.swingup"
    pytest.importorskip("dm_control")
    config = presets.compose("paper", env, overrides={**TINY, "replay.max_sequences": 2})
    with build.open_pool(config, env, seed=0) as pool:
        made_from = training.make_recipe(env, config, "paper", 0, pool)
        found = sizes.measure(made_from)
        parts = build.build_parts(made_from, env, pool)
    leaves = jax.tree.leaves(parts.learner.params)
    assert found.parameters == sum(leaf.size for leaf in leaves)
    # Two copies, two moments, and the optimiser's counter.
    assert 0 <= found.learner - 4 * 4 * found.parameters <= 16
    assert sizes.complaint(found, found.total) is None
    assert "replay" in (sizes.complaint(found._replace(replay=10**12), 10**9) or "")
    assert sizes.readable(1.5e9) == "1.5 GB" and sizes.readable(9e14) == "900.0 TB"


def test_a_run_with_an_lstm_goes_on_after_a_resume_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    pytest.importorskip("dm_control")
    # Whole episodes of 1000 steps say nothing of what a resume carries.
    monkeypatch.setattr(build, "play_in", lambda *_: np.zeros(1))
    env, overrides = (
        ENVIRONMENTS["rwrl"],
        {**TINY, "run.learn_after": 10, "run.frames_per_update": 8, "learner.total_updates": 20},
    )

    def train(frames, name):
        return api.train(env, preset="paper", frames=frames, out=tmp_path / name, overrides=overrides, progress=False)

    whole = train(80, "whole")
    train(40, "halves")
    resumed = api.resume(tmp_path / "halves", frames=80, progress=False)
    jax.tree.map(np.testing.assert_array_equal, whole.params, resumed.params)
    assert whole.network.memory_size == 8


def test_a_dry_run_prints_sizes_and_makes_no_folder(tmp_path, monkeypatch, capsys):
    pytest.importorskip("dm_control")
    monkeypatch.chdir(tmp_path)
    assert cli_train.main(["rwrl:walker.walk/easy", "--preset", "paper", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("parameters", "learner", "replay", "trees", "batch"))
    assert not list(tmp_path.iterdir())
