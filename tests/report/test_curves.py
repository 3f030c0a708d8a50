"""Learning curves from recorded runs."""

import pytest

from smuzero.report.curves import draw_curves, label_of
from smuzero.runtime import run_folder
from smuzero.runtime.durable import DamagedFile
from smuzero.runtime.metrics import MetricsLogger
from smuzero.types import UserError


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    with run_folder.create(path, {"env_name": "gym:X-v0", "preset": "quick", "seed": 3}), MetricsLogger(path) as logger:
        for frames in (100, 200):
            logger.write(frames, {"eval/return_mean": frames / 2, "eval/return_std": 3.0, "loss/value": float("nan")})
    return path


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_curves_of_several_runs_are_drawn(folder, tmp_path, ending, start):
    out = tmp_path / "new" / f"curve.{ending}"
    draw_curves([folder, folder], out)
    assert out.read_bytes().startswith(start)


def test_run_is_labelled_by_what_it_was_made_from(folder):
    assert label_of(folder) == "gym:X-v0, quick, seed 3"


def test_what_cannot_be_drawn_is_said(folder, tmp_path):
    with pytest.raises(UserError, match=r"has no eval/x to draw\. Its metrics hold eval/return_mean"):
        draw_curves([folder], tmp_path / "curve.png", metric="eval/x")
    with pytest.raises(UserError, match=r"ends in \.gif"):
        draw_curves([folder], tmp_path / "curve.gif")
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(DamagedFile, match=r"metrics\.jsonl"):
        draw_curves([folder], tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()
