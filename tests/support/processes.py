"""Waiting for a thing to become true, and ending processes for sure.

Owns no process. Called by the fixtures that start servers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

PAUSE = 0.05


def poll_until(true: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Ask ``true`` until it is; after ``seconds`` an ``AssertionError`` with what ``otherwise``
    says."""
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise AssertionError(otherwise())
        time.sleep(PAUSE)


def end(process: subprocess.Popen[bytes], number: signal.Signals, seconds: float) -> int:
    """Send a signal, and SIGKILL to all of the process's session if it has not ended in time."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode
