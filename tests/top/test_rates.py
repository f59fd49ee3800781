"""Speeds from two readings."""

from __future__ import annotations

from typing import Any

import pytest

from phfs.top.rates import Operation, rates
from phfs.top.reading import Reading


def reading(at: float, **status: Any) -> Reading:
    return Reading(at, {"pid": 7, **status}, [])


def operation(count: int, seconds: float, **errors: int) -> dict[str, Any]:
    return {"count": count, "seconds": seconds, "errors": errors}


def test_bytes_and_requests_by_second() -> None:
    before = reading(
        10.0,
        programs={"read_bytes": 100, "written_bytes": 0},
        requests={"bytes.in": 50, "bytes.out": 10, "requests.get": 4, "retries": 1},
        requests_under_way={"sent_bytes": 5, "fetched_bytes": 0},
        process={"cpu_seconds": 1.0},
    )
    after = reading(
        12.0,
        programs={"read_bytes": 300, "written_bytes": 8},
        requests={"bytes.in": 50, "bytes.out": 40, "requests.get": 5, "requests.put": 1,
                  "retries": 3, "errors.TimedOut": 9},
        requests_under_way={"sent_bytes": 0, "fetched_bytes": 30},
        process={"cpu_seconds": 1.5},
    )  # fmt: skip
    found = rates(before, after)
    assert (found.seconds, found.read, found.written) == (2.0, 100.0, 4.0)
    assert (found.fetched, found.sent) == (15.0, 12.5)
    assert (found.requests, found.retries, found.processor) == (1.0, 1.0, 0.25)


def test_operations_the_busiest_first() -> None:
    before = reading(0.0, operations={"read": operation(10, 1.0), "lookup": operation(5, 0.1)})
    after = reading(
        2.0,
        operations={
            "lookup": operation(15, 0.2, ENOENT=3, EIO=1),
            "read": operation(10, 1.0),
            "write": operation(4, 0.8),
        },
    )
    assert rates(before, after).operations == (
        Operation("write", 2.0, pytest.approx(0.2), 4, 0),  # type: ignore[arg-type]
        Operation("lookup", 5.0, pytest.approx(0.01), 15, 1),  # type: ignore[arg-type]
        Operation("read", 0.0, None, 10, 0),
    )


def test_files_by_their_path() -> None:
    def files(**sent: int) -> list[dict[str, Any]]:
        return [{"path": f"/{name}", "sent_bytes": count} for name, count in sent.items()]

    before, after = reading(0.0, unsaved=files(a=10, b=9)), reading(2.0, unsaved=files(a=30, c=4))
    assert rates(before, after).sending == {"/a": 10.0, "/c": 2.0}


def test_another_process_begins_again() -> None:
    before = reading(0.0, programs={"read_bytes": 1000})
    after = Reading(1.0, {"pid": 8, "programs": {"read_bytes": 500}}, [])
    found = rates(before, after)
    assert (found.seconds, found.read) == (0.0, 0.0)
    assert rates(None, after).read == 0.0


def test_nothing_runs_backwards() -> None:
    before = reading(0.0, requests={"bytes.out": 0}, requests_under_way={"sent_bytes": 900})
    after = reading(1.0, requests={"bytes.out": 0}, requests_under_way={"sent_bytes": 0})
    assert rates(before, after).sent == 0.0


def test_a_mount_of_another_version_tells_less() -> None:
    found = rates(reading(0.0), reading(1.0))
    assert found.processor is None
    assert found.operations == ()
    assert found.sending == {}
