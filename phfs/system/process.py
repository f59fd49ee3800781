"""What this process takes of the machine.

Owns the reading of the kernel's figures. Never fails: where there are none, None is the answer.
Called for ``.phfs/status``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path


def usage(statm: Path = Path("/proc/self/statm")) -> dict[str, object]:
    """``resident_bytes``: memory in use, None if unknown; ``cpu_seconds``: processor time so far,
    of all threads."""
    return {"resident_bytes": _resident(statm), "cpu_seconds": round(time.process_time(), 3)}


def _resident(statm: Path) -> int | None:
    try:
        # proc(5): the second figure is the resident set, in pages.
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
