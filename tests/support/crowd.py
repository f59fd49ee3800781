"""Many readers and writers at once on one mount, and whether each got what it should.

Owns their threads and the bytes they move, which are told from each other at any offset. Called by
the tests of bounds and by the soak.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MIB = 1024 * 1024
CHUNK = MIB


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
        barrier.wait(60)
        action()

    with ThreadPoolExecutor(len(actions)) as pool:
        running = [pool.submit(run, action) for action in actions]
    for each in running:
        each.result()
