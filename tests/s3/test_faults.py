"""The faults wrapper does exactly what it is told, to exactly the calls it is told."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes, ByteRange
from phfs.errors import ConnectionFailed, Corrupted, InvalidRequest, ServerFault
from phfs.s3.faults import PIECE, Call, FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.sinks import BytesSink, read

PLAIN = Attributes()


async def test_the_nth_call_of_a_kind_fails_before_it_takes_effect(
    faulty: FaultyStore, memory: MemoryStore
) -> None:
    faulty.fail(ServerFault("broken", "wait"), kind="put", nth=2, times=2)
    await faulty.put("a", [b"x"], PLAIN)
    await faulty.head("a")
    for key in ("b", "c"):
        with pytest.raises(ServerFault, match="broken") as caught:
            await faulty.put(key, [b"x"], PLAIN)
        assert caught.value.advice == "wait"
    await faulty.put("d", [b"x"], PLAIN)
    assert sorted(memory.objects) == ["a", "d"]


async def test_any_call_may_be_the_nth(faulty: FaultyStore) -> None:
    faulty.fail(ServerFault("broken"), nth=2)
    await faulty.put("a", [b"x"], PLAIN)
    with pytest.raises(ServerFault):
        await faulty.head("a")


async def test_counting_begins_when_the_fault_is_set(faulty: FaultyStore) -> None:
    await faulty.put("a", [b"x"], PLAIN)
    faulty.fail(ServerFault("broken"), kind="head")
    with pytest.raises(ServerFault):
        await faulty.head("a")


async def test_an_answer_is_lost_after_the_call_took_effect(
    faulty: FaultyStore, memory: MemoryStore
) -> None:
    faulty.fail(ConnectionFailed("cut"), kind="put", after=True)
    with pytest.raises(ConnectionFailed):
        await faulty.put("a", [b"x"], PLAIN)
    assert "a" in memory.objects


async def test_for_ever_until_healed(faulty: FaultyStore) -> None:
    faulty.fail(ServerFault("broken"), times=math.inf)
    for _ in range(5):
        with pytest.raises(ServerFault):
            await faulty.list_page("")
    faulty.heal()
    assert (await faulty.list_page("")).objects == []


@pytest.mark.parametrize("filled", [0, 1, 9])
async def test_a_get_is_cut_after_some_bytes(faulty: FaultyStore, filled: int) -> None:
    stored = await faulty.put("a", [b"0123456789"], PLAIN)
    faulty.fail(Corrupted("short"), kind="get", filled=filled)
    sink = BytesSink(10)
    with pytest.raises(Corrupted):
        await faulty.get("a", ByteRange(0, 10), sink, if_match=stored.etag)
    assert sink.filled == b"0123456789"[:filled]
    assert bytes(sink.buffer[filled:]) == bytes(10 - filled)


async def test_latency_and_rate_are_times_of_trio(
    faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    faulty.latency = 2.0
    faulty.byte_seconds = 0.5
    await faulty.put("a", [b"1234", b"56"], PLAIN)
    assert trio.current_time() == pytest.approx(2.0 + 3.0)
    await faulty.head("a")
    assert trio.current_time() == pytest.approx(5.0 + 2.0)


async def test_a_slow_get_brings_its_bytes_in_pieces(
    faulty: FaultyStore, autojump_clock: MockClock
) -> None:
    body = bytes(PIECE) + b"end"
    stored = await faulty.put("a", [body], PLAIN)
    faulty.byte_seconds = 1e-6
    sink = BytesSink(len(body))
    await faulty.get("a", ByteRange(0, len(body)), sink, if_match=stored.etag)
    assert sink.advances == [PIECE, PIECE + 3]
    assert sink.filled == body
    assert trio.current_time() == pytest.approx(len(body) * 1e-6)


async def test_an_empty_range_is_judged_by_the_store(faulty: FaultyStore) -> None:
    stored = await faulty.put("a", [b"x"], PLAIN)
    with pytest.raises(InvalidRequest):
        await faulty.get("a", ByteRange(0, 0), BytesSink(0), if_match=stored.etag)


async def test_a_gate_holds_a_call_until_released(faulty: FaultyStore, memory: MemoryStore) -> None:
    gate = faulty.hold(kind="put")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(faulty.put, "a", [b"x"], PLAIN)
        await gate.reached.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert dict(memory.objects) == {}
        gate.release()
    assert await read(faulty, "a") == b"x"


async def test_calls_are_recorded_in_order(faulty: FaultyStore) -> None:
    await faulty.list_page("d/")
    await faulty.put("a", [b"x"], PLAIN)
    await faulty.delete_many(["a", "b"])
    assert faulty.calls == [Call("list_page", "d/"), Call("put", "a"), Call("delete_many", "a")]
    assert (faulty.count(), faulty.count("put"), faulty.count("get")) == (3, 1, 0)
