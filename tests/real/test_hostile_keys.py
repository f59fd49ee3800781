"""Keys that others put into the bucket and that are no path: never shown, never touched, counted.

moto takes nearly every key; MinIO has those with line breaks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.support.effort import Effort
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


BESIDE = ("groups/escape", "groups/lab-other/file", "file", "b")
"""Keys outside the mount's prefix."""


@pytest.fixture
def empty(moto: MotoServer, tmp_path: Path) -> Iterator[Mounted]:
    """A mount of a bucket that holds objects beside its prefix, and whether they stay."""
    keys = Keys(moto.access_key, moto.secret_key)
    place = Place(moto.endpoint_url, moto.new_bucket(), "lab", keys)
    with closing(s3_client(moto.endpoint_url, *keys)) as s3:
        for key in BESIDE:
            s3.put_object(Bucket=place.bucket, Key=key, Body=b"beside")
        mount = Mounted(place, s3, tmp_path, ["--metadata-ttl=600"])
        yield mount
        mount.stop()
        for key in BESIDE:
            assert s3.get_object(Bucket=place.bucket, Key=key)["Body"].read() == b"beside"


@pytest.fixture
def mounted(empty: Mounted) -> Mounted:
    """The mount, its prefix filled with both kinds of keys."""
    for key in (*HOSTILE, *HARMLESS):
        empty.put(key, key.encode())
    return empty


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


def check_all(mounted: Mounted) -> None:
    """What is shown can be read, renamed and removed; the rest is noted, as is the log."""
    keys = mounted.keys()
    before = {key: mounted.get(key) for key in keys}
    files = [path for path in shown(mounted.path) if (mounted.path / path).is_file()]
    noted = {str(it) for it in mounted.status()["ignored_keys"]}
    noted |= {str(it) for it in mounted.status()["shadowed_files"]}
    hidden = {key for key in before if key in noted or key.startswith(prefixes(noted))}
    assert set(files) | hidden == set(before)
    assert not set(files) & hidden
    for path in files:
        assert (mounted.path / path).read_bytes() == before[path]
        (mounted.path / path).rename(mounted.path / "renamed")
        assert mounted.get("renamed") == before[path]
        (mounted.path / "renamed").unlink()
    keys = mounted.keys()
    assert {key for key in keys if not key.endswith("/")} == hidden
    for text in ("status", "status.json", "errors", "errors.json"):
        for line in (mounted.path / ".phfs" / text).read_text().split("\n"):
            assert line.isprintable(), (text, line)
    assert all(line.isprintable() for line in mounted.log.split("\n"))


def prefixes(noted: set[str]) -> tuple[str, ...]:
    return tuple(it for it in noted if it.endswith("/"))


def test_every_character_of_one_byte_and_some_of_more(empty: Mounted) -> None:
    ones = set(map(chr, range(1, 256))) - {"\n"}  # moto has no line breaks, MinIO has
    characters = [*sorted(ones), *"\u202e\u200b\u2028\ufeff\u0301\U0001f680\U0010ffff"]
    for character in characters:
        empty.put(f"be{character}tween", character.encode())
    check_all(empty)


def test_files_beside_directories_on_several_levels(empty: Mounted) -> None:
    for key in ("a", "a/b", "a/b/c", "a/b/c/d", "a-", "a.b", "a0", "a//", "e/", "e/f"):
        empty.put(key, b"" if key == "e/" else key.encode())
    assert shown(empty.path / "a") == ["b", "b/c", "b/c/d"]
    assert set(empty.status()["shadowed_files"]) == {"a", "a/b", "a/b/c"}
    (empty.path / "a" / "b" / "c" / "d").unlink()
    (empty.path / "a" / "b" / "c").rmdir()
    assert (empty.path / "a" / "b" / "c").read_bytes() == b"a/b/c"


@pytest.mark.torture
def test_a_deep_tree(empty: Mounted, effort: Effort) -> None:
    """As deep as a key allows in the long form: each level costs several requests."""
    levels = effort.of(quick=100, long=(1024 - len(empty.prefix) - 1) // 2)
    deep = "a/" * levels + "f"
    empty.put(deep, b"deep")
    assert (empty.path / deep).read_bytes() == b"deep"
    (empty.path / "a").rename(empty.path / "b")
    moved = f"b/{deep.removeprefix('a/')}"
    assert empty.keys() == [moved]
    assert (empty.path / moved).read_bytes() == b"deep"
    subprocess.run(["rm", "-r", empty.path / "b"], check=True)
    assert empty.keys() == []
    assert shown(empty.path) == []
    effort.record("a deep tree over moto", levels=levels)
