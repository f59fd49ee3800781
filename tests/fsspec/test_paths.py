"""Which URLs there are: nothing outside the group's directory can be named."""

from __future__ import annotations

import errno

import pytest

from phfs.errors import Invalid
from phfs.fsspec import PhfsFileSystem
from phfs.fsspec.paths import stripped


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("phfs:///data/x.parquet", "/data/x.parquet"),
        ("phfs:///data/", "/data"),
        ("phfs:///", "/"),
        ("phfs://", "/"),
        ("", "/"),
        ("/", "/"),
        ("data/x", "/data/x"),
        ("/data/x", "/data/x"),
        ("phfs:///a b/ü?/#1/*", "/a b/ü?/#1/*"),
        ("phfs:///...", "/..."),
        ("phfs:///a..b/.hidden", "/a..b/.hidden"),
    ],
)
def test_a_path_begins_at_the_group(url: str, path: str) -> None:
    assert stripped(url) == path
    assert stripped(path) == path
    assert PhfsFileSystem._strip_protocol(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "phfs://data/x",
        "phfs://data",
        "phfs:////x",
        "phfs:///a//b",
        "phfs:///a//",
        "//",
        "//x",
        "..",
        "../x",
        "phfs:///..",
        "phfs:///../other-group/x",
        "phfs:///a/../../b",
        "/a/.",
        "/./a",
        ".",
    ],
)
def test_what_is_no_path_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        stripped(url)
    assert repr(url) in caught.value.why
    assert caught.value.advice
    with pytest.raises(OSError, match=r"Give|group's own") as told:
        PhfsFileSystem._strip_protocol(url)
    assert told.value.errno == errno.EINVAL


def test_two_slashes_name_what_was_meant() -> None:
    with pytest.raises(Invalid) as caught:
        stripped("phfs://data/x.csv")
    assert caught.value.advice == "Give phfs:///data/x.csv."


def test_paths_and_what_is_above_them() -> None:
    assert PhfsFileSystem._parent("phfs:///a/b") == "/a"
    assert PhfsFileSystem._parent("/a") == "/"
