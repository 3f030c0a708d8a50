import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from smuzero.runtime import checkpoints, durable, run_folder

CONFIG = {"env": "gym:Pendulum-v1", "seed": 3}


def test_a_new_run_holds_its_settings_and_versions(tmp_path):
    with run_folder.create(tmp_path / "runs" / "a", CONFIG) as run:
        assert run.config() == CONFIG
        assert {"smuzero", "python", "jax", "jaxlib", "numpy", "flax", "optax", "mujoco", "dm_control"} <= set(
            run.versions()
        )
        assert {"platform", "cpu_count"} <= set(run.versions())
        assert run.changed_versions() == {}


def test_changed_versions_are_told(tmp_path):
    with run_folder.create(tmp_path / "a", CONFIG) as run:
        durable.write_json(run.path / "versions.json", run.versions() | {"jax": "0.1"})
        assert run.changed_versions()["jax"][0] == "0.1"
        assert set(run.changed_versions()) == {"jax"}


def test_an_existing_run_is_never_written_over(tmp_path):
    run_folder.create(tmp_path, CONFIG).release()
    with pytest.raises(run_folder.ExistingRun, match=rf"`smuzero resume {tmp_path}`, or choose another --out"):
        run_folder.create(tmp_path, {"other": 1})
    assert run_folder.open_run(tmp_path).config() == CONFIG


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(run_folder.ExistingRun, match=r"holds thesis.tex"):
        run_folder.create(tmp_path, CONFIG)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(run_folder.ExistingRun, match="is a file"):
        run_folder.create(tmp_path / "file", CONFIG)


def test_a_start_that_was_cut_off_can_be_repeated(tmp_path):
    with pytest.raises(TypeError):
        run_folder.create(tmp_path, {"unwritable": object()})
    assert "versions.json" in os.listdir(tmp_path)
    run_folder.create(tmp_path, CONFIG).release()


def test_two_cannot_train_in_one_folder(tmp_path):
    with run_folder.create(tmp_path, CONFIG) as run:
        assert run.lock() is run
        with pytest.raises(run_folder.RunInUse, match=rf"in use by process {os.getpid()} on"):
            run_folder.open_run(tmp_path).lock()
    run_folder.open_run(tmp_path).lock().release()


def test_a_killed_process_gives_its_lock_back(tmp_path):
    run_folder.create(tmp_path, CONFIG).release()
    code = (
        "import os, sys; from pathlib import Path; from smuzero.runtime import run_folder;"
        "run = run_folder.open_run(Path(sys.argv[1])).lock(); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        with pytest.raises(run_folder.RunInUse, match=f"process {child.pid}"):
            run_folder.open_run(tmp_path).lock()
        child.kill()
        child.wait()
    run_folder.open_run(tmp_path).lock().release()


@pytest.mark.parametrize(
    ("content", "message"), [("", "not valid JSON"), ('{"a": 1', "not valid JSON"), ("[1]", "list, not an object")]
)
def test_damaged_settings_are_named(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(durable.DamagedFile, match=rf"config.json .*{message}"):
        run_folder.open_run(tmp_path).config()


@pytest.mark.parametrize(("name", "reason"), [("absent", "does not exist"), ("file", "no folder"), ("", "no config")])
def test_what_is_no_run_is_refused(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(run_folder.NotARun, match=reason):
        run_folder.open_run(tmp_path / name)


def test_a_run_is_found_from_its_checkpoints(tmp_path):
    with run_folder.create(tmp_path, CONFIG) as run:
        older = checkpoints.save(run.checkpoints, 1, {"a": 1})
        newest = checkpoints.save(run.checkpoints, 2, {"a": 2})
    for path in (tmp_path, run.checkpoints, newest):
        assert run_folder.open_run(path).path == tmp_path
        assert run_folder.find_checkpoint(path) == newest
    assert run_folder.find_checkpoint(older) == older


def test_a_checkpoint_that_is_not_there_is_not_replaced_by_another(tmp_path):
    with run_folder.create(tmp_path, CONFIG) as run:
        there = checkpoints.save(run.checkpoints, 2, {"a": 2})
    missing = run.checkpoints / "000000000001"
    with pytest.raises(checkpoints.NoCheckpoint, match=rf"does not exist\. .* holds {there.name}"):
        run_folder.find_checkpoint(missing)
    missing.mkdir()
    with pytest.raises(checkpoints.NoCheckpoint, match="has no manifest"):
        run_folder.find_checkpoint(missing)


def test_the_default_name_tells_the_run_apart():
    now = datetime.datetime(2026, 11, 5, 14, 3, 9)
    assert run_folder.default_path("dmc:cartpole.swingup", "quick", 0, now).parts == (
        "runs",
        "dmc-cartpole.swingup-quick-s0-20261105-140309",
    )


def test_a_source_tree_that_is_not_installed_knows_its_version(monkeypatch):
    source = Path(run_folder.__file__).parents[3] / "pyproject.toml"
    if not source.exists():
        pytest.skip("The package under test is an installed one.")
    project = tomllib.loads(source.read_text())["project"]

    def not_installed(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    assert run_folder.versions()["smuzero"] == run_folder.own_version() == project["version"]
    assert run_folder.versions()["jax"] is None


def test_versions_need_no_heavy_import():
    code = "import sys; from smuzero.runtime import run_folder; run_folder.versions(); assert 'jax' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_are_plain_json(tmp_path):
    run_folder.create(tmp_path, CONFIG).release()
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG
