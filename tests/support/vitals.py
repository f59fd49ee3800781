"""What a process holds at the moment: memory, descriptors, threads.

Owns the reading of ``/proc``. Called by the tests of bounds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Vitals(NamedTuple):
    """The figures of one process; memory in MiB."""

    resident: float
    peak: float
    threads: int
    descriptors: int
    sockets: int


def vitals(pid: int) -> Vitals:
    """The figures of this moment."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    targets = [_target(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return Vitals(
        resident=int(status["VmRSS"].split()[0]) / 1024,
        peak=int(status["VmHWM"].split()[0]) / 1024,
        threads=int(status["Threads"]),
        descriptors=len(targets),
        sockets=sum(target.startswith("socket:") for target in targets),
    )


def _target(descriptor: Path) -> str:
    """What a descriptor stands for; one that was closed meanwhile for nothing."""
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:
        return ""
