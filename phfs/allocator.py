"""The C library's allocator, told what a mount does with memory.

Owns the two figures and the call. Never fails: another C library keeps its own ways. Called by
``mount`` before anything large is allocated.
"""

from __future__ import annotations

import ctypes

# malloc.h; mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

LARGEST_ON_HEAP = 32 * 1024**2
"""Bytes up to which memory comes from the heap (mallopt(3) takes no more). The kernel's writes come
in 1 MiB each: by default each would be mapped, its pages touched for the first time and given back,
which cost a tenth of the CPU of a large write."""

KEPT = 64 * 1024**2
"""Free bytes at the end of the heap that are kept: about the parts on their way at a time."""


def tune() -> None:
    """Keep what is freed for the next large buffer."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGEST_ON_HEAP)
        mallopt(_M_TRIM_THRESHOLD, KEPT)
