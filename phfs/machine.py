"""The machine a mount is to run on, as far as it may keep one from working.

Owns where that is looked up, and what a mount needs of it. Judges nothing. Called by ``cli.checks``
before a mount, and by ``doctor``.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from phfs.config import defaults
from phfs.config.defaults import MEBIBYTE
from phfs.system import descriptors, mounts

BESIDE_DATA = 100 * MEBIBYTE
"""Memory of a mount's processes that ``--memory-limit`` does not count."""

LEAST_DESCRIPTORS = 256
"""Connections to the store, the kernel's, the log's and the journals', with room to spare."""


@dataclass(frozen=True)
class Machine:
    """Where the checks look."""

    fuse_device: Path
    fuse_conf: Path
    fuse_limits: Path
    """The directory of the kernel's settings for FUSE."""
    mount_table: Path
    is_root: bool
    fusermount: Path | None
    """The helper that mounts for users who are not root."""
    memory: int
    """Bytes of RAM."""
    memory_allowed: int | None
    """Bytes the control groups allow; None if there is no limit."""
    descriptors: int | None
    """How many files a process may come to have open; None for any number."""


def this_machine() -> Machine:
    """The machine this process runs on."""
    found = shutil.which("fusermount3")
    return Machine(
        fuse_device=Path("/dev/fuse"),
        fuse_conf=Path("/etc/fuse.conf"),
        fuse_limits=Path("/proc/sys/fs/fuse"),
        mount_table=mounts.MOUNT_TABLE,
        is_root=os.geteuid() == 0,
        fusermount=None if found is None else Path(found),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        memory_allowed=defaults.cgroup_memory_limit(),
        descriptors=descriptors.most(),
    )
