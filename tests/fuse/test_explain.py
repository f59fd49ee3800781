from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Awaitable

import pyfuse3
import pytest

from phfs.errors import Busy
from phfs.fuse.volume import RESERVED
from tests.fuse.conftest import NOBODY, Boundary

ROOT = pyfuse3.InodeT(1)
A = pyfuse3.InodeT(2)
PHFS = pyfuse3.FileNameT(b".phfs")
NAME = pyfuse3.FileNameT(b"a")
MODE = pyfuse3.ModeT(0o100600)
NO_FLAGS = pyfuse3.FlagT(0)
DOCUMENTS = ["errors", "errors.json", "status", "status.json"]


async def directory(boundary: Boundary) -> pyfuse3.InodeT:
    entry = await boundary.operations.lookup(ROOT, PHFS, NOBODY)
    assert stat.S_ISDIR(entry.st_mode)
    return entry.st_ino


async def look_up(boundary: Boundary, name: str) -> pyfuse3.EntryAttributes:
    parent = await directory(boundary)
    return await boundary.operations.lookup(parent, pyfuse3.FileNameT(name.encode()), NOBODY)


async def read(boundary: Boundary, name: str) -> str:
    ops = boundary.operations
    entry = await look_up(boundary, name)
    info = await ops.open(entry.st_ino, pyfuse3.FlagT(os.O_RDONLY), NOBODY)
    assert info.direct_io
    content = await ops.read(info.fh, 0, 1 << 20)
    assert await ops.read(info.fh, len(content), 10) == b""
    await ops.flush(info.fh)
    await ops.release(info.fh)
    if not name.startswith("status"):  # it counts the requests by which it is read
        assert entry.st_size == len(content)
    return content.decode()


async def refused(request: Awaitable[object]) -> int:
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await request
    return caught.value.errno


async def test_it_has_numbers_of_its_own_and_asks_the_file_system_nothing(
    boundary: Boundary,
) -> None:
    inodes = {(await look_up(boundary, name)).st_ino for name in DOCUMENTS}
    inodes.add(await directory(boundary))
    assert len(inodes) == len(DOCUMENTS) + 1
    assert min(inodes) >= RESERVED
    assert boundary.volume.calls == []


async def test_the_errors(boundary: Boundary) -> None:
    boundary.failures.report("/x/y.csv", "open", Busy("/x/y.csv is being written."))
    text = await read(boundary, "errors")
    assert "/x/y.csv is being written." in text
    assert Busy.default_advice in text
    (failure,) = json.loads(await read(boundary, "errors.json"))
    assert (failure["path"], failure["errno"]) == ("/x/y.csv", "EBUSY")


async def test_the_status(boundary: Boundary) -> None:
    boundary.operations.counts.read_bytes = 3 << 20
    boundary.operations.counts.written_bytes = 10
    text = await read(boundary, "status")
    assert text == (
        "mount point   /phfs\nlimits:\n  part size        8 MiB\nignored keys  none\n"
        "programs:\n  read           3 MiB\n  written        10 B\noperations    none\n"
    )
    await boundary.operations.getattr(A, NOBODY)
    text = await read(boundary, "status")
    assert re.search(r"^operations:\n  stat  1, [\d.e-]+ ms each\n$", text, re.MULTILINE)
    values = json.loads(await read(boundary, "status.json"))
    assert values.pop("operations")["stat"]["count"] == 1
    assert values == {
        "mount_point": "/phfs",
        "limits": {"part_size_bytes": 8 << 20},
        "ignored_keys": [],
        "programs": {"read_bytes": 3 << 20, "written_bytes": 10},
    }


async def test_looking_at_it_is_not_counted(boundary: Boundary) -> None:
    ops, counts = boundary.operations, boundary.operations.counts
    await ops.lookup(ROOT, PHFS, NOBODY)
    await read(boundary, "errors.json")
    await ops.getattr(pyfuse3.InodeT(await directory(boundary)), NOBODY)
    assert await refused(ops.mkdir(ROOT, PHFS, MODE, NOBODY)) == errno.EPERM
    assert (counts.tallies, counts.read_bytes) == ({}, 0)
    await ops.statfs(NOBODY)
    assert await refused(ops.lookup(A, PHFS, NOBODY)) == errno.ENOENT
    assert {name: tally.count for name, tally in counts.tallies.items()} == {
        "lookup": 1,
        "statfs": 1,
    }


