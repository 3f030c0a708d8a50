"""`smuzero diagnose`, run briefly."""

import json

from smuzero.cli.main import main
from smuzero.experiments import api
from smuzero.experiments.diagnosis.measure import MEANINGS


def test_a_run_is_diagnosed_drawn_and_explained(tiny_preset, tmp_path, capsys):
    folder, out = tmp_path / "run", tmp_path / "new" / "diagnosis"
    api.train(
        "dmc:cartpole.swingup",
        preset="tiny",
        frames=120,
        out=folder,
        progress=False,
        overrides={
            "run.evaluate_every": 10_000,
            "acting.action_repeat": 10,
            "replay.max_length": 2,
            "run.evaluation_episodes": 1,
            "run.learn_after": 4,
        },
    )
    ask = ["diagnose", str(folder), "--states", "4", "--episodes", "2", "--steps", "6"]
    assert main([*ask, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in MEANINGS) and str(out / "diagnosis.png") in printed
    assert (out / "diagnosis.png").read_bytes().startswith(b"\x89PNG")
    recorded = json.loads((out / "diagnosis.json").read_text())
    assert recorded["frames"] == 120 and recorded["values"]["ranking/candidates"] == 7
    assert 0 <= recorded["values"]["replay/age"] <= recorded["values"]["replay/oldest"] < 120
    assert main([*ask, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == recorded  # all draws follow from the seed


def test_an_environment_that_cannot_go_back_is_told_of(tiny_preset, tmp_path, capsys):
    folder = tmp_path / "run"
    api.train("gym:CartPole-v1", preset="tiny", frames=300, out=folder, progress=False)
    ask = ["diagnose", str(folder), "--states", "4", "--episodes", "2", "--steps", "6"]
    assert main([*ask, "--out", str(tmp_path / "out")]) == 0
    assert "gym:CartPole-v1 cannot be put back" in capsys.readouterr().out
    assert main([*ask, "--candidates", "1"]) == 2
    assert "candidates is 1" in capsys.readouterr().err


def test_a_run_with_options_of_its_environment_and_an_lstm_is_diagnosed(tiny_preset, tmp_path, capsys):
    folder = tmp_path / "run"
    overrides = {"acting.env_options": "stack=2", "network.lstm": True, "run.evaluate_every": 10_000}
    api.train("rwrl:cartpole.swingup/easy", preset="tiny", frames=300, out=folder, progress=False, overrides=overrides)
    assert main(["diagnose", str(folder), "--states", "3", "--episodes", "1", "--steps", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["values"]["ranking/candidates"] == 7
