"""What the mount counts, where it shows it, and the file it shows for somebody else."""

from __future__ import annotations

import os
from pathlib import Path

import pyfuse3
import pytest

from phfs.errors import Busy, ConfigError, NotFound, Stale
from phfs.fuse.counts import BOUNDS, Counts
from phfs.fuse.explain import Explanations
from phfs.fuse.failures import Failures
from phfs.fuse.shown import MOST_BYTES, ShownFile
from phfs.vfs.values import OpenFlags
from tests.fuse.conftest import NOBODY, Boundary
from tests.fuse.fake import HANDLE

ROOT = pyfuse3.InodeT(1)
A = pyfuse3.InodeT(2)
FH = pyfuse3.FileHandleT(HANDLE)


async def test_every_request_is_counted(boundary: Boundary) -> None:
    ops, counts = boundary.operations, boundary.operations.counts
    for _ in range(3):
        await ops.read(FH, 2, 5)
    await ops.write(FH, 0, b"four")
    boundary.volume.error = Busy("busy")
    for _ in range(2):
        with pytest.raises(pyfuse3.FUSEError):
            await ops.read(FH, 0, 5)
    boundary.volume.error = NotFound("none")
    with pytest.raises(pyfuse3.FUSEError):
        await ops.lookup(ROOT, pyfuse3.FileNameT(b"b"), NOBODY)
    assert (counts.read_bytes, counts.written_bytes) == (15, 4)
    assert {name: tally.count for name, tally in counts.tallies.items()} == {
        "lookup": 1,
        "read": 5,
        "write": 1,
    }
    assert counts.of("read").errors == {"EBUSY": 2}
    assert counts.of("lookup").errors == {"ENOENT": 1}
    assert counts.of("read").seconds > 0


async def test_an_error_that_the_kernel_asks_again_for_is_counted(boundary: Boundary) -> None:
    boundary.volume.error = Stale("replaced")
    with pytest.raises(pyfuse3.FUSEError):
        await boundary.operations.getattr(A, NOBODY)
    assert boundary.operations.counts.of("stat").errors == {"ESTALE": 1}


def test_waits_are_sorted_into_places() -> None:
    counts = Counts()
    for seconds in (0.0, 0.001, 0.0011, 0.5, 10.0, 10.1, 1000.0):
        counts.of("read").add(seconds)
    assert BOUNDS == (0.001, 0.01, 0.1, 1.0, 10.0)
    assert counts.values()["operations"] == {
        "read": {
            "count": 7,
            "seconds": 1020.6021,
            "up_to_seconds": {"0.001": 2, "0.01": 1, "0.1": 0, "1": 1, "10": 1, "more": 2},
            "errors": {},
        }
    }
    counts.of("open").add(0.002)
    counts.of("open").errors["EIO"] += 1
    counts.read_bytes = 3 << 20
    assert counts.words() == {
        "programs": {"read_bytes": 3 << 20, "written_bytes": 0},
        "operations": {"open": "1, 2 ms each, 1 EIO", "read": "7, 1.46e+05 ms each"},
    }


class Shown:
    """The mount's own directory with a file in it that is somebody else's."""

    def __init__(self, path: Path) -> None:
        failures = Failures(lambda: 1_700_000_000.0)
        self.volume = Explanations(failures, Counts(), dict, ShownFile(path))

    async def directory(self) -> int:
        return (await self.volume.lookup(1, ".phfs")).ino

    async def names(self) -> list[str]:
        handle = await self.volume.opendir(await self.directory())
        return [entry.name async for entry in self.volume.readdir(handle, 0)]

    async def read(self, name: str) -> bytes:
        found = await self.volume.lookup(await self.directory(), name)
        opened = await self.volume.open(found.ino, OpenFlags(read=True))
        content = await self.volume.read(opened.handle, 0, 2 * MOST_BYTES)
        assert len(content) == found.size
        return content


async def test_a_file_is_shown_as_it_is_at_the_time(tmp_path: Path) -> None:
    path = tmp_path / "VOLUMES.txt"
    shown = Shown(path)
    assert path.name not in await shown.names()
    with pytest.raises(NotFound):
        await shown.read(path.name)
    path.write_bytes(b"all is well\n")
    os.utime(path, (5, 1_600_000_000))
    assert path.name in await shown.names()
    assert await shown.read(path.name) == b"all is well\n"
    found = await shown.volume.lookup(await shown.directory(), path.name)
    assert found.mtime == 1_600_000_000
    path.write_bytes(b"x" * (MOST_BYTES + 1))
    assert await shown.read(path.name) == b"x" * MOST_BYTES
    path.unlink()
    assert path.name not in await shown.names()
    with pytest.raises(NotFound):
        await shown.volume.open(found.ino, OpenFlags(read=True))


async def test_a_link_is_not_followed_and_a_pipe_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    path = tmp_path / "VOLUMES.txt"
    shown = Shown(path)
    path.symlink_to(tmp_path / "secret")
    assert path.name not in await shown.names()
    path.unlink()
    os.mkfifo(path)
    assert path.name not in await shown.names()
    path.unlink()
    path.mkdir()
    assert path.name not in await shown.names()


def test_it_cannot_have_a_name_of_the_mounts_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--show-file names status"):
        Shown(tmp_path / "status")
