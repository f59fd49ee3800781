"""The same mount on a store that is not MinIO: Ceph's radosgw, which holds keys that MinIO cannot,
and keeps less of what S3 promises."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from tests.support.crowd import PATIENT, at_once, content, explaining, read_file, write_file
from tests.support.minio import Keys, s3_client
from tests.support.mounted import Mounted, Place
from tests.support.processes import poll_until
from tests.support.radosgw import RadosGateway

pytestmark = pytest.mark.real

MIB = 1024 * 1024
LARGE = bytes(range(256)) * (17 * MIB // 256) + b"the end"
"""More than two parts."""


@pytest.fixture(scope="module")
def s3(radosgw: RadosGateway) -> Iterator[S3Client]:
    """The bucket from outside."""
    with closing(s3_client(radosgw.endpoint_url, radosgw.access_key, radosgw.secret_key)) as client:
        yield client


def place(server: RadosGateway) -> Place:
    """A group in a bucket of its own."""
    return Place(
        server.endpoint_url, server.new_bucket(), "lab", Keys(server.access_key, server.secret_key)
    )


@pytest.fixture(scope="module")
def mounted(
    radosgw: RadosGateway, s3: S3Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mounted]:
    """One mount for all tests; each uses names of its own."""
    made = Mounted(
        place(radosgw), s3, tmp_path_factory.mktemp("radosgw-mount"), ["--metadata-ttl=0", *PATIENT]
    )
    yield made
    made.stop()


@pytest.mark.parametrize("body", [b"", b"text", LARGE], ids=["empty", "small", "large"])
def test_what_is_written_is_there_and_is_read(mounted: Mounted, body: bytes) -> None:
    path = mounted.path / f"file-{len(body)}"
    for version in (body, body[::-1]):
        path.write_bytes(version)
        assert mounted.get(path.name) == version
        assert path.read_bytes() == version
        assert path.stat().st_size == len(version)
    path.unlink()
    assert mounted.keys(path.name) == []


def test_many_readers_and_writers_at_once(mounted: Mounted) -> None:
    size = 6 * MIB
    for number in range(8):
        mounted.put(f"crowd/in-{number}", content(f"in-{number}", size))
    path = mounted.path / "crowd"
    reading = [partial(read_file, path / f"in-{number}", size) for number in range(8)]
    writing = [partial(write_file, path / f"out-{number}", size) for number in range(8)]
    with explaining(mounted):
        at_once([*reading, *writing])
    for number in range(8):
        assert mounted.get(f"crowd/out-{number}") == content(f"out-{number}", size)


def test_a_large_file_goes_on_after_it_was_saved(mounted: Mounted) -> None:
    with (mounted.path / "grown").open("wb") as file:
        file.write(LARGE)
        file.flush()
        os.fsync(file.fileno())
        file.write(b", and more")
    assert mounted.get("grown") == LARGE + b", and more"


@pytest.mark.parametrize("body", [b"mine", LARGE], ids=["small", "large"])
def test_an_exclusive_create_does_not_replace_what_came_meanwhile(
    mounted: Mounted, body: bytes
) -> None:
    name = f"exclusive-{len(body)}"
    descriptor = os.open(mounted.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    for start in range(0, len(body), MIB):
        os.write(descriptor, body[start : start + MIB])
    mounted.put(name, b"theirs")
    with pytest.raises(FileExistsError):
        os.close(descriptor)
    assert mounted.get(name) == b"theirs"
    with pytest.raises(FileExistsError):
        os.open(mounted.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def test_small_files_created_at_once_by_two_mounts_have_one_winner(
    mounted: Mounted, radosgw: RadosGateway, s3: S3Client, tmp_path: Path
) -> None:
    where = Place(
        radosgw.endpoint_url, mounted.bucket, "lab", Keys(radosgw.access_key, radosgw.secret_key)
    )
    other = Mounted(where, s3, tmp_path, ["--metadata-ttl=0", *PATIENT])
    barrier = threading.Barrier(2)

    def create(path: Path) -> bool:
        barrier.wait(30)
        try:
            with path.open("xb") as file:
                file.write(str(path).encode())
        except FileExistsError:
            return False
        return True

    try:
        with ThreadPoolExecutor(2) as pool:
            for number in range(10):
                paths = [it.path / f"lock-{number}" for it in (mounted, other)]
                won = list(pool.map(create, paths))
                assert sum(won) == 1, number
                assert mounted.get(f"lock-{number}").decode() == str(paths[won.index(True)])
    finally:
        other.stop()


def test_renames(mounted: Mounted) -> None:
    path = mounted.path / "renames"
    path.mkdir()
    (path / "a").write_bytes(b"small")
    (path / "b").write_bytes(LARGE)
    (path / "a").rename(path / "c")
    (path / "c").rename(path / "b")
    assert mounted.keys("renames/") == ["renames/", "renames/b"]
    assert mounted.get("renames/b") == b"small"
    for number in range(30):
        (path / f"{number}").write_bytes(b"%d" % number)
    path.rename(mounted.path / "renamed")
    assert mounted.keys("renames/") == []
    assert (mounted.path / "renamed" / "29").read_bytes() == b"29"
    shutil.rmtree(mounted.path / "renamed")
    assert mounted.keys("renamed") == []


def test_a_directory_of_more_than_a_page(mounted: Mounted) -> None:
    names = [f"{number:05}" for number in range(1100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: mounted.put(f"many/{name}", name.encode()), names))
    assert sorted(os.listdir(mounted.path / "many")) == names
    assert (mounted.path / "many" / "01099").read_bytes() == b"01099"


def test_a_file_beside_a_directory_of_its_name(mounted: Mounted) -> None:
    mounted.put("both", b"the file")
    mounted.put("both/below", b"in the directory")
    assert os.listdir(mounted.path / "both") == ["below"]
    assert (mounted.path / "both/below").read_bytes() == b"in the directory"
    os.listdir(mounted.path)
    assert mounted.status()["shadowed_files"] == ["both"]
    (mounted.path / "both/below").unlink()
    (mounted.path / "both").rmdir()
    assert (mounted.path / "both").read_bytes() == b"the file"


def test_keys_that_are_no_path_are_neither_shown_nor_touched(mounted: Mounted) -> None:
    hostile = ["odd//b", "odd/../b", "odd/./b", "odd/line\nbreak", "odd/clear\x1b[2J"]
    for key in (*hostile, "odd/good"):
        mounted.put(key, b"x")
    assert os.listdir(mounted.path / "odd") == ["good"]
    assert {"odd//", "odd/../", "odd/./"} <= set(mounted.status()["ignored_keys"])
    with pytest.raises(OSError, match="not empty"):
        shutil.rmtree(mounted.path / "odd")
    assert mounted.keys("odd/") == sorted(hostile)


def test_the_longest_keys(mounted: Mounted) -> None:
    directory = "/".join(["d" * 200] * 4)
    longest = 1024 - len(f"{mounted.prefix}{directory}/")
    path = mounted.path / directory
    path.mkdir(parents=True)
    # A file's name has to leave room for the "/" by which a directory is looked for.
    (path / ("f" * (longest - 1))).write_bytes(b"far down")
    with pytest.raises(OSError) as raised:
        (path / ("g" * longest)).write_bytes(b"a byte too far")
    assert raised.value.errno == errno.ENAMETOOLONG
    mounted.put(f"{directory}/{'o' * longest}", b"from outside")
    assert [len(name) for name in sorted(os.listdir(path))] == [longest - 1, longest]
    assert (path / ("o" * longest)).read_bytes() == b"from outside"
    shutil.rmtree(mounted.path / directory.split("/")[0])
    assert mounted.keys("ddd") == []


def test_the_status_says_what_this_store_does_not_guarantee(mounted: Mounted) -> None:
    (mounted.path / "written").write_bytes(b"x")
    store = mounted.status()["store"]
    assert store["server"] == "radosgw"
    subjects = [r"large file .* O_EXCL", "renaming", "CRC32C .* MD5"]
    assert len(store["does_not_guarantee"]) == len(subjects)
    for subject, sentence in zip(subjects, store["does_not_guarantee"], strict=True):
        assert re.search(subject, sentence)
    assert "does not guarantee:\n" in (mounted.path / ".phfs/status").read_text()


def writes(path: Path, body: bytes) -> bool:
    """Whether the file can be written; a loaded machine may need longer than a short deadline."""
    with suppress(OSError):
        path.write_bytes(body)
        return True
    return False


def reads(path: Path, body: bytes) -> bool:
    """Whether the file can be read, and is this."""
    with suppress(OSError):
        assert path.read_bytes() == body
        return True
    return False


def test_the_store_goes_and_comes_back(radosgw: RadosGateway, s3: S3Client, tmp_path: Path) -> None:
    made = Mounted(
        place(radosgw), s3, tmp_path, ["--metadata-ttl=0", "--retry-deadline=5", "--timeout=5"]
    )
    try:
        poll_until(lambda: writes(made.path / "file", b"before"), 60, lambda: f"{made.errors()}")
        radosgw.stop()
        try:
            with pytest.raises(OSError, match="Input/output error"):
                (made.path / "file").read_bytes()
            with pytest.raises(OSError, match="Input/output error"):
                (made.path / "new").write_bytes(b"x")
            assert made.errors()[0]["errno"] == "EIO"
        finally:
            radosgw.start()
        poll_until(lambda: writes(made.path / "new", b"after"), 60, lambda: f"{made.errors()}")
        assert made.get("new") == b"after"
        poll_until(lambda: reads(made.path / "file", b"before"), 60, lambda: f"{made.errors()}")
    finally:
        made.stop()
