"""How many files a process may have open.

Owns the limit (RLIMIT_NOFILE) of this process. Called by ``cli``, which refuses to mount with too
few and has the process that serves take all it may.
"""

from __future__ import annotations

import resource
from contextlib import suppress


def most() -> int | None:
    """How many this process may come to have; None for any number."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def take_all() -> None:
    """Allow this process as many as it may have: the usual limit is for programs that ``select``,
    which a mount does not."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # Refused where the kernel's own limit has sunk below the process's: then it stays as it is.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
