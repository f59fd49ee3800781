from __future__ import annotations

import json
import re

import pytest

from phfs.errors import (
    Busy,
    Exists,
    IsDirectory,
    NotDirectory,
    NotEmpty,
    NotFound,
    PhfsError,
    ServerFault,
)
from phfs.fuse.failures import MOST_FAILURES
from tests.fuse.conftest import Boundary


def test_a_failure_is_three_lines_a_person_can_read(boundary: Boundary) -> None:
    boundary.failures.report("/a.csv", "open", Busy("/a.csv is being written.", "Wait."))
    head, first = boundary.failures.text().split("\n\n")
    assert "newest first" in head
    when, errno, why, advice = first.splitlines()
    assert re.fullmatch(r"2023-11-1\dT\d\d:\d\d:20[+-]\d\d:\d\d  open  /a\.csv", when)
    assert errno.strip() == "EBUSY: Device or resource busy"
    assert why.split(maxsplit=1)[1] == "/a.csv is being written."
    assert advice.split(maxsplit=3)[3] == "Wait."


def test_nothing_has_failed(boundary: Boundary) -> None:
    assert boundary.failures.text().startswith("Nothing has failed since 2023-11-1")


@pytest.mark.parametrize("answer", [NotFound, Exists, NotEmpty, IsDirectory, NotDirectory])
def test_answers_are_no_failures(boundary: Boundary, answer: type[PhfsError]) -> None:
    boundary.failures.report("/a", "open", answer("no"))
    assert boundary.failures.newest_first() == []
    assert boundary.failures.total == 0


def test_the_same_failure_again_is_counted(boundary: Boundary) -> None:
    for second in range(3):
        boundary.clock.seconds = 1_700_000_000.0 + second
        boundary.failures.report("/a", "write", Busy("busy"))
    (failure,) = boundary.failures.newest_first()
    assert (failure.count, failure.time) == (3, 1_700_000_002.0)
    assert ", 3 times" in boundary.failures.text()
    assert boundary.failures.total == 3


def test_another_failure_in_between_is_kept_apart(boundary: Boundary) -> None:
    for path in ("/a", "/b", "/a"):
        boundary.failures.report(path, "write", Busy("busy"))
    assert [failure.path for failure in boundary.failures.newest_first()] == ["/a", "/b", "/a"]


def test_the_oldest_are_forgotten(boundary: Boundary) -> None:
    for number in range(MOST_FAILURES + 1):
        boundary.failures.report(f"/{number}", "write", Busy("busy"))
    kept = [failure.path for failure in boundary.failures.newest_first()]
    assert kept == [f"/{number}" for number in range(MOST_FAILURES, 0, -1)]
    assert boundary.failures.total == MOST_FAILURES + 1


def test_a_name_cannot_play_tricks_with_the_terminal(boundary: Boundary) -> None:
    boundary.failures.report("/a\x1b[2J\n", "open", Busy("/a\x1b[2J\n is busy"))
    assert "\x1b" not in boundary.failures.text()
    assert "/a\\x1b[2J\\n is busy" in boundary.failures.text()


@pytest.mark.expects_log
def test_the_log_tells_the_operator_of_the_store_and_not_of_the_users(
    boundary: Boundary, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "phfs")
    boundary.failures.report("/a", "open", Busy("busy"))
    boundary.failures.report("/a", "close", ServerFault("The store is ill."))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "open /a: EBUSY: busy"),
        ("WARNING", "close /a: EIO: The store is ill."),
    ]


def test_values_are_plain(boundary: Boundary) -> None:
    boundary.failures.report("/a", "open", Busy("busy", "wait"))
    (failure,) = boundary.failures.newest_first()
    values = json.loads(json.dumps(failure.values()))
    assert values.pop("time").startswith("2023-11-1")
    assert values == {
        "path": "/a",
        "operation": "open",
        "errno": "EBUSY",
        "meaning": "Device or resource busy",
        "why": "busy",
        "advice": "wait",
        "count": 1,
    }
