"""One file of the group to this machine: whole and right, or not under its name at all.

Owns the ranges of a large file, and that no byte of two versions meet: every request is for the
version that was found first. The file takes its name when its checksum is the one that the store
keeps. Called by ``transfer``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import trio

from phfs.core.objects import ByteRange
from phfs.errors import Corrupted, NoSuchKey, PhfsError, PreconditionFailed, Stale, TransientError
from phfs.files import partial
from phfs.files.group import MEBIBYTE, PARTS, Group
from phfs.files.local import failed
from phfs.files.looking import Entry
from phfs.files.partial import Partial, Wanted
from phfs.files.paths import SCHEME
from phfs.files.together import each
from phfs.s3 import sums
from phfs.s3.sink import Bytes
from phfs.s3.store import Kept

SMALL = MEBIBYTE
"""Up to here a file is fetched by one request, whose answer the store's checksum comes with."""

TRIES = 3
"""Times that a file is fetched whose bytes are not those that were stored."""


async def download(group: Group, entry: Entry, target: Path) -> str:
    """Fetch the version ``entry`` to ``target``; by what it was verified, empty by nothing.

    Raises ``Stale`` if it is replaced meanwhile, ``Exists`` if there is a file and it is not to be
    overwritten, ``Corrupted``, ``StoreError``, and what
    ``partial.begin_lasting`` raises.
    """
    fetch = _small if entry.size <= min(SMALL, group.part_size) else _large
    for tries_left in reversed(range(TRIES)):
        try:
            verified = await fetch(group, entry, target)
        except (PreconditionFailed, NoSuchKey):
            raise replaced(entry) from None
        if verified is not None:
            return verified
        if tries_left:
            group.reporter.say(f"{address(entry)} came with wrong bytes: it is fetched again.")
    raise _wrong(entry)


async def download_stream(group: Group, entry: Entry, file: int, name: Path) -> str:
    """Write the version ``entry`` to a descriptor, in order; by what it was verified. Bytes of a
    large file are out before all have been summed. Raises as ``download``."""
    kept = await group.store.kept(entry.path)
    name_of_sum = sums.sum_kept(kept)
    pieces: list[tuple[int, int]] = []
    try:
        for byte_range in ranges_of(entry.size, group.part_size):
            async with group.memory.lent(byte_range.size) as buffer:
                await group.store.get(entry.path, byte_range, Bytes(buffer), if_match=entry.etag)
                if name_of_sum:
                    pieces.append((sums.SUMS[name_of_sum](buffer), byte_range.size))
                await _pour(file, name, buffer)
            group.reporter.moved(byte_range.size)
    except (PreconditionFailed, NoSuchKey):
        raise replaced(entry) from None
    if name_of_sum and pieces and not sums.agrees(kept, name_of_sum, pieces):
        raise _wrong(entry)
    return name_of_sum


def ranges_of(size: int, step: int) -> list[ByteRange]:
    """Ranges of at most ``step`` bytes that cover ``size`` bytes."""
    return [ByteRange(start, min(start + step, size)) for start in range(0, size, step)]


def address(entry: Entry) -> str:
    """The file as it is written on a command line."""
    return f"{SCHEME}/{entry.path}"


def replaced(entry: Entry) -> Stale:
    """The version is gone."""
    return Stale(
        f"{address(entry)} was replaced or removed while it was copied.",
        "Copy it again to get its current version.",
    )


async def _small(group: Group, entry: Entry, target: Path) -> str | None:
    """By what it was verified; None if its bytes are wrong, and nothing was saved."""
    async with group.memory.lent(entry.size) as buffer:
        verified: str | None = "crc32c"
        if entry.size:
            whole = ByteRange(0, entry.size)
            await group.store.get(entry.path, whole, Bytes(buffer), if_match=entry.etag, whole=True)
            verified = await _checked(group, entry, buffer)
            if verified is None:
                return None
        await trio.to_thread.run_sync(_save, group, entry, target, buffer)
    group.reporter.moved(entry.size)
    return verified


async def _checked(group: Group, entry: Entry, buffer: memoryview) -> str | None:
    """By what the bytes of a small file are right; None if they are wrong."""
    if hashlib.md5(buffer, usedforsecurity=False).hexdigest() == entry.etag:
        return "md5"
    kept = await group.store.kept(entry.path)
    if kept.etag != entry.etag:
        raise replaced(entry)
    name = sums.sum_kept(kept)
    if name:
        right = sums.agrees(kept, name, [(sums.SUMS[name](buffer), entry.size)])
        return name if right else None
    found = sums.MD5.fullmatch(entry.etag)
    return None if found is not None and not found[1] and not kept.sealed else ""


