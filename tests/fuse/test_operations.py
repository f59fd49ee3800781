from __future__ import annotations

import errno
import os
import stat
from collections.abc import Awaitable, Callable

import pyfuse3
import pytest

from phfs.fuse.volume import RESERVED
from phfs.vfs.values import OpenFlags
from tests.fuse.conftest import NOBODY, Boundary
from tests.fuse.fake import HANDLE

A = pyfuse3.InodeT(2)
ROOT = pyfuse3.InodeT(1)
FH = pyfuse3.FileHandleT(HANDLE)
NAME = pyfuse3.FileNameT(b"a")
PHFS = pyfuse3.FileNameT(b".phfs")
MODE = pyfuse3.ModeT(0o100600)
NO_FLAGS = pyfuse3.FlagT(0)


async def refused(request: Awaitable[object]) -> int:
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await request
    return caught.value.errno


async def test_requests_on_names_are_handed_on(boundary: Boundary) -> None:
    ops, volume = boundary.operations, boundary.volume
    flags = pyfuse3.FlagT(os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert (await ops.lookup(ROOT, NAME, NOBODY)).st_ino == 2
    assert (await ops.mkdir(ROOT, NAME, MODE, NOBODY)).st_ino == 3
    assert (await ops.mknod(ROOT, NAME, MODE, 0, NOBODY)).st_ino == 2
    info, entry = await ops.create(ROOT, NAME, MODE, flags, NOBODY)
    assert (info.fh, bool(info.direct_io), entry.st_ino) == (HANDLE, True, 2)
    await ops.unlink(ROOT, NAME, NOBODY)
    await ops.rmdir(ROOT, NAME, NOBODY)
    assert volume.calls == [
        ("lookup", 1, "a"),
        ("mkdir", 1, "a"),
        ("make_file", 1, "a"),
        ("create", 1, "a", OpenFlags(read=False, write=True, exclusive=True)),
        ("unlink", 1, "a"),
        ("rmdir", 1, "a"),
    ]


async def test_requests_on_files_are_handed_on(boundary: Boundary) -> None:
    ops, volume = boundary.operations, boundary.volume
    info = await ops.open(A, pyfuse3.FlagT(os.O_RDONLY), NOBODY)
    assert (info.fh, bool(info.keep_cache)) == (HANDLE, True)
    assert bytes(await ops.read(FH, 2, 3)) == b"234"
    assert await ops.write(FH, 5, b"xyz") == 3
    await ops.flush(FH)
    await ops.fsync(FH, True)
    await ops.release(FH)
    assert volume.calls == [
        ("open", 2, OpenFlags(read=True)),
        ("read", HANDLE, 2, 3),
        ("write", HANDLE, 5, b"xyz"),
        ("flush", HANDLE),
        ("fsync", HANDLE),
        ("release", HANDLE),
    ]


async def test_directories_are_opened_synced_and_closed(boundary: Boundary) -> None:
    ops = boundary.operations
    assert await ops.opendir(ROOT, NOBODY) == HANDLE
    await ops.fsyncdir(FH, False)
    await ops.releasedir(FH)
    assert boundary.volume.calls == [("opendir", 1), ("releasedir", HANDLE)]


async def test_forgets_are_handed_on_one_by_one(boundary: Boundary) -> None:
    await boundary.operations.forget([(A, 3), (pyfuse3.InodeT(9), 1), (RESERVED_FILE, 1)])
    assert boundary.volume.calls == [("forget", 2, 3), ("forget", 9, 1)]


RESERVED_FILE = pyfuse3.InodeT(RESERVED + 1)


@pytest.mark.parametrize(
    ("flags", "replace"), [(0, True), (pyfuse3.RENAME_NOREPLACE, False)], ids=["over", "new"]
)
async def test_rename(boundary: Boundary, flags: int, *, replace: bool) -> None:
    other = pyfuse3.FileNameT(b"b")
    await boundary.operations.rename(ROOT, NAME, A, other, pyfuse3.FlagT(flags), NOBODY)
    assert boundary.volume.calls == [("rename", 1, "a", 2, "b", replace)]


@pytest.mark.parametrize("flags", [pyfuse3.RENAME_EXCHANGE, 4], ids=["exchange", "whiteout"])
async def test_renames_that_cannot_be(boundary: Boundary, flags: int) -> None:
    request = boundary.operations.rename(ROOT, NAME, A, NAME, pyfuse3.FlagT(flags), NOBODY)
    assert await refused(request) == errno.EINVAL
    assert boundary.volume.calls == []


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
async def test_special_files_are_refused(boundary: Boundary, kind: int) -> None:
    ops = boundary.operations
    mode = pyfuse3.ModeT(kind | 0o644)
    assert await refused(ops.mknod(ROOT, NAME, mode, 0, NOBODY)) == errno.EOPNOTSUPP
    assert boundary.failures.newest_first()[0].path == "/a"


async def test_links_are_refused_and_explained(boundary: Boundary) -> None:
    ops = boundary.operations
    assert await refused(ops.symlink(ROOT, NAME, PHFS, NOBODY)) == errno.EOPNOTSUPP
    assert await refused(ops.link(A, ROOT, NAME, NOBODY)) == errno.EOPNOTSUPP
    hard, soft = boundary.failures.newest_first()
    assert (hard.path, hard.operation) == ("/a", "link")
    assert (soft.path, soft.operation) == ("/a", "symlink")
    assert "link" in soft.why
    assert hard.advice
    assert soft.advice


async def test_a_name_that_is_no_text(boundary: Boundary) -> None:
    request = boundary.operations.lookup(ROOT, pyfuse3.FileNameT(b"\xff"), NOBODY)
    assert await refused(request) == errno.EILSEQ
    assert boundary.failures.newest_first()[0].path == r"/\xff"


@pytest.mark.parametrize(
    "request_", ["getxattr", "setxattr", "listxattr", "removexattr", "access", "poll"]
)
async def test_what_the_kernel_shall_settle_itself(boundary: Boundary, request_: str) -> None:
    ops, name = boundary.operations, pyfuse3.XAttrNameT(b"user.x")
    requests: dict[str, Callable[[], Awaitable[object]]] = {
        "getxattr": lambda: ops.getxattr(A, name, NOBODY),
        "setxattr": lambda: ops.setxattr(A, name, b"", NOBODY),
        "listxattr": lambda: ops.listxattr(A, NOBODY),
        "removexattr": lambda: ops.removexattr(A, name, NOBODY),
        "access": lambda: ops.access(A, MODE, NOBODY),
        "poll": lambda: ops.poll(A, FH, None, NOBODY),
    }
    assert await refused(requests[request_]()) == errno.ENOSYS
    assert boundary.failures.newest_first() == []


def test_writes_are_not_held_back_by_the_kernel(boundary: Boundary) -> None:
    assert boundary.operations.enable_writeback_cache is False


# -- listings ------------------------------------------------------------------------------


async def test_a_listing_counts_a_lookup_for_each_name_the_kernel_took(
    boundary: Boundary,
) -> None:
    boundary.volume.names = ["a", "b", "c"]
    taker = boundary.taker
    taker.room = 4
    await boundary.operations.readdir(FH, 0, pyfuse3.ReaddirToken())
    assert taker.taken == [(b".", 1, 1), (b"..", 1, 2), (b"a", 2, 3), (b"b", 2, 4)]
    assert boundary.volume.lookups == 2
    taker.room = 9
    await boundary.operations.readdir(FH, 4, pyfuse3.ReaddirToken())
    assert taker.taken[4:] == [(b"c", 2, 5)]
    assert boundary.volume.lookups == 3


@pytest.mark.expects_log
async def test_a_listing_that_breaks_counts_none(
    boundary: Boundary,
) -> None:
    boundary.volume.names = ["a", "b", "c"]
    boundary.volume.fail_listing_at = 5
    taker = boundary.taker
    taker.room = 9
    request = boundary.operations.readdir(FH, 0, pyfuse3.ReaddirToken())
    assert await refused(request) == errno.EIO
    assert len(taker.taken) == 4
    assert boundary.volume.lookups == 0
