"""What programs asked of the mount, how long they waited and what went wrong, in numbers.

Owns the counts of one mount; each is one addition, because every request makes some. Never decides
anything. Called by ``guard`` and ``operations``; ``explain`` shows them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

BOUNDS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Seconds that divide the waits: a request from memory, from a near store, from a far one, a large
one, one that was tried again. A sixth place counts what took longer."""


class Tally:
    """The requests of one operation.

    ``seconds`` is what they took together, ``waits`` how many took up to each of ``BOUNDS`` and
    more than the one before, ``errors`` those by errno, answers such as "no such file" among them.
    """

    __slots__ = ("errors", "seconds", "waits")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits = [0] * (len(BOUNDS) + 1)
        self.errors: Counter[str] = Counter()

    def add(self, seconds: float) -> None:
        """One more request, which took this long."""
        self.seconds += seconds
        self.waits[bisect_left(BOUNDS, seconds)] += 1

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.waits)


class Counts:
    """The tallies by operation, and the bytes that went to programs and came from them.

    ``aside`` takes what was asked about ``.phfs`` itself and is shown to nobody: who looks at the
    counts is not to find himself there.
    """

    def __init__(self) -> None:
        self.aside = Tally()
        self.tallies: dict[str, Tally] = {}
        self.read_bytes = 0
        self.written_bytes = 0

    def of(self, operation: str) -> Tally:
        """The tally of an operation."""
        tally = self.tallies.get(operation)
        if tally is None:
            tally = self.tallies[operation] = Tally()
        return tally

    def read(self, data: bytes | memoryview) -> bytes | memoryview:
        """Count what goes to a program; the same data."""
        self.read_bytes += len(data)
        return data

    def written(self, size: int) -> int:
        """Count what was taken from a program; the same size."""
        self.written_bytes += size
        return size

    def values(self) -> dict[str, object]:
        """For JSON: everything."""
        places = [f"{bound:g}" for bound in BOUNDS] + ["more"]
        operations = {
            name: {
                "count": tally.count,
                "seconds": round(tally.seconds, 6),
                "up_to_seconds": dict(zip(places, tally.waits, strict=True)),
                "errors": dict(sorted(tally.errors.items())),
            }
            for name, tally in self._answered()
        }
        return {"programs": self._bytes(), "operations": operations}

    def words(self) -> dict[str, object]:
        """For people: how many, how long they took on average, and what they met."""
        operations = {name: _words(tally) for name, tally in self._answered()}
        return {"programs": self._bytes(), "operations": operations}

    def _answered(self) -> list[tuple[str, Tally]]:
        return [(name, tally) for name, tally in sorted(self.tallies.items()) if tally.count]

    def _bytes(self) -> dict[str, int]:
        return {"read_bytes": self.read_bytes, "written_bytes": self.written_bytes}


def _words(tally: Tally) -> str:
    count = tally.count
    errors = "".join(f", {number} {name}" for name, number in sorted(tally.errors.items()))
    return f"{count}, {tally.seconds * 1000 / count:.3g} ms each{errors}"
