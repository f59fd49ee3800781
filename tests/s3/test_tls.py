"""TLS: a certificate nobody vouches for, and the bundle that does."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from phfs.core.objects import Attributes, ByteRange, ETag
from phfs.errors import ConnectionFailed, UntrustedServer
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from phfs.s3.retry import RetryingStore
from tests.s3.raw_server import ETAG, Peer, RawServer, always, answer, piece
from tests.s3.relay import SpoilingRelay
from tests.support.sinks import BytesSink

BODY = bytes(range(256)) * 4096


class Certified(NamedTuple):
    """A server's TLS settings, and the file that vouches for them."""

    server: ssl.SSLContext
    bundle: Path


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    directory = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "phfs test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, secret = directory / "bundle.pem", directory / "key.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, secret)
    return Certified(context, bundle)


def store_at(url: str, bundle: Path | None = None) -> S3Store:
    options = S3Options(bucket="b", endpoint_url=url, ca_bundle=bundle, timeout=5)
    return S3Store(options, Credentials("key", "secret"))


async def test_with_the_bundle_bytes_go_both_ways(certified: Certified) -> None:
    script = always(answer("200 OK", ETag=f'"{ETAG}"'), piece(0, BODY))
    with RawServer(script, tls=certified.server) as server:
        store = store_at(server.url, certified.bundle)
        await store.put("a", [BODY, b"x", memoryview(BODY)], Attributes())
        sink = BytesSink(len(BODY))
        await store.get("a", ByteRange(0, len(BODY)), sink, if_match=ETag(ETAG))
        store.close()
        assert server.connections == 1
    assert sink.filled == BODY


def ranges_of_body(peer: Peer) -> None:
    """Answer requests for the rest of the body from anywhere."""
    while True:
        start = int(peer.read_request().headers["range"].removeprefix("bytes=").split("-")[0])
        peer.send(piece(start, BODY[start:]))


async def test_a_wrong_byte_on_the_way_is_found_and_fetched_again(certified: Certified) -> None:
    with (
        RawServer(ranges_of_body, tls=certified.server) as server,
        SpoilingRelay(server.url, len(BODY) // 2) as relay,
    ):
        bare = store_at(relay.url, certified.bundle)
        sink = BytesSink(len(BODY))
        span = ByteRange(0, len(BODY))
        await RetryingStore(bare, deadline=60).get("a", span, sink, if_match=ETag(ETAG))
        bare.close()
    assert relay.spoilt.is_set()
    assert sink.filled == BODY
    assert bare.counters["errors.ConnectionFailed"] == 1


async def test_a_certificate_nobody_vouches_for(certified: Certified) -> None:
    with RawServer(always(b""), tls=certified.server) as server:
        with pytest.raises(UntrustedServer, match="cannot be trusted") as caught:
            await store_at(server.url).head("a")
        assert "--ca-bundle" in caught.value.advice
        assert server.url.removeprefix("https://") in caught.value.why


async def test_a_server_without_tls() -> None:
    with RawServer(lambda peer: peer.send(answer("400 Bad Request"))) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(ConnectionFailed, match="no TLS connection") as caught:
            await store_at(url).head("a")
        assert "https://" in caught.value.advice
