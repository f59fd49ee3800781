"""The way to a store, where something else answers, or nobody does."""

from __future__ import annotations

import email.utils
import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest

from phfs.config import MountConfig
from phfs.doctor.examination import Result, Verdict
from phfs.doctor.network import Way
from tests.s3.raw_server import Peer, RawServer, Script
from tests.support.certificates import Authority
from tests.support.minio import reserved_port

CONSOLE = b'<!doctype html><html><head><meta content="MinIO Console" name="description"/></html>'
REFUSED = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>'


def answering(body: bytes, *headers: str) -> Script:
    def script(peer: Peer) -> None:
        peer.read_request()
        lines = ["HTTP/1.1 403 Forbidden", f"Content-Length: {len(body)}", *headers, "", ""]
        peer.send("\r\n".join(lines).encode() + body)

    return script


def way(url: str, bundle: Path | None = None) -> Way:
    return Way(
        MountConfig(
            bucket="b",
            mountpoint=Path("/"),
            prefix="p/",
            endpoint_url=url,
            region="here-1",
            ca_bundle=bundle,
        )
    )


def judged(body: bytes, *headers: str) -> tuple[Way, Verdict]:
    with RawServer(answering(body, *headers)) as server:
        found = way(server.url)
        return found, found.is_s3()


def test_a_store_is_known_by_how_it_refuses() -> None:
    found, verdict = judged(REFUSED, "Server: Some S3")
    assert (verdict.result, verdict.text) == (Result.OK, "Some S3 (HTTP 403)")
    assert found.heard is not None
    assert found.heard.headers["server"] == "Some S3"


def test_it_is_asked_without_keys() -> None:
    with RawServer(answering(REFUSED)) as server:
        way(server.url).is_s3()
        (seen,) = server.seen
    assert seen.line == "GET /b HTTP/1.1"
    assert set(seen.headers) == {"host"}


@pytest.mark.parametrize(
    ("body", "headers", "result", "said", "advice"),
    [
        (CONSOLE, ["Content-Type: text/html"], Result.FAIL, "MinIO's console", "usually that is 9"),
        (b"", ["Content-Type: text/html", "Server: MinIO Console"], Result.FAIL, "console", "9000"),
        (b"<html><title>Log in</title>", [], Result.FAIL, "a web page ('Log in')", "a login"),
        (
            b"Client sent an HTTP request to an HTTPS server.\n",
            [],
            Result.FAIL,
            "speaks TLS only",
            "https://",
        ),
        (b"hello", [], Result.WARN, "does not answer like an object store", "--endpoint-url"),
    ],
)
def test_what_is_no_store(
    body: bytes, headers: list[str], result: Result, said: str, advice: str
) -> None:
    _, verdict = judged(body, *headers)
    assert verdict.result is result
    assert said in verdict.text
    assert advice in verdict.advice


def test_what_is_no_web_server() -> None:
    with RawServer(lambda peer: peer.send(b"220 mail.example.org ESMTP\r\n")) as server:
        verdict = way(server.url).is_s3()
    assert verdict.result is Result.FAIL
    assert "is no web server" in verdict.text


@pytest.mark.parametrize(
    ("ahead", "result", "said"),
    [
        (0, Result.OK, "agrees"),
        (90, Result.WARN, "seconds ahead of"),
        (-90, Result.WARN, "seconds behind"),
        (1200, Result.FAIL, "20 minutes ahead of the store's: S3 refuses"),
        (-1200, Result.FAIL, "(RequestTimeTooSkewed)"),
    ],
)
def test_clocks_that_differ(ahead: float, result: Result, said: str) -> None:
    date = email.utils.formatdate(time.time() - ahead, usegmt=True)
    found, _ = judged(REFUSED, f"Date: {date}")
    verdict = found.clock()
    assert verdict.result is result
    assert said in verdict.text


def test_a_store_that_says_no_time() -> None:
    found, _ = judged(REFUSED)
    assert found.clock().result is Result.OK


def test_a_bucket_in_another_region() -> None:
    found, _ = judged(REFUSED, "x-amz-bucket-region: there-1")
    verdict = found.region_of_bucket()
    assert verdict.result is Result.WARN
    assert verdict.advice == "Give --region there-1."
    found, _ = judged(REFUSED, "x-amz-bucket-region: here-1")
    assert found.region_of_bucket().text == "here-1"


def test_nobody_listens_or_is_known() -> None:
    with reserved_port() as port:
        verdict = way(f"http://127.0.0.1:{port.getsockname()[1]}").port()
    assert verdict.result is Result.FAIL
    assert "Connection refused" in verdict.text
    unknown = way("http://no-such-host.invalid:9000").name()
    assert unknown.result is Result.FAIL
    assert "no-such-host.invalid is not known" in unknown.text


def test_a_certificate_is_told_with_its_names_and_its_end(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "doctor-authority")
    for number, (days, result) in enumerate(((20, Result.OK), (3, Result.WARN))):
        directory = tmp_path / str(number)
        ends = timedelta(days=days, hours=1)
        public, private = authority.certify(directory, "127.0.0.1", "localhost", ends=ends)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(public, private)
        with RawServer(answering(REFUSED), tls=context) as server:
            verdict = way(server.url, authority.bundle).certificate()
            trusted = way(server.url).certificate()
        assert verdict.result is result, verdict.text
        assert verdict.text.startswith("TLSv1.3, for 127.0.0.1, localhost, ends in ")
        assert f"ends in {days} days" in verdict.text
        assert trusted.result is Result.FAIL
        assert "--ca-bundle" in trusted.advice


def test_no_tls_where_it_is_expected() -> None:
    with RawServer(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        verdict = way(server.url.replace("http:", "https:")).certificate()
    assert verdict.result is Result.FAIL
    assert "http:// instead" in verdict.advice
