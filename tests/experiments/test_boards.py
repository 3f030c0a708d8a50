"""Whole runs on boards: trained, taken up again, evaluated, rated, and served as a Go engine."""

import io
import json
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from smuzero.cli.main import main
from smuzero.experiments import api, board_presets, build, presets
from smuzero.experiments.benchmarks import selfplay
from smuzero.experiments.gtp import open_engine
from smuzero.runtime import checkpoints, trees
from smuzero.types import UserError

pytest.importorskip("pgx")
FAKE = Path(__file__).parents[1] / "evaluation" / "fake_gtp.py"
SMALL = {
    "network.width": 4,
    "network.num_blocks": 0,
    "search.num_samples": 3,
    "search.num_simulations": 3,
    "selfplay.moves_per_call": 5,
    "selfplay.symmetries": True,
    "replay.max_sequences": 50,
    "acting.num_envs": 4,
    "learner.batch_size": 4,
    "learner.unroll": 1,
    "run.frames": 80,
    "run.frames_per_update": 20.0,
    "run.learn_after": 10,
    "run.log_every": 20,
    "run.checkpoint_every": 40,
    "run.keep_checkpoints": 3,
    "run.evaluate_every": 80,
    "run.evaluation_episodes": 2,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a short run on go:3x3."""
    folder = tmp_path_factory.mktemp("boards") / "run"
    api.train("go:3x3", preset="paper", overrides=SMALL, out=folder, progress=False)
    return folder


def test_a_run_learns_and_evaluates(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["env_frames"] == 80 and lines[-1]["replay/updates"] > 0
    assert -1.0 <= lines[-1]["eval/return_mean"] <= 1.0
    result = api.evaluate(run, episodes=3)
    assert result.returns.shape == (3,) and set(result.returns.tolist()) <= {-1.0, 0.0, 1.0}


def test_a_run_goes_on_from_a_checkpoint_to_the_same_end(run, tmp_path):
    short = tmp_path / "short"
    api.train("go:3x3", preset="paper", overrides=SMALL | {"run.frames": 60}, out=short, progress=False)
    config = json.loads((short / "config.json").read_text())
    config["settings"]["run"]["frames"] = 80
    # As in one go, the learning rate is that of the whole.
    config["settings"]["learner"]["total_updates"] = json.loads((run / "config.json").read_text())["settings"][
        "learner"
    ]["total_updates"]
    (short / "config.json").write_text(json.dumps(config))
    api.resume(short, progress=False)
    ends = [checkpoints.restore(checkpoints.latest(folder / "checkpoints")) for folder in (run, short)]
    for part in ("replay", "acting"):
        first, second = (trees.take_apart(end[part])[0] for end in ends)
        assert first.keys() == second.keys()
        for key, array in first.items():
            np.testing.assert_array_equal(array, second[key], err_msg=f"{part} {key}")


def test_an_agent_acts_legally_where_it_is_told_what_is_legal(run):
    agent = api.load(run)
    legal = np.zeros(10, bool)
    legal[4] = True
    assert agent.act(np.zeros((3, 3, 17)), legal) == 4


def test_checkpoints_are_rated_against_each_other_and_a_program(run, tmp_path, capsys):
    program = shlex.join([sys.executable, str(FAKE), "resign"])
    arguments = ["elo", str(run), "--every-checkpoint", "--games", "2", "--opening-moves", "1", "--no-plot"]
    assert main([*arguments, "--opponent", program, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    found = json.loads((tmp_path / "elo.json").read_text())
    assert [player["frames"] for player in found["players"][:-1]] == [0, 40, 80]
    assert found["players"][2]["elo"] == 2000.0, "the run's last checkpoint is the anchor"
    assert found["matches"][-1]["reasons"] == {"resigned": 2} and found["matches"][-1]["wins"] == 2
    assert [found["matches"][-1][colour] for colour in ("first", "second")] == [[1, 0, 0], [1, 0, 0]]
    assert program in shown and "95 % interval" in shown


def test_single_checkpoints_are_named_by_their_run(run, tmp_path):
    chosen = [run, run / "checkpoints" / f"{40:012}"]
    arguments = ["--games", "2", "--opening-moves", "1", "--no-plot", "--out", str(tmp_path)]
    assert main(["elo", *map(str, chosen), *arguments]) == 0
    players = json.loads((tmp_path / "elo.json").read_text())["players"]
    assert [(player["name"], player["run"]) for player in players] == [("run@80", str(run)), ("run@40", str(run))]


def test_a_tournament_of_one_is_refused(run, tmp_path):
    assert main(["elo", str(run), "--out", str(tmp_path)]) == 2


def test_a_perfect_player_is_refused_where_none_is_known(run, tmp_path, capsys):
    assert main(["elo", str(run), "--opponent", "perfect", "--out", str(tmp_path)]) == 2
    assert "tictactoe only" in capsys.readouterr().err


def test_a_run_is_a_go_engine(run, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("boardsize 3\n1 genmove b\nfinal_score\nquit\n"))
    assert main(["gtp", str(run), "--simulations", "2", "--resign-below", "-1"]) == 0
    first, move, score, last = capsys.readouterr().out.split("\n\n")[:4]
    assert (first, last) == ("=", "=") and move.startswith("=1 ") and score[2:3] in "BW"


def test_an_engine_acts_as_evaluation_does_but_for_its_simulations(run, tmp_path, monkeypatch):
    improving = tmp_path / "improving"
    shutil.copytree(run, improving)
    config = json.loads((improving / "config.json").read_text())
    config["settings"]["improvement"] |= {"operator": "mpo", "acts": True}
    (improving / "config.json").write_text(json.dumps(config))
    given = []
    make_act = build.make_act
    monkeypatch.setattr(
        build, "make_act", lambda *args, **kwargs: given.append((args, kwargs)) or make_act(*args, **kwargs)
    )
    open_engine(improving, simulations=2, resign_below=-1.0, seed=0)
    [((_, _, search, _), kwargs)] = given
    assert (search.num_simulations, search.noise_fraction) == (2, 0.0)
    assert kwargs["improvement"].acts and kwargs["improvement"].operator == "mpo"


def test_presets_of_boards_are_appendix_b():
    paper = presets.compose("paper", "go:19x19")
    assert (paper.learner.n_step, paper.learner.num_bootstraps, paper.learner.discount) == (25, 4, 1.0)
    assert (paper.search.num_simulations, paper.search.noise_concentration) == (400, 0.03)
    assert (paper.network.width, paper.network.num_blocks) == (256, 16)
    assert paper.search.two_player and paper.selfplay.opening_moves == 30
    assert presets.compose("quick", "tictactoe").replay.max_length == 9
    assert presets.compose("quick", "dmc:cartpole.swingup").search.two_player is False


def test_docs_list_every_setting_that_boards_change():
    page = (Path(__file__).parents[2] / "docs" / "go.md").read_text()
    names = {*board_presets.RULES, *(name for sizes in board_presets.SIZES.values() for name in sizes)}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_an_unknown_game_is_named_before_anything_is_made(tmp_path):
    with pytest.raises(UserError, match="go:9x9"):
        api.train("go:9", out=tmp_path / "run")
    with pytest.raises(UserError, match="Did you mean tictactoe"):
        api.train("tictacto", out=tmp_path / "run")


def test_an_opponent_that_nobody_knows_there_is_refused(run, capsys):
    assert main(["evaluate", str(run), "--opponent", "every"]) == 2
    assert "tictactoe only, not for go:3x3" in capsys.readouterr().err


def test_a_run_on_tictactoe_is_held_to_perfect_play_and_to_every_line(tmp_path, capsys):
    api.train("tictactoe", preset="paper", overrides=SMALL, out=tmp_path, progress=False)
    perfect = api.evaluate(tmp_path, episodes=4, opponent="perfect")
    assert perfect.returns.shape == (4,) and (perfect.returns <= 0).all()
    assert main(["evaluate", str(tmp_path), "--opponent", "every"]) == 0
    assert "against every line of play: " in (shown := capsys.readouterr().out)
    assert int(shown.split(" of ")[-1].split()[0]) > 100
    assert main(["evaluate", str(tmp_path), "--opponent", "every", "--temperature", "1"]) == 2
    assert "temperature is 1.0" in capsys.readouterr().err


def test_bench_times_self_play():
    (cell,) = selfplay.measure(["tictactoe"], [(4, 0)], [2], simulations=2, samples=2, seconds=0.0)
    assert cell["moves_per_second"] > 0 and cell["games_per_second"] > 0


def test_bench_times_the_self_play_that_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(selfplay.mctx_search, "is_installed", lambda: False)
    asked = "bench selfplay tictactoe --networks 2x0 --batches 2 --seconds 0 --json"
    assert main(asked.split()) == 0
    (cell,) = json.loads(capsys.readouterr().out)
    assert (cell["board"], cell["network"], cell["batch"]) == ("tictactoe", "2x0", 2)
    assert cell["moves_per_second"] > 0 and cell["over_mctx"] is None
