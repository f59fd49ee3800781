"""Every fault of the link and the store at every point of every operation.

A *cell* is an operation, a fault, the request of the operation that meets it, and whether it is
that one alone or every one from there on. Judged are: the bytes are right or the errno is, in
time; nothing in the bucket is half or mixed; what was acknowledged is there; and once the fault is
gone the mount works, without anybody's help. The short form takes a sample of the cells, the same
every time; ``make torture`` takes all.
"""

from __future__ import annotations

import errno
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from tests.real.conftest import MountWith, new_place
from tests.support.effort import Effort
from tests.support.fault_proxy import Fault, FaultProxy, faults
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted, Place

pytestmark = pytest.mark.real

TIMEOUT, DEADLINE = 1.0, 3.0
PATIENCE = TIMEOUT + DEADLINE + 120.0
"""Seconds within which an operation is answered: it makes several requests and clears up behind
itself, and the machine is busy. Without an end it would be found out just as well."""

RECOVERY = 120.0
"""Seconds until a healed mount works: a request under way may still be waiting for its next try."""

DOCUMENTED = {errno.EIO, errno.EACCES}
"""What faults of link and store may look like (docs/errors.md)."""

KEPT = 200
"""Failures that a mount remembers."""

SMALL = bytes(range(256)) * 40
LARGE = random.Random(1).randbytes(12 * 1024**2)
OLD = b"an older version"
MANY = [f"{number:04}" for number in range(1200)]


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


# -- faults ----------------------------------------------------------------------------------------


class Breaking(NamedTuple):
    """A fault, and the kinds of request it makes sense for (all, if none are named)."""

    fault: Fault
    kinds: tuple[str, ...] = ()


def replaced(old: bytes, new: bytes) -> Fault:
    return faults.body(lambda body: body.replace(old, new))


def moved_range(text: str) -> str:
    """A ``Content-Range`` that begins one byte later."""
    start, _, rest = text.removeprefix("bytes ").partition("-")
    return f"bytes {int(start) + 1}-{rest}"


XML = ("list_page", "copy", "create_upload", "complete_upload", "delete_many")
MARS = "<Region>mars-1</Region>"
ELSEWHERE = {"Location": "http://127.0.0.1:9/", "x-amz-bucket-region": "mars-1"}

