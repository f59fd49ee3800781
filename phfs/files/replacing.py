"""The name on this machine that a download takes: whether it may, and what stands beside it before.

Owns which files are never replaced, the file that gets the name in the end, the lock on it, and the
step in which it does. Blocking: called in worker threads by ``partial``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from pathlib import Path

from phfs.errors import Busy, IsDirectory, NotPermitted, OperationFailed, Unsupported
from phfs.files.local import PART_ENDING
from phfs.system.mounts import FSTYPE, all_mounts, containing


def final(target: Path) -> tuple[Path, int | None]:
    """Where the bytes go: what a link leads to; and the mode of the file that is there.

    Raises ``IsDirectory``, ``Unsupported``, ``NotPermitted`` if it is not to be replaced, and
    ``OSError``.
    """
    try:
        status = os.lstat(target)
        if stat.S_ISLNK(status.st_mode):
            target = Path(os.path.realpath(target))
            status = os.stat(target)
    except FileNotFoundError:
        return target, None
    if stat.S_ISDIR(status.st_mode):
        raise IsDirectory(f"{target} is a directory here and a file in the group.", "Move it away.")
    if not stat.S_ISREG(status.st_mode):
        raise Unsupported(
            f"{target} is no regular file, and would be replaced by one.",
            "Write to standard output instead, with - as the target.",
        )
    if not os.access(target, os.W_OK, effective_ids=True):
        raise NotPermitted(
            f"{target} may not be written by you: it is left as it is.",
            "Allow it with chmod u+w if it is yours, or remove it first.",
        )
    return target, stat.S_IMODE(status.st_mode)


def in_order_only(target: Path) -> bool:
    """Whether a file is known to be written from its beginning to its end there: a mount of PHFS
    would note the attempt as a failure. Raises ``OSError``."""
    mount = containing(Path(os.path.realpath(target)), all_mounts())
    return mount is not None and mount.fstype == FSTYPE


def beside(target: Path, label: str = "") -> Path:
    """Where the bytes are until the file has its name."""
    name = target.name.encode(errors="surrogateescape")
    if len(name) > 200:
        name = hashlib.sha256(name).hexdigest()[:32].encode()
    return target.parent / f".{os.fsdecode(name)}{PART_ENDING}{label}"


def new(path: Path) -> int:
    """The descriptor of a file that was not there. Raises ``OSError``."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o666)


def locked(path: Path, target: Path) -> int:
    """A file at ``path``, new or left by an earlier command of ours, that nobody else works on.

    Raises ``Busy`` if somebody does, ``OperationFailed`` if it is not ours, ``OSError``.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    while True:
        file = os.open(path, flags, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(file)
            _check_own(path, status)
            if status.st_nlink and os.stat(path, follow_symlinks=False).st_ino == status.st_ino:
                return file
        except BlockingIOError:
            os.close(file)
            raise Busy(f"Another phfs fetches {target} just now.", "Wait until it ends.") from None
        except FileNotFoundError:
            pass  # it has got its name meanwhile
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _check_own(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        raise OperationFailed(f"{path} is in the way and not yours.", "Have it removed.")


def check_room(target: Path, needed: int) -> None:
    """Raises ``OperationFailed`` if a disk has no room for ``needed`` bytes more, ``OSError``."""
    room = os.statvfs(target.parent)
    free = room.f_bavail * room.f_frsize
    if room.f_blocks and free < needed:
        raise OperationFailed(
            f"{target} needs {needed:,} bytes more, and its disk has {free:,} free.",
            "Make room, or copy to another disk.",
        )


def rename_new(path: Path, target: Path) -> None:
    """Rename to a name that nobody has. Raises ``FileExistsError``,
    ``OSError``."""
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
        path.replace(target)
    else:
        path.unlink()


def sync_directory(directory: Path) -> None:
    """Have the name on the disk. Raises ``OSError``."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
