"""docs/examples/prior_ablation.py and the environments of the ablations: reach.py, torques.py."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
import pytest
from scipy import stats

from smuzero.experiments import api
from smuzero.runtime.metrics import read_metrics

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def reach(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("reach")


@pytest.fixture
def ablation(reach) -> ModuleType:
    return importlib.import_module("prior_ablation")


def test_going_straight_covers_all_of_the_distance_but_a_bins_width(reach):
    env: Any = gymnasium.make("Reach-v0")
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        total, is_over = 0.0, False
        while not is_over:
            # Bins are thirds of a stride apart.
            action = np.clip(np.round(3.0 * observation / reach.STRIDE) / 3.0, -1.0, 1.0).astype(np.float32)
            assert env.action_space.contains(action)
            observation, reward, _, is_over, _ = env.step(action)
            total += float(reward)
        # Half a bin at most is left of every coordinate.
        left = observation.size * reach.STRIDE / 6.0 / env.unwrapped.whole
        assert 1.0 - left - 1e-5 <= total <= 1.0


def test_standing_still_covers_nothing(reach):
    env = reach.Reach()
    env.reset(seed=0)
    rewards = [env.step(np.zeros(6, np.float32))[1:4] for _ in range(reach.STEPS)]
    assert sum(reward for reward, *_ in rewards) == 0.0
    assert [is_over for *_, is_over in rewards] == [False] * (reach.STEPS - 1) + [True]


def test_eight_cells_are_the_figures(ablation):
    settings = [tuple(cell.settings.values()) for cell in ablation.cells_of([5, 20])]
    assert len(set(settings)) == 8
    assert ablation.Cell(5, False, "policy").settings == {
        "search.num_samples": 5,
        "search.evaluate_root": False,
        "search.prior": "policy",
    }


def test_ablation_trains_what_is_missing_and_tells_and_draws_all(ablation, monkeypatch, tmp_path, capsys):
    random, trained = np.random.default_rng(0), []

    def pretend(cell, seed, frames):
        trained.append((cell, seed))
        returns = [0.1, round(float(random.normal(0.5 if cell.prior == "sampled" else 0.2, 0.01)), 4)]
        curves = {"frames": [frames // 2, frames], "returns": returns, "entropy": [9.0, 3.0]}
        return {**cell._asdict(), "seed": seed, **curves}

    monkeypatch.setattr(ablation, "train", pretend)
    ablation.main(["--seeds", "0", "--frames", "100", "--out", str(tmp_path)])
    assert len(trained) == 8 and not capsys.readouterr().out  # one seed has no interval
    ablation.main(["--seeds", "0", "1", "2", "--frames", "100", "--out", str(tmp_path)])
    assert len(trained) == len(set(trained)) == 24
    runs = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    last = np.array([run["returns"][-1] for run in runs if run["num_samples"] == 5 and run["evaluate_root"]])
    prior = np.array([run["prior"] for run in runs if run["num_samples"] == 5 and run["evaluate_root"]])
    sampled, policy = last[prior == "sampled"], last[prior == "policy"]
    half = stats.t.ppf(0.975, 2) * sampled.std(ddof=1) / np.sqrt(3)
    line = capsys.readouterr().out.splitlines()[2]
    assert line.startswith(f"| 5 | yes | {sampled.mean():.3f} ± {half:.3f} | {policy.mean():.3f} ± ")
    assert f"| {sampled.mean() - policy.mean():+.3f} ± " in line and line.endswith("| 3.0 | 3.0 |")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_of_the_ablation_is_what_train_does(ablation, reach, tiny_preset, monkeypatch, tmp_path):
    monkeypatch.setattr(reach, "SETTINGS", {})  # those of the tiny preset
    cell = ablation.Cell(3, False, "policy")
    runs = [ablation.train(cell, seed, 600) for seed in (0, 1)]
    assert runs[0]["returns"] != runs[1]["returns"] and np.isfinite(runs[0]["entropy"]).all()
    api.train(reach.Reach, preset="tiny", frames=600, seed=1, out=tmp_path, overrides=cell.settings, progress=False)
    frames, returns = read_metrics(tmp_path)["eval/return_mean"]
    assert runs[1]["frames"] == frames.tolist()
    np.testing.assert_allclose(runs[1]["returns"], returns, atol=1e-4)


def test_torques_are_spread_over_the_pendulums_range(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    torques = importlib.import_module("torques")
    env = gymnasium.make("PendulumTorques-v0")
    assert env.action_space == gymnasium.spaces.Discrete(torques.TORQUES)
    found = [float(env.get_wrapper_attr("action")(k)[0]) for k in range(torques.TORQUES)]
    np.testing.assert_allclose(np.diff(found), 4.0 / torques.TORQUES, rtol=1e-5)
    np.testing.assert_allclose(found[torques.TORQUES // 2], 0.0, atol=1e-6)
