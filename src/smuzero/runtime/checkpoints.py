"""Checkpoints: the whole state of a run, written so that a crash costs no more than the work since.

A checkpoint is a folder named after its step, `checkpoints/000012345678/`:

    MANIFEST.json   size and SHA-256 of every other file; written last
    state.json      structure, and everything that is no array
    <part>.npz      the arrays of one named part, by key path

The folder is filled under another name, forced to the disk, then renamed: under
its own name it is complete. The manifest finds what happens later (a bad disk, a
copy cut short), and then the checkpoint before it serves. Parts are separate
files so that a network is read without the replay. Nothing is pickled.
"""

import contextlib
import hashlib
import os
import re
import shutil
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smuzero.runtime import durable, trees
from smuzero.types import UserError

FORMAT = 1
MANIFEST = "MANIFEST.json"
STATE = "state.json"
_PARTIAL = ".partial-"
_REPLACED = ".replaced-"
_ABANDONED = "abandoned-"
_FINISHED = re.compile(r"(\.replaced-)?(\d{12,})")
_PART_NAME = re.compile(r"[a-z][a-z0-9_]*")


class DamagedCheckpoint(UserError):
    """A checkpoint's files are not what was written."""


class NoCheckpoint(UserError):
    """There is nothing to continue from."""


class DamagedCheckpointWarning(UserWarning):
    """A damaged checkpoint was passed over for an older one."""


