"""Whether bytes on this machine's disk are those that the store was given.

Owns which checksum is compared: the one the store keeps of all bytes, put together from those of
ranges; else the ETag where that is an MD5, of the whole or of the parts it was uploaded in. Called
by ``files``.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterable, Sequence

import trio
from awscrt import checksums  # type: ignore[import-untyped]

from phfs.core.objects import ETag, Part
from phfs.errors import InvalidRequest, NoSuchKey, NotSupported, StoreError
from phfs.s3.etags import multipart_etag
from phfs.s3.store import MAX_PARTS, Kept, Store

SUMS: dict[str, Callable[[memoryview], int]] = {
    "crc32c": checksums.crc32c,
    "crc64nvme": checksums.crc64nvme,
    "crc32": zlib.crc32,
}
"""By name, the best first."""

_COMBINED: dict[str, Callable[[int, int, int], int]] = {
    "crc32c": checksums.combine_crc32c,
    "crc64nvme": checksums.combine_crc64nvme,
    "crc32": checksums.combine_crc32,
}

MD5 = re.compile(r"[0-9a-f]{32}(?:-(\d+))?")
"""An ETag that may be one; its group is the number of parts."""

CHUNK = 1024 * 1024

ASKED_AT_ONCE = 16
"""Parts whose size is asked for at the same time."""


def sum_kept(kept: Kept) -> str:
    """The sum to compare, by its name in ``SUMS``; empty if the store keeps none of them."""
    return next((name for name in SUMS if f"x-amz-checksum-{name}" in kept.sums), "")


def agrees(kept: Kept, name: str, pieces: Iterable[tuple[int, int]]) -> bool:
    """Whether the sum ``name`` of all bytes is the one kept, given that of each piece in order and
    its size."""
    whole = 0
    for value, size in pieces:
        whole = _COMBINED[name](whole, value, size)
    return whole == kept.sums[f"x-amz-checksum-{name}"]


def combined(name: str, first: int, second: int, size: int) -> int:
    """The sum ``name`` of two stretches after each other; ``size``: bytes of the second."""
    return _COMBINED[name](first, second, size)


async def agrees_with_etag(store: Store, key: str, kept: Kept, file: int) -> bool | None:
    """Whether the file has the bytes that the ETag is the MD5 of; None if that cannot be known: it
    is no MD5, or the store does not tell of which parts. Raises ``StoreError``, ``OSError``."""
    found = MD5.fullmatch(kept.etag)
    if found is None:
        return None
    count = int(found[1] or 0)
    if not count:
        whole = (await _digests(file, [kept.size]))[0]
        return True if whole.etag == kept.etag else (None if kept.sealed else False)
    if not 1 <= count <= MAX_PARTS:
        return None
    try:
        first = (await store.kept(key, part=1)).size
    except NoSuchKey:
        raise
    except StoreError:
        return None
    if first and (count - 1) * first < kept.size <= count * first:
        sizes = [first] * (count - 1) + [kept.size - (count - 1) * first]
        if multipart_etag(await _digests(file, sizes)) == kept.etag:
            return True
    if kept.sealed:
        return None
    told = await _sizes(store, key, count)
    if sum(told) != kept.size:
        return None
    return multipart_etag(await _digests(file, told)) == kept.etag


async def _sizes(store: Store, key: str, count: int) -> Sequence[int]:
    """Those of all parts, which need not be alike; nothing if the store does not tell."""
    sizes = [0] * count
    numbers = iter(range(1, count + 1))

    async def ask() -> None:
        for number in numbers:
            try:
                sizes[number - 1] = (await store.kept(key, part=number)).size
            except (InvalidRequest, NotSupported):
                return

    async with trio.open_nursery() as nursery:
        for _ in range(min(ASKED_AT_ONCE, count)):
            nursery.start_soon(ask)
    return sizes


async def _digests(file: int, sizes: Sequence[int]) -> list[Part]:
    """The MD5 of each stretch of the file, as the part it would be; two are made at once."""
    starts, start = [], 0
    for size in sizes:
        starts.append(start)
        start += size
    parts: list[Part | None] = [None] * len(sizes)
    numbers = iter(range(len(sizes)))

    async def work() -> None:
        for number in numbers:
            digest = await trio.to_thread.run_sync(_md5, file, starts[number], sizes[number])
            parts[number] = Part(number + 1, digest, sizes[number])

    async with trio.open_nursery() as nursery:
        for _ in range(os.cpu_count() or 1):
            nursery.start_soon(work)
    return [part for part in parts if part is not None]


def _md5(file: int, start: int, size: int) -> ETag:
    digest = hashlib.md5(usedforsecurity=False)
    buffer = bytearray(min(CHUNK, size))
    done = 0
    while done < size:
        with memoryview(buffer)[: min(CHUNK, size - done)] as rest:
            count = os.preadv(file, [rest], start + done)
            digest.update(rest[:count])
        if count == 0:
            break
        done += count
    return ETag(digest.hexdigest())
