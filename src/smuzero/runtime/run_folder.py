"""A run folder: where everything one training run leaves behind lies, and the lock that keeps it one run's.

    config.json     the settings the run was made from
    versions.json   what it ran on
    metrics.jsonl, events.out.tfevents.*   see `metrics`
    checkpoints/    see `checkpoints`
    episodes/       recorded episodes
    .lock           held while a process trains here

`config.json` is written last: a folder that has one is a run, and is never
written over.
"""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smuzero.runtime import checkpoints, durable
from smuzero.types import UserError

CONFIG = "config.json"
VERSIONS = "versions.json"
LOCK = ".lock"
_PACKAGES = ("smuzero", "jax", "jaxlib", "numpy", "flax", "optax", "gymnasium", "mujoco", "dm-control")
# What a start that was cut off may have left: such a folder counts as empty.
_UNFINISHED = {LOCK, VERSIONS, f".{VERSIONS}.partial", f".{CONFIG}.partial"}


class ExistingRun(UserError):
    """A new run was sent to a folder that already holds something."""


class NotARun(UserError):
    """A folder was given as a run, but none was made there."""


class RunInUse(UserError):
    """Another process is training in the folder."""


class RunFolder:
    """An open run folder; as a context manager it gives its lock back at the end."""

    def __init__(self, path: Path):
        self.path = path
        self._lock: int | None = None

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def episodes(self) -> Path:
        return self.path / "episodes"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def config(self) -> dict[str, Any]:
        """What the run was created with. Raises `durable.DamagedFile`."""
        return _read_object(self.path / CONFIG)

    def versions(self) -> dict[str, Any]:
        """What the run was started on. Raises `durable.DamagedFile`."""
        return _read_object(self.path / VERSIONS)

    def changed_versions(self) -> dict[str, tuple[Any, Any]]:
        """What differs between the machine the run was started on and this one: name -> (then, now)."""
        then, now = self.versions(), versions()
        return {name: (then.get(name), now[name]) for name in now if then.get(name) != now[name]}

    def lock(self) -> "RunFolder":
        """Claims the folder for this process until `release`, or until the process ends, however it ends.

        Raises `RunInUse` where another process holds it. File systems without
        locks (and Windows) are used unlocked.
        """
        if self._lock is not None:
            return self
        try:
            import fcntl
        except ImportError:
            return self
        path = self.path / LOCK
        with durable.writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise RunInUse(
                f"{self.path} is in use by {holder}. Wait for it, stop it, or choose another folder with --out."
            ) from error
        except OSError:  # the file system knows no locks
            os.close(descriptor)
            return self
        self._lock = descriptor
        with contextlib.suppress(OSError):  # only for the message above
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)
        return self

    def release(self) -> None:
        """Gives the lock back."""
        if self._lock is not None:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_UN)  # closing is not enough where a forked child still has it open
            os.close(self._lock)  # the file stays: removing it would let two processes hold two different ones
            self._lock = None

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def create(path: Path, config: Mapping[str, Any]) -> RunFolder:
    """Makes a new run folder, locked for this process, with `config.json` and `versions.json` in it.

    Raises `ExistingRun` where the folder holds anything, `RunInUse` where another
    process is just making it, and `durable.NotWritten`.
    """
    _refuse_occupied(path)
    with durable.writing(path):
        path.mkdir(parents=True, exist_ok=True)
    run = RunFolder(path).lock()
    try:
        _refuse_occupied(path)  # again, now that nobody else can fill it
        durable.write_json(path / VERSIONS, versions())
        durable.write_json(path / CONFIG, dict(config))
    except BaseException:
        run.release()
        raise
    return run


def open_run(path: Path) -> RunFolder:
    """The run at `path`, which may also be its `checkpoints` folder or one checkpoint; not locked.

    Raises `NotARun`.
    """
    folders = [path]
    if path.name == "checkpoints":
        folders.append(path.parent)
    if path.parent.name == "checkpoints":
        folders.append(path.parent.parent)
    for folder in folders:
        if (folder / CONFIG).is_file():
            return RunFolder(folder)
    found = "does not exist" if not path.exists() else "is no folder" if not path.is_dir() else f"has no {CONFIG}"
    raise NotARun(f"{path} is no run folder: it {found}. Give the folder that `smuzero train` printed, such as runs/….")


def run_of(checkpoint: Path) -> Path:
    """The run folder of a checkpoint; of one that was moved out of its run, itself."""
    try:
        return open_run(checkpoint).path
    except NotARun:
        return checkpoint


def find_checkpoint(path: Path) -> Path:
    """The checkpoint meant by `path`: itself, or the newest whole one of a run folder.

    Raises `NotARun`, `checkpoints.NoCheckpoint` or `checkpoints.DamagedCheckpoint`.
    """
    if (path / checkpoints.MANIFEST).is_file():
        return path
    run = open_run(path)
    if path.parent.name == "checkpoints" and run.path != path:
        # One was named: another's results are not to pass for its own.
        raise checkpoints.NoCheckpoint(
            f"{path} is no checkpoint: it {'has no manifest' if path.is_dir() else 'does not exist'}. "
            f"{run.checkpoints} holds {', '.join(checkpoints.names(run.checkpoints)) or 'none'}."
        )
    return checkpoints.latest(run.checkpoints)


def default_path(env_id: str, preset: str, seed: int, now: datetime.datetime | None = None) -> Path:
    """`runs/<env>-<preset>-s<seed>-<date-time>`, local time, in letters every file system takes."""
    time = (now or datetime.datetime.now()).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / re.sub(r"[^A-Za-z0-9._-]+", "-", f"{env_id}-{preset}-s{seed}-{time}")


def versions() -> dict[str, Any]:
    """What a run depends on here: packages (None where not installed), Python, platform, processors."""
    found: dict[str, Any] = {"python": platform.python_version()}
    found |= {package.replace("-", "_"): _version(package) for package in _PACKAGES}
    return found | {"smuzero": own_version(), "platform": platform.platform(), "cpu_count": os.cpu_count()}


def own_version() -> str | None:
    """This package's version; from its source tree where it is used from there without being installed."""
    if (installed := _version("smuzero")) is not None:
        return installed
    with contextlib.suppress(OSError, KeyError, tomllib.TOMLDecodeError):
        project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return project["version"] if project["name"] == "smuzero" else None
    return None


def _version(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _refuse_occupied(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ExistingRun(f"{path} is a file, not a folder. Choose another --out.")
    if not path.is_dir():
        return
    entries = {entry.name for entry in path.iterdir()}
    if CONFIG in entries:
        raise ExistingRun(
            f"{path} already holds a run. Continue it with `smuzero resume {path}`, or choose another --out."
        )
    if others := sorted(entries - _UNFINISHED):
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise ExistingRun(f"{path} is not empty (it holds {shown}). Choose another --out.")


def _read_object(path: Path) -> dict[str, Any]:
    value = durable.read_json(path)
    if not isinstance(value, dict):
        raise durable.DamagedFile(f"{path} holds {type(value).__name__}, not an object of settings.")
    return value
