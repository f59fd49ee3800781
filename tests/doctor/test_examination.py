"""Checks run in order, each in its time, and whatever happens in one is a finding."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from phfs.doctor.examination import Examination, Finding, Result, Verdict, fail, ok, warn
from phfs.errors import AccessDenied


@pytest.fixture
def told() -> list[Finding]:
    return []


@pytest.fixture
def examination(told: list[Finding]) -> Examination:
    return Examination(told.append)


async def well() -> Verdict:
    return ok("well")


async def test_what_needs_something_that_failed_is_skipped_and_says_why(
    examination: Examination, told: list[Finding]
) -> None:
    async def broken() -> Verdict:
        return fail("broken", "Mend it.")

    async def never() -> Verdict:
        raise AssertionError("it must not run")

    await examination.check("first", broken)
    await examination.check("second", never, needs=("first",))
    await examination.check("third", never, needs=("second",))
    await examination.check("fourth", well)
    assert [one.result for one in told] == [Result.FAIL, Result.SKIP, Result.SKIP, Result.OK]
    assert told[1].text == "makes no sense before 'first' is well"
    assert "'second'" in told[2].text
    assert examination.code == 1


async def test_a_warning_is_no_reason_to_skip(examination: Examination) -> None:
    async def half() -> Verdict:
        return warn("half", "Look at it.")

    await examination.check("first", half)
    await examination.check("second", well, needs=("first",))
    assert examination.passed("second")
    assert examination.code == 0


async def test_a_check_has_its_time(
    autojump_clock: MockClock, examination: Examination, told: list[Finding]
) -> None:
    async def hang() -> Verdict:
        await trio.sleep_forever()
        raise AssertionError

    await examination.check("slow", hang, seconds=7)
    assert told[0].result is Result.FAIL
    assert told[0].text == "did not end within 7 seconds"
    assert told[0].seconds == 7


async def test_what_goes_wrong_is_a_finding(examination: Examination, told: list[Finding]) -> None:
    async def refused() -> Verdict:
        raise AccessDenied("the keys may not")

    async def unreadable() -> Verdict:
        raise FileNotFoundError(2, "No such file or directory", "/x")

    async def defect() -> Verdict:
        raise ZeroDivisionError

    for look in (refused, unreadable, defect):
        await examination.check(look.__name__, look)
    assert [one.text for one in told] == [
        "the keys may not",
        "No such file or directory: /x",
        "the check itself went wrong (ZeroDivisionError())",
    ]
    assert told[0].advice == AccessDenied.default_advice
    assert {one.result for one in told} == {Result.FAIL}
