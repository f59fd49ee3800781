"""The C library's allocator, told what a mount does with memory.

Owns the figures and the call. Never fails: another C library keeps its own ways. Called by
``mount`` before anything large is allocated.
"""

from __future__ import annotations

import ctypes

# malloc.h; mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

LARGEST_ON_HEAP = 1024**2 + 1024
"""Bytes up to which memory comes from the heap: a write of the kernel, 1 MiB, as Python keeps it.
By default each would be mapped, its pages touched for the first time and given back, which cost a
tenth of the CPU of a large write. The buffers libfuse receives requests in, one for each request
under way and 4 KiB larger, stay mapped: a read touches one page of them."""

ARENAS = 2
"""Heaps that threads share. By default there are eight for each processor, each with holes of its
own, and the interpreter's lock lets one thread at a time in anyway."""

KEPT = 64 * 1024**2
"""Free bytes at the end of the heap that are kept: about the parts on their way at a time."""


PLENTY = 512 * 1024**2
"""The memory limit, in bytes, from which freed memory is kept. The heap holds up to its largest
size so far, holes included, which the limit does not count: at a limit of 128 MiB that was 96 MiB
beyond it."""

LARGEST_WHEN_SHORT = 64 * 1024
"""Bytes up to which memory comes from the heap below that: what a written chunk takes, and more,
goes back to the system at once."""


def tune(memory_limit: int) -> None:
    """Keep what is freed for the next large buffer, unless memory is short."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        plenty = memory_limit >= PLENTY
        mallopt(_M_MMAP_THRESHOLD, LARGEST_ON_HEAP if plenty else LARGEST_WHEN_SHORT)
        if plenty:
            mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return to the system what the heap keeps of freed memory, holes included. Milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
