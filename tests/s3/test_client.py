"""What the client learns from answers, and what it does when a store lacks something."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.credentials import Credentials

from phfs.core.objects import Attributes, ETag, Part, UploadId
from phfs.errors import (
    AccessDenied,
    BadCredentials,
    Corrupted,
    InvalidRequest,
    NoSuchKey,
    PreconditionFailed,
    QuotaExceeded,
    ServerFault,
)
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from tests.s3.raw_server import ETAG, Peer, RawServer, always, answer, error

HEAD = answer(
    "200 OK",
    ETag=f'"{ETAG}"',
    Last_Modified="Sat, 01 Aug 2026 10:00:00 GMT",
    Date="Sat, 01 Aug 2026 10:00:05 GMT",
    x_amz_checksum_crc32c="of this or that",
)
MODIFIED = 1785578400
PLAIN = Attributes()


@contextmanager
def opened(server: RawServer, **options: str) -> Iterator[S3Store]:
    store = S3Store(
        S3Options(bucket="b", endpoint_url=server.url, timeout=5, **options),  # type: ignore[arg-type]
        Credentials("key", "secret", "token"),
    )
    try:
        yield store
    finally:
        store.close()


async def test_the_region_is_learned_from_a_refusal() -> None:
    wrong = answer(
        "400 Bad Request",
        error("AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"),
    )
    with RawServer(always(wrong, HEAD)) as server, opened(server) as store:
        await store.put("a", [b"x"], PLAIN)
        await store.head("a")
        regions = [seen.headers["authorization"].split("/")[2] for seen in server.seen]
    assert regions == ["us-east-1", "eu-north-1", "eu-north-1"]


async def test_the_region_is_learned_from_a_header() -> None:
    wrong = answer("301 Moved Permanently", x_amz_bucket_region="eu-north-1")
    with RawServer(always(wrong, HEAD)) as server, opened(server) as store:
        await store.head("a")
        assert "/eu-north-1/" in server.seen[1].headers["authorization"]


async def test_a_store_that_insists_is_asked_twice_only() -> None:
    wrong = answer(
        "400 Bad Request",
        error("AuthorizationHeaderMalformed", "<Region>us-east-1</Region>"),
    )
    with RawServer(always(wrong)) as server, opened(server) as store:
        with pytest.raises(BadCredentials):
            await store.tags("a")
        assert len(server.seen) == 1


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", None])
async def test_the_clock_is_set_by_the_store(code: str | None) -> None:
    there = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    refused = answer(
        "403 Forbidden", error(code) if code else b"", Date=email.utils.format_datetime(there, True)
    )
    with RawServer(always(refused, HEAD)) as server, opened(server) as store:
        await (store.put("a", [b"x"], PLAIN) if code else store.head("a"))
        await store.head("a")
        dates = [seen.headers["x-amz-date"] for seen in server.seen]
        assert "/20310506/" in server.seen[1].headers["authorization"]
    assert not dates[0].startswith("2031")
    assert [date[:13] for date in dates[1:]] == ["20310506T0708"] * 2


async def test_a_403_with_the_right_time_is_a_refusal() -> None:
    refused = answer("403 Forbidden", Date=email.utils.formatdate(usegmt=True))
    with RawServer(always(refused)) as server, opened(server) as store:
        with pytest.raises(AccessDenied, match=r"^a: .*403"):
            await store.head("a")
        assert len(server.seen) == 1


async def test_what_is_sent_with_a_put() -> None:
    attributes = Attributes("text/csv", "STANDARD_IA", {"näme": "grün"}, {"Cache-Control": "no"})
    with RawServer(always(HEAD)) as server, opened(server, sse="aws:kms", sse_kms_key="k") as store:
        stored = await store.put("grüße/a+b c%", [b"123", memoryview(b"456789")], attributes)
    assert stored == (ETAG, MODIFIED + 5)
    seen = server.seen[0]
    assert seen.line == "PUT /b/gr%C3%BC%C3%9Fe/a%2Bb%20c%25 HTTP/1.1"
    sent = {
        "content-type": "text/csv",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-meta-näme": "grün",
        "cache-control": "no",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "k",
        # The check value of CRC-32C for "123456789" is E3069283 (RFC 3720, appendix B.4's CRC).
        "x-amz-checksum-crc32c": "4waSgw==",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-security-token": "token",
        "content-length": "9",
    }
    assert sent.items() <= seen.headers.items()


async def test_the_mount_s_storage_class_is_for_new_objects_only() -> None:
    copied = answer("200 OK", f"<CopyObjectResult><ETag>{ETAG}</ETag></CopyObjectResult>".encode())
    server = RawServer(always(HEAD, HEAD, copied))
    with server, opened(server, storage_class="STANDARD_IA") as store:
        await store.put("a", [b"x"], PLAIN)
        await store.copy("a", "b", if_match=ETag(ETAG))
        assert server.seen[0].headers["x-amz-storage-class"] == "STANDARD_IA"
        assert "x-amz-storage-class" not in server.seen[2].headers


@pytest.mark.parametrize(
    "refusal",
    [
        answer("501 Not Implemented", error("NotImplemented")),
        answer(
            "400 Bad Request", error("InvalidRequest").replace(b"because", b"bad Checksum type")
        ),
    ],
)
async def test_a_store_that_takes_no_crc_gets_an_md5(refusal: bytes) -> None:
    with RawServer(always(refusal, HEAD)) as server, opened(server) as store:
        await store.put("a", [b"x"], PLAIN)
        await store.put("a", [b"x"], PLAIN)
        summed = ["x-amz-checksum-crc32c" in seen.headers for seen in server.seen]
        digests = [seen.headers.get("content-md5") for seen in server.seen]
    assert summed == [True, False, False]
    # "9dd4e461268c8034f5c8564e155c67a6" is the MD5 of "x".
    assert digests == [None, "ndTkYSaMgDT1yFZOFVxnpg==", "ndTkYSaMgDT1yFZOFVxnpg=="]


async def test_a_refusal_for_another_reason_is_not_tried_without_checksum() -> None:
    refusal = answer("400 Bad Request", error("InvalidRequest"))
    with RawServer(always(refusal)) as server, opened(server) as store:
        with pytest.raises(InvalidRequest):
            await store.put("a", [b"x"], PLAIN)
        assert len(server.seen) == 1


async def test_a_part_has_the_checksum_that_the_store_confirmed() -> None:
    confirmed = answer("200 OK", ETag=f'"{ETAG}"', x_amz_checksum_crc32c="4waSgw==")
    plain = answer("200 OK", ETag=f'"{ETAG}"')
    with RawServer(always(confirmed, plain)) as server, opened(server) as store:
        parts = [
            await store.put_part("a", UploadId("u/1"), number, [b"123456789"]) for number in (1, 2)
        ]
        assert server.seen[0].line == "PUT /b/a?partNumber=1&uploadId=u%2F1 HTTP/1.1"
    assert parts == [Part(1, ETag(ETAG), 9, "4waSgw=="), Part(2, ETag(ETAG), 9, None)]


async def test_a_copy_that_fails_after_it_began_to_answer() -> None:
    failed = answer("200 OK", b'<?xml version="1.0"?>\n  ' + error("InternalError"))
    with (
        RawServer(always(HEAD, failed)) as server,
        opened(server) as store,
        pytest.raises(ServerFault, match="InternalError: because"),
    ):
        await store.copy("a", "b", if_match=ETag(ETAG))


async def test_an_upload_s_end_that_fails_after_it_began_to_answer() -> None:
    failed = answer("200 OK", error("XMinioAdminBucketQuotaExceeded"))
    with (
        RawServer(always(failed)) as server,
        opened(server) as store,
        pytest.raises(QuotaExceeded),
    ):
        await store.complete_upload("a", UploadId("u"), [Part(1, ETag(ETAG), 1)])


def without_conditions(there: bool) -> RawServer:
    """A server that knows no If-None-Match, with or without the object that is asked for."""
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            if "if-none-match" in request.headers:
                peer.send(answer("501 Not Implemented", error("NotImplemented")))
            elif request.line.startswith("HEAD") and not there:
                peer.send(missing)
            else:
                peer.send(HEAD)

    return RawServer(script)


async def test_a_store_without_conditions_is_asked_before_a_new_object() -> None:
    with without_conditions(there=False) as server, opened(server) as store:
        await store.put("a", [b"x"], PLAIN, if_none_match=True)
        await store.put("a", [b"x"], PLAIN, if_none_match=True)
        methods = [seen.line.split()[0] for seen in server.seen]
    once = ["HEAD", "PUT", "HEAD"]
    refused = ["HEAD", "PUT", "PUT", "PUT", "HEAD"]  # with either checksum, then unconditionally
    assert methods == [*refused, *once]


async def test_a_store_without_conditions_keeps_what_is_there() -> None:
    with without_conditions(there=True) as server, opened(server) as store:
        with pytest.raises(PreconditionFailed):
            await store.put("a", [b"x"], PLAIN, if_none_match=True)
        assert server.seen[-1].line.startswith("HEAD")


async def test_a_copy_of_another_version_is_not_even_asked_for() -> None:
    with RawServer(always(HEAD)) as server, opened(server) as store:
        with pytest.raises(PreconditionFailed):
            await store.copy("a", "b", if_match=ETag("other"))
        assert len(server.seen) == 1


async def test_one_by_one_where_many_cannot_be_deleted_at_once() -> None:
    def script(peer: Peer) -> None:
        while True:
            line = peer.read_request().line
            if line.startswith("POST"):
                peer.send(answer("501 Not Implemented", error("NotImplemented")))
            elif "/denied" in line:
                peer.send(answer("403 Forbidden", error("AccessDenied")))
            else:
                peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with RawServer(script) as server, opened(server) as store:
        failures = await store.delete_many(["a", "denied", "c"])
        assert [failure.key for failure in failures] == ["denied"]
        assert isinstance(failures[0].error, AccessDenied)
        assert await store.delete_many(["a"]) == []
        methods = [seen.line.split()[0] for seen in server.seen]
    assert methods == ["POST", "DELETE", "DELETE", "DELETE", "DELETE"]


async def test_keys_that_could_not_be_deleted_are_told() -> None:
    result = (
        b"<DeleteResult><Error><Key>a &amp; b</Key><Code>AccessDenied</Code><Message>no</Message>"
        b"</Error><Error><Key>gone</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
    )
    with RawServer(always(answer("200 OK", result))) as server, opened(server) as store:
        failures = await store.delete_many(["a & b", "gone", "c"])
    assert [failure.key for failure in failures] == ["a & b"]
    assert str(failures[0].error) == "a & b: the object store said AccessDenied: no"


@pytest.mark.expects_log
async def test_keys_of_which_nothing_is_said_are_not_taken_for_deleted() -> None:
    """MinIO and radosgw delete ``b`` if a bit of ``c`` is wrong when it arrives."""
    result = b"<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted>"
    with (
        RawServer(always(answer("200 OK", result + b"</DeleteResult>"))) as server,
        opened(server) as store,
    ):
        failures = await store.delete_many(["a", "c"])
    assert [failure.key for failure in failures] == ["c"]
    assert isinstance(failures[0].error, Corrupted), "it is asked for again"


async def test_a_listing_that_does_not_move_on_is_a_fault() -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"
    )
    with RawServer(always(answer("200 OK", page))) as server, opened(server) as store:
        assert (await store.list_page("d/")).next_token == "t"
        with pytest.raises(ServerFault, match="same page"):
            await store.list_page("d/", token="t")


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<ListBucketResult>", b"<a><!DOCTYPE x></a>"])
async def test_a_listing_that_is_none(body: bytes) -> None:
    with (
        RawServer(always(answer("200 OK", body))) as server,
        opened(server) as store,
        pytest.raises(Corrupted),
    ):
        await store.list_page("")


async def test_an_answer_of_endless_xml_is_cut_off() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>")
        while True:
            peer.send(b"<a/>" * 262144)

    with (
        RawServer(script) as server,
        opened(server) as store,
        pytest.raises(Corrupted, match="more than"),
    ):
        await store.list_page("")


async def test_a_head_without_size_or_version() -> None:
    for reply in (
        b'HTTP/1.1 200 OK\r\nETag: "x"\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    ):
        with (
            RawServer(always(reply)) as server,
            opened(server) as store,
            pytest.raises(Corrupted, match=r"^a: "),
        ):
            await store.head("a")


async def test_what_a_head_says() -> None:
    reply = answer(
        "200 OK",
        ETag=f'W/"{ETAG}"',
        Last_Modified="Sat, 01 Aug 2026 10:00:00 GMT",
        Content_Type="text/csv",
        X_Amz_Storage_Class="GLACIER",
        X_Amz_Meta_Owner="grün",
        X_Amz_Tagging_Count="2",
        Cache_Control="no-cache",
    )
    with RawServer(always(reply)) as server, opened(server) as store:
        described = await store.head("a")
    assert described.info == ("a", 0, ETAG, MODIFIED)
    assert described.attributes == Attributes(
        "text/csv", "GLACIER", {"owner": "grün"}, {"Cache-Control": "no-cache"}
    )
    assert described.tag_count == 2


async def test_what_was_asked_is_counted() -> None:
    with RawServer(always(HEAD, answer("404 Not Found"))) as server, opened(server) as store:
        await store.put("a", [b"1234"], PLAIN)
        with pytest.raises(NoSuchKey):
            await store.head("a")
        counted = {"requests.put": 1, "bytes.out": 4, "requests.head": 1, "errors.NoSuchKey": 1}
        assert dict(store.counters) == counted
