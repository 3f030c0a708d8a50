"""How far a run is, for the person watching it.

On a terminal a bar, anywhere else (a log file, a batch job) a plain line now
and then. All of it goes to stderr: what a command prints on stdout, JSON
perhaps, stays clean.
"""

import io
import sys
import time
from collections import deque
from typing import Any

_WINDOW_SECONDS = 60.0  # speed is that of the last minute: compilation and evaluation should not haunt the estimate


class Progress:
    """Frames, latest return, frames per second and time left, from `start` to `total_frames`."""

    def __init__(
        self,
        total_frames: int,
        *,
        start: int = 0,
        quiet: bool = False,
        every_seconds: int | float = 30.0,
        stream: io.TextIOBase | None = None,
    ):
        """`start`: frames a resumed run already has; `every_seconds`: between plain lines; `stream`: None is stderr."""
        self._total, self._frames = total_frames, start
        self._return: float | None = None
        self._quiet, self._every = quiet, every_seconds
        self._stream: Any = stream or sys.stderr
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), start)])
        self._last_line = self._seen[0][0]
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Progress":
        if not self._quiet and self._stream.isatty():
            self._open_bar()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif not self._quiet:
            self._print(self.line())

    def update(self, frames: int, episode_return: int | float | None = None) -> None:
        """Tells where the run stands; `episode_return` where an episode or evaluation has just ended."""
        now = time.monotonic()
        self._frames = frames
        self._return = self._return if episode_return is None else float(episode_return)
        self._seen.append((now, frames))
        while len(self._seen) > 2 and now - self._seen[1][0] > _WINDOW_SECONDS:
            self._seen.popleft()
        if self._bar is not None:
            self._bar.update(self._task, completed=frames, details=self._details())
        elif not self._quiet and now - self._last_line >= self._every:
            self._last_line = now
            self._print(self.line())

    def message(self, text: str) -> None:
        """Prints a line of its own, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        elif not self._quiet:
            self._print(text)

    def line(self) -> str:
        """All of it in one plain line."""
        share = 100 * self._frames / max(self._total, 1)
        return f"{self._frames:,} of {self._total:,} frames ({share:.0f} %), {self._details()}"

    @property
    def frames_per_second(self) -> float:
        """Of the last minute; 0 before anything was seen."""
        (then, before), (now, after) = self._seen[0], self._seen[-1]
        return (after - before) / (now - then) if now > then else 0.0

    def _details(self) -> str:
        speed = self.frames_per_second
        shown = "–" if self._return is None else f"{self._return:.1f}"
        left = _readable_time((self._total - self._frames) / speed) if speed > 0 else "–"
        return f"return {shown}, {speed:,.0f} frames/s, {left} left"

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError):  # whoever listened is gone; training goes on
            self._quiet = True

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            MofNCompleteColumn(),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[details]}", markup=False),
            console=Console(file=self._stream),
            redirect_stdout=False,  # else what is printed for a pipe would land on the terminal
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("", total=self._total, completed=self._frames, details=self._details())
        self._bar.start()


def _readable_time(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
