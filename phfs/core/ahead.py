"""How much of a file is fetched at a time, and how far ahead of who reads it.

Owns the sizes, and how they follow from the memory there is, the streams that share it and the
store's latency. Says nothing about a single read (``readahead`` does). Called by ``vfs/fetcher``.
"""

from __future__ import annotations

from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB

PAGE = 4 * KIB
"""Ranges begin on a page: the kernel asks for whole pages."""

LARGEST = 1024 * KIB
"""The most that the kernel asks for at once (256 pages, FUSE_MAX_MAX_PAGES)."""

MAX_AHEAD = 32
"""Requests fetched ahead of all reads at a time, for the whole mount: half of all that run at once
(``S3Options.max_requests``). Over a link of 40 ms a reader of small files in order got 310 a second
with 16 of them, 560 with 32; directly there is no difference."""

SHARE = 8
"""One stream gets this part of the memory limit at most: several have to get on."""

BYTES_PER_SECOND = 3_200_000_000
"""What is fetched ahead for each second of the store's latency: one stream of a link of 25 Gbit/s.
Over a link of 10 ms a window of 24 MiB gave one stream 870 MB/s, 48 MiB 1,000, 64 MiB 1,010."""


class Options(NamedTuple):
    """How much is fetched, in bytes.

    ``first``: the request at offset 0, and the size up to which a file is fetched whole (1 MiB and
    the kernel's own read-ahead of 128 KiB, so that the second read of a sequential reader is
    answered by the first request). ``least``: smallest request. ``request``: largest request, of
    several blocks; with 16 MiB instead of 8 four streams read a twentieth faster, for each costs
    half a millisecond of the processor, and more of the store's. ``block``: what is filled, read
    and given back as one piece of memory. ``window``: how far ahead of a cursor; two requests, so
    that there is always one under way. ``growth``: window per byte read without a gap.
    ``cursors``: streams told apart in one file.
    """

    first: int = MIB + 128 * KIB
    least: int = 64 * KIB
    block: int = 4 * MIB
    request: int = 16 * MIB
    window: int = 32 * MIB
    growth: int = 2
    cursors: int = 16

    @staticmethod
    def for_memory(limit: int, latency: float = 0.0) -> Options:
        """The options for ``limit`` bytes of buffers, and a store whose answers begin after
        ``latency`` seconds."""
        most = Options()
        share = max(limit // SHARE, most.least)
        window = min(most.window + int(latency * BYTES_PER_SECOND), share)
        return most._replace(first=min(most.first, share), window=window)._of(window // 2)

    def shared(self, share: int, ahead: int) -> Options:
        """The options for one of so many streams that each gets ``share`` bytes of memory, of which
        ``ahead`` lie ahead of it: its requests are no larger than its share, so that nothing has to
        be given up before it was read, and it has two of them."""
        fitting = self if share >= self.request else self._of(share)
        window = min(self.window, max(2 * fitting.request, ahead))
        return fitting._replace(window=window)

    def request_within(self, size: int) -> int:
        """The largest request that ``size`` bytes hold: a power of two, within the limits."""
        return max(self.least, min(self.request, 1 << max(size, 1).bit_length() - 1))

    def _of(self, size: int) -> Options:
        """The same with requests of at most ``size`` bytes."""
        request = self.request_within(size)
        return self._replace(request=request, block=max(self.least, request // 4))


def page_up(offset: int) -> int:
    """The offset, or where the page ends that it lies in."""
    return -(-offset // PAGE) * PAGE
