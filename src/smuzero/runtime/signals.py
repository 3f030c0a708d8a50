"""Stopping when asked: Ctrl-C and SIGTERM ask a run to end at its next safe point.

A cluster sends SIGTERM some seconds before it kills; a person presses Ctrl-C.
Both set a flag that the training loop reads between two steps, so that it can
write a checkpoint. Who asks twice is in earnest: `KeyboardInterrupt`, at once.
"""

import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal:
    """While open, the first SIGINT or SIGTERM sets `stop_requested`; the handlers before it return at the end.

    Python delivers signals to the main thread only: opened in another thread,
    nothing is caught, and `request_stop` is the way to ask.
    """

    def __init__(self):
        self.signal_name: str | None = None
        """What asked first, such as `SIGTERM`."""
        self._requested = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def stop_requested(self) -> bool:
        return self._requested

    def request_stop(self) -> None:
        """Asks without a signal."""
        self._requested = True

    def __enter__(self) -> "StopOnSignal":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        while self._before:
            number, handler = self._before.popitem()
            # None: the handler was not set from Python, and Python cannot put it back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        self.signal_name = signal.Signals(number).name
