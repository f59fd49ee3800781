"""What programs do in a mount while its link or store fails, and what has to be true afterwards.

Owns the operations and the mount behind a proxy (``Lane``) they run in. Knows no fault. Called by
``link_matrix`` and the tests that run it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from botocore.exceptions import ClientError

from tests.support.fault_proxy import FaultProxy
from tests.support.mounted import Mounted

RECOVERY = 120.0
"""Seconds until a healed mount works: a request under way may still be waiting for its next try."""

SMALL = bytes(range(256)) * 40
LARGE = random.Random(1).randbytes(12 * 1024**2)
OLD = b"an older version"
MANY = [f"{number:04}" for number in range(1200)]
"""More names in a directory than a page of a listing has."""


class Lane:
    """A proxy and a mount behind it."""

    def __init__(self, number: int, proxy: FaultProxy, mounted: Mounted) -> None:
        self.proxy = proxy
        self.mounted = mounted
        self._own = f"works-{number}"

    def object(self, key: str) -> bytes | None:
        """An object's bytes, None if there is none."""
        try:
            return self.mounted.get(key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None

    def works(self) -> None:
        """Wait until a file can be written, read and listed."""
        place = self.mounted.path / self._own

        def everything() -> None:
            place.mkdir(exist_ok=True)
            (place / "file").write_bytes(SMALL)
            assert [entry.name for entry in place.iterdir()] == ["file"]
            assert (place / "file").read_bytes() == SMALL
            (place / "file").unlink()

        self.in_the_end(everything)

    def in_the_end(self, does: Callable[[], None]) -> None:
        """Do something that works, sooner or later: a busy machine takes more time than the mount
        allows itself here."""
        give_up = time.monotonic() + RECOVERY
        while True:
            try:
                return does()
            except OSError:
                assert time.monotonic() < give_up, self.mounted.errors()[:3]


class Operation(NamedTuple):
    """Something a program does in the directory ``here`` of a mount: what has to be there, what is
    done, and what has to be true afterwards, whether it failed or not."""

    prepare: Callable[[Lane, str], None]
    act: Callable[[Path], object]
    check: Callable[[Lane, str, bool], None]


def nothing(lane: Lane, here: str) -> None:
    """Only something that makes the directory be there."""
    lane.mounted.put(f"{here}/beside", b"")


def with_objects(**objects: bytes) -> Callable[[Lane, str], None]:
    def prepare(lane: Lane, here: str) -> None:
        nothing(lane, here)
        for name, data in objects.items():
            lane.mounted.put(f"{here}/{name.replace('_', '/')}", data)

    return prepare


def reads(data: bytes, offset: int = 0, size: int = -1) -> Operation:
    wanted = data[offset:] if size < 0 else data[offset : offset + size]

    def act(here: Path) -> None:
        with (here / "file").open("rb", buffering=0) as file:
            file.seek(offset)
            got = b""
            while chunk := file.read(size - len(got) if size >= 0 else 1024**2):
                got += chunk
        assert got == wanted, "other bytes were read"

    return Operation(with_objects(file=data), act, unchanged(file=data))


def unchanged(**objects: bytes) -> Callable[[Lane, str, bool], None]:
    def check(lane: Lane, here: str, _: bool) -> None:
        for name, data in objects.items():
            assert lane.object(f"{here}/{name}") == data

    return check


def writes(data: bytes, old: bytes | None = None) -> Operation:
    def check(lane: Lane, here: str, done: bool) -> None:
        found = lane.object(f"{here}/file")
        assert found == data or (found == old and not done), "half, mixed, or not saved"
        seen = lane.mounted.path / here / "file"
        assert (seen.read_bytes() if seen.exists() else None) == found

    prepare = nothing if old is None else with_objects(file=old)
    return Operation(prepare, lambda here: (here / "file").write_bytes(data), check)


def lists() -> Operation:
    def act(here: Path) -> None:
        found = sorted(entry.name for entry in (here.parent / "many").iterdir())
        assert found == MANY, "other names were listed"

    def check(_: Lane, __: str, ___: bool) -> None:
        """Nothing was to change."""

    return Operation(nothing, act, check)


def stats() -> Operation:
    def act(here: Path) -> None:
        assert (here / "file").stat().st_size == len(SMALL)

    return Operation(with_objects(file=SMALL), act, unchanged(file=SMALL))


def renames_file() -> Operation:
    def check(lane: Lane, here: str, done: bool) -> None:
        old, new = lane.object(f"{here}/file"), lane.object(f"{here}/new")
        assert SMALL in (old, new), "lost"
        assert {old, new} <= {SMALL, None}
        assert not done or old is None
        names = {entry.name for entry in (lane.mounted.path / here).iterdir()}
        assert ("file" in names, "new" in names) == (old is not None, new is not None)

    return Operation(
        with_objects(file=SMALL), lambda here: (here / "file").rename(here / "new"), check
    )


def renames_directory() -> Operation:
    objects = {"a": SMALL, "b": OLD, "c/d": b"deep"}

    def check(lane: Lane, here: str, done: bool) -> None:
        for name, data in objects.items():
            old, new = lane.object(f"{here}/old/{name}"), lane.object(f"{here}/new/{name}")
            assert data in (old, new), f"{name} is lost"
            assert {old, new} <= {data, None}
            assert not done or old is None
            seen = [lane.mounted.path / here / each / name for each in ("old", "new")]
            assert [path.exists() for path in seen] == [old is not None, new is not None]

    prepared = {f"old_{name.replace('/', '_')}": data for name, data in objects.items()}
    return Operation(
        with_objects(**prepared), lambda here: (here / "old").rename(here / "new"), check
    )


def unlinks() -> Operation:
    def check(lane: Lane, here: str, done: bool) -> None:
        found = lane.object(f"{here}/file")
        assert found is None or (found == SMALL and not done)
        assert (lane.mounted.path / here / "file").exists() == (found is not None)

    return Operation(with_objects(file=SMALL), lambda here: (here / "file").unlink(), check)


def makes_directory() -> Operation:
    def check(lane: Lane, here: str, done: bool) -> None:
        there = lane.object(f"{here}/new/") is not None
        assert there or not done
        assert (lane.mounted.path / here / "new").is_dir() == there

    return Operation(nothing, lambda here: (here / "new").mkdir(), check)


OPERATIONS = {
    "read a large file": reads(LARGE),
    "read a small file": reads(SMALL),
    "read somewhere": reads(LARGE, 7 * 1024**2 + 5, 4096),
    "write a small file": writes(SMALL),
    "write a large file": writes(LARGE),
    "overwrite": writes(SMALL, OLD),
    "overwrite by a large file": writes(LARGE, OLD),
    "list": lists(),
    "stat": stats(),
    "rename a file": renames_file(),
    "rename a directory": renames_directory(),
    "unlink": unlinks(),
    "mkdir": makes_directory(),
}
