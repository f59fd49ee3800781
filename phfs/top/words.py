"""Figures as a person reads them in a narrow column.

Owns rates and times, and the shortening of paths and of what was. Called by ``tables`` and
``view``.
"""

from __future__ import annotations

from collections.abc import Sequence

from phfs.core.names import printable
from phfs.core.sizes import size

_STEPS = "▁▂▃▄▅▆▇█"
_ASCII_STEPS = "_.,-=+*#"


def speed(count: float) -> str:
    """Bytes by second; a dash for none."""
    return f"{size(count)}/s" if count >= 0.5 else "-"


def often(per_second: float) -> str:
    """How many by second; a dash for none."""
    if per_second <= 0:
        return "-"
    return f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.2g}"


def lasting(seconds: float | None) -> str:
    """A time in its largest unit: ``9 µs``, ``3.2 ms``, ``48 s``, ``5 min``, ``2.5 h``; a dash for
    None."""
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.3g} h" if seconds < 48 * 3600 else f"{seconds / 86400:.3g} d"


def path(text: str, width: int) -> str:
    """The end of a path, which tells it from others; what a terminal would obey is escaped."""
    shown = printable(text)
    return shown if len(shown) <= width else "…" + shown[len(shown) - width + 1 :]


def history(figures: Sequence[float], width: int, *, plain: bool = False) -> str:
    """The last ``width`` figures as a line, the highest of them at the top; ``plain``: in ASCII."""
    steps = _ASCII_STEPS if plain else _STEPS
    shown = list(figures)[-width:]
    most = max(shown, default=0.0)
    if most <= 0:
        return steps[0] * len(shown)
    return "".join(steps[round(figure / most * (len(steps) - 1))] for figure in shown)
