"""Defaults that depend on the machine and on who asks: memory of the container, state directory.

Reads the control group's files and the environment, nothing else. Used by the table in ``mount``.
"""

from __future__ import annotations

import os
from pathlib import Path

MEBIBYTE = 1024**2

LEAST_MEMORY = 32 * MEBIBYTE
"""Below this read-ahead worth the name and a few parts of 5 MiB in flight do not fit."""

USUAL_MEMORY = 512 * MEBIBYTE


def memory_limit(cgroup_limit: int | None) -> int:
    """Bytes: half of the control group's limit, between 32 and 512 MiB."""
    if cgroup_limit is None:
        return USUAL_MEMORY
    return max(LEAST_MEMORY, min(USUAL_MEMORY, cgroup_limit // 2))


def state_dir(*, is_root: bool) -> Path:
    """``/var/lib/phfs`` for root, else where the XDG base directory specification says."""
    if is_root:
        return Path("/var/lib/phfs")
    named = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    base = named if os.path.isabs(named) else os.path.expanduser("~/.local/state")
    return Path(base, "phfs")


def state_dir_of(uid: int) -> Path:
    """For a mount that root makes and user ``uid`` serves, who may not enter root's own."""
    return Path(f"/var/lib/phfs-{uid}")


def cgroup_memory_limit(
    hierarchy: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int | None:
    """Bytes this process may use by its control groups, version 1 or 2; None if there is no limit.

    The limits of all ancestors hold as well, so the least counts. Inside a container the path in
    ``/proc/self/cgroup`` may be the host's, which is not visible: then its visible root counts.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    limits: list[int] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = hierarchy, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = hierarchy / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = base / path.lstrip("/")
        limits += [_read_limit(level / name) for level in (group, *group.parents)]
    least = min(limits, default=_UNLIMITED)
    return None if least >= _UNLIMITED else least


_UNLIMITED = 2**60
"""Version 1 says "no limit" by the largest multiple of the page size in 63 bits."""


def _read_limit(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such level, or the word "max"
        return _UNLIMITED
