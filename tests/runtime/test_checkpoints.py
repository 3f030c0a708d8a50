import contextlib
import errno
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from smuzero.runtime import checkpoints, durable, trees

STATE = {
    "observation": np.arange(12, dtype=np.float32).reshape(3, 4),
    "generator": np.random.default_rng(3).bit_generator.state,
    "episodes": 7,
    "best": float("-inf"),
}


class Killed(BaseException):
    """Stands for a process that dies at some file operation."""


class FileOperations:
    """Counts the file operations inside a folder; from the `fail_at`-th on, every one of them fails."""

    def __init__(self):
        self.folder: str | None = None
        self.count, self.fail_at = 0, sys.maxsize
        self.error: Callable[[], BaseException] = Killed
        sys.addaudithook(self._hook)  # can never be removed, so it sleeps while folder is None

    @contextlib.contextmanager
    def watching(self, folder: Path, fail_at: int = sys.maxsize, error: Callable[[], BaseException] = Killed):
        self.folder, self.count, self.fail_at, self.error = str(folder), 0, fail_at, error
        try:
            yield self
        finally:
            self.folder = None

    def _hook(self, event, args):
        if self.folder is None or event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            return
        if str(args[0]).startswith(self.folder):
            self.count += 1
            if self.count >= self.fail_at:
                raise self.error()


OPERATIONS = FileOperations()


def assert_same(left, right):
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    else:
        assert left == right


def save(folder, step):
    return checkpoints.save(folder, step, {"replay": STATE, "counters": {"step": step}})


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_what_is_saved_comes_back(tmp_path):
    path = save(tmp_path / "run" / "checkpoints", 123)
    assert path.name == "000000000123"
    assert names(path) == ["MANIFEST.json", "replay.npz", "state.json"]
    restored = checkpoints.restore(path)
    assert_same(restored["replay"], STATE)
    assert restored["counters"] == {"step": 123}
    assert checkpoints.step_of(path) == 123


def test_one_part_is_read_without_the_others(tmp_path):
    path = save(tmp_path, 1)
    (path / "replay.npz").unlink()
    assert checkpoints.restore(path, only=["counters"]) == {"counters": {"step": 1}}


def test_an_unknown_part_is_answered_with_the_known_ones(tmp_path):
    path = save(tmp_path, 1)
    with pytest.raises(trees.Mismatch, match="no part learner; it has counters, replay"):
        checkpoints.restore(path, only=["learner"])


def test_a_mismatch_names_the_checkpoint_and_the_part(tmp_path):
    path = save(tmp_path, 1)
    with pytest.raises(trees.Mismatch, match=r"000000000001, part counters.*\n.*\['stop'\] is not in"):
        checkpoints.restore(path, {"counters": {"stop": 1}})


