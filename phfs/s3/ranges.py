"""The body of a GET, read into a sink: the range asked for, of the version asked for, and whole.

Owns what a GET asks for, and what of its answer is checked: version, range, length, and for an
object that is fetched whole the checksum that the store keeps of it. Never asks again. Called by
``client`` and ``exchange``.

Stores know the checksum of an object, not of a range of it (S3 API reference, GetObject): what is
read of a large file in pieces is protected by TLS or by nothing but TCP's own sum.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

from awscrt.checksums import crc32c, crc64nvme  # type: ignore[import-untyped]

from phfs.core.objects import ByteRange, ETag
from phfs.errors import Corrupted, NotSupported, PreconditionFailed, TimedOut
from phfs.s3 import xml
from phfs.s3.connection import Answer
from phfs.s3.head import Headers
from phfs.s3.store import Sink

FETCHED_PIECE = 4 * 1024 * 1024
"""The sink is told at multiples of this in the object, where the kernel's requests begin and end;
earlier if somebody waits for less."""

CHECKSUMS: dict[str, Callable[[memoryview, int], int]] = {
    "x-amz-checksum-crc64nvme": crc64nvme,
    "x-amz-checksum-crc32c": crc32c,
    "x-amz-checksum-crc32": zlib.crc32,
}
"""Sums that cost little beside a request: 2 to 20 us for 100 KiB. Those by SHA cost ten times as
much and are not looked at."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)")


class Wanted(NamedTuple):
    """The bytes ``span`` of the version ``if_match`` for ``sink``; ``whole``: that is all of it."""

    span: ByteRange
    sink: Sink
    if_match: ETag
    whole: bool

    def headers(self) -> dict[str, str]:
        """The headers that ask for it. The checksum is told of an object without ``Range`` only."""
        condition = {"If-Match": f'"{self.if_match}"'}
        if self.whole:
            return {**condition, "x-amz-checksum-mode": "ENABLED"}
        return {**condition, "Range": f"bytes={self.span.start}-{self.span.stop - 1}"}


async def fill(answer: Answer, subject: str, wanted: Wanted) -> None:
    """Check that an answer is what was asked for, and read it into the sink.

    Raises ``PreconditionFailed``, ``NotSupported``, ``Corrupted``, ``TimedOut`` if nobody wants it.
    """
    _check_head(answer, subject, wanted)
    kept_sum = _sum_of(answer.headers) if wanted.whole else None
    span, sink = wanted.span, wanted.sink
    done = 0
    total = 0
    while done < span.size:
        if sink.cancelled:
            raise TimedOut(f"{subject}: nobody waits for the rest of the bytes")
        stop = min(span.size, done + FETCHED_PIECE - (span.start + done) % FETCHED_PIECE)
        if done < sink.awaited < stop:
            stop = sink.awaited
        with sink.space(done, stop) as piece:
            count = await answer.readinto(piece)
            if kept_sum is not None:
                total = CHECKSUMS[kept_sum.name](piece[:count], total)
        if count == 0:
            raise Corrupted(f"{subject}: {done} bytes came instead of {span.size}")
        done += count
        if kept_sum is None:
            sink.advance(done)
    if kept_sum is not None:
        if total != kept_sum.value:
            raise Corrupted(
                f"{subject}: other bytes came than were stored ({kept_sum.name} differs)"
            )
        sink.advance(done)
    if answer.length is None:
        # What ends a body in chunks has to be read, too, or the connection cannot be kept.
        await answer.read(0)


def _check_head(answer: Answer, subject: str, wanted: Wanted) -> None:
    span = wanted.span
    found = xml.unquoted(answer.headers.get("ETag", ""))
    if found != wanted.if_match:
        raise PreconditionFailed(f"{subject}: is version {found or '?'} now, not {wanted.if_match}")
    if wanted.whole and answer.length not in (None, span.size):
        raise Corrupted(f"{subject}: the object store sent {answer.length} bytes, not {span.size}")
    if answer.status == 206:
        ends = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if ends is None or int(ends[1]) != span.start or int(ends[2]) >= span.stop:
            raise Corrupted(f"{subject}: the object store sent another range than {span}")
    elif not wanted.whole and (span.start > 0 or answer.length != span.size):
        raise NotSupported(f"{subject}: the object store does not give ranges of an object")
    if answer.length is not None and answer.length > span.size:
        raise Corrupted(f"{subject}: the object store sent {answer.length} bytes, not {span.size}")


class _Sum(NamedTuple):
    """A checksum by the name of its header."""

    name: str
    value: int


def _sum_of(headers: Headers) -> _Sum | None:
    """The checksum of all bytes that an answer tells. One that was made of the sums of an upload's
    parts (``…-3``) says nothing without knowing them."""
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for name in CHECKSUMS:
        try:
            digest = base64.b64decode(headers.get(name, ""), validate=True)
        except binascii.Error:
            continue
        if digest:
            return _Sum(name, int.from_bytes(digest, "big"))
    return None
