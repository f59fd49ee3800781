"""Any call of any scenario fails, in any way; the model judges what comes of it.

Scenarios are drawn. Each is carried out once with a store that works, to count its calls, and then
once for every call and every way of failing.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from phfs.errors import AccessDenied, ConnectionFailed, PhfsError, StoreError
from phfs.s3.memory import MemoryStore
from phfs.s3.retry import RetryingStore
from phfs.s3.store import Store
from tests.model.commands import FIRST, Command, walk
from tests.model.history import RecordingStore
from tests.model.judge import Affected, Aftermath, JudgedPair, check_step
from tests.model.pair import PART
from tests.support.effort import Effort
from tests.support.volume import open_volume

DEADLINE = 5.0
"""Virtual seconds a call is tried for, where calls are tried again."""


class Way(NamedTuple):
    """How the store fails: ``times`` calls in a row; ``after`` they took effect."""

    error: StoreError
    after: bool = False
    times: float = 1


LOST = ConnectionFailed("the answer was lost")
WAYS = {
    "refused": Way(LOST),
    "answer lost": Way(LOST, after=True),
    "denied": Way(AccessDenied("not for you")),
    "outage": Way(LOST, times=4),
    "outage to the end": Way(LOST, times=math.inf),
}
PASSING = {
    "refused": Way(LOST),
    "answer lost": Way(LOST, after=True),
    "outage": Way(LOST, times=2),
    "outage to the end": Way(LOST, times=math.inf),
}


async def run(steps: list[Command], way: Way | None, number: int, *, retrying: bool) -> int:
    """Carry out the steps while call ``number`` fails; returns how many calls there were."""
    store = RecordingStore(MemoryStore(now=trio.current_time, min_part=1))
    store.latency = 0.001
    above: Store = RetryingStore(store, DEADLINE) if retrying else store
    failures: list[BaseException] = []
    reported: list[str] = []

    def report(path: str, _operation: str, _error: PhfsError) -> None:
        reported.append(path)

    async with open_volume(above, metadata_ttl=1.0, part_size=PART, report=report) as volume:
        hidden = way is None or (retrying and way.times < math.inf)
        pair = JudgedPair(
            store,
            volume,
            failing_call=math.inf if hidden else number,
            in_doubt=number if retrying and way is not None and way.after else math.inf,
        )
        pair.reported = reported
        pair.uploads_may_stay = way is not None and way.after
        if way is not None:
            store.fail(way.error, nth=number, times=way.times, after=way.after)
        try:
            await judge(pair, [*FIRST, *steps], way, number)
        except Exception as error:  # a bare error reads better than the nursery's group
            failures.append(error)
    for failure in failures:
        raise failure
    return store.count()


async def judge(pair: JudgedPair, steps: list[Command], way: Way | None, number: int) -> None:
    store, whole = pair.recording, set[bytes]()
    met = len(steps)
    for position, command in enumerate(steps):
        before = dict(pair.model.objects)
        store.note()
        affected = False
        try:
            await pair.step(command)
        except Affected:
            affected = True
            await trio.testing.wait_all_tasks_blocked()
        check_step(before, pair.model.objects, store.contents(), command)
        whole |= {*before.values(), *pair.model.objects.values()}
        if pair.struck or affected:
            met = position + 1
            break
    after = Aftermath(pair, whole)
    for command in steps[met:]:
        await after.step(command)
    store.heal()
    store.latency = 0.001
    failed = store.calls[number - 1].kind if store.count() >= number else ""
    lost_id = failed == "create_upload" and way is not None and way.after
    many = way is not None and way.times > 1
    await after.check(uploads_may_stay=failed == "abort_upload" or lost_id or many)


def in_virtual_time(steps: list[Command], way: Way | None, number: int, *, retrying: bool) -> int:
    async def main() -> int:
        return await run(steps, way, number, retrying=retrying)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def every_call_fails(steps: list[Command], way: Way, *, retrying: bool) -> int:
    """Returns how many runs it took."""
    calls = in_virtual_time(steps, None, 0, retrying=retrying)
    for number in range(1, calls + 1):
        try:
            in_virtual_time(steps, way, number, retrying=retrying)
        except BaseException as error:
            error.add_note(f"call {number} of {calls} failed: {way}")
            raise
    return calls


def drawn_scenarios(way: Way, count: int, *, retrying: bool) -> int:
    """Runs ``count`` scenarios with each of their calls failing; returns how many runs it took."""
    runs = 0

    @settings(max_examples=count, deadline=None)
    @given(st.integers(0, 2**32))
    def scenarios(seed: int) -> None:
        nonlocal runs
        steps = walk(Random(seed), 12, part_size=PART)
        runs += every_call_fails(steps, way, retrying=retrying)

    scenarios()
    return runs


@pytest.mark.torture
@pytest.mark.expects_log
@pytest.mark.parametrize("way", WAYS)
def test_any_call_of_any_scenario_fails(way: str, effort: Effort) -> None:
    runs = drawn_scenarios(WAYS[way], effort.of(quick=4, long=60), retrying=False)
    effort.record(f"any call fails {way}", runs=runs)


@pytest.mark.torture
@pytest.mark.expects_log
@pytest.mark.parametrize("way", PASSING)
def test_any_call_of_any_scenario_fails_and_is_tried_again(way: str, effort: Effort) -> None:
    runs = drawn_scenarios(PASSING[way], effort.of(quick=3, long=60), retrying=True)
    effort.record(f"any call fails and is tried again {way}", runs=runs)
