from __future__ import annotations

import os
import stat

import pytest

from phfs.errors import NameNotText
from phfs.fuse.convert import (
    Attributes,
    Ownership,
    capacity,
    decode_name,
    file_info,
    open_flags,
    readable_name,
)
from phfs.fuse.volume import RESERVED
from phfs.vfs.values import Opened, OpenFlags, Stat

ATTRIBUTES = Attributes(Ownership(uid=1000, gid=100, file_mode=0o640, dir_mode=0o750))


def test_a_file() -> None:
    entry = ATTRIBUTES.of(Stat(5, is_dir=False, size=1_025, mtime=1_700_000_000, ttl=0.25))
    assert entry.st_ino == 5
    assert entry.st_mode == stat.S_IFREG | 0o640
    assert (entry.st_uid, entry.st_gid, entry.st_nlink) == (1000, 100, 1)
    assert (entry.st_size, entry.st_blocks) == (1_025, 3)
    assert (entry.entry_timeout, entry.attr_timeout) == (0.25, 0.25)
    times = {entry.st_mtime_ns, entry.st_ctime_ns, entry.st_atime_ns}
    assert times == {1_700_000_000_000_000_000}


def test_a_directory() -> None:
    entry = ATTRIBUTES.of(Stat(6, is_dir=True, size=0, mtime=1, ttl=1.0))
    assert entry.st_mode == stat.S_IFDIR | 0o750
    assert (entry.st_nlink, entry.st_size, entry.st_blocks) == (2, 0, 0)


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 1), (512, 1), (513, 2), (2**40, 2**31)])
def test_blocks(size: int, blocks: int) -> None:
    known = Stat(5, is_dir=False, size=size, mtime=1, ttl=0)
    assert ATTRIBUTES.of(known).st_blocks == blocks


def test_explanations_can_be_read_by_everybody_and_written_by_nobody() -> None:
    file = ATTRIBUTES.of(Stat(RESERVED + 1, is_dir=False, size=1, mtime=1, ttl=0))
    directory = ATTRIBUTES.of(Stat(RESERVED, is_dir=True, size=0, mtime=1, ttl=0))
    assert file.st_mode == stat.S_IFREG | 0o444
    assert directory.st_mode == stat.S_IFDIR | 0o555


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (os.O_RDONLY, OpenFlags(read=True)),
        (os.O_WRONLY, OpenFlags(read=False, write=True)),
        (os.O_RDWR, OpenFlags(read=True, write=True)),
        (os.O_ACCMODE, OpenFlags(read=False)),
        (os.O_WRONLY | os.O_APPEND, OpenFlags(read=False, write=True, append=True)),
        (os.O_WRONLY | os.O_TRUNC, OpenFlags(read=False, write=True, truncate=True)),
        (os.O_RDWR | os.O_CREAT | os.O_EXCL, OpenFlags(write=True, exclusive=True)),
        (os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECT, OpenFlags(read=True)),
    ],
)
def test_flags(flags: int, expected: OpenFlags) -> None:
    assert open_flags(flags) == expected


@pytest.mark.parametrize("direct_io", [False, True])
@pytest.mark.parametrize("keep_cache", [False, True])
def test_how_an_open_file_is_cached(*, direct_io: bool, keep_cache: bool) -> None:
    info = file_info(Opened(9, direct_io, keep_cache))
    assert (info.fh, bool(info.direct_io), bool(info.keep_cache)) == (9, direct_io, keep_cache)
    assert not info.nonseekable


def test_names() -> None:
    assert decode_name("größe 数.csv".encode()) == "größe 数.csv"
    with pytest.raises(NameNotText) as refused:
        decode_name(b"gr\xf6\xdfe")
    assert r"gr\\xf6\\xdfe" in refused.value.why
    assert readable_name(b"gr\xf6\xdfe") == r"gr\xf6\xdfe"


def test_there_is_room() -> None:
    figures = capacity()
    assert figures.f_bavail * figures.f_frsize == 2**50
    assert figures.f_bfree == figures.f_blocks == figures.f_bavail
    assert figures.f_ffree == figures.f_files > 0
    assert figures.f_namemax == 255
