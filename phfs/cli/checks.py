"""What must be right on the machine before a mount is tried, each in one sentence if it is not.

Looks at the mount point, the kernel's FUSE and its helper; changes nothing but creating the state
directory. Called by ``mount`` before anything heavy is imported.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from phfs.config import MountConfig
from phfs.errors import ConfigError, MountError


@dataclass(frozen=True)
class Machine:
    """Where the checks look."""

    fuse_device: Path
    fuse_conf: Path
    mount_table: Path
    is_root: bool
    fusermount: str | None
    """The path of the helper that mounts for users who are not root."""


def this_machine() -> Machine:
    """The machine this process runs on."""
    return Machine(
        fuse_device=Path("/dev/fuse"),
        fuse_conf=Path("/etc/fuse.conf"),
        mount_table=Path("/proc/self/mountinfo"),
        is_root=os.geteuid() == 0,
        fusermount=shutil.which("fusermount3"),
    )


def check(config: MountConfig, machine: Machine) -> None:
    """Raise ``MountError`` or ``ConfigError`` for the first thing that is in the way."""
    _check_mountpoint(config.mountpoint, machine)
    _check_fuse(machine)
    if config.allow_other and not machine.is_root:
        _check_allow_other(machine.fuse_conf)
    _make_state_dir(config.state_dir)


def is_mounted(path: Path, mount_table: Path) -> bool:
    """Whether something is mounted at ``path``, by the kernel's table: a dead mount cannot be
    asked."""
    try:
        lines = mount_table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return path.is_mount()
    # proc(5): the fifth field is the mount point, with blanks and the like as octal escapes.
    points = (line.split(" ")[4] for line in lines if line.count(" ") > 4)
    unescaped = (re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), point) for point in points)
    return str(path) in unescaped


def _check_mountpoint(path: Path, machine: Machine) -> None:
    if is_mounted(path, machine.mount_table):
        _refuse_mounted(path)
    if not path.exists():
        raise MountError(
            f"The mount point {path} does not exist: create it with mkdir -p '{path}'."
        )
    if not path.is_dir():
        raise MountError(f"The mount point {path} is not a directory: give an empty directory.")
    try:
        empty = not any(path.iterdir())
    except PermissionError:
        raise MountError(
            f"The mount point {path} may not be read by you: give a directory of your own."
        ) from None
    if not empty:
        raise MountError(
            f"The mount point {path} is not empty, and a mount would hide what is in it: give an "
            "empty directory."
        )
    if not machine.is_root and not os.access(path, os.W_OK):
        raise MountError(
            f"The mount point {path} may not be written by you, and fusermount3 refuses it then: "
            "give a directory of your own."
        )


def _refuse_mounted(path: Path) -> None:
    try:
        os.statvfs(path)  # stat(2) may still be answered by the kernel for a program that is dead
    except PermissionError:
        pass  # alive, and somebody else's
    except OSError as error:
        raise MountError(
            f"At {path} is a mount whose program has died ({error.strerror}): remove it with "
            f"fusermount3 -u -z '{path}' and try again."
        ) from None
    raise MountError(
        f"At {path} something is mounted already: unmount it with fusermount3 -u '{path}', or give "
        "another directory."
    )


def _check_fuse(machine: Machine) -> None:
    device = machine.fuse_device
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        raise MountError(
            f"There is no {device}, without which nothing can be mounted: on a machine run "
            "'modprobe fuse', a container needs --device /dev/fuse --cap-add SYS_ADMIN."
        ) from None
    except OSError as error:
        raise MountError(
            f"{device} cannot be opened ({error.strerror}): a container needs --device /dev/fuse "
            "--cap-add SYS_ADMIN, a user the right to read and write it."
        ) from None
    if not machine.is_root and machine.fusermount is None:
        raise MountError(
            "The program fusermount3, which mounts for users who are not root, is missing: install "
            "it with apt-get install fuse3 (as root)."
        )


def _check_allow_other(fuse_conf: Path) -> None:
    try:
        lines = fuse_conf.read_text().splitlines()
    except OSError:
        lines = []
    if "user_allow_other" not in (line.strip() for line in lines):
        raise ConfigError(
            f"--allow-other needs the line user_allow_other in {fuse_conf}: have root add it, or "
            "mount without --allow-other."
        )


def _make_state_dir(state_dir: Path) -> None:
    try:
        # Uploads and keys of objects are nobody else's business.
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(state_dir, os.W_OK | os.X_OK)
        reason = "it may not be written by you"
    except OSError as error:
        usable, reason = False, str(error.strerror)
    if not usable:
        raise ConfigError(
            f"--state-dir {str(state_dir)!r} cannot be used ({reason}): give a directory that can."
        )
