"""Every fault of the link and the store at every point of every operation.

Owns the table of faults, with the errno that each has to give and the requests it can spoil, and
the experiment. A *cell* is an operation, a fault, the request of the operation that meets it, and
whether it is that one alone or every one from there on. Judged are: the fault was met; the bytes
are right or the errno is, in time; nothing in the bucket is half or mixed; what was acknowledged is
there; and once the fault is gone the mount works, without anybody's help.

Called by tests that have lanes: mounts, each behind a proxy of its own.
"""

from __future__ import annotations

import errno
import logging
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from tests.support.fault_proxy import Answer, Exchange, Fault, Request, faults
from tests.support.link_operations import OPERATIONS, Lane

log = logging.getLogger(__name__)

TIMEOUT, DEADLINE = 1.0, 3.0
OPTIONS = (
    f"--timeout={TIMEOUT:g}",
    f"--retry-deadline={DEADLINE:g}",
    "--metadata-ttl=0",
    "--part-size=5",
)
"""How the mounts of lanes are made."""

PATIENCE = TIMEOUT + DEADLINE + 120.0
"""Seconds within which an operation is answered: it makes several requests and clears up behind
itself, and the machine is busy. Without an end it would be found out just as well."""

KEPT = 200
"""Failures that a mount remembers."""

ATTEMPTS = 5
"""Times a cell is tried whose fault was not met: which of two requests comes first, and how many a
large file is read with, is not the same every time."""


class Seen(NamedTuple):
    """A request that an operation made, and its answer."""

    request: Request
    answer: Answer

    @property
    def whole(self) -> bool:
        """Whether the answer is of all of an object, with a checksum that PHFS knows how to use."""
        told = {name.lower(): text for name, text in self.answer.headers.items()}
        sums = ("x-amz-checksum-crc64nvme", "x-amz-checksum-crc32c", "x-amz-checksum-crc32")
        full = told.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT"
        return full and any(name in told for name in sums)


def always(_: Seen) -> bool:
    return True


class Breaking(NamedTuple):
    """A fault, and the errno of an operation that fails because of it.

    ``kinds``: the kinds of request it makes sense for (all, if none are named). ``bites``: those
    among them in which it has something to spoil; there is no cell for the others.
    """

    fault: Fault
    errno: int = errno.EIO
    kinds: tuple[str, ...] = ()
    bites: Callable[[Seen], bool] = always


OUTLASTING = {"refused", "byte by byte"}
"""Faults that even one request meets for longer than an operation is tried."""

LAST_PAGE = b"<IsTruncated>false</IsTruncated>"
AGAIN = b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
MARS = "<Region>mars-1</Region>"
ELSEWHERE = {"Location": "http://127.0.0.1:9/", "x-amz-bucket-region": "mars-1"}
XML = ("list_page", "copy", "create_upload", "complete_upload", "delete_many")
BODIES = ("put", "put_part", "delete_many")
INSIDE = 70_000


def moved_range(text: str) -> str:
    """A ``Content-Range`` that begins one byte later."""
    start, _, rest = text.removeprefix("bytes ").partition("-")
    return f"bytes {int(start) + 1}-{rest}"


def refuses(
    code: int, s3_code: str, headers: dict[str, str] | None = None, xml: str = ""
) -> Breaking:
    """An answer that is no use to ask for again."""
    return Breaking(faults.status(code, s3_code, headers, xml=xml), errno.EACCES)


