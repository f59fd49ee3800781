"""A mount in the background: the caller's process returns when the mount answers, or says why not.

Forks once. The child leads a session of its own, serves the mount and tells the parent through a
pipe how the start went; the parent tries the mount from outside, because a mount that is asked by
its own process waits for itself. Knows nothing of what is mounted.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from phfs.system import mounts
from phfs.system.privileges import Identity, acting_as

Serve = Callable[[Callable[[], None]], tuple[int, str]]
"""Serves the mount, calls its argument once it does; at the end returns exit code and sentence."""

Ask = Callable[[], object]
"""Asks the mount for something, from the parent; an ``OSError`` is its way to say no."""

_GRACE = 15.0
"""Seconds a child has between SIGTERM and SIGKILL when its mount does not answer."""


def start(
    serve: Serve,
    ask: Ask,
    mountpoint: Path,
    log_file: Path,
    patience: float,
    owner: Identity | None = None,
) -> tuple[int, str]:
    """Run ``serve`` in the background; return exit code and sentence for the caller's terminal.

    ``patience``: seconds ``ask`` may take once the mount says that it serves. ``owner``: whose the
    log is, if not the caller's.
    """
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        os._exit(_child(serve, write_end, log_file, owner))
    os.close(write_end)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with os.fdopen(read_end, "rb") as pipe:
            code, _, sentence = pipe.readline().decode(errors="replace").strip().partition(" ")
        if code == "0":
            _try_mount(ask, patience)
            return 0, ""
    except (_NoAnswerError, KeyboardInterrupt) as error:
        _stop(child, mountpoint)
        return 1, f"{error or 'Interrupted before the mount answered.'} The log is {log_file}."
    _stop(child, mountpoint)
    if code == "":
        return 1, f"The mount's process ended without a word; the log is {log_file}."
    return int(code), sentence


class _NoAnswerError(Exception):
    """The mount says that it serves, and does not."""


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _child(serve: Serve, write_end: int, log_file: Path, owner: Identity | None) -> int:
    """Serve, telling the parent ``0`` when it begins or a code and a sentence when it never did."""
    pipe = os.fdopen(write_end, "w")

    def tell(text: str) -> None:
        if not pipe.closed:
            print(" ".join(text.split()), file=pipe)
            pipe.close()

    try:
        _detach(pipe.fileno(), log_file, owner)
    except OSError as error:
        tell(f"1 The log {log_file} cannot be written ({error.strerror}).")
        return 1
    code, sentence = serve(lambda: tell("0"))
    tell(f"{code or 1} {sentence or f'The mount ended before it served; the log is {log_file}.'}")
    return code


def _detach(keep: int, log_file: Path, owner: Identity | None) -> None:
    """Let go of the terminal, the caller's pipes and its directory."""
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    # What the interpreter or a library says when it crashes ends up beside the log's own lines.
    with acting_as(owner):
        log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number, target in enumerate((null, null, log)):
        os.dup2(target, number)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    faulthandler.enable()


def _try_mount(ask: Ask, patience: float) -> None:
    """Ask the mount once; raise ``_NoAnswerError`` if no answer comes in ``patience``."""
    failures: list[OSError] = []
    answered = threading.Event()

    def try_once() -> None:
        try:
            ask()
        except OSError as error:
            failures.append(error)
        answered.set()

    # A call into a mount that hangs cannot be interrupted, only left behind.
    threading.Thread(target=try_once, daemon=True).start()
    if not answered.wait(patience):
        raise _NoAnswerError(f"The mount did not answer within {patience:g} seconds.")
    if failures:
        raise _NoAnswerError(f"The mount does not answer ({failures[0].strerror}).")


def _stop(child: int, mountpoint: Path) -> None:
    """End the child, which may have ended by itself, and leave nothing mounted."""
    handle = os.pidfd_open(child)
    os.kill(child, signal.SIGTERM)
    if not select.select([handle], [], [], _GRACE)[0]:
        os.kill(child, signal.SIGKILL)
    os.close(handle)
    os.waitpid(child, 0)
    if mounts.is_mounted(mountpoint):
        with suppress(OSError):
            mounts.detach(mountpoint)
