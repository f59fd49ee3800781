"""The client against answers that are made to hurt: without end, enormous, senseless, or wrong."""

from __future__ import annotations

import base64
import contextlib
import datetime
import email.utils
import itertools
import threading
import tracemalloc

import pytest
import trio
from awscrt.checksums import crc32, crc32c, crc64nvme  # type: ignore[import-untyped]

from phfs.core.objects import Attributes, ByteRange, ETag
from phfs.errors import (
    AccessDenied,
    Corrupted,
    Throttled,
    TimedOut,
    WrongClock,
    WrongRegion,
)
from phfs.s3 import exchange, xml
from phfs.s3.client import S3Store
from phfs.s3.store import MAX_DELETE
from tests.s3.raw_server import ETAG, Peer, RawServer, Script, always, answer, error
from tests.s3.test_http import BODY, HEAD, opened
from tests.support.sinks import BytesSink

LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
BOUND = 60.0
"""Seconds that whatever has no end may take to be given up, on the slowest machine."""


def pouring(head: bytes, again: bytes) -> Script:
    """Send ``head``, then ``again`` for as long as anybody takes it."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(head)
        while True:
            peer.send(again)

    return script


async def listed(script: Script) -> None:
    with RawServer(script) as server, opened(server, timeout=10) as store:
        with trio.fail_after(BOUND):
            await store.list_page("")


# -- without end ---------------------------------------------------------------------------------


async def test_beginnings_without_end() -> None:
    with pytest.raises(Corrupted, match="no HTTP"):
        await listed(pouring(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000))


async def test_a_head_without_end() -> None:
    with pytest.raises(Corrupted, match="no HTTP"):
        await listed(pouring(b"HTTP/1.1 200 OK\r\n", b"X-More: of this\r\n" * 1000))


async def test_trailers_without_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with pytest.raises(Corrupted, match="no HTTP"):
        await listed(pouring(head, b"X-More: of this\r\n" * 1000))


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"1_0", b"", b"f" * 16, b" 5"])
async def test_a_chunk_of_senseless_length(size: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n"
    with pytest.raises(Corrupted, match="chunk of length"):
        await listed(always(head + b"12345\r\n0\r\n\r\n"))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n",
    ],
)
async def test_a_listing_without_end_is_given_up_within_bounds_of_memory(head: bytes) -> None:
    entry = b"<Contents><Key>a</Key></Contents>" * 1000
    tracemalloc.start()
    try:
        with pytest.raises(Corrupted, match="more than 8388608 bytes"):
            await listed(pouring(head + b"<ListBucketResult>", entry))
        assert tracemalloc.get_traced_memory()[1] < 5 * xml.MAX_ANSWER
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("again", [b"<a/>", b"<a>", b'<a b="" c="" d="" e=""/>'])
async def test_a_listing_of_nothing_but_tags_is_not_parsed(again: bytes) -> None:
    document = b"<ListBucketResult>" + again * (xml.MAX_ANSWER // len(again) - 10)
    tracemalloc.start()
    try:
        with pytest.raises(Corrupted, match="more XML"):
            await listed(always(answer("200 OK", document)))
        assert tracemalloc.get_traced_memory()[1] < 8 * xml.MAX_ANSWER
    finally:
        tracemalloc.stop()


def test_the_largest_page_there_can_be_is_read() -> None:
    key = "%F0%9F%98%80" * 256
    entry = (
        f"<Contents><Key>{key}</Key><LastModified>2026-08-01T10:00:00.000Z</LastModified>"
        "<ETag>&quot;0123456789abcdef0123456789abcdef-10000&quot;</ETag><Size>5497558138880</Size>"
        "<StorageClass>INTELLIGENT_TIERING</StorageClass><ChecksumAlgorithm>CRC64NVME"
        "</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Owner><ID>"
        f"{'f' * 64}</ID><DisplayName>{'n' * 64}</DisplayName></Owner></Contents>"
    )
    document = f"<ListBucketResult><EncodingType>url</EncodingType>{entry * 1000}"
    document += f"<NextContinuationToken>{'=' * 4096}</NextContinuationToken></ListBucketResult>"
    assert len(document) < xml.MAX_ANSWER
    page = xml.page(xml.parse(document.encode()))
    assert len(page.objects) == 1000
    assert len(page.objects[0].key.encode()) == 1024


def test_the_largest_answer_to_a_deletion_is_read() -> None:
    key = "&quot;" * 1024
    each = f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>{'m' * 200}</Message></Error>"
    document = f"<DeleteResult>{each * MAX_DELETE}</DeleteResult>"
    assert len(document) < xml.MAX_ANSWER
    assert len(xml.failures(xml.parse(document.encode()))) == MAX_DELETE


async def test_of_an_enormous_refusal_the_status_is_believed() -> None:
    head = b"HTTP/1.1 403 Forbidden\r\n\r\n<Error><Code>"
    with pytest.raises(AccessDenied, match="HTTP status 403"):
        await listed(pouring(head, b"SlowDown" * 1000))
    with pytest.raises(Throttled, match="HTTP status 503"):
        await listed(always(answer("503 Busy", b"x" * (exchange.MAX_REFUSAL + 1))))


async def test_a_refusal_byte_by_byte_ends() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        while True:
            peer.send(b"x")
            threading.Event().wait(0.02)

    with (
        RawServer(script) as server,
        opened(server, deadline=0.5) as store,
        trio.fail_after(BOUND),
        pytest.raises(TimedOut, match="moved only"),
    ):
        await store.list_page("")


# -- senseless -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["-1", "1e3", "9223372036854775808", "٣", "", "1" * 5000])
async def test_a_size_that_none_can_have(size: str) -> None:
    entry = (
        f"<Contents><Key>a</Key><Size>{size}</Size><ETag>e</ETag>"
        "<LastModified>2026-08-01T10:00:00Z</LastModified></Contents>"
    )
    page = LISTING.replace(b"</ListB", entry.encode() + b"</ListB")
    with pytest.raises(Corrupted, match="without sense"):
        await listed(always(answer("200 OK", page)))


@pytest.mark.parametrize("size", ["-1", "1e3", "9223372036854775808", "", "1" * 5000])
async def test_a_head_of_a_size_that_none_can_have(size: str) -> None:
    head = HEAD.replace(b"Content-Length: 0", f"Content-Length: {size}".encode())
    with (
        RawServer(always(head)) as server,
        opened(server) as store,
        pytest.raises(Corrupted, match="how large"),
    ):
        await store.head("a")


@pytest.mark.parametrize("document", [b"", b"<", b"<a/>", b"\xff\xfe<", b"<!DOCTYPE a []><a/>"])
async def test_what_is_no_listing(document: bytes) -> None:
    with pytest.raises(Corrupted):
        await listed(always(answer("200 OK", document)))


# -- the bytes of an object ----------------------------------------------------------------------


async def whole(store: S3Store, size: int = 100) -> BytesSink:
    sink = BytesSink(size)
    await store.get("a", ByteRange(0, size), sink, if_match=ETag(ETAG), whole=True)
    return sink


def summed(name: str, digest: int, size: int, body: bytes = BODY, **headers: str) -> bytes:
    checksum = {f"x_amz_checksum_{name}": base64.b64encode(digest.to_bytes(size, "big")).decode()}
    return answer("200 OK", body, ETag=f'"{ETAG}"', **checksum, **headers)


SUMS = [
    ("crc32", crc32(BODY), 4),
    ("crc32c", crc32c(BODY), 4),
    ("crc64nvme", crc64nvme(BODY), 8),
]


@pytest.mark.parametrize(("name", "digest", "size"), SUMS)
async def test_the_checksum_of_an_object_fetched_whole_is_checked(
    name: str, digest: int, size: int
) -> None:
    good = summed(name, digest, size, x_amz_checksum_type="FULL_OBJECT")
    bad = good.replace(BODY, BODY[:50] + b"!" + BODY[51:])
    with RawServer(always(good, bad)) as server, opened(server) as store:
        assert (await whole(store)).filled == BODY
        assert server.seen[0].headers["x-amz-checksum-mode"] == "ENABLED"
        assert "range" not in server.seen[0].headers
        sink = BytesSink(100)
        with pytest.raises(Corrupted, match="other bytes came than were stored"):
            await store.get("a", ByteRange(0, 100), sink, if_match=ETag(ETAG), whole=True)
        assert sink.advances == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amz_checksum_crc32c": "AAAAAA==-3"},
        {"x_amz_checksum_crc32c": "AAAAAA==", "x_amz_checksum_type": "COMPOSITE"},
        {"x_amz_checksum_sha256": "AAAAAA=="},
        {"x_amz_checksum_crc32c": "no base64"},
        {},
    ],
)
async def test_a_checksum_of_something_else_is_not_looked_at(headers: dict[str, str]) -> None:
    plain = answer("200 OK", BODY, ETag=f'"{ETAG}"', **headers)
    with RawServer(always(plain)) as server, opened(server) as store:
        assert (await whole(store)).filled == BODY


async def test_a_large_object_is_checked_in_its_thread() -> None:
    body = bytes(range(256)) * 4096
    good = summed("crc32c", crc32c(body), 4, body)
    bad = good[:-1] + b"!"
    with RawServer(always(good, bad)) as server, opened(server, timeout=10) as store:
        assert (await whole(store, len(body))).advances == [len(body)]
        with pytest.raises(Corrupted):
            await whole(store, len(body))


@pytest.mark.parametrize("length", [99, 101])
async def test_a_whole_object_of_another_length(length: int) -> None:
    reply = answer("200 OK", bytes(length), ETag=f'"{ETAG}"')
    with (
        RawServer(always(reply)) as server,
        opened(server) as store,
        pytest.raises(Corrupted, match=f"sent {length} bytes, not 100"),
    ):
        await whole(store)


# -- what a refusal teaches ----------------------------------------------------------------------


def region_refused(region: str) -> bytes:
    return answer(
        "400 Bad Request",
        error("AuthorizationHeaderMalformed", f"<Region>{region}</Region>"),
    )


def wants(region: str) -> Script:
    """A server that takes requests for one region, and names it to others; it holds the first ones
    until three have come."""
    together = threading.Barrier(3)

    def script(peer: Peer) -> None:
        for number in itertools.count():
            seen = peer.read_request()
            if number == 0 and f"/{region}/" not in seen.headers["authorization"]:
                with contextlib.suppress(threading.BrokenBarrierError):
                    together.wait(20)
            right = f"/{region}/" in seen.headers["authorization"]
            peer.send(HEAD if right else region_refused(region))

    return script


async def test_requests_refused_beside_each_other_all_learn_the_region() -> None:
    with RawServer(wants("mars-1")) as server, opened(server, timeout=30) as store:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(store.put, "a", [b"x"], Attributes())
    assert len(server.seen) == 6


async def test_requests_refused_beside_each_other_all_learn_the_time() -> None:
    there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=3)
    together = threading.Barrier(3)

    def script(peer: Peer) -> None:
        for number in itertools.count():
            seen = peer.read_request()
            right = seen.headers["x-amz-date"][:11] == there.strftime("%Y%m%dT%H")
            if number == 0 and not right:
                with contextlib.suppress(threading.BrokenBarrierError):
                    together.wait(20)
            date = email.utils.format_datetime(there, usegmt=True)
            refused = answer("403 Forbidden", error("RequestTimeTooSkewed"), Date=date)
            peer.send(HEAD if right else refused)

    with RawServer(script) as server, opened(server, timeout=30) as store:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(store.put, "a", [b"x"], Attributes())
    assert len(server.seen) == 6


async def test_a_wrong_redirection_is_left_again() -> None:
    redirected = answer(
        "301 Moved Permanently", error("PermanentRedirect"), x_amz_bucket_region="mars-1"
    )
    replies = always(redirected, region_refused("us-east-1"), HEAD)
    with RawServer(replies) as server, opened(server) as store:
        assert (await store.put("a", [b"x"], Attributes())).etag == ETAG
    assert len(server.seen) == 3


async def test_regions_that_are_all_wrong_are_an_error() -> None:
    replies = [region_refused(f"mars-{number}") for number in range(9)]
    with RawServer(always(*replies)) as server, opened(server) as store:
        with pytest.raises(WrongRegion, match="another region") as caught:
            await store.put("a", [b"x"], Attributes())
        assert "--region" in caught.value.advice
        assert len(server.seen) == 1 + exchange.MOST_CORRECTIONS


async def test_a_time_that_is_right_and_refused_is_an_error() -> None:
    now = email.utils.format_datetime(datetime.datetime.now(datetime.UTC), usegmt=True)
    refused = answer("403 Forbidden", error("RequestTimeTooSkewed"), Date=now)
    with RawServer(always(refused)) as server, opened(server) as store:
        with pytest.raises(WrongClock, match="clock wrong"):
            await store.put("a", [b"x"], Attributes())
        assert len(server.seen) == 1


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 01 Aug 2026 10:00:00"])
async def test_a_refusal_without_a_date_teaches_nothing(date: str) -> None:
    refused = answer("403 Forbidden", error("RequestTimeTooSkewed"), Date=date)
    with (
        RawServer(always(refused)) as server,
        opened(server) as store,
        pytest.raises(WrongClock),
    ):
        await store.put("a", [b"x"], Attributes())
