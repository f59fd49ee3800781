"""Speeds, from two answers of one mount.

Owns the differences: what was counted between two readings, by second. Asks nobody and draws
nothing. Called by ``watching``; read by ``view``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from phfs.top.reading import Reading

ANSWERS = frozenset({"ENOENT", "EEXIST", "ENOTEMPTY", "EISDIR", "ENOTDIR"})
"""Errnos by which a mount answers a question; it counts them and keeps no reason for them."""


class Operation(NamedTuple):
    """What programs asked for: how often by second and since the mount began, how long each took
    (None: there was none), and how many of all failed, answers aside."""

    name: str
    per_second: float
    seconds_each: float | None
    total: int
    errors: int


class Rates(NamedTuple):
    """Bytes by second: ``read`` and ``written`` by programs, ``fetched`` from and ``sent`` to the
    store; requests and retries by second; ``processor``: seconds of one core by second, None if the
    mount does not tell; ``sending``: bytes by second by the path of a file being written."""

    seconds: float
    read: float
    written: float
    fetched: float
    sent: float
    requests: float
    retries: float
    processor: float | None
    operations: tuple[Operation, ...]
    sending: Mapping[str, float]


def rates(before: Reading | None, after: Reading) -> Rates:
    """What happened from ``before`` to ``after``; nothing if another process serves the mount since
    then, because its counts begin again."""
    if before is None or before.status.get("pid") != after.status.get("pid"):
        before = after
    seconds = after.at - before.at

    def speed(*path: str) -> float:
        return _speed(_at(before.status, path), _at(after.status, path), seconds)

    def traffic(done: str, under_way: str) -> float:
        was, now = (
            _at(one.status, ("requests", done)) + _at(one.status, ("requests_under_way", under_way))
            for one in (before, after)
        )
        return _speed(was, now, seconds)

    return Rates(
        seconds=seconds,
        read=speed("programs", "read_bytes"),
        written=speed("programs", "written_bytes"),
        fetched=traffic("bytes.in", "fetched_bytes"),
        sent=traffic("bytes.out", "sent_bytes"),
        requests=_speed(_requests(before), _requests(after), seconds),
        retries=speed("requests", "retries"),
        processor=speed("process", "cpu_seconds") if "process" in after.status else None,
        operations=_operations(before, after, seconds),
        sending=_sending(before, after, seconds),
    )


def _speed(was: float, now: float, seconds: float) -> float:
    # What a request had sent when it failed is counted no more: that is no speed backwards.
    return max(now - was, 0.0) / seconds if seconds > 0 else 0.0


def _operations(before: Reading, after: Reading, seconds: float) -> tuple[Operation, ...]:
    """The busiest first: by the time that programs waited, then by how many there were."""
    earlier, found = before.status.get("operations", {}), []
    for name, now in after.status.get("operations", {}).items():
        was = earlier.get(name, {})
        count = now["count"] - was.get("count", 0)
        took = now["seconds"] - was.get("seconds", 0.0)
        met = now.get("errors", {})
        errors = sum(figure for errno, figure in met.items() if errno not in ANSWERS)
        each = took / count if count > 0 else None
        one = Operation(name, _speed(0, count, seconds), each, now["count"], errors)
        found.append((-took, -one.total, one))
    return tuple(one for *_, one in sorted(found))


def _sending(before: Reading, after: Reading, seconds: float) -> dict[str, float]:
    earlier = {one["path"]: one["sent_bytes"] for one in before.status.get("unsaved", ())}
    return {
        one["path"]: _speed(earlier.get(one["path"], 0), one["sent_bytes"], seconds)
        for one in after.status.get("unsaved", ())
    }


def _requests(one: Reading) -> float:
    counted = one.status.get("requests", {})
    return float(sum(figure for name, figure in counted.items() if name.startswith("requests.")))


def _at(status: Mapping[str, Any], path: tuple[str, ...]) -> float:
    found: Any = status
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else 0.0
