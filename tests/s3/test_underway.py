"""The record of requests: those under way, and the slowest of the last minutes."""

from __future__ import annotations

from phfs.s3.underway import MOST_SLOW, STRETCH_SECONDS, STRETCHES, UnderWay
from phfs.s3.watch import Limits, Watch


class Record:
    """A record whose time passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.under_way = UnderWay(lambda: self.seconds)

    def request(self, name: str, seconds: float, failure: str | None = None) -> None:
        number = self.under_way.begin("get", watch(name), 100)
        self.seconds += seconds
        self.under_way.end(number, failure)

    def slowest(self) -> list[tuple[str, float]]:
        return [(one.subject, one.seconds) for one in self.under_way.slowest()]


def watch(name: str) -> Watch:
    return Watch(name, Limits(20, 60))


def test_what_is_under_way_is_named_until_it_ends() -> None:
    record = Record()
    first, second = watch("a"), watch("b")
    number = record.under_way.begin("put", first, 100)
    record.seconds += 2
    record.under_way.begin("get", second, 50)
    first.moved(30)
    second.moved(500)  # with the head of the answer
    found = record.under_way.running()
    assert [(one.kind, one.watch.subject, one.began, one.moved) for one in found] == [
        ("put", "a", 1000.0, 30),
        ("get", "b", 1002.0, 50),
    ]
    record.under_way.end(number)
    assert [one.watch for one in record.under_way.running()] == [second]


def test_the_slowest_are_kept() -> None:
    record = Record()
    for seconds in range(2 * MOST_SLOW):
        record.request(f"r{seconds}", seconds / 64)
    assert record.slowest() == [
        (f"r{seconds}", seconds / 64) for seconds in range(2 * MOST_SLOW - 1, MOST_SLOW - 1, -1)
    ]


def test_of_equals_none_is_compared_further() -> None:
    record = Record()
    for _ in range(2 * MOST_SLOW):
        record.request("same", 0.5, "TimedOut")
    assert len(record.slowest()) == MOST_SLOW
    assert {one.failure for one in record.under_way.slowest()} == {"TimedOut"}


def test_they_are_forgotten_after_some_minutes() -> None:
    record = Record()
    record.request("old", 8.0)
    record.seconds += STRETCH_SECONDS
    record.request("new", 1.0)
    assert record.slowest() == [("old", 8.0), ("new", 1.0)]
    record.seconds += (STRETCHES - 1) * STRETCH_SECONDS
    assert record.slowest() == [("new", 1.0)]
    record.seconds += 100 * STRETCH_SECONDS
    assert record.slowest() == []
    record.request("later", 2.0)
    assert record.slowest() == [("later", 2.0)]
