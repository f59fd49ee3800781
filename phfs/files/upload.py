"""One file of this machine into the group: whole, or not at all.

Owns the parts of a large file, what happens when one fails, and the going on with an upload that
was interrupted. Every part is read once, summed as it is read and sent with its sum, which the
store verifies; the object appears when all are there and the file is still what it was. Called by
``transfer``.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from shlex import quote

import trio

from phfs.core.content_type import content_type
from phfs.core.objects import Attributes, Part, UploadId
from phfs.core.upload import part_size
from phfs.errors import NoSuchUpload, StoreError, TooLarge, TransientError, Unsupported
from phfs.files.group import MEBIBYTE, PARTS, Group
from phfs.files.local import check, failed, opened, read_into
from phfs.files.paths import Remote
from phfs.files.together import each
from phfs.s3.body import SummedBody
from phfs.s3.resumable import KEPT_DAYS, Record, Source
from phfs.s3.store import MAX_PARTS

log = logging.getLogger(__name__)

VERIFIED = "crc32c"
"""Each part's, by the store, before it was taken."""

LARGEST = 5 * 1024**4
"""Bytes of the largest object (S3 user guide)."""

ABORT_SECONDS = 10.0
"""How long a failed upload may take to be thrown away, even while it is being cancelled."""


async def upload(group: Group, path: Path, mark: Source, key: str) -> str:
    """Store the file as ``key``; by what it was verified.

    Raises ``Stale`` if it changes meanwhile, ``PreconditionFailed`` if there is such an object and
    it is not to be overwritten, ``OperationFailed``, ``StoreError``.
    """
    if mark.size > LARGEST:
        raise TooLarge(f"{path} has more than 5 TiB, which S3 cannot hold in one object.")
    if mark.size <= group.part_size:
        return await _put(group, path, mark, key)
    try:
        return await _in_parts(group, path, mark, key)
    except NoSuchUpload:
        # What was gone on with had been thrown away meanwhile, by the store's own rule perhaps.
        group.reporter.say(f"The store has not kept what it had of {path}: it is sent afresh.")
        return await _in_parts(group, path, mark, key)


async def upload_stream(group: Group, file: int, name: Path, key: str) -> tuple[int, str]:
    """Store everything that can be read from the descriptor as ``key``; how many bytes, and by what
    they were verified. Raises as ``upload``."""
    attributes = Attributes(content_type=content_type(key))
    upload_id: UploadId | None = None
    parts: list[Part] = []
    total = 0
    try:
        while True:
            size = part_size(len(parts) + 1, group.part_size, 512 * MEBIBYTE)
            async with group.memory.lent(size) as buffer:
                count = await _fill(file, name, buffer)
                body = SummedBody()
                body.add(buffer[:count])
                if upload_id is None and count < size:
                    await group.store.put(key, body, attributes, if_none_match=not group.overwrite)
                    group.reporter.moved(count)
                    return count, VERIFIED
                if upload_id is None:
                    upload_id = await group.store.create_upload(key, attributes, summed=True)
                if count:
                    number = len(parts) + 1
                    parts.append(await group.store.put_part(key, upload_id, number, body))
            total += count
            group.reporter.moved(count)
            if count < size:
                break
        await group.store.complete_upload(key, upload_id, parts, if_none_match=not group.overwrite)
    except BaseException:
        if upload_id is not None:
            await abort(group, key, upload_id)
        raise
    return total, VERIFIED


async def abort(group: Group, key: str, upload_id: UploadId) -> bool:
    """Throw an upload away, even while being cancelled; whether that is known to be done."""
    with trio.CancelScope(deadline=trio.current_time() + ABORT_SECONDS, shield=True) as scope:
        try:
            await group.store.abort_upload(key, upload_id)
        except StoreError as error:
            log.warning("an unfinished upload of %s stays in the store: %s", key, error.why)
            return False
    if scope.cancelled_caught:
        log.warning("an unfinished upload of %s stays in the store: no answer in time", key)
    return not scope.cancelled_caught


