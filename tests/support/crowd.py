"""Many readers and writers at once on one mount, and whether each got what it should.

Owns their threads, the bytes they move, which are told from each other at any offset, and what is
said when one of them fails. Called by the tests of bounds, of radosgw and by the soak.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

MIB = 1024 * 1024
CHUNK = MIB
"""Bytes of one read(2) or write(2): the most the kernel passes on in one request."""

PATIENT = ("--timeout=120", "--retry-deadline=600")
"""Options of a mount of which is asked what it uses, not how long a loaded machine takes."""

BARRIER_SECONDS = 120.0


class Explains(Protocol):
    """A mount that says why something failed."""

    def errors(self) -> list[dict[str, Any]]:
        """Its failures, newest first."""


@contextmanager
def explaining(mounted: Explains) -> Iterator[None]:
    """A system call that fails inside says what the mount says of it."""
    try:
        yield
    except OSError as error:
        raise AssertionError(f"{error}: {mounted.errors()}") from error


def content(name: str, size: int) -> bytes:
    """``size`` bytes that belong to this name, different in each line of 32."""
    stem = f"{name:.20}".ljust(20, ".")
    lines = "".join(f"{stem}{number:011}\n" for number in range(-(-min(size, MIB) // 32)))
    return (lines.encode() * (size // MIB + 1))[:size]


def read_file(path: Path, size: int) -> None:
    """Read a file that has its name's content, in pieces. Raises ``AssertionError``."""
    expected = content(path.name, size)
    done = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(CHUNK):
            assert piece == expected[done : done + len(piece)], f"{path.name} at {done}"
            done += len(piece)
    assert done == size, f"{path.name} ended at {done}"


def write_file(path: Path, size: int) -> None:
    """Write its name's content to a new file, in pieces."""
    body = memoryview(content(path.name, size))
    with path.open("xb", buffering=0) as file:
        for start in range(0, size, CHUNK):
            assert file.write(body[start : start + CHUNK]) == len(body[start : start + CHUNK])


def at_once(actions: Sequence[Callable[[], None]]) -> None:
    """Run all of them at the same time; raise the first failure when all have ended."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], None]) -> None:
        barrier.wait(BARRIER_SECONDS)
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        running = [pool.submit(run, action) for action in actions]
    for each in running:
        each.result()
