"""The kernel's mounts: what is mounted where, making one from a descriptor, taking a dead one away.

Owns the calls of mount(2) and umount2(2). Takes away nothing but a mount of PHFS that nobody serves
any more, unless it is told to. Called by ``cli``.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from phfs.system.privileges import Identity

MOUNT_TABLE = Path("/proc/self/mountinfo")

FSTYPE = "fuse.phfs"

ANSWER_SECONDS = 5.0
"""How long a mount is waited for before it counts as alive: a dead one answers at once."""

_DETACH_SECONDS = 10.0

# mount(2), umount2(2); from linux/mount.h.
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MNT_DETACH = 2
_EBUSY = 16  # asm-generic/errno-base.h

_libc = ctypes.CDLL(None, use_errno=True)


class InUse(OSError):
    """A mount cannot be taken away because somebody uses it."""


class Mount(NamedTuple):
    """A line of the mount table; ``device`` as ``st_dev`` has it, ``source`` is what is mounted;
    ``owner``: whom a mount of FUSE belongs to."""

    device: int
    fstype: str
    path: Path
    source: str
    read_only: bool
    owner: Identity | None = None
    root: str = "/"
    """Which of its directories is seen there, where a mount is bound elsewhere."""


def all_mounts(table: Path = MOUNT_TABLE) -> list[Mount]:
    """Every mount there is, in the order in which they were made, without asking any of them.

    Raises ``OSError`` if the table cannot be read.
    """
    found = []
    for line in table.read_text(errors="surrogateescape").splitlines():
        # proc(5): the third field is the device, the fourth the directory that is seen, the fifth
        # the mount point, both with octal escapes, the sixth its flags, and behind a lone dash
        # come the type and the source.
        fields, _, tail = line.partition(" - ")
        words, more = fields.split(" "), tail.split(" ")
        if len(words) > 5:
            major, _, minor = words[2].partition(":")
            device = os.makedev(int(major), int(minor))
            source = _unescaped(more[1]) if len(more) > 1 else ""
            path, read_only = Path(_unescaped(words[4])), "ro" in words[5].split(",")
            owner = _owner(more[2] if len(more) > 2 else "")
            root = _unescaped(words[3])
            found.append(Mount(device, more[0], path, source, read_only, owner, root))
    return found


def of_phfs(table: Path = MOUNT_TABLE) -> list[list[Mount]]:
    """The mounts of PHFS, each with all the places where it is seen, the first one first: a mount
    that is bound elsewhere is one mount. Raises ``OSError``."""
    found: dict[int, list[Mount]] = {}
    for mount in all_mounts(table):
        if mount.fstype == FSTYPE:
            found.setdefault(mount.device, []).append(mount)
    return list(found.values())


def mounts_at(path: Path, table: Path = MOUNT_TABLE) -> list[Mount]:
    """What is mounted at ``path``, the uppermost last, without asking the mounts themselves.

    Raises ``OSError`` if the table cannot be read.
    """
    return [mount for mount in all_mounts(table) if mount.path == path]


def containing(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """Which of ``mounts``, in the order in which they were made, a path lies in, without a look at
    the path, which may hang: the one furthest down, of several at one place the last."""
    found = None
    for mount in mounts:
        above = mount.path == path or mount.path in path.parents
        if above and (found is None or len(mount.path.parts) >= len(found.path.parts)):
            found = mount
    return found


def propagates(path: Path, table: Path = MOUNT_TABLE) -> bool:
    """Whether a mount made at ``path`` is seen in other mount namespaces. Raises ``OSError``."""
    found = False
    longest = -1
    for line in table.read_text(errors="surrogateescape").splitlines():
        words = line.partition(" - ")[0].split(" ")
        if len(words) > 5:
            place = Path(_unescaped(words[4]))
            # Of several at one place the last is uppermost.
            if (place == path or place in path.parents) and len(place.parts) >= longest:
                longest = len(place.parts)
                found = any(word.startswith("shared:") for word in words[6:])
    return found


def is_dead(path: Path, table: Path = MOUNT_TABLE) -> bool:
    """Whether the uppermost mount at ``path`` is one of PHFS that nobody serves any more."""
    there = mounts_at(path, table)
    return bool(there) and there[-1].fstype == FSTYPE and bool(death(path))


def is_mounted(path: Path, table: Path = MOUNT_TABLE) -> bool:
    """Whether something is mounted at ``path``, by the kernel's table: a dead mount cannot be
    asked."""
    try:
        return bool(mounts_at(path, table))
    except OSError:
        return path.is_mount()


def death(path: Path) -> str:
    """Why the mount at ``path`` does not answer, in the kernel's words; empty if it is alive."""
    said: list[str] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            os.statvfs(path)  # stat(2) may still be answered by the kernel for a program that died
        except PermissionError:
            pass  # alive, and somebody else's
        except OSError as error:
            said.append(str(error.strerror))
        answered.set()

    # A call into a mount that hangs cannot be interrupted, only left behind.
    threading.Thread(target=ask, daemon=True).start()
    answered.wait(ANSWER_SECONDS)
    return "".join(said)