def parts_of(size: int, least: int) -> int:
    """Bytes of a part of a file of ``size``: ``least``, or as many MiB as ``MAX_PARTS`` need."""
    if size <= least * MAX_PARTS:
        return least
    return -(-size // (MAX_PARTS * MEBIBYTE)) * MEBIBYTE


async def _put(group: Group, path: Path, mark: Source, key: str) -> str:
    def read() -> SummedBody:
        body = SummedBody()
        with opened(path, mark) as file:
            if buffer:
                read_into(file, path, 0, buffer)
                body.add(buffer)
            check(file, path, mark)
            _check_end(file, path, mark, key)
        return body

    async with group.memory.lent(mark.size) as buffer:
        body = await trio.to_thread.run_sync(read)
        attributes = Attributes(content_type=content_type(key))
        await group.store.put(key, body, attributes, if_none_match=not group.overwrite)
        body.clear()
    group.reporter.moved(mark.size)
    return VERIFIED


async def _in_parts(group: Group, path: Path, mark: Source, key: str) -> str:
    found = await _begun_before(group, path, mark, key)
    if found is None:
        size = parts_of(mark.size, group.part_size)
        attributes = Attributes(content_type=content_type(key))
        upload_id = await group.store.create_upload(key, attributes, summed=True)
        record = None
        if group.records is not None:
            record = group.records.begin(key, upload_id, size, mark)
        parts: dict[int, Part] = {} if record is None else record.parts
    else:
        record, parts, size, upload_id = found, found.parts, found.part_size, found.upload
    try:
        with opened(path, mark) as file:
            await _Sending(group, path, mark, key, upload_id, size, file, record, parts).run()
            check(file, path, mark)
            _check_end(file, path, mark, key)
        whole = [parts[number] for number in sorted(parts)]
        await group.store.complete_upload(key, upload_id, whole, if_none_match=not group.overwrite)
    except BaseException as error:
        await _end(group, key, upload_id, record, error)
        raise
    if record is not None:
        record.forget()
    return VERIFIED


def _check_end(file: int, path: Path, mark: Source, key: str) -> None:
    """Refuse what has more bytes than it says, as files in /proc have."""
    try:
        more = os.pread(file, 1, mark.size)
    except OSError as error:
        raise failed(path, "read", error) from None
    if more:
        raise Unsupported(
            f"{path} has more in it than its size says, {mark.size:,} bytes: the kernel makes it "
            "up as it is read.",
            f"Give it through a pipe: cat {quote(str(path))} | phfs cp - {quote(str(Remote(key)))}",
        )


async def _begun_before(group: Group, path: Path, mark: Source, key: str) -> Record | None:
    record = None if group.records is None else group.records.find(key, mark.path)
    if record is None:
        return None
    if record.source == mark:
        count = -(-mark.size // record.part_size)
        done = sum(part.size for part in record.parts.values())
        group.reporter.moved(done)
        group.reporter.say(
            f"{path} is gone on with: {len(record.parts)} of its {count} parts are in the store."
        )
        return record
    group.reporter.say(f"{path} has changed since its upload was interrupted: it is sent afresh.")
    await abort(group, key, record.upload)
    record.forget()
    return None


async def _end(
    group: Group, key: str, upload_id: UploadId, record: Record | None, error: BaseException
) -> None:
    """After a failure: what can be gone on with stays, everything else is thrown away."""
    if record is None:
        await abort(group, key, upload_id)
        return
    # A cancellation may come as a group of several.
    passing = isinstance(error, TransientError) or not isinstance(error, Exception)
    if passing and record.parts:
        group.reporter.say(
            f"What the store has of {record.source.path} is kept for {KEPT_DAYS} days: the same "
            "command goes on with it."
        )
        record.close()
        return
    if isinstance(error, NoSuchUpload) or await abort(group, key, upload_id):
        record.forget()
    else:
        record.close()


class _Sending:
    """The parts of one file that the store has not got yet."""

    def __init__(
        self,
        group: Group,
        path: Path,
        mark: Source,
        key: str,
        upload_id: UploadId,
        size: int,
        file: int,
        record: Record | None,
        parts: dict[int, Part],
    ) -> None:
        self._group = group
        self._path = path
        self._mark = mark
        self._key = key
        self._upload = upload_id
        self._size = size
        self._file = file
        self._record = record
        self._parts = parts
        count = -(-mark.size // size)
        self._missing = (number for number in range(1, count + 1) if number not in parts)

    async def run(self) -> None:
        """Send them; the first failure ends the others and is raised."""
        await each(self._missing, self._send, PARTS)

    async def _send(self, number: int) -> None:
        start = (number - 1) * self._size
        size = min(self._size, self._mark.size - start)
        async with self._group.memory.lent(self._size) as buffer:
            body = SummedBody()
            with buffer[:size] as bytes_of_it:
                await trio.to_thread.run_sync(self._read, start, bytes_of_it, body)
                part = await self._group.store.put_part(self._key, self._upload, number, body)
                body.clear()
        self._parts[number] = part
        if self._record is not None:
            self._record.took(part)
        self._group.reporter.moved(size)

    def _read(self, start: int, buffer: memoryview, body: SummedBody) -> None:
        read_into(self._file, self._path, start, buffer)
        body.add(buffer)


async def _fill(file: int, name: Path, buffer: memoryview) -> int:
    """Read until the buffer is full; fewer bytes only at the end. A pipe is waited for by trio, so
    that a cancellation ends the wait."""
    done = 0
    piped = not stat.S_ISREG(os.fstat(file).st_mode)
    try:
        while done < len(buffer):
            with buffer[done:] as rest:
                if piped:
                    await trio.lowlevel.wait_readable(file)
                    count = os.readv(file, [rest])
                else:
                    count = await trio.to_thread.run_sync(os.readv, file, [rest])
            if count == 0:
                break
            done += count
    except OSError as error:
        raise failed(name, "read", error) from None
    return done