def test_only_the_newest_stay(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert names(tmp_path) == ["000000000002", "000000000003"]
    assert checkpoints.latest(tmp_path).name == "000000000003"


def test_a_step_saved_again_is_replaced(tmp_path):
    save(tmp_path, 1)
    path = checkpoints.save(tmp_path, 1, {"counters": {"step": "new"}})
    assert names(tmp_path) == ["000000000001"]
    assert checkpoints.restore(path) == {"counters": {"step": "new"}}


def test_checkpoints_of_a_line_given_up_are_set_aside(tmp_path):
    save(tmp_path, 10)
    save(tmp_path, 20)
    save(tmp_path, 15)
    assert checkpoints.latest(tmp_path).name == "000000000015"
    assert names(tmp_path) == ["000000000010", "000000000015", "abandoned-000000000020"]


def test_nothing_saved_yet_is_said(tmp_path):
    with pytest.raises(checkpoints.NoCheckpoint, match="no checkpoint yet"):
        checkpoints.latest(tmp_path / "absent")


def cut_short(path):
    os.truncate(path, path.stat().st_size - 1)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("file", ["replay.npz", "state.json", "MANIFEST.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, damage, file):
    save(tmp_path, 1)
    damaged = save(tmp_path, 2)
    if damage is cut_short and file == "MANIFEST.json":
        os.truncate(damaged / file, 20)  # one byte less is only the line's end
    else:
        damage(damaged / file)
    with pytest.warns(checkpoints.DamagedCheckpointWarning, match=file) as caught:
        assert checkpoints.latest(tmp_path).name == "000000000001"
    assert len(caught) == 1
    with pytest.raises(checkpoints.DamagedCheckpoint, match=file):
        checkpoints.restore(damaged)


def test_no_flipped_bit_of_the_manifest_changes_what_is_restored(tmp_path):
    path = save(tmp_path, 5)
    manifest = path / "MANIFEST.json"
    content = manifest.read_bytes()
    for position in range(len(content)):
        manifest.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with contextlib.suppress(checkpoints.DamagedCheckpoint):  # an indent may change, nothing else
            restored = checkpoints.restore(path)
            assert_same(restored["replay"], STATE)
            assert restored["counters"] == {"step": 5}


def test_a_copy_under_another_step_is_refused(tmp_path):
    shutil.copytree(save(tmp_path, 1), tmp_path / "000000000009")
    with pytest.raises(checkpoints.DamagedCheckpoint, match="written for step 1"):
        checkpoints.verify(tmp_path / "000000000009")


def test_a_manifest_may_not_point_outside_its_folder(tmp_path):
    path = save(tmp_path, 1)
    manifest = json.loads((path / "MANIFEST.json").read_text())
    manifest["files"]["../secret"] = {"bytes": 0, "sha256": ""}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(checkpoints.DamagedCheckpoint, match="does not list its files"):
        checkpoints.verify(path)


def test_where_none_is_whole_every_problem_is_named(tmp_path):
    for step in (1, 2):
        cut_short(save(tmp_path, step) / "replay.npz")
    with pytest.raises(checkpoints.DamagedCheckpoint, match=r"(?s)000000000002.*000000000001.*from a copy"):
        checkpoints.latest(tmp_path)


def test_a_checkpoint_cut_short_does_not_count_among_those_kept(tmp_path):
    save(tmp_path, 1)
    cut_short(save(tmp_path, 2) / "replay.npz")
    save(tmp_path, 3)
    assert "000000000001" in names(tmp_path)


def operations_of_a_save(folder, step):
    with OPERATIONS.watching(folder) as seen:
        save(folder, step)
    return seen.count


@pytest.mark.parametrize("step", [2, 3], ids=["replacing the newest", "adding one"])
def test_a_kill_at_any_file_operation_leaves_a_whole_checkpoint(tmp_path, step):
    template = tmp_path / "template"
    save(template, 1)
    save(template, 2)
    total = operations_of_a_save(shutil.copytree(template, tmp_path / "counted"), step)
    assert total > 10
    for fail_at in range(1, total + 1):
        folder = shutil.copytree(template, tmp_path / f"killed-{fail_at}")
        with OPERATIONS.watching(folder, fail_at), contextlib.suppress(Killed):
            save(folder, step)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = checkpoints.latest(folder)
        assert checkpoints.step_of(found) in (2, step)
        assert_same(checkpoints.restore(found)["replay"], STATE)
        save(folder, 4)
        assert checkpoints.latest(folder).name == "000000000004"
        assert len(names(folder)) == 2
        assert all(name.isdigit() for name in names(folder))
        shutil.rmtree(folder)


def no_space():
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_at_any_file_operation_and_costs_no_checkpoint(tmp_path):
    save(tmp_path, 1)
    before = names(tmp_path)
    with OPERATIONS.watching(tmp_path / ".partial-000000000002") as seen:
        save(tmp_path, 2)
    shutil.rmtree(tmp_path / "000000000002")
    for fail_at in range(1, seen.count):
        with (
            OPERATIONS.watching(tmp_path / ".partial-000000000002", fail_at, no_space),
            pytest.raises(durable.DiskFull, match=r"000000000002: it needs 48 bytes, and .* are free"),
        ):
            save(tmp_path, 2)
        shutil.rmtree(tmp_path / ".partial-000000000002", ignore_errors=True)
        assert names(tmp_path) == before
        checkpoints.verify(tmp_path / "000000000001")


def test_a_full_disk_found_while_syncing_leaves_no_partial_folder(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(_):
        raise no_space()

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(durable.DiskFull):
        save(tmp_path, 2)
    assert names(tmp_path) == ["000000000001"]


def test_a_refused_write_tells_the_reason(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(durable.NotWritten, match="Not a directory"):
        save(tmp_path / "file" / "checkpoints", 1)


def test_a_part_that_cannot_be_stored_writes_nothing(tmp_path):
    with pytest.raises(TypeError, match=r"\['seen'\] is a set"):
        checkpoints.save(tmp_path, 1, {"replay": {"seen": {1, 2}}})
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["state", "Replay", "../replay", ""])
def test_a_part_has_a_name_fit_for_a_file(tmp_path, name):
    with pytest.raises(ValueError, match="A part is named"):
        checkpoints.save(tmp_path, 1, {name: {}})
