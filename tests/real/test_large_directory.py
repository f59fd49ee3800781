"""A directory of 10,000 entries: listed right, with few requests, and while it changes."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections import Counter

import pytest

from tests.support.effort import Effort
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

ENTRIES = 10_000
NAMES = [f"file-{number:05}" for number in range(ENTRIES)]


@pytest.fixture(scope="module")
def large(mounted: Mounted) -> Mounted:
    """The mount, with the directory ``large``: MinIO unpacks a tar into objects by itself."""
    fill(mounted, "large", NAMES)
    return mounted


def fill(mounted: Mounted, directory: str, names: list[str]) -> None:
    """Objects as large as the last digit of their names says."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(f"{mounted.prefix}{directory}/{name}")
            member.size = int(name[-1])
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    mounted.s3.put_object(
        Bucket=mounted.bucket,
        Key="packed.tar",
        Body=packed.getvalue(),
        Metadata={"snowball-auto-extract": "true"},
    )


def test_every_entry_is_listed_once_with_its_size(large: Mounted) -> None:
    before = Counter(large.status()["requests"])
    entries = sorted(os.scandir(large.path / "large"), key=lambda entry: entry.name)
    assert [entry.name for entry in entries] == NAMES
    requests = Counter(large.status()["requests"]) - before
    assert requests["requests.list"] <= ENTRIES / 1000 + 4, requests
    assert requests["requests.head"] <= 4, "the directory's own name"
    assert [entry.stat().st_size for entry in entries[:200]] == [n % 10 for n in range(200)]


def test_entries_that_stay_are_listed_once_while_others_come_and_go(large: Mounted) -> None:
    directory = large.path / "large"
    listed: list[str] = []
    added, removed = set[str](), set[str]()
    with os.scandir(directory) as entries:
        for number, entry in enumerate(entries):
            listed.append(entry.name)
            if number % 500 == 0:
                removed.add(NAMES[-1 - number // 100])
                (directory / NAMES[-1 - number // 100]).unlink()
                for name in (f"added-{number}", f"file-{number:05}-added"):
                    added.add(name)
                    (directory / name).touch()
    assert max(Counter(listed).values()) == 1
    assert set(listed) >= set(NAMES) - removed
    assert set(listed) <= set(NAMES) | added
    assert set(os.listdir(directory)) == set(NAMES) - removed | added


def test_rewinding_looks_again(large: Mounted) -> None:
    directory = os.open(large.path / "large", os.O_RDONLY)
    try:
        before = os.listdir(directory)
        (large.path / "large" / "another").touch()
        os.lseek(directory, 0, os.SEEK_SET)
        assert set(os.listdir(directory)) - set(before) == {"another"}
    finally:
        os.close(directory)
        (large.path / "large" / "another").unlink()


@pytest.mark.torture
def test_siblings_are_each_listed_once_and_of_use(mounted: Mounted, effort: Effort) -> None:
    count = effort.of(quick=3_000, long=100_000)
    names = [f"sibling-{number:06}" for number in range(count)]
    fill(mounted, "siblings", names)
    begun = time.monotonic()
    listed = os.listdir(mounted.path / "siblings")
    seconds = time.monotonic() - begun
    assert sorted(listed) == names
    for name in (names[0], names[count // 2], names[-1]):
        path = mounted.path / "siblings" / name
        assert path.read_bytes() == b"x" * int(name[-1])
        path.rename(path.with_name("renamed"))
        path.with_name("renamed").unlink()
        names.remove(name)
    assert sorted(os.listdir(mounted.path / "siblings")) == names
    effort.record("siblings in one real directory", entries=count, seconds=round(seconds, 2))
