"""What a mount's process costs: CPU seconds and peak resident memory, from /proc.

Owns the reading of /proc. Starts and ends no process. Used by ``turn``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Used(NamedTuple):
    """CPU seconds, and the peak of resident memory in MiB (None if it may not be measured)."""

    cpu: float
    peak_mib: float | None


class Process:
    """Another process of this machine; ``None`` for figures once it is gone."""

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self._directory = proc / str(pid)

    def is_named(self, word: str) -> bool:
        """Whether its command line has the word; False if there is no such process."""
        try:
            return word in (self._directory / "cmdline").read_text(errors="replace")
        except OSError:
            return False

    def begin(self) -> Used | None:
        """CPU so far; the peak is counted anew from here."""
        try:
            # proc(5): 5 resets the peak; only the owner and root may.
            (self._directory / "clear_refs").write_text("5")
            may_reset = True
        except OSError:
            may_reset = False
        try:
            return Used(self._cpu(), 0.0 if may_reset else None)
        except OSError:
            return None

    def used(self, since: Used) -> Used:
        """What has been used since ``begin``."""
        try:
            cpu, peak = self._cpu(), self._peak_mib()
        except OSError:
            return Used(0.0, None)
        return Used(cpu - since.cpu, None if since.peak_mib is None else peak)

    def _cpu(self) -> float:
        # proc(5): fields 14 and 15, counted behind the command, which may hold blanks.
        fields = (self._directory / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _peak_mib(self) -> float | None:
        for line in (self._directory / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return None
