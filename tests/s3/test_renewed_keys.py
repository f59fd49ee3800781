"""A store that refuses the keys: they are looked for again once, and the request is sent again."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from phfs.core.objects import Attributes, ByteRange, ETag
from phfs.errors import AccessDenied, BadCredentials, InvalidRequest
from phfs.s3.client import S3Store
from phfs.s3.credentials import FileCredentials, SourceCredentials
from phfs.s3.options import S3Options
from tests.s3.raw_server import ETAG, Peer, RawServer, always, answer, error, piece
from tests.support.sinks import BytesSink

REFUSALS = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "InvalidTokenId",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
]


def write_keys(file: Path, key: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret-{key}\n")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_keys(tmp_path / "keys", "old")
    return tmp_path / "keys"


def store_at(url: str, file: Path) -> S3Store:
    return S3Store(S3Options(bucket="b", endpoint_url=url, timeout=20), FileCredentials(file))


class Rotating:
    """Refuses whoever does not come with the new key; the file has it from the first refusal on,
    if there is one to come."""

    def __init__(self, file: Path, refusal: bytes, good: bytes, new: str = "new") -> None:
        self._file = file
        self._refusal = refusal
        self._good = good
        self._new = new
        self.refused = 0

    def __call__(self, peer: Peer) -> None:
        while True:
            seen = peer.read_request()
            if f"Credential={self._new}/" in seen.headers["authorization"]:
                peer.send(self._good)
                continue
            self.refused += 1
            write_keys(self._file, "new")
            peer.send(self._refusal)


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_small_get_a_large_get_and_a_put(file: Path, code: str) -> None:
    refusal = answer("403 Forbidden", error(code))
    for size in (10, 1024 * 1024):
        write_keys(file, "old")
        body = bytes(size)
        script = Rotating(file, refusal, piece(0, body))
        with RawServer(script) as server:
            store = store_at(server.url, file)
            sink = BytesSink(size)
            await store.get("a", ByteRange(0, size), sink, if_match=ETag(ETAG))
            assert sink.filled == body
            assert script.refused == 1
            store.close()
    write_keys(file, "old")
    script = Rotating(file, refusal, answer("200 OK", ETag=f'"{ETAG}"'))
    with RawServer(script) as server:
        store = store_at(server.url, file)
        await store.put("a", [b"body"], Attributes())
        await store.put("b", [b"body"], Attributes())
        assert script.refused == 1
        store.close()


@pytest.mark.parametrize("status", ["403 Forbidden", "400 Bad Request"])
async def test_a_head_s_refusal_has_no_code(file: Path, status: str) -> None:
    """400 is what an expired token is refused by."""
    good = answer("200 OK", ETag=f'"{ETAG}"')
    script = Rotating(file, answer(status), good)
    with RawServer(script) as server:
        store = store_at(server.url, file)
        assert (await store.head("a")).info.etag == ETAG
        assert script.refused == 1
        store.close()


async def test_a_head_s_refusal_is_explained(file: Path) -> None:
    with RawServer(always(answer("400 Bad Request"))) as server:
        store = store_at(server.url, file)
        with pytest.raises(BadCredentials, match=r"d/a: .* without a reason") as caught:
            await store.head("d/a")
        assert "session token" in caught.value.advice
        with pytest.raises(InvalidRequest, match="HTTP status 400"):
            await store.put("d/a", [b"x"], Attributes())
        store.close()


async def test_new_keys_that_are_refused_as_well_are_an_error(file: Path) -> None:
    refusal = answer("403 Forbidden", error("InvalidAccessKeyId"))
    script = Rotating(file, refusal, b"", new="yet another")
    with RawServer(script) as server:
        store = store_at(server.url, file)
        with pytest.raises(BadCredentials, match="InvalidAccessKeyId"):
            await store.put("a", [b"x"], Attributes())
        assert script.refused == 2
        store.close()


async def test_a_missing_right_is_no_matter_of_the_keys(file: Path) -> None:
    script = Rotating(file, answer("403 Forbidden", error("AccessDenied")), b"")
    with RawServer(script) as server:
        store = store_at(server.url, file)
        with pytest.raises(AccessDenied):
            await store.put("a", [b"x"], Attributes())
        assert script.refused == 1
        store.close()


class Threads:
    """A source that remembers on which threads it was asked, and gives keys that end soon."""

    def __init__(self) -> None:
        self.asked: list[threading.Thread] = []

    def metadata(self) -> dict[str, str]:
        self.asked.append(threading.current_thread())
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        return {
            "access_key": f"key-{len(self.asked)}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": end.isoformat(),
        }

    def find(self, *, left: float = 3600) -> Credentials:
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=left)
        return RefreshableCredentials("old", "s", "t", end, self.metadata, "custom-process")


async def test_keys_are_renewed_on_another_thread_than_trio_s() -> None:
    threads = Threads()
    keys = SourceCredentials(threads.find(left=5), threads.find)
    good = answer("200 OK", ETag=f'"{ETAG}"')
    with RawServer(lambda peer: serve_new_keys(peer, good)) as server:
        store = S3Store(S3Options(bucket="b", endpoint_url=server.url, timeout=20), keys)
        await store.head("a")
        await store.head("a")
        store.close()
    assert len(threads.asked) == 1
    assert threads.asked[0] is not threading.main_thread()


async def test_refused_keys_are_asked_for_on_another_thread_than_trio_s() -> None:
    found: list[threading.Thread] = []

    def find() -> Credentials:
        found.append(threading.current_thread())
        return Credentials("key-1", "s")

    keys = SourceCredentials(Credentials("old", "s"), find)
    good = answer("200 OK", ETag=f'"{ETAG}"')
    with RawServer(lambda peer: serve_new_keys(peer, good)) as server:
        store = S3Store(S3Options(bucket="b", endpoint_url=server.url, timeout=20), keys)
        await store.head("a")
        store.close()
    assert len(found) == 1
    assert found[0] is not threading.main_thread()


def serve_new_keys(peer: Peer, good: bytes) -> None:
    while True:
        seen = peer.read_request()
        fits = "Credential=key-1/" in seen.headers["authorization"]
        peer.send(good if fits else answer("403 Forbidden"))
