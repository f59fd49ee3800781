"""Heads of answers: good ones, odd ones, and what is no HTTP."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.s3 import head
from phfs.s3.head import Headers, NotHttpError


def test_status_and_headers() -> None:
    found = head.parse(b'HTTP/1.1 206 Partial Content\r\nETag: "a"\r\nX-Empty:\r\nX-Two: b: c ')
    assert found.status == 206
    assert dict(found.headers) == {"etag": '"a"', "x-empty": "", "x-two": "b: c"}
    assert found.keeps_alive


def test_names_are_found_in_any_case_and_the_first_of_two_counts() -> None:
    headers = head.parse(b"HTTP/1.1 200 OK\r\nEtag: 1\r\nETAG: 2").headers
    assert headers["eTaG"] == "1"
    assert "ETag" in headers
    assert "Tag" not in headers
    assert headers.get("missing", "-") == "-"
    assert Headers({"A": "b"})["a"] == "b"


def test_bytes_are_latin_1() -> None:
    assert head.parse(b"HTTP/1.1 200 OK\r\nx: gr\xc3\xbcn").headers["x"] == "gr\u00c3\u00bcn"


@pytest.mark.parametrize(
    ("data", "keeps_alive"),
    [
        (b"HTTP/1.1 200 OK", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close", False),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive", True),
        (b"HTTP/1.1 200", True),
    ],
)
def test_whether_the_connection_is_kept(data: bytes, *, keeps_alive: bool) -> None:
    assert head.parse(data).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2",
        b"HTTP/2 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\n: no name",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded: c",
        b"HTTP/1.1 200 OK\r\nspace : c",
    ],
)
def test_what_is_no_http(data: bytes) -> None:
    with pytest.raises(NotHttpError, match=r"^it "):
        head.parse(data)


@given(st.binary(max_size=200))
def test_anything_is_a_head_or_no_http(data: bytes) -> None:
    with contextlib.suppress(NotHttpError):
        assert 0 <= head.parse(b"HTTP/1.1 " + data).status <= 999
