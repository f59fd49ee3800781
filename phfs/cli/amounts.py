"""Sizes, times and durations as a person writes them on a command line.

Owns what a text like ``+10M``, ``7d`` or ``2026-11-01`` means, for the parser's ``type=``. Called
by ``commands``.
"""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from typing import NamedTuple

SIZE = "a size, as in +10M for more, --size=-10M for less, 10M for exactly that (1K is 1024 bytes)"
MOMENT = "an age or a date, as in 7d, 12h, 2026-11-01 or 2026-11-01T12:30:00Z"
DURATION = "a time from 1s to 7d, as in 15m, 1h or 2d"

_FACTORS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Bound(NamedTuple):
    """A size in bytes, and whether more, less or exactly that is wanted: ``+``, ``-``, nothing."""

    sign: str
    size: int

    def holds(self, size: int) -> bool:
        """Whether a size is as wanted."""
        if self.sign == "+":
            return size > self.size
        return size < self.size if self.sign == "-" else size == self.size


def bound(text: str) -> Bound:
    """A size with a sign. Raises ``ValueError``."""
    found = re.fullmatch(r"([+-]?)(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?", text.lower())
    if found is None or not math.isfinite(float(found[2])):
        raise ValueError(text)
    return Bound(found[1], int(float(found[2]) * _FACTORS[found[3]]))


def seconds(text: str) -> int:
    """A duration in whole seconds; the unit has to be said. Raises ``ValueError``."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", text.lower())
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * _SECONDS[found[2]])


def moment(text: str) -> float:
    """A time in epoch seconds, from an age or a date; one without a zone is of this machine's.
    Raises ``ValueError``."""
    if re.fullmatch(r"[\d.]+[smhdw]", text.lower()):
        return time.time() - seconds(text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except OverflowError:
        raise ValueError(text) from None


def life(text: str) -> int:
    """How long a link works, in seconds. Raises ``ValueError``."""
    found = seconds(text)
    if not 1 <= found <= 7 * _SECONDS["d"]:
        raise ValueError(text)
    return found
