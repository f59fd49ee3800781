"""Giving up privileges, and being told of a parent's death.

Owns the order in which they are given up: nothing is left by which they could be had again. Called
by ``cli`` in a process that has just been forked, before it has read anything from anybody.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

# prctl(2); from linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_CAPABILITY_VERSION_3 = 0x20080522
"""From linux/capability.h: two sets of 32 capabilities each."""

_libc = ctypes.CDLL(None, use_errno=True)


class Identity(NamedTuple):
    """Whom a process acts as."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def become(identity: Identity) -> None:
    """Be that user and group and nothing more, for good. Needs root; raises ``OSError``.

    Also gone: the other groups, every capability, in the bounding set too, and the power of
    set-user-id programs. Nobody but root may look into the process's memory any more.
    """
    os.setgroups([])
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    # The root of a small container may not shrink the set: what follows bars the way to it anyway.
    with suppress(PermissionError):
        for capability in range(_last_capability() + 1):
            _prctl(_PR_CAPBSET_DROP, capability)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    _clear_capabilities()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o077)


@contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """Touch files with another user's rights meanwhile, so that a link that this user has laid
    leads nowhere he may not go himself. None: as oneself. For a process of one thread."""
    if identity is None:
        yield
        return
    own = os.getegid(), os.geteuid()
    os.setegid(identity.gid)
    os.seteuid(identity.uid)
    try:
        yield
    finally:
        os.seteuid(own[1])
        os.setegid(own[0])


def end_with_parent(parent: int) -> bool:
    """Have the kernel send SIGTERM when the parent's main thread, process ``parent``, ends.

    False: it has ended already. To be called after ``become`` and ``acting_as``, which undo it.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def name_process(name: str) -> None:
    """What ``ps -o comm`` and ``top`` show; 15 bytes."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()), 0, 0, 0)


def _prctl(option: int, argument: int) -> None:
    nothing = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(argument), nothing, nothing, nothing) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"prctl {option}")


def _clear_capabilities() -> None:
    """capset(2): permitted, effective and inheritable to nothing."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.capset(ctypes.byref(header), ctypes.byref(nothing)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "capset")


def _last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())