def save(folder: Path, step: int, parts: Mapping[str, Any], *, keep_last: int = 2) -> Path:
    """Writes the checkpoint of `step` and removes all but the newest `keep_last`.

    `parts` maps a name such as `learner` to any tree `smuzero.runtime.trees`
    can store. One process writes to a folder at a time. A checkpoint already
    there for this step is replaced. Checkpoints of a later step belong to a line
    that a resume gave up; they are renamed `abandoned-…`, so that `latest` never
    returns to them.

    Returns the checkpoint's folder. Raises `DiskFull` or `NotWritten`, leaving
    every earlier checkpoint as it was, and `TypeError` for a leaf that cannot be
    stored.
    """
    if keep_last < 1:
        raise ValueError(f"keep_last is {keep_last}, but at least 1 checkpoint has to stay.")
    for name in parts:
        if not _PART_NAME.fullmatch(name) or name == "state":
            raise ValueError(f"A part is named {name!r}; names are lower-case letters, digits and _, not 'state'.")
    step = int(step)
    taken_apart = {name: trees.take_apart(tree) for name, tree in parts.items()}
    folder = Path(folder)
    target = folder / f"{step:012d}"
    needed = sum(array.nbytes for arrays, _ in taken_apart.values() for array in arrays.values())
    with durable.writing(target, needed):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        partial = folder / f"{_PARTIAL}{target.name}"
        try:
            _fill(partial, step, taken_apart)
            _rename_into_place(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _prune(folder, step, keep_last)
    return target


def restore(
    checkpoint: Path, templates: Mapping[str, Any] | None = None, *, only: Collection[str] | None = None
) -> dict[str, Any]:
    """Reads a checkpoint's parts back, after checking their files against the manifest.

    A part named in `templates` is put into its template; the others come back
    as dicts, lists and tuples of NumPy arrays and plain values. `only` names the
    parts to read (and check); None means all.

    Raises `DamagedCheckpoint`, or `trees.Mismatch` naming the keys that differ.
    """
    checkpoint, templates = Path(checkpoint), templates or {}
    manifest = _read_manifest(checkpoint)
    _check_file(checkpoint, STATE, manifest)
    descriptions = durable.read_json(checkpoint / STATE)["parts"]
    wanted = list(descriptions) if only is None else list(only)
    if missing := sorted((set(wanted) | set(templates)) - set(descriptions)):
        raise trees.Mismatch(
            f"Checkpoint {checkpoint} has no part {', '.join(missing)}; it has {', '.join(sorted(descriptions))}."
        )
    restored: dict[str, Any] = {}
    for name in wanted:
        has_arrays = any("array" in leaf for leaf in descriptions[name]["leaves"].values())
        arrays = _read_arrays(checkpoint, f"{name}.npz", manifest) if has_arrays else {}
        try:
            if name in templates:
                restored[name] = trees.put_into(templates[name], arrays, descriptions[name])
            else:
                restored[name] = trees.put_together(arrays, descriptions[name])
        except trees.Mismatch as error:
            raise trees.Mismatch(
                f"Checkpoint {checkpoint}, part {name}: {error}\n"
                "Resume with the settings and the version of smuzero that wrote it."
            ) from error
    return restored


def latest(folder: Path) -> Path:
    """The newest checkpoint whose files are all whole.

    Each damaged one on the way is reported by a `DamagedCheckpointWarning` that
    names the file. Raises `NoCheckpoint` where none was ever written and
    `DamagedCheckpoint` where none is whole.
    """
    problems: list[str] = []
    for checkpoint in reversed(_finished(Path(folder))):
        try:
            verify(checkpoint)
        except DamagedCheckpoint as error:
            if checkpoint.exists():  # else a running trainer has just removed it
                problems.append(str(error))
            continue
        for problem in problems:
            warnings.warn(f"{problem} Going back to {checkpoint}.", DamagedCheckpointWarning, stacklevel=2)
        return checkpoint
    if problems:
        raise DamagedCheckpoint(
            "No whole checkpoint is left:\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\nRestore the folder from a copy, or start a new run with another --out."
        )
    raise NoCheckpoint(f"{folder} holds no checkpoint yet: the run stopped before its first one. Start it anew.")


def names(folder: Path) -> list[str]:
    """Names of the complete checkpoints in a run's `checkpoints` folder, oldest first."""
    return [entry.name for entry in _finished(folder)]


def verify(checkpoint: Path) -> None:
    """Checks every file of a checkpoint: raises `DamagedCheckpoint` naming the first that is not as written."""
    manifest = _read_manifest(checkpoint)
    for name in manifest:
        _check_file(checkpoint, name, manifest)


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint's folder is named after."""
    match = _FINISHED.fullmatch(Path(checkpoint).name)
    if match is None:
        raise UserError(f"{checkpoint} is no checkpoint: a checkpoint's folder is named after its step in 12 digits.")
    return int(match[2])


def _finished(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first; one set aside for a replacement comes before what replaced it."""
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if _FINISHED.fullmatch(entry.name)]
    return sorted(found, key=lambda entry: (step_of(entry), not entry.name.startswith(_REPLACED)))


def _fill(partial: Path, step: int, taken_apart: Mapping[str, tuple[dict[str, np.ndarray], dict[str, Any]]]) -> None:
    """Writes all files of a checkpoint, the manifest last."""
    partial.mkdir()
    for name, (arrays, _) in taken_apart.items():
        if arrays:
            with open(partial / f"{name}.npz", "wb") as file:
                np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
                durable.to_disk(file)
    descriptions = {name: description for name, (_, description) in taken_apart.items()}
    durable.write_json(partial / STATE, {"format": FORMAT, "step": step, "parts": descriptions}, indent=None)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(partial.iterdir())}
    durable.write_json(partial / MANIFEST, {"format": FORMAT, "step": step, "files": files})


def _rename_into_place(partial: Path, target: Path) -> None:
    durable.folder_to_disk(partial)
    replaced = target.with_name(_REPLACED + target.name)
    if target.exists():  # a folder cannot be renamed over another: between the two renames `latest` finds the old one
        os.rename(target, replaced)
    os.rename(partial, target)
    durable.folder_to_disk(target.parent)
    if replaced.exists():
        shutil.rmtree(replaced)


def _remove_leftovers(folder: Path) -> None:
    """Clears what a killed writer left: half a checkpoint, or one between the two renames."""
    for entry in list(folder.iterdir()):
        if entry.name.startswith(_PARTIAL):
            shutil.rmtree(entry)
        elif entry.name.startswith(_REPLACED):
            target = folder / entry.name.removeprefix(_REPLACED)
            if target.exists():
                shutil.rmtree(entry)
            else:
                os.rename(entry, target)


def _prune(folder: Path, step: int, keep_last: int) -> None:
    """Keeps the newest `keep_last` up to `step`; those that are plainly damaged do not count."""
    kept = 0
    for checkpoint in reversed(_finished(folder)):
        if step_of(checkpoint) > step:
            abandoned = folder / (_ABANDONED + checkpoint.name)
            shutil.rmtree(abandoned, ignore_errors=True)
            os.rename(checkpoint, abandoned)
        elif kept < keep_last:
            kept += _has_right_sizes(checkpoint)
        else:
            _remove(checkpoint)


def _remove(checkpoint: Path) -> None:
    # Out of sight first: a killed removal must not leave half a folder under a checkpoint's name.
    doomed = checkpoint.with_name(f"{_PARTIAL}removed-{checkpoint.name}")
    try:
        os.rename(checkpoint, doomed)
        shutil.rmtree(doomed)
    except OSError as error:  # the new checkpoint is whole: no reason to stop a run
        warnings.warn(f"Could not remove the old checkpoint {checkpoint}: {error}.", stacklevel=4)


def _read_manifest(checkpoint: Path) -> dict[str, Any]:
    """The recorded files, by name."""
    try:
        manifest = durable.read_json(checkpoint / MANIFEST)
    except durable.DamagedFile as error:
        raise DamagedCheckpoint(f"Checkpoint {checkpoint} is damaged: {error}") from error
    path = checkpoint / MANIFEST
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or STATE not in files or any(Path(name).name != name for name in files):
        raise DamagedCheckpoint(f"Checkpoint {checkpoint} is damaged: {path} does not list its files.")
    if manifest.get("format") != FORMAT:
        raise DamagedCheckpoint(
            f"Checkpoint {checkpoint} cannot be read: {path} names format {manifest.get('format')!r}, but this version "
            f"of smuzero reads format {FORMAT}."
        )
    if manifest.get("step") != step_of(checkpoint):
        raise DamagedCheckpoint(
            f"Checkpoint {checkpoint} is damaged: {path} was written for step {manifest.get('step')}."
        )
    return files


def _check_file(checkpoint: Path, name: str, manifest: Mapping[str, Any]) -> None:
    path = checkpoint / name
    expected = manifest.get(name)
    if expected is None:
        raise DamagedCheckpoint(f"Checkpoint {checkpoint} is damaged: {MANIFEST} does not list {path}.")
    try:
        size = path.stat().st_size
        problem = "has {} bytes instead of {}".format(size, expected["bytes"]) if size != expected["bytes"] else ""
        if not problem and _sha256(path) != expected["sha256"]:
            problem = f"has other content than {MANIFEST} records (SHA-256 differs)"
    except FileNotFoundError:
        problem = "is missing"
    except (OSError, KeyError, TypeError) as error:
        problem = f"cannot be checked ({error})"
    if problem:
        raise DamagedCheckpoint(f"Checkpoint {checkpoint} is damaged: {path} {problem}.")


def _has_right_sizes(checkpoint: Path) -> bool:
    """Cheaper than `verify`: finds what was cut short, not what was changed."""
    with contextlib.suppress(DamagedCheckpoint, OSError, KeyError, TypeError):
        return all((checkpoint / n).stat().st_size == f["bytes"] for n, f in _read_manifest(checkpoint).items())
    return False


def _read_arrays(checkpoint: Path, name: str, manifest: Mapping[str, Any]) -> dict[str, np.ndarray]:
    _check_file(checkpoint, name, manifest)
    with np.load(checkpoint / name, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
