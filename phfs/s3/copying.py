"""Copies an object of any size inside the store.

Owns the choice between one copy and a multipart copy, and the clearing up after the latter. Never
carries the bytes itself. Called by ``vfs`` for renames.
"""

from __future__ import annotations

import logging

import trio

from phfs.core.objects import ByteRange, ETag, Part, Stored, UploadId
from phfs.errors import AccessDenied, NotSupported, PreconditionFailed, StoreError
from phfs.s3.store import MAX_PARTS, MAX_SINGLE_COPY, Store

log = logging.getLogger(__name__)

PART_SIZE = 1024**3
"""Bytes of one part: a store copies a GiB in seconds, and a failed part costs no more to repeat."""

ABORT_SECONDS = 10.0
"""How long a failed copy may take to throw its upload away, even while it is being cancelled."""


async def copy_object(
    store: Store,
    source: str,
    target: str,
    *,
    size: int,
    if_match: ETag,
    threshold: int = MAX_SINGLE_COPY,
    part_size: int = PART_SIZE,
    parallel: int = 4,
) -> Stored:
    """Copy the version ``if_match`` of ``source``, which has ``size`` bytes, to ``target``.

    Type, metadata, headers, storage class and tags go along. Above ``threshold`` bytes the copy is
    made of parts of ``part_size`` bytes (more if there were more than ``MAX_PARTS``), ``parallel``
    at a time; it becomes visible whole, and a failure leaves nothing. Raises ``NoSuchKey``,
    ``PreconditionFailed`` if the version is another one, ``StoreError``.
    """
    if size <= threshold:
        return await store.copy(source, target, if_match=if_match)
    described = await store.head(source)
    if described.info.etag != if_match:
        raise PreconditionFailed(f"{source}: has been replaced by another version")
    tagging = await _tags(store, source, described.tag_count)
    step = max(part_size, -(-size // MAX_PARTS))
    ranges = [ByteRange(start, min(start + step, size)) for start in range(0, size, step)]
    upload = await store.create_upload(target, described.attributes, tagging=tagging)
    try:
        parts = await _copy_parts(store, source, target, upload, ranges, if_match, parallel)
        return await store.complete_upload(target, upload, parts)
    except BaseException:
        await _abort(store, target, upload)
        raise


async def _tags(store: Store, source: str, count: int) -> str:
    """The tags of the source. Not every store counts them in its answer to a HEAD; whether keys
    that may not read tags see none because there are none is not asked further."""
    try:
        return await store.tags(source)
    except (AccessDenied, NotSupported):
        if count:
            raise
        return ""


async def _copy_parts(
    store: Store,
    source: str,
    target: str,
    upload: UploadId,
    ranges: list[ByteRange],
    if_match: ETag,
    parallel: int,
) -> list[Part]:
    waiting = enumerate(ranges, start=1)
    parts: dict[int, Part] = {}
    failures: list[StoreError] = []

    async def work() -> None:
        try:
            for number, byte_range in waiting:
                parts[number] = await store.copy_part(
                    target, upload, number, source, byte_range, if_match=if_match
                )
        except StoreError as error:
            failures.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(parallel):
            nursery.start_soon(work)
    if failures:
        raise failures[0]
    return [parts[number] for number in sorted(parts)]


async def _abort(store: Store, key: str, upload: UploadId) -> None:
    with trio.CancelScope(deadline=trio.current_time() + ABORT_SECONDS, shield=True) as scope:
        try:
            await store.abort_upload(key, upload)
        except StoreError as error:
            log.warning("an unfinished copy to %s stays in the store: %s", key, error.why)
    if scope.cancelled_caught:
        log.warning("an unfinished copy to %s stays in the store: no answer in time", key)
