"""Keys that others put into the bucket and that are no path: never shown, never touched, counted.

moto takes nearly every key; MinIO has those with line breaks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.support.minio import Keys, s3_client
from tests.support.moto import MotoServer
from tests.support.mounted import Mounted, Place

pytestmark = pytest.mark.real

HOSTILE = [
    "a//b",
    "//",
    "../escape",
    "a/../b",
    "a/./b",
    "./c",
    "clear\x1b[2J",
    "bell\x07",
    "tab\t/below",
    "x" * 256,
    "long/" + "é" * 128,
    ".phfs",
    ".phfs/errors",
    ".phfs/mine",
]
HARMLESS = ["a/good", "long/name", "file"]


@pytest.fixture
def mounted(moto: MotoServer, tmp_path: Path) -> Iterator[Mounted]:
    """A mount of a bucket that holds both kinds of keys, and others beside its prefix."""
    keys = Keys(moto.access_key, moto.secret_key)
    place = Place(moto.endpoint_url, moto.new_bucket(), "lab", keys)
    with closing(s3_client(moto.endpoint_url, *keys)) as s3:
        for key in (*HOSTILE, *HARMLESS):
            s3.put_object(Bucket=place.bucket, Key=place.prefix + key, Body=key.encode())
        for key in ("groups/escape", "groups/lab-other/file", "file", "b"):
            s3.put_object(Bucket=place.bucket, Key=key, Body=b"beside")
        mount = Mounted(place, s3, tmp_path)
        yield mount
        mount.stop()


def shown(path: Path) -> list[str]:
    """Every path beneath a directory."""
    return sorted(it.relative_to(path).as_posix() for it in path.rglob("*"))


def test_they_are_not_shown_but_counted(mounted: Mounted) -> None:
    assert shown(mounted.path) == ["a", "a/good", "file", "long", "long/name"]
    ignored = {str(key) for key in mounted.status()["ignored_keys"]}
    prefixes = {"a//", "/", "../", "a/../", "a/./", "./", "tab\t/", ".phfs/"}
    assert ignored == prefixes | {
        "clear\x1b[2J",
        "bell\x07",
        "x" * 256,
        "long/" + "é" * 128,
        ".phfs",
    }


def test_they_are_not_reached_by_name(mounted: Mounted) -> None:
    for name in ("clear\x1b[2J", "bell\x07", "tab\t/below", "tab\t"):
        assert not os.path.lexists(mounted.path / name)
    assert sorted(os.listdir(mounted.path / ".phfs"))[0] == "errors"
    with pytest.raises(PermissionError):
        (mounted.path / ".phfs" / "mine").write_text("")


def test_a_directory_that_holds_some_is_not_removed(mounted: Mounted) -> None:
    with pytest.raises(OSError, match="not empty"):
        shutil.rmtree(mounted.path / "a")
    assert mounted.keys("a/") == ["a/../b", "a/./b", "a//b"]


def test_a_directory_that_holds_some_is_not_renamed(mounted: Mounted) -> None:
    before = mounted.keys()
    with pytest.raises(OSError, match="Operation not supported"):
        (mounted.path / "a").rename(mounted.path / "z")
    assert mounted.keys() == before
    assert "cannot be moved" in mounted.errors()[0]["why"]


def test_line_breaks(mount_with: MountWith) -> None:
    mounted = mount_with()
    for key in ("line\nbreak", "dir\r\n/below", "fine"):
        mounted.put(key, b"")
    assert shown(mounted.path) == ["fine"]
    assert sorted(mounted.status()["ignored_keys"]) == ["dir\r\n/", "line\nbreak"]
    assert "line\nbreak" not in (mounted.path / ".phfs" / "status").read_text()


def test_a_file_beside_a_directory_of_its_name(mounted: Mounted) -> None:
    mounted.put("both", b"the file")
    mounted.put("both/below", b"in the directory")
    path = mounted.path / "both"
    assert path.is_dir()
    assert shown(path) == ["below"]
    assert [entry.is_dir() for entry in os.scandir(mounted.path) if entry.name == "both"] == [True]
    assert mounted.status()["shadowed_files"] == ["both"]
    with pytest.raises(IsADirectoryError):
        path.unlink()
    assert mounted.get("both") == b"the file"
