"""What a running sidecar says of itself, in a file of its private directory, and that it runs.

Owns ``state.json``, which is replaced at each change and touched while the sidecar's loop turns,
and ``lock``, which is held as long as its process lives. Imports nothing heavy. Written by ``run``;
read by ``ready``, ``status`` and ``health``.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from phfs.errors import MountError
from phfs.sidecar.placing import write_file
from phfs.sidecar.standing import Standing, standing_of
from phfs.system.privileges import Identity

BEAT_SECONDS = 5.0

SILENT_SECONDS = 30.0
"""After so long without a beat the loop does not turn any more."""

_FILE, _LOCK = "state.json", "lock"


class Said(NamedTuple):
    """``waited_for``: volumes that are neither in place nor failed yet. ``is_ending``: it was told
    to end. ``port``: of the health server, None without one. ``beat``: seconds since the last."""

    standings: tuple[Standing, ...]
    waited_for: tuple[str, ...]
    is_ending: bool
    port: int | None
    beat: float


def write(
    private: Path,
    values: list[dict[str, Any]],
    waited_for: tuple[str, ...],
    port: int | None,
    *,
    is_ending: bool,
) -> None:
    """Replace the state. Raises ``OSError``."""
    state = {
        "volumes": values,
        "waited_for": list(waited_for),
        "is_ending": is_ending,
        "port": port,
        "pid": os.getpid(),
    }
    directory = os.open(private, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        content = json.dumps(state).encode()
        write_file(directory, _FILE, content, mode=0o644, owner=Identity(os.getuid(), os.getgid()))
    finally:
        os.close(directory)


def beat(private: Path) -> None:
    """The loop turns. Raises ``OSError``."""
    os.utime(private / _FILE)


def read(private: Path) -> Said:
    """What was written last, by whomever. Raises ``MountError`` if there is nothing."""
    try:
        file = private / _FILE
        state: Mapping[str, Any] = json.loads(file.read_text())
        age = time.time() - file.stat().st_mtime
        return Said(
            tuple(standing_of(one) for one in state["volumes"]),
            tuple(state["waited_for"]),
            bool(state["is_ending"]),
            state["port"],
            age,
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise MountError(
            f"There is no state of a sidecar in {private}.",
            "Start it with phfs-sidecar run, or give --private as it has been given there.",
        ) from None


def read_running(private: Path) -> Said:
    """What a sidecar that runs has written last. Raises ``MountError`` if none does."""
    if not _is_locked(private / _LOCK):
        raise MountError(
            f"No sidecar is running with {private}.",
            "Start it with phfs-sidecar run; its log says why it has ended.",
        )
    return read(private)


def lock(private: Path) -> int:
    """Make the directory and take its lock, until this process ends; a descriptor to be kept.

    Raises ``MountError`` if another process has it, ``OSError``.
    """
    private.mkdir(mode=0o711, parents=True, exist_ok=True)
    descriptor = os.open(private / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Of a process and not inherited: those it forks do not keep it alive.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise MountError(
            f"Another sidecar is running with {private}.", "End it, or give another --private."
        ) from None
    (private / _FILE).unlink(missing_ok=True)
    return descriptor


def _is_locked(file: Path) -> bool:
    try:
        with file.open("r+b") as opened:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
