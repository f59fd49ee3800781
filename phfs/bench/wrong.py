"""The one error of a measurement: something else came out than should have."""

from __future__ import annotations


class WrongResult(Exception):
    """What came out is not what should have; the text says both."""


def expect(what: str, wanted: int, came: int) -> None:
    """Raise ``WrongResult`` unless both are the same."""
    if wanted != came:
        raise WrongResult(f"{what}: {came:,} instead of {wanted:,}")
