"""Which processes hold a mount: by an open file, a directory they work in, or a mapped file.

Owns the reading of /proc for that, and the wait for processes to end. Never touches the mount
itself, which may hang, and sees of other users' processes what the kernel shows. Called by ``cli``.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")

_DELETED = " (deleted)"


class Holder(NamedTuple):
    """A process and what it holds: ``file`` is a path inside the mount, ``how`` the end of a
    sentence."""

    pid: int
    name: str
    file: str
    how: str


def holders(mount: Path, proc: Path = PROC) -> list[Holder]:
    """Everybody who keeps ``mount`` from being unmounted, as far as this process may see."""
    found: list[Holder] = []
    for process in _processes(proc):
        held: dict[str, str] = {}
        for file, how in _held(process):
            if _is_below(file, mount):
                held.setdefault(file.removesuffix(_DELETED), how)
        name = _name(process)
        found += [Holder(int(process.name), name, file, how) for file, how in held.items()]
    return sorted(found)


def servers(mount: Path, proc: Path = PROC) -> list[int]:
    """Processes that serve ``mount`` or watch over who does, as their command lines say."""
    found = []
    for process in _processes(proc):
        words = [os.fsdecode(word) for word in _read(process / "cmdline").split(b"\0")]
        if not _is_phfs_mount(words):
            continue
        where = ""
        with suppress(OSError):
            where = os.readlink(process / "cwd")
        if any(os.path.normpath(os.path.join(where, word)) == str(mount) for word in words if word):
            found.append(int(process.name))
    return sorted(found)


def resident(pid: int, proc: Path = PROC) -> int | None:
    """Bytes of memory a process has in use, None if it is gone."""
    words = _read(proc / str(pid) / "statm").split()
    # proc(5): the second figure is the resident set, in pages.
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if len(words) > 1 else None


class Ends:
    """Processes whose ends can be waited for, without mistaking another for one of them later."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._handles: dict[int, int] = {}
        for pid in pids:
            with suppress(OSError):  # it has ended
                self._handles[pid] = os.pidfd_open(pid)

    def close(self) -> None:
        """Forget them."""
        for handle in self._handles.values():
            os.close(handle)
        self._handles = {}

    def left(self) -> list[int]:
        """Those that have not ended."""
        ended = select.select(list(self._handles.values()), [], [], 0)[0]
        return [pid for pid, handle in self._handles.items() if handle not in ended]

    def wait(self, seconds: float) -> list[int]:
        """Wait until all have ended, or so long; those that have not."""
        until = time.monotonic() + seconds
        for handle in self._handles.values():
            select.select([handle], [], [], max(0.0, until - time.monotonic()))
        return self.left()


def _processes(proc: Path) -> Iterator[Path]:
    for process in proc.glob("[0-9]*"):
        if process.name.isdigit():
            yield process


def _held(process: Path) -> Iterator[tuple[str, str]]:
    """Paths as the process itself would write them."""
    for link, how in (("cwd", "works in it"), ("root", "has it as its root")):
        with suppress(OSError):
            yield os.readlink(process / link), how
    descriptors: list[str] = []
    with suppress(OSError):
        descriptors = os.listdir(process / "fd")
    for number in descriptors:
        with suppress(OSError):
            yield os.readlink(process / "fd" / number), "has it open"
    for line in _read(process / "maps").decode(errors="surrogateescape").splitlines():
        words = line.split(maxsplit=5)
        if len(words) == 6:
            yield words[5], "has it mapped"


def _is_below(file: str, mount: Path) -> bool:
    return file == str(mount) or file.startswith(f"{mount}/")


def _is_phfs_mount(words: list[str]) -> bool:
    """Whether a command line is that of the program, and not one in which it is named."""
    names = [os.path.basename(word) for word in words[:2]]
    if names[0] == "phfs-mount":
        return True
    return names[0].startswith("python") and ("phfs-mount" in names or "phfs.cli.mount" in words)


def _name(process: Path) -> str:
    return _read(process / "comm").decode(errors="replace").strip() or "?"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
