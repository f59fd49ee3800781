"""What others do to the bucket, and what two mounts do to each other: seen in time, never mixed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.conftest import MountWith, mounting, new_place
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

TTL = 1.0
SLACK = 20.0
"""What a loaded machine may add; what is never seen is still found."""
MIB = 1024**2


@pytest.fixture(scope="module")
def mounted(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A mount that believes what it knows for a second."""
    for mount_with in mounting(minio, tmp_path_factory.mktemp("fresh")):
        yield mount_with(f"--metadata-ttl={TTL:g}")


def in_time(condition: Callable[[], bool]) -> None:
    """Fails unless the condition comes true before what is known may be no longer believed."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < TTL + SLACK, "not seen in time"
        time.sleep(0.02)


def missing(path: Path) -> bool:
    return not os.path.lexists(path)


def appear(mounted: Mounted, key: str, data: bytes) -> None:
    """Put a new object from outside; its directory may have been listed a moment ago."""
    mounted.put(key, data)
    in_time(lambda: not missing(mounted.path / key))


def reads(path: Path) -> bytes | None:
    """A file's bytes; None for a version that is known to be there and no longer is."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return None


def test_a_new_object(mounted: Mounted) -> None:
    directory, path = mounted.path / "new", mounted.path / "new" / "file"
    directory.mkdir()
    assert missing(path)
    assert os.listdir(directory) == []
    mounted.put("new/file", b"text")
    in_time(lambda: not missing(path))
    in_time(lambda: os.listdir(directory) == ["file"])
    assert path.read_bytes() == b"text"


def test_a_replaced_object(mounted: Mounted) -> None:
    path = mounted.path / "replaced"
    appear(mounted, "replaced", b"short")
    assert path.read_bytes() == b"short"
    inode = path.stat().st_ino
    mounted.put("replaced", b"something longer")
    in_time(lambda: path.stat().st_size == 16)
    assert path.read_bytes() == b"something longer"
    assert path.stat().st_ino != inode


def test_a_replaced_object_of_the_same_size(mounted: Mounted) -> None:
    path = mounted.path / "same-size"
    appear(mounted, "same-size", b"before")
    assert path.read_bytes() == b"before"
    mounted.put("same-size", b"after!")
    in_time(lambda: reads(path) == b"after!")


def test_a_deleted_object(mounted: Mounted) -> None:
    path = mounted.path / "deleted"
    path.write_bytes(b"text")
    mounted.delete("deleted")
    in_time(lambda: missing(path))
    assert "deleted" not in os.listdir(mounted.path)


def test_a_prefix_that_comes_and_goes(mounted: Mounted) -> None:
    path = mounted.path / "prefix"
    assert missing(path)
    mounted.put("prefix/below/file", b"")
    in_time(path.is_dir)
    assert os.listdir(path / "below") == ["file"]
    mounted.delete("prefix/below/file")
    in_time(lambda: missing(path))


def test_what_this_mount_writes_is_seen_at_once(mounted: Mounted) -> None:
    directory, path = mounted.path / "own", mounted.path / "own" / "file"
    directory.mkdir()
    assert missing(path)
    path.write_bytes(b"first")
    assert (mounted.get("own/file"), os.listdir(directory)) == (b"first", ["file"])
    before = path.stat()
    path.write_bytes(b"the second")
    assert (mounted.get("own/file"), path.read_bytes()) == (b"the second", b"the second")
    after = path.stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, 10)
    assert after.st_mtime_ns % 10**9 == 0
    time.sleep(TTL)  # what is asked of the store now says the same as what the write said
    assert path.stat() == after
    path.unlink()
    assert (mounted.keys("own/"), os.listdir(directory)) == (["own/"], [])


def test_a_reader_never_gets_two_versions(mount_with: MountWith) -> None:
    mounted = mount_with("--memory-limit=64")
    mounted.put("large", b"a" * 150 * MIB)
    with (mounted.path / "large").open("rb", buffering=0) as file:
        data = file.read(MIB)
        mounted.put("large", b"b" * 150 * MIB)
        with pytest.raises(OSError, match="Stale") as stale:  # noqa: PT012 - the loop is one reader
            while piece := file.read(MIB):
                data += piece
    assert stale.value.errno == errno.ESTALE
    assert data == b"a" * len(data)
    assert (mounted.path / "large").read_bytes() == b"b" * 150 * MIB
    why = mounted.errors()[0]["why"]
    assert "replaced or deleted by somebody else" in why


def test_an_object_deleted_while_it_is_read(mounted: Mounted) -> None:
    appear(mounted, "vanishing", b"a" * 40 * MIB)
    with (mounted.path / "vanishing").open("rb", buffering=0) as file:
        assert file.read(10) == b"a" * 10
        mounted.delete("vanishing")
        file.seek(39 * MIB)
        with pytest.raises(OSError, match="Stale"):
            file.read(10)
    assert missing(mounted.path / "vanishing")


def test_a_memory_map_of_a_replaced_object_ends_its_program(mounted: Mounted) -> None:
    appear(mounted, "mapped", b"a" * 40 * MIB)
    script = (
        "import mmap, sys; f = open(sys.argv[1], 'rb')\n"
        "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); print(m[0], flush=True)\n"
        "input(); print(m[-1])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(mounted.path / "mapped")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"97\n"
        mounted.put("mapped", b"b" * 40 * MIB)
        output, _ = program.communicate(b"\n")
    assert (program.returncode, output) == (-signal.SIGBUS, b"")


def test_two_mounts_of_one_group(minio: MinioServer, mount_with: MountWith) -> None:
    place = new_place(minio)
    here = mount_with(f"--metadata-ttl={TTL:g}", place=place)
    there = mount_with(f"--metadata-ttl={TTL:g}", place=place)
    (here.path / "file").write_bytes(b"one")
    in_time(lambda: not missing(there.path / "file"))
    assert (there.path / "file").read_bytes() == b"one"
    with (
        (here.path / "file").open("wb", buffering=0) as first,
        (there.path / "file").open("wb", buffering=0) as second,
    ):
        first.write(b"a" * 1000)
        second.write(b"b" * 2000)
        first.write(b"a" * 1000)
        assert here.get("file") == b"one"
        second.close()
        assert here.get("file") == b"b" * 2000
    assert here.get("file") == b"a" * 2000
    in_time(lambda: reads(there.path / "file") == b"a" * 2000)


def test_what_is_known_is_not_asked_again(mount_with: MountWith) -> None:
    mounted = mount_with("--metadata-ttl=600")
    for number in range(20):
        mounted.put(f"directory/{number}", b"x")
    directory = mounted.path / "directory"
    assert len(list(directory.iterdir())) == 20
    asked = mounted.status()["requests"]
    for number in range(20):
        assert (directory / str(number)).stat().st_size == 1
        assert missing(directory / f"not-{number}")
    assert mounted.status()["requests"] == asked