def clear(path: Path, table: Path = MOUNT_TABLE) -> int:
    """Detach the mounts of PHFS at ``path`` whose process has died; how many there were.

    What is alive, and what is not PHFS's, stays. Raises ``OSError`` if one cannot be detached.
    """
    cleared = 0
    while True:
        there = mounts_at(path, table)
        if not there or there[-1].fstype != FSTYPE or not death(path):
            return cleared
        detach(path)
        if len(mounts_at(path, table)) >= len(there):
            raise OSError(0, "the kernel keeps it", str(path))
        cleared += 1


def detach(path: Path) -> None:
    """Take the uppermost mount at ``path`` away; what is open in it ends with errors.

    Raises ``OSError``.
    """
    if os.geteuid() == 0:
        _check(_libc.umount2(os.fsencode(path), _MNT_DETACH), path)
        return
    words = ["fusermount3", "-u", "-z", str(path)]
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=_DETACH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(0, "fusermount3 does not end", str(path)) from None
    if done.returncode != 0:
        raise OSError(0, done.stderr.strip() or "fusermount3 failed", str(path))


def unmount(path: Path) -> None:
    """Take the uppermost mount at ``path`` away if nobody uses it.

    Raises ``InUse`` if somebody does, another ``OSError`` if it cannot be taken away.
    """
    if os.geteuid() == 0:
        number = _libc.umount2(os.fsencode(path), 0) and ctypes.get_errno()
        if number == _EBUSY:
            raise InUse(number, os.strerror(number), str(path))
        if number:
            raise OSError(number, os.strerror(number), str(path))
        return
    try:
        done = subprocess.run(
            ["fusermount3", "-u", str(path)],
            check=False,
            capture_output=True,
            text=True,
            timeout=_DETACH_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(0, "fusermount3 does not end", str(path)) from None
    said = done.stderr.strip()
    if done.returncode != 0 and "busy" in said:
        raise InUse(_EBUSY, said, str(path))
    if done.returncode != 0:
        raise OSError(0, said or "fusermount3 failed", str(path))


def attach(
    path: Path, source: str, *, read_only: bool, allow_other: bool, noexec: bool = False
) -> int:
    """Mount at ``path``; the descriptor of /dev/fuse by which it is served. Needs root.

    Whoever holds the descriptor keeps the mount from being noticed as dead. Raises ``OSError``.
    """
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    words = [
        f"fd={device}",
        "rootmode=40000",
        f"user_id={os.geteuid()}",
        f"group_id={os.getegid()}",
        "default_permissions",
        *(["allow_other"] if allow_other else []),
    ]
    flags = _MS_NOSUID | _MS_NODEV
    flags |= (_MS_RDONLY if read_only else 0) | (_MS_NOEXEC if noexec else 0)
    try:
        _check(
            _libc.mount(
                source.encode(),
                os.fsencode(path),
                FSTYPE.encode(),
                ctypes.c_ulong(flags),
                ",".join(words).encode(),
            ),
            path,
        )
    except OSError:
        os.close(device)
        raise
    return device


def _check(result: int, path: Path) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))


def _owner(options: str) -> Identity | None:
    """What a mount of FUSE says of itself: user_id=1000,group_id=1000."""
    ids = dict(re.findall(r"(user_id|group_id)=(\d+)", options))
    return Identity(int(ids["user_id"]), int(ids["group_id"])) if len(ids) == 2 else None


def _unescaped(field: str) -> str:
    return re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), field)
