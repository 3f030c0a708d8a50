"""docs/examples/custom_environment.py: a Dict of a choice and an amount, with a mask, from training to acting."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import smuzero
from smuzero.experiments import api

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "custom_environment.py"


@pytest.fixture
def example(monkeypatch) -> dict:
    return runpy.run_path(str(EXAMPLE))


def test_example_runs_as_a_script(tiny_preset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "200"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert capsys.readouterr().out.count("poured") == 2


def test_best_return_is_one_whatever_the_episode(example):
    env = example["Tanks"]()
    for seed in range(50):
        _, info = env.reset(seed=seed)
        total = 0.0
        for _ in range(example["SERVINGS"]):
            mask = info["action_mask"]["tank"]
            tank = int(np.argmax(np.where(mask, env.worth, 0.0)))
            action = {"tank": np.int64(tank), "amount": np.array([env.wanted[tank]], np.float32)}
            assert env.action_space.contains(action)
            _, reward, is_over, _, info = env.step(action)
            total += reward
        assert is_over
        np.testing.assert_allclose(total, 1.0, rtol=1e-5)


@pytest.mark.parametrize(("head", "structure"), [("gaussian", "factored"), ("categorical", "autoregressive")])
def test_a_run_with_a_mixed_space_is_resumed_and_evaluated(tiny_preset, tmp_path, example, head, structure):
    """The environment raises at an illegal action, so a mask that was lost anywhere would end this."""
    settings = {"acting.head": head, "acting.structure": structure}
    api.train(example["Tanks"], preset="tiny", out=tmp_path / "run", frames=400, overrides=settings, progress=False)
    resumed = api.resume(tmp_path / "run", frames=600, env=example["Tanks"], progress=False)
    assert api.evaluate(tmp_path / "run", env=example["Tanks"], episodes=3).frames == 600
    env = example["Tanks"]()
    observation, info = env.reset(seed=1)
    plan = resumed.plan(observation, legal=info["action_mask"])
    loaded = smuzero.load(tmp_path / "run").plan(observation, legal=info["action_mask"])
    assert plan.action["tank"] == loaded.action["tank"] and plan.action["amount"] == loaded.action["amount"]
    for action in plan.actions:
        assert env.action_space.contains(action) and info["action_mask"]["tank"][action["tank"]]
