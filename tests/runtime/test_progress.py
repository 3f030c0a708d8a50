import io
import sys

import pytest

from smuzero.runtime import progress
from smuzero.runtime.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Stands for the `time` module."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_without_a_terminal_there_is_a_plain_line_now_and_then(clock):
    stream = io.StringIO()
    with Progress(10_000, every_seconds=30, stream=stream) as bar:
        for second in range(1, 61):
            clock.now = float(second)
            bar.update(100 * second, episode_return=second / 2)
        assert stream.getvalue().splitlines() == [
            "3,000 of 10,000 frames (30 %), return 15.0, 100 frames/s, 0:01:10 left",
            "6,000 of 10,000 frames (60 %), return 30.0, 100 frames/s, 0:00:40 left",
        ]


def test_speed_is_that_of_the_last_minute(clock):
    bar = Progress(100_000, start=5_000, stream=io.StringIO())
    clock.now = 100.0  # compiling
    bar.update(5_000)
    for second in range(101, 200):
        clock.now = float(second)
        bar.update(5_000 + 50 * (second - 100))
    assert bar.frames_per_second == 50


def test_before_anything_was_seen_nothing_is_claimed():
    assert Progress(100, stream=io.StringIO()).line() == "0 of 100 frames (0 %), return –, 0 frames/s, – left"


def test_a_terminal_gets_a_bar_and_stdout_stays_clean(capsys, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(100) as bar:
        bar.update(50, episode_return=7.25)
        print('{"json": true}')
        bar.message("[saved] a checkpoint")
    assert capsys.readouterr().out == '{"json": true}\n'
    assert "50/100" in stream.getvalue()
    assert "[saved] a checkpoint" in stream.getvalue()
    assert sys.stderr is stream


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_quiet_is_quiet(kind):
    stream = kind()
    with Progress(100, quiet=True, every_seconds=0, stream=stream) as bar:
        bar.update(50)
        bar.message("hello")
    assert stream.getvalue() == ""


def test_training_goes_on_where_nobody_listens_any_more():
    stream = io.StringIO()
    with Progress(100, every_seconds=0, stream=stream) as bar:
        stream.close()
        bar.update(50)
        bar.update(60)
    assert stream.closed
