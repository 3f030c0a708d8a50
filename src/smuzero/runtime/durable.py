"""Files that are either whole or absent, and disks that say so when they are full.

Everything a run leaves behind is written beside its place, forced to the disk
and only then renamed into place: whoever looks, and whenever the power fails,
finds the old content or the new one, never half of it. What the operating
system refuses is told as a `UserError` with the numbers one needs to act.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smuzero.types import UserError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class NotWritten(UserError):
    """The operating system refused to write a file; what was there before is untouched."""


class DiskFull(NotWritten):
    """The disk, or the user's share of it, has no room left."""


class DamagedFile(UserError):
    """A file of a run is missing, cut short or not what it should be."""


@contextlib.contextmanager
def writing(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turns the `OSError`s of the block into `NotWritten`; `needed` is the size in bytes, if known."""
    try:
        yield
    except (OSError, NotWritten) as error:
        cause = error if isinstance(error, OSError) else error.__cause__  # of a file inside `path`
        if getattr(cause, "errno", None) not in _NO_SPACE:
            raise NotWritten(
                f"Could not write {path}: {getattr(cause, 'strerror', None) or cause}. Nothing written before is lost. "
                "Make the folder writable, or choose another one with --out."
            ) from cause
        size = "" if needed is None else f"it needs {readable_size(needed)}, and "
        raise DiskFull(
            f"No space left on the disk for {path}: {size}{_free_space(path)}. Nothing written before is lost. "
            "Free some space, then continue with `smuzero resume`."
        ) from cause


def write_atomically(path: Path, content: bytes) -> None:
    """Writes or replaces one file so that it is never seen half written.

    Raises `NotWritten` or `DiskFull`.
    """
    partial = path.with_name(f".{path.name}.partial")
    with writing(path, len(content)):
        try:
            with open(partial, "wb") as file:
                file.write(content)
                to_disk(file)
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        folder_to_disk(path.parent)


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Writes `value` as JSON, atomically; non-finite numbers are refused, as JSON has none."""
    write_atomically(path, (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads a JSON file; `DamagedFile` says what is wrong with it and where."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DamagedFile(f"{path} does not exist.") from error
    except OSError as error:
        raise DamagedFile(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise DamagedFile(f"{path} is not valid JSON ({error}): it was cut short or changed by hand.") from error


def to_disk(file: Any) -> None:
    """Forces what was written to an open file out to the disk."""
    file.flush()
    os.fsync(file.fileno())


def folder_to_disk(folder: Path) -> None:
    """Forces a folder's entries (new names, renames) out to the disk, where the system can do so."""
    if os.name == "nt":  # Windows opens no folders, and needs none of this
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no such call
            raise
    finally:
        os.close(descriptor)


def readable_size(size: int | float) -> str:
    """A number of bytes as people say it: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _free_space(path: Path) -> str:
    for folder in path.parents:
        with contextlib.suppress(OSError):
            return f"{readable_size(shutil.disk_usage(folder).free)} are free"
    return "how much is free is unknown"
