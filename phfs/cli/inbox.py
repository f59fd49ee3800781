"""The signals that ask a process to end, as something that can be waited for.

Owns their handlers while it is entered. Called by ``supervisor``.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _note(_number: int, _frame: FrameType | None) -> None:
    """The number is in the pipe by now."""


class Inbox:
    """Signals in the order in which they came. ``fileno`` becomes readable when there is one."""

    def __init__(self) -> None:
        self._read_end, self._write_end = -1, -1
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Inbox:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _note) for number in STOP_SIGNALS}
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._read_end)
        os.close(self._write_end)

    def fileno(self) -> int:
        """For ``select``."""
        return self._read_end

    def read(self, *, timeout: float = 0.0) -> list[int]:
        """The signals that have come; waits ``timeout`` seconds for the first."""
        if not select.select([self._read_end], [], [], timeout)[0]:
            return []
        return [number for number in os.read(self._read_end, 4096) if number in STOP_SIGNALS]

    def leave(self) -> None:
        """In a forked child: be as if there had been no inbox. The signals must be blocked."""
        signal.set_wakeup_fd(-1)
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