FAULTS = {
    "refused": Breaking(faults.refuse),
    "reset before": Breaking(faults.reset_before),
    "reset, answer lost": Breaking(faults.reset_after),
    "closed, answer lost": Breaking(faults.close_after),
    "cut at once": Breaking(faults.cut(1)),
    "cut inside": Breaking(faults.cut(70_000)),
    "stalled before": Breaking(faults.stall_before),
    "stalled, answer lost": Breaking(faults.stall_after),
    "stalled inside": Breaking(faults.stall_inside(100)),
    "byte by byte": Breaking(faults.trickle(0.5)),
    "500": Breaking(faults.status(500, "InternalError")),
    "500, done": Breaking(faults.status(500, "InternalError", after=True)),
    "503": Breaking(faults.status(503, "SlowDown")),
    "503 without a word": Breaking(faults.status(503)),
    "no right": Breaking(faults.status(403, "AccessDenied")),
    "keys revoked": Breaking(faults.status(403, "InvalidAccessKeyId")),
    "token expired": Breaking(faults.status(400, "ExpiredToken")),
    "moved for good": Breaking(faults.status(301, "PermanentRedirect", ELSEWHERE)),
    "moved for now": Breaking(faults.status(307, "TemporaryRedirect", ELSEWHERE)),
    "wrong region": Breaking(faults.status(400, "AuthorizationHeaderMalformed", xml=MARS)),
    "wrong clock": Breaking(faults.status(403, "RequestTimeTooSkewed")),
    "wrong bit sent": Breaking(faults.flipped_request(), ("put", "put_part", "delete_many")),
    "wrong range": Breaking(faults.header("Content-Range", moved_range), ("get",)),
    "wrong version": Breaking(faults.header("ETag", lambda _: '"0"'), ("get",)),
    "broken XML": Breaking(faults.body(lambda body: body[: len(body) // 2] + b"<"), XML),
    "no XML": Breaking(faults.body(lambda _: b"<html>hello</html>"), ("list_page",)),
    "the same token": Breaking(
        replaced(
            b"<IsTruncated>false</IsTruncated>",
            b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>",
        ),
        ("list_page",),
    ),
    "100 MB of XML": Breaking(
        faults.endless(b"<ListBucketResult>", b"<Contents><Key>a</Key></Contents>", 10**8),
        ("list_page",),
    ),
    "a refusal of 100 MB": Breaking(
        faults.endless(b"<Error><Code>", b"SlowDown", 10**8, "503 Busy"), ("list_page", "get")
    ),
}

STALE_TOO = {"wrong version"}
"""Here ``ESTALE`` is right: the store says the version has been replaced."""


@dataclass(frozen=True)
class Cell:
    """One experiment. ``kind`` and ``nth``: which request is hit."""

    operation: str
    fault: str
    kind: str | None
    nth: int
    lasting: bool


def cells(requests: dict[str, list[str]]) -> list[Cell]:
    """All there are, given the kinds of the requests that each operation makes."""
    found = []
    for operation, kinds in requests.items():
        for fault, breaking in FAULTS.items():
            points: list[tuple[str | None, int]] = [
                (kind, nth)
                for kind in sorted(set(breaking.kinds) & set(kinds))
                for nth in range(1, kinds.count(kind) + 1)
            ]
            if not breaking.kinds:
                points = [(None, nth) for nth in range(1, len(kinds) + 1)]
            found += [
                Cell(operation, fault, kind, nth, lasting)
                for kind, nth in points
                for lasting in (False, True)
            ]
    return found


def sample(every: list[Cell], count: int) -> list[Cell]:
    """Cells in which each operation and each fault come equally often, as far as they do."""
    shuffled = list(every)
    random.Random(2026).shuffle(shuffled)
    taken: list[Cell] = []
    often: Counter[str] = Counter()
    while shuffled and len(taken) < count:
        cell = min(shuffled, key=lambda each: often[each.fault] + often[each.operation])
        shuffled.remove(cell)
        taken.append(cell)
        often.update([cell.fault, cell.operation])
    return taken


# -- the experiment --------------------------------------------------------------------------------


@pytest.fixture
def many(minio: MinioServer, s3: S3Client) -> Place:
    """A place with more names in a directory than a page of a listing has."""
    place = new_place(minio)
    for name in MANY:
        s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}many/{name}")
    return place


@pytest.fixture
def lanes(
    minio: MinioServer, mount_with: MountWith, many: Place, effort: Effort
) -> Iterator[list[Lane]]:
    """Mounts of one place that are tried beside each other: most of the time is spent waiting."""
    with ExitStack() as proxies:
        made = []
        for number in range(effort.of(quick=4, long=8)):
            proxy = proxies.enter_context(FaultProxy(minio.endpoint_url))
            mounted = mount_with(
                f"--timeout={TIMEOUT:g}",
                f"--retry-deadline={DEADLINE:g}",
                "--metadata-ttl=0",
                "--part-size=5",
                place=many._replace(endpoint_url=proxy.url),
            )
            made.append(Lane(number, proxy, mounted))
        yield made
        for lane in made:  # or a mount that ends waits for what stalls
            lane.proxy.heal()
            lane.mounted.stop()


@pytest.fixture
def requests(minio: MinioServer, mount_with: MountWith, many: Place) -> dict[str, list[str]]:
    """The kinds of the requests that each operation makes when nothing fails."""
    found = {}
    with FaultProxy(minio.endpoint_url) as proxy:
        patient = many._replace(endpoint_url=proxy.url)
        mounted = mount_with("--metadata-ttl=0", "--part-size=5", place=patient)
        lane = Lane(0, proxy, mounted)
        for number, (name, operation) in enumerate(OPERATIONS.items()):
            here = f"without-{number}"
            operation.prepare(lane, here)
            before = len(proxy.seen)
            operation.act(mounted.path / here)
            found[name] = proxy.seen[before:]
            operation.check(lane, here, True)
        mounted.stop()
    return found


def run(lane: Lane, cell: Cell, number: int) -> tuple[str, float]:
    """Run one experiment; how the operation ended, and after how many seconds."""
    operation = OPERATIONS[cell.operation]
    here = f"cell-{number}"
    operation.prepare(lane, here)
    noted = len(lane.mounted.errors())
    times = math.inf if cell.lasting else 1
    lane.proxy.fault(FAULTS[cell.fault].fault, kind=cell.kind, nth=cell.nth, times=times)
    begun = time.monotonic()
    failure: OSError | None = None
    try:
        operation.act(lane.mounted.path / here)
    except OSError as error:
        failure = error
    finally:
        lane.proxy.heal()
    seconds = time.monotonic() - begun
    said = lane.mounted.errors()
    assert seconds < PATIENCE, f"answered after {seconds:.0f} s: {said[:3]}"
    if failure is not None:
        allowed = DOCUMENTED | ({errno.ESTALE} if cell.fault in STALE_TOO else set())
        assert failure.errno in allowed, f"{failure}: {said[:3]}"
        assert len(said) > noted or noted == KEPT, f"nothing explains {failure}"
        assert said[0]["why"], said[0]
    lane.works()
    lane.in_the_end(lambda: operation.check(lane, here, failure is None))
    return "done" if failure is None else errno.errorcode[failure.errno or 0], seconds


@pytest.mark.torture
def test_bytes_or_errno_at_every_point(
    requests: dict[str, list[str]], lanes: list[Lane], effort: Effort
) -> None:
    every = cells(requests)
    chosen = effort.of(quick=sample(every, 72), long=every)
    waiting: SimpleQueue[tuple[int, Cell]] = SimpleQueue()
    for numbered in enumerate(chosen):
        waiting.put(numbered)
    ends: Counter[str] = Counter()
    slowest = [0.0]
    problems: list[str] = []

    def work(lane: Lane) -> None:
        while True:
            try:
                number, cell = waiting.get_nowait()
            except Empty:
                return
            try:
                ended, seconds = run(lane, cell, number)
                ends[ended] += 1
                slowest.append(seconds)
            except Exception as error:  # all of them are shown together
                problems.append(f"{cell}: {error!r}")

    threads = [threading.Thread(target=work, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, "\n".join(problems)
    assert sum(ends.values()) == len(chosen)
    assert {cell.fault for cell in chosen} == set(FAULTS)
    assert {cell.operation for cell in chosen} == set(OPERATIONS)
    effort.record(
        "faults of link and store",
        cells=len(chosen),
        of=len(every),
        **ends,
        slowest_seconds=round(max(slowest), 1),
    )
