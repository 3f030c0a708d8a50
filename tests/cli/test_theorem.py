"""`smuzero theorem`, run briefly."""

import json
import sys

import pytest

from smuzero.cli.main import main
from smuzero.experiments.theorem import rate, states


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(rate, "QUICK", rate.RateSettings(sizes=(2, 3, 4, 5, 6), repeats=64))
    monkeypatch.setattr(states, "SPACES", ("continuous",))


def test_theorem_is_measured_drawn_and_told(brief, tmp_path, capsys):
    folder = tmp_path / "new" / "theorem"
    assert main(["theorem", "--quick", "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "The rest is at K = 6" in printed and str(folder / "theorem.png") in printed
    assert printed.count("pi_prior") == 5  # 4 rows and the explanation
    assert (folder / "theorem.png").read_bytes().startswith(b"\x89PNG")
    recorded = json.loads((folder / "theorem.json").read_text())
    assert main(["theorem", "--quick", "--json", "--out", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == recorded  # all randomness follows from the seed
    assert len(recorded["cells"]) == 16


def test_mistakes_are_told_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    assert main(["theorem", "--seed", "-1", "--out", str(tmp_path / "new")]) == 2
    assert "The seed is -1" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["theorem", "--out", str(tmp_path / "new")]) == 2
    assert "smuzero[plots]" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
