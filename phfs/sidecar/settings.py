"""How the sidecar is run: where things are, and how long it waits. No I/O.

Made by ``commands``; used by all of the running side.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phfs.system.privileges import Identity

SERVER = Identity(65533, 65533)
"""Whom the processes that serve a mount act as: nobody else does."""

PORT = 9807


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Durations are seconds. ``root``: the pod's shared directory. ``private``: the sidecar's own,
    which no other container sees; keys are in it."""

    root: Path = Path("/volumes")
    private: Path = Path("/run/phfs-sidecar")
    address: str = "0.0.0.0"  # noqa: S104 - the kubelet asks from outside
    port: int | None = PORT
    """None: nobody may ask; 0: any that is free, which the state says."""
    drain_seconds: float = 25.0
    """How long after SIGTERM open files of PHFS may still be finished."""
    step_seconds: float = 60.0
    """How long one step may take, and how long a volume is waited for by ``ready``."""
    retry_seconds: float = 10.0
    """After a first failure; then twice as long each time."""
    longest_retry: float = 300.0
    until: Path | None = None
    """The sidecar ends when this file is there."""
    log_format: str = "json"
    server: Identity = SERVER


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The waits after failures."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """How long to wait after so many failures in a row, one or more."""
        return float(min(self.first * 2.0 ** min(failures - 1, 30), self.longest))
