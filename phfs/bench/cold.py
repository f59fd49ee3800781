"""Files of which the kernel has no page.

Owns how pages are dropped: by posix_fadvise(2) on an open descriptor, which any user may. Used by
``scenarios``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def open_cold(path: str | os.PathLike[str]) -> int:
    """Open a file for reading, and drop the pages that the kernel has of it; the descriptor."""
    descriptor = os.open(path, os.O_RDONLY)
    _drop(descriptor)
    return descriptor


@contextmanager
def dropped_afterwards() -> Iterator[Callable[[Path], int]]:
    """Gives ``open_cold``; the files it opened are closed on leaving, their pages dropped.

    Dropping a gigabyte takes time that is none of the reader's: here it falls outside the time
    measured, and the next ``open_cold`` finds nothing to drop.
    """
    descriptors: list[int] = []

    def opened(path: Path) -> int:
        descriptors.append(open_cold(path))
        return descriptors[-1]

    try:
        yield opened
    finally:
        for descriptor in descriptors:
            _drop(descriptor)
            os.close(descriptor)


def _drop(descriptor: int) -> None:
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
