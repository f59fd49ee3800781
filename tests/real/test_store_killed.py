"""MinIO is killed while a mount writes and reads, and started again: nobody has to do anything.

Judged are: whatever ``close`` acknowledged is there, whole, when all is over; a name never stands
for anything but a version that was written to it whole; a read gives the right bytes or fails; the
mount works again by itself.

A server killed while it completes an upload may have spoilt it: it published nothing and says that
the parts or the upload are gone (``InvalidPart``, ``NoSuchUpload``). That close has to fail, and is
counted by itself.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
import time
from collections import Counter

import pytest

from tests.real.conftest import MountWith
from tests.support.effort import Effort
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

DEADLINE = 20.0
"""Seconds a mount tries: longer than MinIO takes to come back."""

SLACK = 60.0
"""Seconds for whatever comes after, on a busy machine."""

NAMES = 6
"""Files that each writer writes again and again."""

SIZES = {"small": 20_000, "large": 11 * 1024**2}
"""Bytes: one PUT, and three parts."""


def version(name: str, number: int, size: int) -> bytes:
    """The bytes of one version of a file, unlike those of any other."""
    start = f"{name} {number} ".encode()
    return start + random.Random(f"{name}{number}").randbytes(size - len(start))


class Worker(threading.Thread):
    """Does something with a mount until told to stop. ``ends`` counts how it ended, ``problems``
    are what must not be."""

    def __init__(self, mounted: Mounted) -> None:
        super().__init__(daemon=True)
        self.ends: Counter[str] = Counter()
        self.problems: list[str] = []
        self.mounted = mounted
        self._ending = threading.Event()

    def stop(self) -> None:
        """End with the file of the moment."""
        self._ending.set()
        self.join(DEADLINE + SLACK)
        assert not self.is_alive(), "an operation has no end"

    def run(self) -> None:
        """Work; whatever goes wrong in an unforeseen way is a problem, too."""
        try:
            while not self._ending.is_set():
                self.work()
        except Exception as error:  # shown at the end
            self.problems.append(repr(error))

    def work(self) -> None:
        """One file."""
        raise NotImplementedError

    def failed(self, error: OSError) -> None:
        """Count a failure; only ``EIO`` is one that faults of the store may be."""
        self.ends["failed"] += 1
        if error.errno != errno.EIO:
            self.problems.append(f"{error}: {self.mounted.errors()[:2]}")


class Writer(Worker):
    """Writes files again and again. ``acknowledged`` is the digest of the last version of each name
    whose close returned 0; ``tried`` that one's and those of all that were begun since."""

    def __init__(self, mounted: Mounted, kind: str) -> None:
        super().__init__(mounted)
        self.acknowledged: dict[str, bytes] = {}
        self.tried: dict[str, set[bytes]] = {}
        self._kind = kind
        self._number = 0

    def work(self) -> None:
        self._number += 1
        name = f"{self._kind}-{self._number % NAMES}"
        data = version(name, self._number, SIZES[self._kind])
        digest = hashlib.sha256(data).digest()
        self.tried.setdefault(name, set()).add(digest)
        try:
            (self.mounted.path / name).write_bytes(data)
        except OSError as error:
            newest = next(each for each in self.mounted.errors() if name in each["path"])
            self.ends["spoilt"] += "nothing was saved" in newest["why"]
            self.failed(error)
        else:
            self.ends["saved"] += 1
            self.acknowledged[name] = digest
            self.tried[name] = {digest}


class Reader(Worker):
    """Reads files that do not change, from the store each time."""

    def __init__(self, mounted: Mounted, files: dict[str, bytes]) -> None:
        super().__init__(mounted)
        self._files = files

    def work(self) -> None:
        for name, data in self._files.items():
            try:
                with (self.mounted.path / name).open("rb") as file:
                    found = file.read()
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError as error:
                self.failed(error)
            else:
                self.ends["read"] += 1
                if found != data:
                    self.problems.append(f"{name}: other bytes were read")


@pytest.mark.torture
def test_what_close_acknowledged_survives_any_number_of_kills(
    own_minio: MinioServer, mount_own: MountWith, effort: Effort
) -> None:
    mounted = mount_own(
        f"--retry-deadline={DEADLINE:g}", "--timeout=2", "--metadata-ttl=0", "--part-size=5"
    )
    files = {"still-small": version("s", 0, 50_000), "still-large": version("l", 0, 9 * 1024**2)}
    for name, data in files.items():
        mounted.put(name, data)
    writers = [Writer(mounted, kind) for kind in SIZES]
    reader = Reader(mounted, files)
    workers: list[Worker] = [*writers, reader]
    chance = random.Random(5)
    kills = effort.of(quick=3, long=40)
    for thread in workers:
        thread.start()
    try:
        for _ in range(kills):
            saved = sum(writer.ends["saved"] for writer in writers)
            wait_until(lambda saved=saved: sum(w.ends["saved"] for w in writers) > saved)
            time.sleep(chance.uniform(0.0, 0.7))
            own_minio.stop()
            time.sleep(chance.uniform(0.0, 1.5))
            own_minio.start()
    finally:
        for thread in workers:
            thread.stop()
    problems = [problem for each in workers for problem in each.problems]
    assert not problems, "\n".join(problems)
    (mounted.path / "afterwards").write_bytes(b"it works")
    assert mounted.get("afterwards") == b"it works"
    for writer in writers:
        for name, tried in writer.tried.items():
            judge(mounted, name, tried, writer.acknowledged.get(name))
    ends = writers[0].ends + writers[1].ends
    assert ends["saved"] > kills
    assert ends["spoilt"] <= ends["failed"]
    assert reader.ends["read"] > 0
    effort.record(
        "MinIO killed",
        kills=kills,
        files_saved=ends["saved"],
        closes_failed=ends["failed"],
        uploads_spoilt_by_minio=ends["spoilt"],
        lost=0,
        files_read=reader.ends["read"],
        reads_failed=reader.ends["failed"],
    )


def judge(mounted: Mounted, name: str, tried: set[bytes], acknowledged: bytes | None) -> None:
    """What is under a name is what was acknowledged last, or whole what was tried after it."""
    there = name in mounted.keys(name)
    assert there or acknowledged is None, f"{name} is lost"
    if there:
        found = hashlib.sha256(mounted.get(name)).digest()
        assert found in tried, f"{name} is half, mixed, or an older version than was acknowledged"
        assert hashlib.sha256((mounted.path / name).read_bytes()).digest() == found


def wait_until(happened: object) -> None:
    """Wait until a function says True."""
    assert callable(happened)
    give_up = time.monotonic() + DEADLINE + SLACK
    while not happened():
        assert time.monotonic() < give_up, "nothing is saved any more"
        time.sleep(0.01)
