import errno
import json
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from smuzero.runtime import durable
from smuzero.runtime.metrics import MetricsLogger, read_metrics


def lines(folder, name="metrics.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def events(folder):
    """TensorBoard's records, oldest file first: length (8 bytes), its checksum (4), event, its checksum (4)."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            found.append(event_pb2.Event.FromString(content[12 : 12 + length]))  # pyright: ignore
            content = content[16 + length :]
    return found


def test_a_line_leads_with_frames_and_seconds_then_sorted_keys(tmp_path):
    with MetricsLogger(tmp_path) as logger:
        logger.write(100, {"rollout/return": 1.5, "loss/value": np.float32(0.25), "replay/size": 7})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == ["env_frames", "wall_seconds", "loss/value", "replay/size", "rollout/return"]
    assert '"loss/value": 0.25, "replay/size": 7, "rollout/return": 1.5' in line


def test_arrays_of_one_number_are_numbers(tmp_path):
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.write(1, {"a": jnp.float32(0.5), "b": np.int64(3), "c": True})
    assert {key: lines(tmp_path)[0][key] for key in "abc"} == {"a": 0.5, "b": 3, "c": 1.0}


def test_numbers_that_are_not_finite_are_null_and_read_as_nan(tmp_path):
    with MetricsLogger(tmp_path) as logger:
        logger.write(1, {"a": float("nan"), "b": float("inf"), "c": 2.0})
    assert lines(tmp_path)[0]["a"] is None
    assert lines(tmp_path)[0]["b"] is None
    assert np.isnan(read_metrics(tmp_path)["a"][1]).all()
    (event,) = [event for event in events(tmp_path) if event.HasField("summary")]
    assert [value.tag for value in event.summary.value] == ["c"]


@pytest.mark.parametrize("value", ["high", None, np.zeros(2), 1j])
def test_what_is_no_number_is_refused_by_name(tmp_path, value):
    with (
        MetricsLogger(tmp_path, tensorboard=False) as logger,
        pytest.raises(ValueError, match=r"loss/value is .*one number"),
    ):
        logger.write(1, {"loss/value": value})
    assert lines(tmp_path) == []


def test_curves_are_read_by_key(tmp_path):
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.write(10, {"eval/return_mean": 1.0})
        logger.write(20, {"loss/value": 5.0})
        logger.write(30, {"eval/return_mean": 2.0})
    curves = read_metrics(tmp_path / "metrics.jsonl")
    assert set(curves) == {"wall_seconds", "eval/return_mean", "loss/value"}
    np.testing.assert_array_equal(curves["eval/return_mean"], ([10, 30], [1.0, 2.0]))
    assert curves["loss/value"][0].dtype == np.int64


def test_reading_leaves_out_a_torn_end_and_warns_of_a_damaged_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"env_frames": 1, "a": 1}\n{"env_fra\n{"env_frames": 3, "a": 3}\n{"env_frames": 4, "a')
    with pytest.warns(UserWarning, match="line 2 is damaged"):
        frames, values = read_metrics(path)["a"]
    np.testing.assert_array_equal(frames, [1, 3])
    np.testing.assert_array_equal(values, [1, 3])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(durable.DamagedFile, match=r"metrics.jsonl cannot be read"):
        read_metrics(tmp_path)


def test_a_resumed_log_continues_from_its_checkpoint_and_loses_nothing(tmp_path):
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.write(10, {"a": 1})
        logger.write(20, {"a": 2})
        state = json.loads(json.dumps(logger.state()))
        logger.write(20, {"eval": 9})  # at the checkpoint's frames, but after it: will be evaluated again
        logger.write(30, {"a": 3})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"env_frames": 40, "a')  # torn by a crash
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.restore(state)
        logger.write(20, {"eval": 8})
        logger.write(30, {"a": 4})
    assert [(line["env_frames"], line.get("a"), line.get("eval")) for line in lines(tmp_path)] == [
        (10, 1, None),
        (20, 2, None),
        (20, None, 8),
        (30, 4, None),
    ]
    assert [line["env_frames"] for line in lines(tmp_path, "metrics.cut.jsonl")] == [20, 30]


def test_a_resume_cuts_by_frames_where_a_file_was_shortened_by_hand(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"env_frames": 20}\n{"env_frames": 30}\n')
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.restore({"env_frames": 20, "wall_seconds": 1.0, "bytes": 10**6})
    assert lines(tmp_path) == [{"env_frames": 20}]


def test_the_clock_goes_on_where_it_stopped(tmp_path):
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.restore({"env_frames": 0, "wall_seconds": 500.0, "bytes": 0})
        assert 500 <= logger.wall_seconds < 510
        assert logger.state()["wall_seconds"] >= 500


def test_tensorboard_has_every_number_and_forgets_what_a_resume_repeats(tmp_path):
    with MetricsLogger(tmp_path) as logger:
        logger.write(10, {"a": 1})
        state = logger.state()
        logger.write(20, {"a": 2})
    with MetricsLogger(tmp_path) as logger:
        logger.restore(state)
        logger.write(20, {"a": 3})
    seen = events(tmp_path)
    scalars = [(event.step, value.tag, value.simple_value) for event in seen for value in event.summary.value]
    assert scalars == [(10, "a", 1.0), (20, "a", 2.0), (20, "a", 3.0)]
    starts = [event.step for event in seen if event.session_log.status == event_pb2.SessionLog.START]  # pyright: ignore
    assert starts == [11]
    assert len(list(tmp_path.glob("events.*"))) == 2


class FullFile:
    """A file whose disk has room for so many more bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self.file.write(data[: self.room])
        self.room -= written
        return written


def test_a_full_disk_leaves_whole_lines_only(tmp_path, monkeypatch):
    with MetricsLogger(tmp_path, tensorboard=False) as logger:
        logger.write(1, {"a": 1})
        monkeypatch.setattr(logger, "_file", FullFile(logger._file, 10))
        with pytest.raises(durable.DiskFull, match=r"metrics.jsonl: it needs \d+ bytes"):
            logger.write(2, {"a": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [line["env_frames"] for line in lines(tmp_path)] == [1]
