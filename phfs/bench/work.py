"""Work on files that a forked process can be told to do by name.

Owns the loops over files; each returns a count that says it was done whole. Used by ``crew``, and
by ``scenarios`` for a single reader or writer. Imports little: a process starts fast.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence

from phfs.bench.cold import open_cold
from phfs.bench.wrong import expect

MIB = 1024**2
LARGEST_SAMPLE = 256 * 1024
RECORD = bytes(range(256)) * 64
"""What is in a small file written."""


def read_samples(paths: Sequence[str]) -> int:
    """Read small files whole; the number of bytes."""
    buffer = bytearray(LARGEST_SAMPLE)
    return sum(read_sample(path, buffer) for path in paths)


def read_sample(path: str | os.PathLike[str], buffer: bytearray) -> int:
    """Read a small file of which the kernel has no page; the number of bytes."""
    descriptor = open_cold(path)
    try:
        return os.readv(descriptor, [buffer])
    finally:
        os.close(descriptor)


def write_records(paths: Sequence[str]) -> int:
    """Write small files, each closed before the next; how many."""
    for path in paths:
        write_record(path)
    return len(paths)


def write_record(path: str | os.PathLike[str]) -> None:
    """Write a new small file and close it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        expect("bytes written", len(RECORD), os.write(descriptor, RECORD))
    finally:
        os.close(descriptor)


def read_mapped(part: Sequence[object]) -> int:
    """Read a part (path, start, size) of a file through a mapping; the number of bytes."""
    path, start, size = str(part[0]), int(str(part[1])), int(str(part[2]))
    descriptor = open_cold(path)
    buffer = bytearray(MIB)
    came = 0
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as mapping:
        os.close(descriptor)
        with memoryview(mapping) as view:
            for at in range(start, start + size, MIB):
                buffer[:] = view[at : at + MIB]
                came += len(buffer)
    return came


WORK: dict[str, Callable[..., int]] = {
    work.__name__: work for work in (read_samples, write_records, read_mapped)
}
"""By name."""