async def test_a_document_is_as_it_was_when_it_was_opened(boundary: Boundary) -> None:
    ops = boundary.operations
    entry = await look_up(boundary, "errors")
    info = await ops.open(entry.st_ino, NO_FLAGS, NOBODY)
    boundary.failures.report("/x", "open", Busy("busy"))
    assert b"Nothing has failed" in await ops.read(info.fh, 0, 1 << 20)
    await ops.release(info.fh)
    assert await refused(ops.read(info.fh, 0, 10)) == errno.EBADF


async def test_its_time_is_that_of_the_last_failure(boundary: Boundary) -> None:
    boundary.clock.seconds += 100
    boundary.failures.report("/x", "open", Busy("busy"))
    boundary.clock.seconds += 100
    for name, after in (("errors", 100), ("status", 200)):
        entry = await look_up(boundary, name)
        assert entry.st_mtime_ns == (1_700_000_000 + after) * 1_000_000_000


async def test_its_listing(boundary: Boundary) -> None:
    ops, taker = boundary.operations, boundary.taker
    handle = await ops.opendir(await directory(boundary), NOBODY)
    await ops.readdir(handle, 0, pyfuse3.ReaddirToken())
    assert [name.decode() for name, _, _ in taker.taken] == [".", "..", *DOCUMENTS]
    taker.taken.clear()
    await ops.readdir(handle, 4, pyfuse3.ReaddirToken())
    assert [name.decode() for name, _, _ in taker.taken] == DOCUMENTS[2:]
    await ops.releasedir(handle)
    await ops.forget([(await directory(boundary), 7)])
    assert boundary.volume.calls == []


async def test_what_is_not_there(boundary: Boundary) -> None:
    ops, parent = boundary.operations, await directory(boundary)
    assert await refused(ops.lookup(parent, NAME, NOBODY)) == errno.ENOENT
    errors = (await look_up(boundary, "errors")).st_ino
    assert await refused(ops.opendir(errors, NOBODY)) == errno.ENOTDIR
    assert await refused(ops.open(parent, NO_FLAGS, NOBODY)) == errno.EISDIR
    assert await refused(ops.getattr(pyfuse3.InodeT(RESERVED + 99), NOBODY)) == errno.ESTALE
    assert boundary.failures.newest_first() == []


async def test_nothing_in_it_can_be_changed(boundary: Boundary) -> None:
    ops, parent = boundary.operations, await directory(boundary)
    errors = pyfuse3.FileNameT(b"errors")
    ino = (await look_up(boundary, "errors")).st_ino
    writing = pyfuse3.FlagT(os.O_WRONLY)
    reading = (await ops.open(ino, NO_FLAGS, NOBODY)).fh
    for request in (
        ops.open(ino, writing, NOBODY),
        ops.write(reading, 0, b"x"),
        ops.create(parent, NAME, MODE, writing, NOBODY),
        ops.mknod(parent, NAME, MODE, 0, NOBODY),
        ops.mkdir(parent, NAME, MODE, NOBODY),
        ops.unlink(parent, errors, NOBODY),
        ops.rename(parent, errors, ROOT, NAME, NO_FLAGS, NOBODY),
        ops.rename(ROOT, NAME, parent, errors, NO_FLAGS, NOBODY),
    ):
        assert await refused(request) == errno.EPERM
    assert boundary.volume.calls == []
    assert all(".phfs belongs to the mount" in f.why for f in boundary.failures.newest_first())


async def test_its_own_name_cannot_be_taken(boundary: Boundary) -> None:
    ops = boundary.operations
    for request in (
        ops.create(ROOT, PHFS, MODE, NO_FLAGS, NOBODY),
        ops.mknod(ROOT, PHFS, MODE, 0, NOBODY),
        ops.mkdir(ROOT, PHFS, MODE, NOBODY),
        ops.rmdir(ROOT, PHFS, NOBODY),
        ops.unlink(ROOT, PHFS, NOBODY),
        ops.rename(ROOT, PHFS, ROOT, NAME, NO_FLAGS, NOBODY),
        ops.rename(ROOT, NAME, ROOT, PHFS, NO_FLAGS, NOBODY),
    ):
        assert await refused(request) == errno.EPERM
    assert boundary.volume.calls == []


async def test_elsewhere_it_is_a_name_like_any_other(boundary: Boundary) -> None:
    await boundary.operations.mkdir(A, PHFS, MODE, NOBODY)
    assert boundary.volume.calls == [("mkdir", 2, ".phfs")]
