"""How a number of bytes is written for a person, everywhere: ``999 B``, ``1.5 KiB``, ``104 MiB``.

Owns the units and the rounding. Called by whoever shows a size: ``cli``, ``top``, ``fuse/explain``
and ``core/unsaved``.
"""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: float) -> str:
    """Bytes as they are below 1,024, else three figures and a unit of the powers of 1,024."""
    if count < 1024:
        return f"{count:.0f} B"
    value, unit = count / 1024, 1
    # What would need a fourth figure is less than one of the next unit.
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 100 else f"{value:.3g} {_UNITS[unit]}"