def _save(group: Group, entry: Entry, target: Path, buffer: memoryview) -> None:
    wanted = Wanted(address(entry), entry.etag, entry.size, "crc32c")
    made = partial.begin(target, wanted)
    try:
        made.write(ByteRange(0, entry.size), buffer)
        _publish(group, entry, made, durable=group.durable)
    except BaseException:
        made.throw_away()
        raise
    finally:
        made.close()


async def _large(group: Group, entry: Entry, target: Path) -> str | None:
    """As ``_small``."""
    kept = await group.store.kept(entry.path)
    if (kept.etag, kept.size) != (entry.etag, entry.size):
        raise replaced(entry)
    wanted = Wanted(address(entry), entry.etag, entry.size, sums.sum_kept(kept) or "crc32c")
    made = await trio.to_thread.run_sync(partial.begin_lasting, target, wanted)
    if made is None:
        return await _in_order(group, entry, target, wanted, kept)
    try:
        made.keep_only(ranges_of(entry.size, group.part_size))
        _say_where(group, entry, made)
        await _fetch(group, entry, made)
        verified = await _verified(group, entry, kept, made)
        if verified is None:
            group.reporter.moved(-made.bytes_done)
            made.throw_away()
            return None
        await trio.to_thread.run_sync(_publish, group, entry, made)
    except BaseException as error:
        group.reporter.moved(-made.bytes_done)
        lost = isinstance(error, PhfsError) and not isinstance(error, TransientError)
        if lost or not made.done:
            made.throw_away()
        else:
            group.reporter.say(
                f"What has come of {address(entry)} is kept in {made.path}: the same command goes "
                "on with it."
            )
        raise
    finally:
        made.close()
    return verified


async def _in_order(
    group: Group, entry: Entry, target: Path, wanted: Wanted, kept: Kept
) -> str | None:
    """As ``_large``, where a file can only be written from its beginning to its end."""
    made = await trio.to_thread.run_sync(partial.begin, target, wanted)
    try:
        for byte_range in ranges_of(entry.size, group.part_size):
            await _fetch_range(group, entry, made, byte_range)
        await trio.to_thread.run_sync(made.settle)
        verified = await _verified(group, entry, kept, made)
        if verified is not None:
            await trio.to_thread.run_sync(_publish, group, entry, made)
    except BaseException:
        verified = None
        raise
    finally:
        if verified is None:
            group.reporter.moved(-made.bytes_done)
            made.throw_away()
        made.close()
    return verified


def _publish(group: Group, entry: Entry, made: Partial, *, durable: bool = True) -> None:
    made.publish(modified=entry.modified, durable=durable, overwrite=group.overwrite)


def _say_where(group: Group, entry: Entry, made: Partial) -> None:
    if made.afresh:
        group.reporter.say(
            f"{address(entry)} has changed since its copy was interrupted: it is fetched afresh."
        )
    if made.done:
        group.reporter.moved(made.bytes_done)
        share = 100 * made.bytes_done // entry.size
        group.reporter.say(f"{address(entry)} is gone on with: {share} % of it are here.")


async def _fetch(group: Group, entry: Entry, made: Partial) -> None:
    ranges = ranges_of(entry.size, group.part_size)
    missing = (byte_range for byte_range in ranges if byte_range not in made.done)
    await each(missing, lambda byte_range: _fetch_range(group, entry, made, byte_range), PARTS)


async def _fetch_range(group: Group, entry: Entry, made: Partial, byte_range: ByteRange) -> None:
    async with group.memory.lent(group.part_size) as buffer:
        with buffer[: byte_range.size] as bytes_of_it:
            await group.store.get(entry.path, byte_range, Bytes(bytes_of_it), if_match=entry.etag)
            await trio.to_thread.run_sync(made.write, byte_range, bytes_of_it)
    group.reporter.moved(byte_range.size)


async def _verified(group: Group, entry: Entry, kept: Kept, made: Partial) -> str | None:
    name = sums.sum_kept(kept)
    pieces = [(value, each.size) for each, value in sorted(made.done.items())]
    if name and sums.agrees(kept, name, pieces):
        return name
    # Some servers make the sum of a large object in a way of their own: the ETag decides then.
    try:
        agreed = await sums.agrees_with_etag(group.store, entry.path, kept, made.file)
    except OSError as error:
        raise failed(made.target, "read", error) from None
    if agreed is False or (name and not agreed):
        return None
    return "md5" if agreed else ""


def _wrong(entry: Entry) -> Corrupted:
    return Corrupted(f"{address(entry)}: other bytes came than were stored.")


async def _pour(file: int, name: Path, buffer: memoryview) -> None:
    done = 0
    try:
        while done < len(buffer):
            with buffer[done:] as rest:
                done += await trio.to_thread.run_sync(os.write, file, rest)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise failed(name, "written", error) from None
