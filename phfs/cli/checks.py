"""What must be right on the machine before a mount is tried, each in one sentence if it is not.

Looks at the mount point, the kernel's FUSE and its helper, at memory and open files;
changes nothing but creating the state directory and taking away a mount of PHFS that is dead.
Called by ``mount`` before anything heavy is imported.
"""

from __future__ import annotations

import os
from pathlib import Path

from phfs.cli import duty
from phfs.config import MountConfig, defaults
from phfs.config.defaults import MEBIBYTE
from phfs.errors import ConfigError, MountError
from phfs.machine import BESIDE_DATA, LEAST_DESCRIPTORS, Machine
from phfs.system import mounts
from phfs.system.privileges import Identity, acting_as


def check(config: MountConfig, machine: Machine) -> list[str]:
    """Raise ``MountError`` or ``ConfigError`` for the first thing that is in the way.

    What was in the way and was taken away is told in the sentences returned.
    """
    if config.run_as is not None and not machine.is_root:
        raise ConfigError("--run-as needs root, who mounts: leave it out, or start it as root.")
    _check_memory(config.memory_limit, machine)
    _check_descriptors(machine.descriptors)
    cleared: list[str] = []
    if config.descriptor is not None:
        _check_descriptor(config.descriptor, machine)
    else:
        if not config.keep_dead:
            cleared = _clear_mountpoint(config.mountpoint, machine)
        if not (config.keep_dead and mounts.is_dead(config.mountpoint, machine.mount_table)):
            _check_mountpoint(config.mountpoint, machine)
        _check_fuse(machine)
    if config.allow_other and not machine.is_root:
        _check_allow_other(machine.fuse_conf)
    _make_state_dir(config.state_dir, duty.identity_of(config))
    return cleared


def _check_memory(limit: int, machine: Machine) -> None:
    """Refuse more than there is; what is taken by default is never refused."""
    allowed = machine.memory_allowed
    there = machine.memory if allowed is None else min(machine.memory, allowed)
    most = max(defaults.memory_limit(allowed), there - BESIDE_DATA)
    if limit > most:
        whose = "this machine has" if there == machine.memory else "the container may use"
        raise ConfigError(
            f"--memory-limit {limit // MEBIBYTE} cannot be kept, because {whose} "
            f"{there // MEBIBYTE} MiB in all: give at most {most // MEBIBYTE}, or leave it out "
            "(phfs config shows where it is said)."
        )


def _check_descriptors(most: int | None) -> None:
    if most is not None and most < LEAST_DESCRIPTORS:
        raise MountError(
            f"A process may have {most} files open here, and a mount needs {LEAST_DESCRIPTORS}: "
            "raise the hard limit (ulimit -Hn in a shell, LimitNOFILE= for systemd, --ulimit "
            "nofile= for a container)."
        )


def _clear_mountpoint(path: Path, machine: Machine) -> list[str]:
    """Take away what an earlier process of a mount has left when it died."""
    try:
        cleared = mounts.clear(path, machine.mount_table)
    except OSError as error:
        raise MountError(
            f"At {path} is a mount whose program has died, and it cannot be removed "
            f"({error.strerror}): remove it with fusermount3 -u -z '{path}' and try again."
        ) from None
    return [f"At {path} was a mount whose program had died; it was removed."] if cleared else []


def _check_descriptor(number: int, machine: Machine) -> None:
    try:
        is_device = os.fstat(number).st_rdev == os.stat(machine.fuse_device).st_rdev
    except OSError:
        is_device = False
    if not is_device:
        raise MountError(
            f"/dev/fd/{number} is no descriptor of {machine.fuse_device}: whoever starts "
            "phfs-mount has to open it, mount it, and pass it on."
        )


def _check_mountpoint(path: Path, machine: Machine) -> None:
    if mounts.is_mounted(path, machine.mount_table):
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
    died = mounts.death(path)
    if died:
        raise MountError(
            f"At {path} is a mount whose program has died ({died}), and it is not PHFS's: remove "
            f"it with fusermount3 -u -z '{path}' and try again."
        )
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


def _make_state_dir(state_dir: Path, identity: Identity | None) -> None:
    user = "you" if identity is None else f"user {identity.uid}, as whom --run-as serves"
    try:
        _make_private(state_dir, identity)
        with acting_as(identity):
            usable = os.access(state_dir, os.W_OK | os.X_OK, effective_ids=True)
        reason = f"it may not be written by {user}"
    except OSError as error:
        usable, reason = False, str(error.strerror)
    if not usable:
        raise ConfigError(
            f"--state-dir {str(state_dir)!r} cannot be used ({reason}): give a directory that can."
        )


def _make_private(directory: Path, identity: Identity | None) -> None:
    # Uploads and keys of objects are nobody else's business.
    if identity is None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return
    os.chown(directory, identity.uid, identity.gid, follow_symlinks=False)
