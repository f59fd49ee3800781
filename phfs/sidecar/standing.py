"""How one volume of a pod stands, as a value and as plain values for the state file.

Imports nothing heavy, because a probe reads it every few seconds. Pure. Made by ``board``; read by
``publishing``, ``state`` and the commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Being(StrEnum):
    """``OUT``: it is not this pod's. ``FAILED``: for now, it is tried again."""

    OUT = "out"
    WAITING = "waiting"
    IN_PLACE = "in place"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One volume. ``since``: seconds since the epoch; ``access``: ``rw``, ``ro`` or ``in``.

    ``why`` and ``advice`` are of a failure, or why it is out; ``notes`` are sentences. ``revision``
    is a git volume's commit.
    """

    id: str
    name: str
    kind: str
    path: str
    access: str
    being: Being
    since: float
    why: str = ""
    advice: str = ""
    notes: tuple[str, ...] = ()
    revision: str | None = None

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "being": str(self.being), "notes": list(self.notes)}


def standing_of(values: Mapping[str, Any]) -> Standing:
    """From what ``values`` has made."""
    return Standing(**{**values, "being": Being(values["being"]), "notes": tuple(values["notes"])})
