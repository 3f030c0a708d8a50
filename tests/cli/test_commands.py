"""Every command, run briefly."""

import json
import signal
import tomllib
from pathlib import Path

import pytest

from smuzero.cli import bench, demo, doctor
from smuzero.cli.main import main
from smuzero.envs.base import MissingExtra
from smuzero.experiments import training
from smuzero.experiments.benchmarks import envs, learner, search

TRAIN = ["train", "gym:CartPole-v1", "--preset", "tiny", "--quiet"]


def test_a_run_is_trained_stopped_resumed_evaluated_and_drawn(tiny_preset, tmp_path, monkeypatch, capsys):
    folder, picture = tmp_path / "run", tmp_path / "pictures" / "curve.png"
    write = training.MetricsLogger.write

    def write_and_stop(logger, frames, values):
        write(logger, frames, values)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(training.MetricsLogger, "write", write_and_stop)
        assert main([*TRAIN, "--out", str(folder), "--search.num-samples", "3", "--frames", "300"]) == 130
    assert f"smuzero resume {folder}" in capsys.readouterr().err

    assert main(["resume", str(folder), "--quiet"]) == 0
    assert "Evaluation at 300 frames" in capsys.readouterr().out
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["search"]["num_samples"] == 3
    assert (config["env"], config["seed"], config["preset"]) == ("gym:CartPole-v1", 0, "tiny")
    assert list(folder.glob("events.out.tfevents.*"))

    assert main(["evaluate", str(folder), "--episodes", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["frames"], len(result["returns"]), result["env"]) == (300, 2, "gym:CartPole-v1")
    assert result["temperature"] == 0
    assert main(["evaluate", str(folder), "--episodes", "2"]) == 0
    assert f"return {result['return_mean']:.1f}" in capsys.readouterr().out

    assert main(["report", str(folder), "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    published = tmp_path / "published.csv"
    published.write_text("env,agent,frames,return_mean\ngym:CartPole-v1,Other,300,123\n")
    beside = ["--out", str(picture), "--table", "--every", "300", "--published", str(published)]
    assert main(["report", str(folder), *beside]) == 0
    table = capsys.readouterr().out
    assert f"| gym:CartPole-v1 | tiny, seed 0 | {result['return_mean']:.0f} |" in table
    assert "| gym:CartPole-v1 | Other, published | 123 |" in table


def test_sigterm_ends_with_143(tiny_preset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        training.MetricsLogger, "write", lambda logger, frames, values: signal.raise_signal(signal.SIGTERM)
    )
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 143
    assert "Stopped by SIGTERM at 100 frames" in capsys.readouterr().err


def test_demo_trains_evaluates_and_draws(tiny_preset, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    monkeypatch.setattr(demo, "EVALUATIONS", 1)
    assert main(["demo", "--frames", "200", "--episodes", "1", "--out", str(folder)]) == 0
    printed = capsys.readouterr()
    assert "of at most 1000, over 1 episodes" in printed.out
    assert f"smuzero evaluate {folder}" in printed.out
    assert "200 of 200 frames" in printed.err
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_doctor_says_what_is_here(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "BACKENDS", ("egl",))
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["jax"]["works"] and found["jax"]["devices"]
    assert found["extras"]["dmc"]["installed"]
    assert isinstance(found["rendering"]["egl"]["works"], bool)
    text = doctor.describe(found)
    assert "JAX" in text and "egl" in text
    assert set(found["products"]) == {"float32", "bfloat16"} and min(found["products"].values()) > 0


@pytest.mark.parametrize(("rounded", "is_advised"), [(500.0, True), (150.0, False)])
def test_doctor_advises_bfloat16_where_it_is_much_faster(rounded, is_advised):
    (line,) = doctor.describe_products({"float32": 100.0, "bfloat16": rounded})
    assert line.startswith(f"Products of matrices: 100 GFLOP/s in float32, {rounded:.0f} in bfloat16")
    assert ("matmul-precision" in line) is is_advised
    assert doctor.describe_products(None) == []


def test_doctor_tells_how_to_install_what_is_missing(monkeypatch):
    monkeypatch.setitem(doctor.EXTRAS, "ray", ("a_module_nobody_has",))
    assert doctor.extra("ray") == {
        "installed": False,
        "missing": ["a_module_nobody_has"],
        "install": "pip install 'smuzero[ray]'",
    }


def test_doctor_knows_every_extra():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(doctor.EXTRAS) == set(project["project"]["optional-dependencies"]) - {"dev"}


def test_a_crash_of_a_rendering_backend_is_only_reported(monkeypatch):
    monkeypatch.setattr(doctor, "RENDER", "import os; os.abort()")
    found = doctor.rendering("egl")
    assert (found["works"], found["message"]) == (False, "exit code -6") and "libegl1" in found["install"]


def test_bench_times_the_sizes_of_the_search_that_are_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(search, "OPTIONS", {"two players": {"two_player": True}})
    asked = "bench search --networks 16x1 --batches 1 2 --dims 1 --options --seconds 0 --json"
    assert main(asked.split()) == 0
    cells = json.loads(capsys.readouterr().out)
    found = [(cell["network"], cell["batch"], cell["option"]) for cell in cells]
    assert found == [("16x1", batch, option) for batch in (1, 2) for option in ("none", "two players")]


def test_bench_times_heads_and_options_apart(capsys):
    asked = "bench search --networks 16x1 --batches 1 --dims 1 --heads --seconds 0 --json"
    assert main(asked.split()) == 0
    assert [cell["head"] for cell in json.loads(capsys.readouterr().out)] == list(search.HEADS)
    assert main(["bench", "search", "--heads", "--options"]) == 2
    assert "one of them" in capsys.readouterr().err


def test_bench_says_what_it_lacks_for_an_environment_that_was_asked_for(monkeypatch, capsys):
    def missing(env_id, seconds):
        raise MissingExtra(f"{env_id} needs a package.")

    monkeypatch.setattr(envs, "alone", missing)
    assert envs.measure(workers=()) == []
    assert main(["bench", "envs", "atari:Pong"]) == 2
    assert "atari:Pong needs a package" in capsys.readouterr().err


@pytest.mark.parametrize("part", [envs, learner])
def test_bench_prints_cells(part, tiny_preset, monkeypatch, capsys):
    name = part.__name__.rpartition(".")[2]
    measure = part.measure
    timed = ("gym:CartPole-v1", "dmc:cartpole.swingup", "rwrl:cartpole.swingup/easy")
    brief = {
        "envs": lambda: measure(timed, workers=(0, 1), seconds=0.1),
        "learner": lambda: measure(("tiny",), seconds=0.1),
    }
    monkeypatch.setattr(learner, "PEAK_SIZE", 128)
    monkeypatch.setattr(part, "measure", brief[name])
    assert main(["bench", name, "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)
    speed = "frames_per_second" if name == "envs" else "updates_per_second"
    assert all(cell[speed] > 0 for cell in cells)
    assert bench.table(cells).count("\n") == len(cells)
    if name == "envs":
        beside = {cell["env"]: cell["ratio"] for cell in cells if cell["workers"] == "alone"}
        assert beside["gym:CartPole-v1"] is None and beside["dmc:cartpole.swingup"] > 1
        assert beside["rwrl:cartpole.swingup/easy"] > 0
        assert main(["bench", "learner", "dmc:cartpole.swingup"]) == 2
