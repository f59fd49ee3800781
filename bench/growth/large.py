"""Large files read and written in a way that does not fill the machine's memory.

Owns the loops. Pages that have been read are dropped behind the reader, inside the time measured.
Called by the topics.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from phfs.bench.cold import open_cold
from phfs.bench.place import REQUEST
from phfs.bench.scenario import MIB
from phfs.bench.together import streams
from phfs.bench.wrong import expect

DROPPED = 64 * MIB
"""Bytes behind a reader after which they are dropped."""


def read(path: Path, spans: Sequence[range], stop: Event) -> int:
    """Read spans of a file by requests of 1 MiB; the number of bytes."""
    descriptor = open_cold(path)
    try:
        return sum(_read_span(descriptor, span, stop) for span in spans)
    finally:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _read_span(descriptor: int, span: range, stop: Event) -> int:
    buffer = bytearray(MIB)
    os.lseek(descriptor, span.start, os.SEEK_SET)
    came = dropped = 0
    while came < len(span) and not stop.is_set():
        with memoryview(buffer)[: len(span) - came] as piece:
            count = os.readv(descriptor, [piece])
        expect("bytes read", min(MIB, len(span) - came), count)
        came += count
        if came - dropped >= DROPPED:
            os.posix_fadvise(descriptor, span.start + dropped, DROPPED, os.POSIX_FADV_DONTNEED)
            dropped += DROPPED
    return came


def write(path: Path, size: int, stop: Event) -> int:
    """Write a file by requests of 1 MiB and close it; the number of bytes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    done = 0
    try:
        while done < size and not stop.is_set():
            done += os.write(descriptor, REQUEST[: size - done])
    finally:
        os.close(descriptor)
    return done


def read_all(paths: Sequence[Path], size: int) -> int:
    """Read so much of each file, all at once; the number of bytes."""
    came = streams(lambda path, stop: read(path, [range(size)], stop), paths)
    expect("bytes read", size * len(paths), came)
    return came


def write_all(paths: Sequence[Path], size: int) -> int:
    """Write files of a size, all at once; the number of bytes."""
    done = streams(lambda path, stop: write(path, size, stop), paths)
    expect("bytes written", size * len(paths), done)
    return done
