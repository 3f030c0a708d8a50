"""Learning curves as a table, beside published scores."""

import pytest

from smuzero.report.curves import draw_curves
from smuzero.report.published import Score, read_scores
from smuzero.report.tables import curve_table
from smuzero.runtime import run_folder
from smuzero.runtime.metrics import MetricsLogger
from smuzero.types import UserError

SCORES = """env,agent,frames,return_mean,source
gym:X-v0,A (Z),200,3.5,a page
gym:X-v0,B,900,1,another
gym:Y-v0,A,200,9,it
"""


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    with run_folder.create(path, {"env_name": "gym:X-v0", "preset": "quick", "seed": 3}), MetricsLogger(path) as logger:
        for frames in (104, 208, 308):
            logger.write(frames, {"eval/return_mean": frames / 2})
        logger.write(320, {"loss/value": 1.0})
    return path


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(SCORES)
    return path


def test_runs_and_published_agents_of_their_environment_are_rows(folder, published):
    scores = read_scores(published)
    assert scores[0] == Score("gym:X-v0", "A (Z)", 200, 3.5) and len(scores) == 3
    assert curve_table([folder], every=100, scores=scores).splitlines() == [
        "| environment | agent | 100 | 200 | 300 | minutes |",
        "| --- | --- | --- | --- | --- | --- |",
        "| gym:X-v0 | quick, seed 3 | 52 | 104 | 154 | 0 |",
        "| gym:X-v0 | A (Z), published |  | 4 |  |  |",
    ]


def test_a_column_has_what_was_reached_there_and_nothing_of_later(folder):
    late = Score("gym:X-v0", "late", 250, 9.0)
    assert curve_table([folder], every=200, scores=[late]).splitlines()[2:] == [
        "| gym:X-v0 | quick, seed 3 | 104 | 0 |"
    ]
    with pytest.raises(UserError, match="at a multiple of 1,000 frames: give smaller steps"):
        curve_table([folder], every=1000)


def test_published_agents_are_drawn_beside_the_runs(folder, published, tmp_path):
    draw_curves([folder], tmp_path / "with.svg", scores=read_scores(published))
    drawn = (tmp_path / "with.svg").read_text()
    assert "A (Z)" in drawn and "quick, seed 3" in drawn
    assert "<!-- B -->" not in drawn


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("env,agent,frames\n", r"lacks the columns return_mean"),
        ("env,agent,frames,return_mean\nx,A,many,3\n", r"line 2: frames and return_mean must be numbers"),
        ("env,agent,frames,return_mean\nx,A,1,3\nx,A,2,nan\n", r"line 3: return_mean is nan"),
        ("env,agent,frames,return_mean\nx,A\n", r"line 2"),
    ],
)
def test_a_file_that_holds_no_scores_is_named(published, content, said):
    published.write_text(content)
    with pytest.raises(UserError, match=said):
        read_scores(published)


def test_a_missing_file_and_a_missing_metric_are_named(folder, tmp_path):
    with pytest.raises(UserError, match=r"none\.csv cannot be read"):
        read_scores(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"has no eval/x for a table"):
        curve_table([folder], metric="eval/x")
