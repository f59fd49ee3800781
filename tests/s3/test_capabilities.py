"""What a store shows to keep of S3's promises, and what the client does about the rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from botocore.credentials import Credentials

from phfs.core.objects import Attributes, ByteRange, ETag, Part, UploadId
from phfs.errors import Corrupted, PreconditionFailed
from phfs.s3.capabilities import Capabilities, Promise, Verdict
from phfs.s3.client import S3Store
from phfs.s3.etags import multipart_etag
from phfs.s3.options import S3Options
from tests.s3.raw_server import Peer, RawServer, Seen, always, answer, error

PLAIN = Attributes()
OURS = ETag("1" * 32)
OTHER = ETag("2" * 32)
PARTS = [Part(1, OURS, 4)]
MADE = multipart_etag(PARTS)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def opened(server: RawServer) -> Iterator[S3Store]:
    store = S3Store(
        S3Options(bucket="b", endpoint_url=server.url, timeout=5), Credentials("key", "secret")
    )
    try:
        yield store
    finally:
        store.close()


def found(etag: str | None, **headers: str) -> bytes:
    """The answer to a HEAD or a PUT."""
    return MISSING if etag is None else answer("200 OK", b"", ETag=f'"{etag}"', **headers)


def completed(etag: str = "", **headers: str) -> bytes:
    """The answer to a completed upload."""
    body = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
    return answer("200 OK", body.encode(), **headers)


def copied(etag: str) -> bytes:
    """The answer to a copy, of an object or into a part."""
    return answer("200 OK", f"<CopyResult><ETag>{etag}</ETag></CopyResult>".encode())


def methods(server: RawServer) -> list[str]:
    """The methods of all requests so far."""
    return [seen.line.split()[0] for seen in server.seen]


# -- the table -----------------------------------------------------------------------------------


def test_nothing_is_relied_on_before_the_store_has_answered() -> None:
    capabilities = Capabilities()
    assert not any(map(capabilities.keeps, Promise))
    assert len(capabilities.not_guaranteed()) == len(Promise)
    assert all("is not known to obey" in it for it in capabilities.not_guaranteed())


@pytest.mark.parametrize("server", ["MinIO", "AmazonS3"])
def test_servers_that_are_known_to_keep_everything(server: str) -> None:
    capabilities = Capabilities()
    capabilities.saw({"Server": server})
    assert capabilities.not_guaranteed() == []
    capabilities.found(Promise.COPY, Verdict.IGNORED)
    assert re.search("renaming.*ignores", capabilities.not_guaranteed()[0])


def test_radosgw_is_known_by_how_it_numbers_requests() -> None:
    capabilities = Capabilities()
    capabilities.saw({"x-amz-request-id": "tx00000c4883fc288064fcd-006b0c7201-100f-default"})
    assert capabilities.server == "radosgw"
    assert [promise for promise in Promise if capabilities.keeps(promise)] == [Promise.CREATE]


def test_an_answer_says_more_than_a_name() -> None:
    capabilities = Capabilities()
    capabilities.found(Promise.COMPLETE, Verdict.KEPT)
    assert capabilities.keeps(Promise.COMPLETE)
    capabilities.saw({"Server": "MinIO"})
    capabilities.found(Promise.CREATE, Verdict.REFUSED)
    assert not capabilities.keeps(Promise.CREATE)
    assert "does not have If-None-Match when an object is put" in capabilities.not_guaranteed()[0]


# -- new objects ---------------------------------------------------------------------------------


def scripted(respond: Callable[[Seen], bytes]) -> RawServer:
    """A server that answers each request by what ``respond`` makes of it."""

    def script(peer: Peer) -> None:
        while True:
            peer.send(respond(peer.read_request()))

    return RawServer(script)


async def test_a_store_that_ignores_conditions_does_not_replace_what_is_there() -> None:
    with RawServer(always(found(OTHER))) as server, opened(server) as store:
        with pytest.raises(PreconditionFailed, match="is there already"):
            await store.complete_upload("a", UploadId("u"), PARTS, if_none_match=True)
        with pytest.raises(PreconditionFailed, match="is there already"):
            await store.put("a", [b"x"], PLAIN, if_none_match=True)
        assert methods(server) == ["HEAD", "HEAD"]


async def test_of_two_at_once_the_one_that_was_replaced_is_told() -> None:
    answers = always(MISSING, completed(str(MADE)), found(OTHER))
    with RawServer(answers) as server, opened(server) as store:
        with pytest.raises(PreconditionFailed, match="in the same instant"):
            await store.complete_upload("a", UploadId("u"), PARTS, if_none_match=True)
        assert methods(server) == ["HEAD", "POST", "HEAD"]


async def test_a_store_that_refuses_once_is_believed() -> None:
    def respond(request: Seen) -> bytes:
        if request.line.startswith("HEAD"):
            return MISSING
        return answer("412 Precondition Failed", error("PreconditionFailed"))

    with scripted(respond) as server, opened(server) as store:
        for _ in range(2):
            with pytest.raises(PreconditionFailed):
                await store.complete_upload("a", UploadId("u"), PARTS, if_none_match=True)
        assert methods(server) == ["HEAD", "POST", "POST"]
        assert store.capabilities.keeps(Promise.COMPLETE)
        assert not store.capabilities.keeps(Promise.CREATE)


async def test_a_known_server_is_not_looked_at() -> None:
    answers = always(found(OTHER, Server="MinIO"), completed(str(MADE)))
    with RawServer(answers) as server, opened(server) as store:
        await store.head("other")
        await store.complete_upload("a", UploadId("u"), PARTS, if_none_match=True)
        assert methods(server) == ["HEAD", "POST"]


# -- the version that was made -------------------------------------------------------------------


async def test_a_version_that_is_not_said_is_looked_up() -> None:
    modified = "Sat, 01 Aug 2026 10:00:00 GMT"
    head = found(str(MADE), Last_Modified=modified)
    with RawServer(always(completed(), head)) as server, opened(server) as store:
        stored = await store.complete_upload("a", UploadId("u"), PARTS)
        assert methods(server) == ["POST", "HEAD"]
    assert stored == (MADE, 1785578400)


@pytest.mark.parametrize("now", [OTHER, None])
async def test_it_is_ours_even_if_it_was_replaced_at_once(now: str | None) -> None:
    with RawServer(always(completed(), found(now))) as server, opened(server) as store:
        stored = await store.complete_upload("a", UploadId("u"), PARTS)
    assert stored.etag == MADE


async def test_a_version_that_cannot_be_told_is_an_error() -> None:
    parts = [Part(1, ETag("encrypted"), 4)]
    with (
        RawServer(always(completed(), found(OTHER))) as server,
        opened(server) as store,
        pytest.raises(Corrupted, match="which version"),
    ):
        await store.complete_upload("a", UploadId("u"), parts)


# -- copies --------------------------------------------------------------------------------------


async def test_a_part_of_a_version_that_is_gone_is_not_used() -> None:
    with RawServer(always(copied(OURS), found(OTHER))) as server, opened(server) as store:
        with pytest.raises(PreconditionFailed):
            await store.copy_part("b", UploadId("u"), 1, "a", ByteRange(0, 4), if_match=OURS)
        assert re.search("ignores.*source", " ".join(store.capabilities.not_guaranteed()))


async def test_a_copy_with_the_version_s_own_tag_is_of_that_version() -> None:
    with RawServer(always(found(OURS), copied(OURS))) as server, opened(server) as store:
        assert (await store.copy("a", "b", if_match=OURS)).etag == OURS
        assert methods(server) == ["HEAD", "PUT"]


@pytest.mark.parametrize("now", [OURS, OTHER])
async def test_a_copy_with_a_tag_of_its_own_is_looked_after(now: ETag) -> None:
    answers = always(found(OURS), copied("3" * 32), found(now))
    with RawServer(answers) as server, opened(server) as store:
        if now == OURS:
            assert (await store.copy("a", "b", if_match=OURS)).etag == "3" * 32
        else:
            with pytest.raises(PreconditionFailed):
                await store.copy("a", "b", if_match=OURS)
        assert methods(server) == ["HEAD", "PUT", "HEAD"]


# -- checksums -----------------------------------------------------------------------------------

BODY = [b"some ", b"bytes"]
BODY_TAG = hashlib.md5(b"some bytes").hexdigest()


def sums(server: RawServer) -> list[str]:
    """By which checksum each body was protected."""
    names = {"x-amz-checksum-crc32c": "crc", "content-md5": "md5"}
    return [names[name] for seen in server.seen for name in names if name in seen.headers]


async def test_a_checksum_that_comes_back_was_verified() -> None:
    echo = found(OTHER, x_amz_checksum_crc32c="as it was sent")
    with RawServer(always(echo)) as server, opened(server) as store:
        for _ in range(2):
            await store.put("a", BODY, PLAIN)
            await store.put_part("a", UploadId("u"), 1, BODY)
        assert sums(server) == ["crc"] * 4


async def test_where_it_does_not_the_etag_tells_and_an_md5_goes_from_then_on() -> None:
    with RawServer(always(found(BODY_TAG))) as server, opened(server) as store:
        for _ in range(3):
            await store.put("a", BODY, PLAIN)
        assert sums(server) == ["crc", "md5", "md5"]
        assert "MD5" in store.capabilities.not_guaranteed()[-1]


async def test_a_body_nobody_has_verified_is_sent_again() -> None:
    with RawServer(always(found(OTHER))) as server, opened(server) as store:
        await store.put("a", BODY, PLAIN)
        assert sums(server) == ["crc", "md5"]
        await store.put("a", BODY, PLAIN)
        assert sums(server) == ["crc", "md5", "md5"]


async def test_a_tag_that_shows_other_bytes_is_an_error() -> None:
    with RawServer(always(found(BODY_TAG), found(OTHER))) as server, opened(server) as store:
        await store.put("a", BODY, PLAIN)
        with pytest.raises(Corrupted, match="other bytes than were sent"):
            await store.put("a", BODY, PLAIN)
