"""Showing a directory at a second place, with fewer rights from its first instant.

Owns the calls of open_tree(2), mount_setattr(2), move_mount(2), and their older forms. Whoever may
change a directory cannot turn a bind elsewhere: both places are descriptors. Called by ``sidecar``.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# From linux/unistd.h; new calls have one number on all machines PHFS knows.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442

# linux/mount.h and linux/fcntl.h.
_OPEN_TREE_CLONE = 1
_AT_EMPTY_PATH = 0x1000
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096
_MNT_FORCE, _MNT_DETACH, _UMOUNT_NOFOLLOW = 1, 2, 8

_NOT_IMPLEMENTED = 38
"""ENOSYS, from asm-generic/errno.h."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    """``struct mount_attr``."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def bind(source: int, target: int, stage: Path, *, read_only: bool) -> None:
    """Mount the directory ``source`` upon the directory ``target``, nosuid and nodev.

    Both are descriptors. What is mounted below the source does not come along. ``stage`` is an
    empty directory nobody else sees, for kernels before 5.12. Raises ``OSError``.
    """
    try:
        _attach_clone(source, target, read_only=read_only)
    except NotImplementedError:
        _bind_by_stage(source, target, stage, read_only=read_only)


def _attach_clone(source: int, target: int, *, read_only: bool) -> None:
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | os.O_CLOEXEC
    clone = _call(_OPEN_TREE, ctypes.c_int(source), b"", ctypes.c_uint(flags))
    try:
        attributes = _Attributes(
            attr_set=_ATTR_NOSUID | _ATTR_NODEV | (_ATTR_RDONLY if read_only else 0)
        )
        _call(
            _MOUNT_SETATTR,
            ctypes.c_int(clone),
            b"",
            ctypes.c_uint(_AT_EMPTY_PATH),
            ctypes.byref(attributes),
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        )
        _call(
            _MOVE_MOUNT,
            ctypes.c_int(clone),
            b"",
            ctypes.c_int(target),
            b"",
            ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH),
        )
    finally:
        os.close(clone)


def _bind_by_stage(source: int, target: int, stage: Path, *, read_only: bool) -> None:
    """The flags of a bind can only be set afterwards, but a bind of a bind has them at once."""
    _mount(f"/proc/self/fd/{source}", str(stage), _MS_BIND)
    try:
        less = _MS_NOSUID | _MS_NODEV | (_MS_RDONLY if read_only else 0)
        _mount("none", str(stage), _MS_REMOUNT | _MS_BIND | less)
        _mount(str(stage), f"/proc/self/fd/{target}", _MS_BIND)
    finally:
        unmount(stage)


def unmount(path: Path, *, network: bool = False) -> None:
    """Take the uppermost mount at ``path`` away: in order, else detached from the tree.

    ``network``: it is one whose server may be silent, and is not waited for. Raises ``OSError``.
    """
    name = os.fsencode(path)
    if not network and _libc.umount2(name, _UMOUNT_NOFOLLOW) == 0:
        return
    flags = _UMOUNT_NOFOLLOW | _MNT_DETACH | (_MNT_FORCE if network else 0)
    if _libc.umount2(name, flags) != 0:
        _fail(str(path))


def _mount(source: str, target: str, flags: int) -> None:
    if _libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None):
        _fail(target)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        _fail("")
    return result


def _fail(name: str) -> None:
    number = ctypes.get_errno()
    if number == _NOT_IMPLEMENTED:
        raise NotImplementedError(name)
    raise OSError(number, os.strerror(number), name or None)
