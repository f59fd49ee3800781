"""Calls that may hang in the kernel, each in a process of its own that can be left behind.

A thread that hangs in a dead server's file system cannot be ended, a process can; and a process of
one thread may act as another user. Owns those processes. Called by what touches volumes.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import trio

from phfs.errors import VolumeError

GONE_SECONDS = 1.0
"""How long a killed process is waited for: one that hangs in the kernel is left behind."""

_left_behind: set[int] = set()


async def call(function: Callable[[], Any], seconds: float, what: str) -> Any:
    """The result of ``function``, plain values as JSON has them.

    ``what`` is asked for, as the beginning of a sentence: "Binding /a" of "Binding /a did not end
    within 5 seconds". Raises what ``function`` raises, if it is a ``VolumeError`` or an
    ``OSError``, and ``VolumeError`` if it does not end in time.
    """
    _reap()
    read_end, write_end = os.pipe()
    process = os.fork()
    if process == 0:
        _answer(function, write_end)
    os.close(write_end)
    said = bytearray()
    try:
        with trio.move_on_after(seconds) as patience:
            os.set_blocking(read_end, False)
            while True:
                await trio.lowlevel.wait_readable(read_end)
                data = os.read(read_end, 65536)
                if not data:
                    break
                said += data
    finally:
        trio.lowlevel.notify_closing(read_end)
        os.close(read_end)
        with trio.CancelScope(shield=True):
            await _end(process)
    if patience.cancelled_caught:
        raise VolumeError(
            f"{what} did not end within {seconds:g} seconds.",
            "It is tried again by itself; if it stays, the server behind it does not answer: tell "
            "whoever runs it.",
        )
    return _result(bytes(said), what)


async def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    _left_behind.add(process)
    with trio.move_on_after(GONE_SECONDS):
        while process in _left_behind:
            _reap()
            await trio.sleep(0.002)


def _reap() -> None:
    for process in list(_left_behind):
        try:
            if os.waitpid(process, os.WNOHANG)[0]:
                _left_behind.discard(process)
        except ChildProcessError:
            _left_behind.discard(process)


def _result(said: bytes, what: str) -> Any:
    if not said:
        raise VolumeError(f"{what} ended without a word.")
    kind, *rest = json.loads(said)
    if kind == "os":
        number, words, name = rest
        raise OSError(number, words, name)
    if kind == "volume":
        raise VolumeError(*rest)
    return rest[0]


def _answer(function: Callable[[], Any], write_end: int) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        try:
            words = ["done", function()]
        except VolumeError as error:
            words = ["volume", error.why, error.advice]
        except OSError as error:
            name = None if error.filename is None else str(error.filename)
            words = ["os", error.errno, error.strerror or str(error), name]
        data = json.dumps(words).encode()
        while data:
            data = data[os.write(write_end, data) :]
        code = 0
    finally:
        os._exit(code)
