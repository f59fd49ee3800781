"""Where requests go: hosts, paths and the encoding of keys."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.errors import ConfigError
from phfs.s3.endpoint import encode_key, encode_query, endpoint_of


@pytest.mark.parametrize(
    ("bucket", "url", "region", "style", "host", "path"),
    [
        ("b", None, "eu-north-1", "auto", "b.s3.eu-north-1.amazonaws.com", "/k"),
        ("b", None, "cn-north-1", "auto", "b.s3.cn-north-1.amazonaws.com.cn", "/k"),
        ("b", None, "eu-north-1", "on", "s3.eu-north-1.amazonaws.com", "/b/k"),
        ("b.c", None, "eu-north-1", "auto", "s3.eu-north-1.amazonaws.com", "/b.c/k"),
        ("b", "https://s3.amazonaws.com", "x", "auto", "b.s3.amazonaws.com", "/k"),
        ("b", "http://127.0.0.1:9000", "x", "auto", "127.0.0.1:9000", "/b/k"),
        ("b", "http://[::1]:9000/", "x", "auto", "[::1]:9000", "/b/k"),
        ("b", "https://minio.lab", "x", "auto", "minio.lab", "/b/k"),
        ("b", "https://minio.lab:443", "x", "auto", "minio.lab", "/b/k"),
        ("b", "https://minio.lab:9000", "x", "off", "b.minio.lab:9000", "/k"),
        ("b", "https://gate.lab/s3/", "x", "auto", "gate.lab", "/s3/b/k"),
    ],
)
def test_places(
    bucket: str, url: str | None, region: str, style: str, host: str, path: str
) -> None:
    endpoint = endpoint_of(bucket, url, region, style)
    assert (endpoint.host, endpoint.path("k")) == (host, path)


def test_the_bucket_s_own_path() -> None:
    assert endpoint_of("b", "http://h", "x", "on").path(None) == "/b"
    assert endpoint_of("b", "http://h", "x", "off").path(None) == "/"


def test_address() -> None:
    assert endpoint_of("b", "https://minio.lab", "x", "auto").address == ("minio.lab", 443, True)
    assert endpoint_of("b", "http://[::1]:9000", "x", "auto").address == ("::1", 9000, False)


@pytest.mark.parametrize("url", ["minio.lab", "ftp://minio.lab", "http://", "http://h:port"])
def test_an_endpoint_that_is_no_url(url: str) -> None:
    with pytest.raises(ConfigError, match="--endpoint-url"):
        endpoint_of("b", url, "x", "auto")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_key_is_encoded_so_that_it_comes_back(key: str) -> None:
    encoded = encode_key(key)
    assert unquote_to_bytes(encoded).decode() == key
    assert set(encoded) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/%"
    )


def test_queries_are_sorted_and_encoded() -> None:
    assert encode_query({"prefix": "a/b c~", "delimiter": "/", "delete": ""}) == (
        "delete=&delimiter=%2F&prefix=a%2Fb%20c~"
    )
