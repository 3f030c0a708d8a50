import contextlib
import json
import os
import shutil
import subprocess

import pytest

from smuzero.runtime import checkpoints, durable, metrics


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 256 kB; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount command")
    options = ["-t", "tmpfs", "-o", "size=256k"]
    if subprocess.run(["mount", *options, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    durable.write_json(path, {"a": 1})

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        durable.write_json(path, {"a": 2})
    assert durable.read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("content", "message"), [(b'{"a": ', "not valid JSON"), (b"\xff", "not valid JSON")])
def test_damaged_json_is_named(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(durable.DamagedFile, match=rf"config.json is {message}"):
        durable.read_json(path)


def test_missing_json_is_named(tmp_path):
    with pytest.raises(durable.DamagedFile, match=r"config.json does not exist"):
        durable.read_json(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_000_000_000, "2.0 GB"), (3e13, "30.0 TB")],
)
def test_sizes_are_readable(size, text):
    assert durable.readable_size(size) == text


def test_a_really_full_disk_keeps_the_checkpoints_and_lines_before(tiny_disk):
    checkpoints.save(tiny_disk / "checkpoints", 1, {"a": {"b": 1}})
    with contextlib.suppress(durable.DiskFull), metrics.MetricsLogger(tiny_disk, tensorboard=False) as logger:
        logger.write(1, {"rollout/return": 1.0})
        with pytest.raises(durable.DiskFull, match=r"it needs 1.0 MB, and .* kB are free"):
            checkpoints.save(tiny_disk / "checkpoints", 2, {"a": {"b": bytes_of(1_000_000)}})
        with pytest.raises(durable.DiskFull):
            while True:
                logger.write(2, {f"filler/{index}": index for index in range(1000)})
    assert checkpoints.latest(tiny_disk / "checkpoints").name == "000000000001"
    assert os.listdir(tiny_disk / "checkpoints") == ["000000000001"]
    lines = (tiny_disk / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    assert len(lines) > 1


def bytes_of(size):
    import numpy as np

    return np.ones(size, np.uint8)
