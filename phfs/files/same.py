"""Whether two files have the same bytes, by what the store keeps of them, without fetching them.

Called by ``sync``.
"""

from __future__ import annotations

import os
from pathlib import Path

import trio

from phfs.files.group import MEBIBYTE, Group
from phfs.files.local import failed
from phfs.files.looking import Entry
from phfs.s3 import sums
from phfs.s3.resumable import Source


async def same_bytes(
    group: Group, path: Path | None, one: Entry | Source, other: Entry | Source
) -> bool:
    """Whether two files of one size are the same; ``path`` is where one of them is on this machine.
    False if it cannot be known. Raises ``StoreError``, ``OperationFailed``."""
    entries = [each for each in (one, other) if isinstance(each, Entry)]
    if path is None:
        if entries[0].etag == entries[1].etag:
            return True
        first, second = [await group.store.kept(entry.path) for entry in entries]
        shared = first.sums.keys() & second.sums.keys()
        return any(first.sums[name] == second.sums[name] for name in shared)
    return await _same_as_file(group, entries[0], path)


async def _same_as_file(group: Group, entry: Entry, path: Path) -> bool:
    kept = await group.store.kept(entry.path)
    name = sums.sum_kept(kept)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise failed(path, "read", error) from None
    try:
        if name:
            pieces = await trio.to_thread.run_sync(_sum, file, name)
            if sums.agrees(kept, name, [pieces]):
                return True
        return bool(await sums.agrees_with_etag(group.store, entry.path, kept, file))
    except OSError as error:
        raise failed(path, "read", error) from None
    finally:
        os.close(file)


def _sum(file: int, name: str) -> tuple[int, int]:
    """The sum of all of a file, and its size."""
    value = size = 0
    buffer = bytearray(MEBIBYTE)
    with memoryview(buffer) as view:
        while count := os.readv(file, [view]):
            piece = sums.SUMS[name](view[:count])
            value = sums.combined(name, value, piece, count)
            size += count
    return value, size