FAULTS = {
    "refused": Breaking(faults.refuse),
    "reset before": Breaking(faults.reset_before),
    "reset, answer lost": Breaking(faults.reset_after),
    "closed, answer lost": Breaking(faults.close_after),
    "cut at once": Breaking(faults.cut(1)),
    "cut inside": Breaking(
        faults.cut(INSIDE),
        kinds=("get", "list_page"),
        bites=lambda seen: len(seen.answer.body) > INSIDE,
    ),
    "stalled before": Breaking(faults.stall_before),
    "stalled, answer lost": Breaking(faults.stall_after),
    "stalled inside": Breaking(faults.stall_inside(100)),
    "byte by byte": Breaking(faults.trickle(0.5)),
    "500": Breaking(faults.status(500, "InternalError")),
    "500, done": Breaking(faults.status(500, "InternalError", after=True)),
    "503": Breaking(faults.status(503, "SlowDown")),
    "503 without a word": Breaking(faults.status(503)),
    "a refusal of 100 MB": Breaking(
        faults.endless(b"<Error><Code>", b"SlowDown", 10**8, "503 Busy"),
        kinds=("list_page", "get"),
    ),
    "no right": refuses(403, "AccessDenied"),
    "keys revoked": refuses(403, "InvalidAccessKeyId"),
    "token expired": refuses(400, "ExpiredToken"),
    "wrong region": refuses(400, "AuthorizationHeaderMalformed", xml=MARS),
    "wrong clock": refuses(403, "RequestTimeTooSkewed"),
    "moved for good": refuses(301, "PermanentRedirect", ELSEWHERE),
    "moved for now": Breaking(faults.status(307, "TemporaryRedirect", ELSEWHERE)),
    "wrong bit sent": Breaking(
        faults.flipped_request(), kinds=BODIES, bites=lambda seen: bool(seen.request.body)
    ),
    # Of a range no store tells a checksum: there only TLS would notice.
    "wrong bit received": Breaking(
        faults.flipped_answer(),
        kinds=("get",),
        bites=lambda seen: seen.whole and bool(seen.answer.body),
    ),
    "wrong range": Breaking(
        faults.header("Content-Range", moved_range),
        kinds=("get",),
        bites=lambda seen: seen.answer.status.startswith("206"),
    ),
    "wrong version": Breaking(faults.header("ETag", lambda _: '"0"'), errno.ESTALE, kinds=("get",)),
    "broken XML": Breaking(faults.body(lambda body: body[: len(body) // 2] + b"<"), kinds=XML),
    "no XML": Breaking(faults.body(lambda _: b"<html>hello</html>"), kinds=("list_page",)),
    "the same token": Breaking(
        faults.body(lambda body: body.replace(LAST_PAGE, AGAIN)),
        kinds=("list_page",),
        bites=lambda seen: LAST_PAGE in seen.answer.body,
    ),
    "100 MB of XML": Breaking(
        faults.endless(b"<ListBucketResult>", b"<Contents><Key>a</Key></Contents>", 10**8),
        kinds=("list_page",),
    ),
}


@dataclass(frozen=True)
class Cell:
    """One experiment. ``kind`` and ``nth``: which request is hit."""

    operation: str
    fault: str
    kind: str | None
    nth: int
    lasting: bool

    @property
    def hopeless(self) -> bool:
        """Whether not one request gets through."""
        return self.lasting and self.kind is None and self.nth == 1


def requests_of(lane: Lane, times: int = 3) -> dict[str, list[Seen]]:
    """The requests that each operation makes when nothing fails: the fewest it was seen with."""
    found: dict[str, list[Seen]] = {}
    for number in range(times):
        for place, (name, operation) in enumerate(OPERATIONS.items()):
            here = f"without-{number}-{place}"
            seen: list[Seen] = []

            def note(exchange: Exchange, seen: list[Seen] = seen) -> None:
                answer = exchange.forward()
                seen.append(Seen(exchange.request, answer))
                exchange.reply(answer)

            operation.prepare(lane, here)
            lane.proxy.fault(note, times=math.inf)
            operation.act(lane.mounted.path / here)
            lane.proxy.heal()
            operation.check(lane, here, True)
            if name not in found or len(seen) < len(found[name]):
                found[name] = seen
    return found


def cells(requests: dict[str, list[Seen]]) -> list[Cell]:
    """All there are, given the requests that each operation makes."""
    return [
        Cell(operation, fault, kind, nth, lasting)
        for operation, seen in requests.items()
        for fault, breaking in FAULTS.items()
        for kind, nth in points(breaking, seen)
        for lasting in (False, True)
    ]


def points(breaking: Breaking, seen: list[Seen]) -> list[tuple[str | None, int]]:
    """The requests a fault can spoil: each the nth of its kind, or of all."""
    found: list[tuple[str | None, int]] = []
    often: Counter[str] = Counter()
    for number, each in enumerate(seen, 1):
        kind = each.request.kind
        often[kind] += 1
        if not breaking.bites(each):
            continue
        if not breaking.kinds:
            found.append((None, number))
        elif kind in breaking.kinds:
            found.append((kind, often[kind]))
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


class Outcome(NamedTuple):
    """How the operation of a cell ended: ``done`` or an errno's name, after how many seconds."""

    ended: str
    seconds: float
    met: bool


def run(lane: Lane, cell: Cell, here: str) -> Outcome:
    """Run one experiment once. Raises ``AssertionError``."""
    operation = OPERATIONS[cell.operation]
    operation.prepare(lane, here)
    noted = len(lane.mounted.errors())
    bitten = lane.proxy.hit - lane.proxy.harmless
    times = math.inf if cell.lasting else 1
    lane.proxy.fault(FAULTS[cell.fault].fault, kind=cell.kind, nth=cell.nth, times=times)
    begun = time.monotonic()
    failure = attempt(operation.act, lane.mounted.path / here)
    lane.proxy.heal()
    seconds = time.monotonic() - begun
    met = lane.proxy.hit - lane.proxy.harmless > bitten
    said = lane.mounted.errors()
    assert seconds < PATIENCE, f"answered after {seconds:.0f} s: {said[:3]}"
    assert failure or not (met and cell.hopeless), "done, though nothing got through"
    if failure is not None:
        assert failure.errno == FAULTS[cell.fault].errno, f"{failure}: {said[:3]}"
        assert len(said) > noted or noted == KEPT, f"nothing explains {failure}"
        assert said[0]["why"], said[0]
    lane.works()
    lane.in_the_end(lambda: operation.check(lane, here, failure is None))
    ended = "done" if failure is None else errno.errorcode[failure.errno or 0]
    return Outcome(ended, seconds, met)


def attempt(act: Callable[[Path], object], here: Path) -> OSError | None:
    """Do something; the error if it fails."""
    try:
        act(here)
    except OSError as error:
        return error
    return None


def until_met(lane: Lane, cell: Cell, number: int) -> Outcome:
    """Run a cell until its fault was met. Raises ``AssertionError``."""
    for again in range(ATTEMPTS):
        outcome = run(lane, cell, f"cell-{number}-{again}")
        if outcome.met:
            return outcome
    raise AssertionError("the fault was never met")


class Matrix:
    """Runs cells in lanes, beside each other: most of the time is spent waiting."""

    def __init__(self, chosen: list[Cell]) -> None:
        self.ends: Counter[str] = Counter()
        self.survived = [0, 0]
        """Faults of one request that the program did not see, of how many that pass."""
        self.slowest = 0.0
        self.problems: list[str] = []
        self._waiting: SimpleQueue[tuple[int, Cell]] = SimpleQueue()
        for numbered in enumerate(chosen):
            self._waiting.put(numbered)

    def run(self, lanes: list[Lane]) -> None:
        """Run all; what went wrong is in ``problems``, together."""
        threads = [threading.Thread(target=self._work, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, lane: Lane) -> None:
        while True:
            try:
                number, cell = self._waiting.get_nowait()
            except Empty:
                return
            try:
                outcome = until_met(lane, cell, number)
            except Exception as error:  # all of them are shown together
                log.info("%d %s: %r", number, cell, error)
                self.problems.append(f"{cell}: {error!r}")
                lane.proxy.heal()
            else:
                log.info("%d %s: %s, %.1f s", number, cell, outcome.ended, outcome.seconds)
                self._count(cell, outcome)

    def _count(self, cell: Cell, outcome: Outcome) -> None:
        self.ends[outcome.ended] += 1
        self.slowest = max(self.slowest, outcome.seconds)
        passing = FAULTS[cell.fault].errno == errno.EIO and cell.fault not in OUTLASTING
        if passing and not cell.lasting:
            self.survived[0] += outcome.ended == "done"
            self.survived[1] += 1
