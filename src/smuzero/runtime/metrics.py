"""The numbers a run reports: one JSON object per line, and the same as TensorBoard events.

Every line carries `env_frames` (the axis all curves share) and `wall_seconds`
(time spent training, pauses between a stop and its resume left out). A resumed
run continues from its checkpoint, so lines from after it would come twice; they
are moved to `metrics.cut.jsonl`, that nothing is lost. A line torn by a crash is
always the last, and is dropped.

TensorBoard events are written in the calling thread: the queues of a
`SummaryWriter` would wait forever on a full disk.
"""

import contextlib
import json
import math
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smuzero.runtime import durable

METRICS = "metrics.jsonl"
CUT = "metrics.cut.jsonl"


class MetricsLogger:
    """Appends to a run folder's `metrics.jsonl` and TensorBoard events.

    For a run that continues, call `restore` before the first `write`.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = True):
        """Opens the files in `folder`; raises `durable.NotWritten` where that is refused."""
        self._path = folder / METRICS
        with durable.writing(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - closed by close()
            os.ftruncate(self._file.fileno(), _whole_lines(self._path))
        self._events = _Events(folder) if tensorboard else None
        self._frames = 0
        self._start = time.monotonic()

    @property
    def wall_seconds(self) -> float:
        """Seconds spent in this run, counted on over every resume."""
        return time.monotonic() - self._start

    def write(self, frames: int, values: Mapping[str, Any]) -> None:
        """Adds one line at `frames` environment frames; `values` are numbers by metric key.

        Numbers that are not finite become null (JSON has none) and are left out of
        TensorBoard. Raises `durable.DiskFull` or `durable.NotWritten`, leaving whole
        lines only.
        """
        self._frames, seconds = int(frames), round(self.wall_seconds, 3)
        numbers = {key: _number(key, values[key]) for key in sorted(values)}
        line = json.dumps({"env_frames": self._frames, "wall_seconds": seconds} | numbers, allow_nan=False)
        self._append(line.encode() + b"\n")
        if self._events is not None:
            self._events.write(self._frames, {key: value for key, value in numbers.items() if value is not None})

    def state(self) -> dict[str, Any]:
        """Where the log stands, for a checkpoint; what was written so far is forced to the disk first."""
        with durable.writing(self._path):
            durable.to_disk(self._file)
            size = self._path.stat().st_size
        return {"env_frames": self._frames, "wall_seconds": self.wall_seconds, "bytes": size}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Returns to a checkpoint: lines written after it go to `metrics.cut.jsonl`, the clock continues."""
        with durable.writing(self._path):
            cut = _end_of_lines_up_to(self._path, state["env_frames"], state["bytes"])
            later = self._path.read_bytes()[cut:]
            if later:
                with open(self._path.with_name(CUT), "ab") as file:
                    file.write(later)
                    durable.to_disk(file)
                os.ftruncate(self._file.fileno(), cut)
        self._frames = int(state["env_frames"])
        self._start = time.monotonic() - state["wall_seconds"]
        if self._events is not None:
            self._events.forget_from(self._frames + 1)

    def close(self) -> None:
        """Closes the files; a second call does nothing."""
        with durable.writing(self._path):
            self._file.close()
            if self._events is not None:
                self._events.close()

    def __enter__(self) -> "MetricsLogger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        with durable.writing(self._path, len(line)):
            before = os.fstat(self._file.fileno()).st_size
            try:
                written = 0
                while written < len(line):
                    written += self._file.write(line[written:])
            except BaseException:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file.fileno(), before)
                raise


class _Events:
    """TensorBoard events of one process; the file is made with the first of them."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._writer: Any = None
        self._forget_from: int | None = None

    def forget_from(self, frames: int) -> None:
        """Tells TensorBoard to drop what earlier files hold from `frames` on."""
        self._forget_from = frames

    def write(self, frames: int, numbers: Mapping[str, int | float]) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        with durable.writing(self._folder / "events.out.tfevents"):
            self._writer = self._writer or self._open(frames)
            values = [Summary.Value(tag=key, simple_value=value) for key, value in numbers.items()]
            self._writer.write_event(Event(wall_time=time.time(), step=frames, summary=Summary(value=values)))
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    def _open(self, frames: int) -> Any:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]

        # A name holds its second, so two starts within one second need more to differ.
        suffix = f".{os.getpid()}.{frames}"
        writer = EventsWriter(str(self._folder / "events"), filename_suffix=suffix)
        if self._forget_from is not None:
            log = SessionLog(status=SessionLog.START)
            writer.write_event(Event(wall_time=time.time(), step=self._forget_from, session_log=log))
        return writer


def read_metrics(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every metric's curve: key -> (env_frames [n] int64, values [n] float64), in the order written.

    `path` is a `metrics.jsonl` or a run folder, also of a run still going on: an
    unfinished last line is left out. null reads as nan; `wall_seconds` is among
    the keys. A damaged line in the middle is skipped with a warning. Raises
    `durable.DamagedFile` where there is no such file.
    """
    path = path / METRICS if path.is_dir() else path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise durable.DamagedFile(f"{path} cannot be read: {error.strerror or error}.") from error
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for number, (_, line) in enumerate(_lines(content), start=1):
        if line is None:
            warnings.warn(f"{path}, line {number} is damaged; it is left out.", stacklevel=2)
            continue
        for key, value in line.items():
            if key != "env_frames":
                frames, values = curves.setdefault(key, ([], []))
                frames.append(line["env_frames"])
                values.append(math.nan if value is None else value)
    return {key: (np.array(frames, np.int64), np.array(values, np.float64)) for key, (frames, values) in curves.items()}


def _lines(content: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The whole lines as (offset of the line's end, object); None for one that is no line of ours."""
    end = 0
    for raw in content.splitlines(keepends=True):
        end += len(raw)
        if not raw.endswith(b"\n"):
            return
        try:
            line = json.loads(raw)
            yield end, line if isinstance(line, dict) and isinstance(line.get("env_frames"), int) else None
        except ValueError:
            yield end, None


def _end_of_lines_up_to(path: Path, frames: int, size: int) -> int:
    """Where the lines that a checkpoint knew end: written by then, and not beyond its frames."""
    kept = 0
    for end, line in _lines(path.read_bytes()):
        if end > size or (line is not None and line["env_frames"] > frames):
            break
        kept = end
    return kept


def _whole_lines(path: Path) -> int:
    """The file's size without a torn last line."""
    return path.read_bytes().rfind(b"\n") + 1


def _number(key: str, value: Any) -> int | float | None:
    if key in ("env_frames", "wall_seconds"):
        raise ValueError(f"{key} is written by the logger itself; give this metric another name.")
    number = np.asarray(value).item() if np.ndim(value) == 0 else None
    if not isinstance(number, (bool, int, float)):
        raise ValueError(f"Metric {key} is {value!r}, but a metric is one number.")
    number = number if type(number) is int else float(number)
    return number if math.isfinite(number) else None
