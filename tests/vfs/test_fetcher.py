"""The fetcher, its blocks and its pool of buffers."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.ahead import KIB, MIB, Options
from phfs.core.objects import ByteRange
from phfs.errors import NoSuchKey, ServerFault, TimedOut
from phfs.s3.memory import MemoryStore
from phfs.s3.sink import pour
from phfs.vfs.blocks import SPARE_SECONDS, Block, Pool, capacity_for
from phfs.vfs.budget import Budget
from phfs.vfs.fetcher import ANSWERS, IDLE_SECONDS, Fetcher
from tests.vfs.reading import Rig, rig


class Keeper:
    """A source that keeps every block it is told to and gives up idle ones, newest first."""

    def __init__(self, made: Rig, key: str = "data") -> None:
        self.key = key
        self.etag = made.etag
        self.size = len(made.data)
        self.fetcher = made.fetcher
        self.blocks: list[Block] = []
        self.failed: list[Block] = []
        made.fetcher.used(self)

    def keep(self, start: int, size: int, *, ahead: bool = False) -> Block | None:
        span = ByteRange(start, start + size)
        if ahead:
            return next(iter(self.keep_run(span)), None)
        block = self.fetcher.start(self, span)
        if block is not None:
            self.blocks.append(block)
        return block

    def keep_run(self, *spans: ByteRange) -> list[Block]:
        blocks = self.fetcher.start_ahead(self, spans)
        self.blocks += blocks
        return blocks

    def drop(self, block: Block) -> None:
        self.blocks.remove(block)
        block.kept = False
        self.fetcher.settle(block)

    def lost(self, block: Block) -> None:
        self.blocks.remove(block)
        self.failed.append(block)

    def give_up(self, wanted: int) -> int:
        freed = 0
        for block in [block for block in self.blocks if block.idle]:
            if freed < wanted:
                self.blocks.remove(block)
                freed += self.fetcher.discard(block)
        return freed

    def close(self) -> None:
        for block in list(self.blocks):
            self.drop(block)
        self.fetcher.closed(self)


async def test_a_block_is_filled_by_one_request() -> None:
    async with rig() as made:
        block = Keeper(made).keep(5, MIB)
        assert block is not None
        await block.wait(5 + MIB)
        assert block.view(5, 5 + MIB) == made.data[5 : 5 + MIB]
        assert block.view(6, 8) == made.data[6:8]
        assert made.store.count("get") == 1
        await wait_all_tasks_blocked()
        assert block.idle


async def test_only_so_many_requests_run_ahead_and_demand_is_not_held_up(
    autojump_clock: MockClock,
) -> None:
    async with rig(max_ahead=2) as made:
        made.store.latency = 1
        keeper = Keeper(made)
        ahead = [keeper.keep(number * MIB, MIB, ahead=True) for number in range(4)]
        assert [block is not None for block in ahead] == [True, True, False, False]
        assert keeper.keep(8 * MIB, MIB) is not None
        await trio.sleep(1.5)
        assert keeper.keep(2 * MIB, MIB, ahead=True) is not None


async def test_prefetch_takes_no_memory_from_what_is_kept_but_demand_does() -> None:
    async with rig(limit=4 * MIB) as made:
        keeper = Keeper(made)
        for number in range(4):
            keeper.keep(number * MIB, MIB)
        await wait_all_tasks_blocked()
        assert keeper.keep(4 * MIB, MIB, ahead=True) is None
        assert len(keeper.blocks) == 4
        assert keeper.keep(4 * MIB, MIB) is not None
        assert len(keeper.blocks) == 4


async def test_what_is_read_or_under_way_is_not_given_up(autojump_clock: MockClock) -> None:
    async with rig(limit=2 * MIB) as made:
        keeper = Keeper(made)
        pinned = keeper.keep(0, MIB)
        assert pinned is not None
        pinned.pins = 1
        await wait_all_tasks_blocked()
        made.store.latency = 1
        assert keeper.keep(MIB, MIB) is not None
        assert keeper.keep(2 * MIB, MIB) is None
        pinned.pins = 0
        assert keeper.keep(2 * MIB, MIB) is not None
        assert pinned not in keeper.blocks


async def test_the_source_read_last_is_the_last_to_give_up() -> None:
    async with rig(limit=4 * MIB) as made:
        one, two = Keeper(made), Keeper(made)
        for keeper in (one, two):
            keeper.keep(0, MIB)
            keeper.keep(MIB, MIB)
        made.fetcher.used(one)
        await wait_all_tasks_blocked()
        one.keep(4 * MIB, MIB)
        assert (len(one.blocks), len(two.blocks)) == (3, 1)


async def test_a_waiter_gets_memory_when_a_request_ends_and_its_block_is_idle(
    autojump_clock: MockClock,
) -> None:
    async with rig(limit=2 * MIB) as made:
        made.store.latency = 1
        keeper = Keeper(made)
        keeper.keep(0, MIB)
        keeper.keep(MIB, MIB)
        with trio.fail_after(1.5):
            buffer = await made.fetcher.buffer(MIB)
        made.fetcher.give_back(buffer)


async def test_a_failed_block_is_reported_and_its_memory_comes_back() -> None:
    async with rig() as made:
        made.store.fail(ServerFault("broken"), kind="get", times=math.inf)
        keeper = Keeper(made)
        block = keeper.keep(0, MIB)
        assert block is not None
        block.pins = 1
        with pytest.raises(ServerFault):
            await block.wait(1)
        assert (keeper.blocks, keeper.failed) == ([], [block])
        block.pins = 0
        made.fetcher.settle(block)


async def test_a_request_nobody_wants_is_cancelled_and_keeps_its_buffer_until_it_ended(
    autojump_clock: MockClock,
) -> None:
    async with rig() as made:
        made.store.byte_seconds = 1 / MIB
        keeper = Keeper(made)
        block = keeper.keep(0, 8 * MIB)
        assert block is not None
        await trio.sleep(1)
        states = [(block.cancelled, block.free)]
        keeper.drop(block)
        states.append((block.cancelled, block.free))
        await trio.sleep(0.25)
        states.append((block.cancelled, block.free))
        assert states == [(False, False), (True, False), (True, True)]
        assert isinstance(block.error, TimedOut)
        assert block.filled < 2 * MIB


async def test_stopping_the_mount_ends_waiting_and_frees_everything() -> None:
    async with trio.open_nursery() as outer, rig() as made:
        async with trio.open_nursery() as nursery:
            fetcher = Fetcher(made.store, made.budget, nursery)
            gate = made.store.hold(kind="get")
            keeper = Keeper(made)
            keeper.fetcher = fetcher
            block = keeper.keep(0, MIB)
            assert block is not None

            @outer.start_soon
            async def attempt() -> None:
                with pytest.raises(TimedOut, match="stopped"):
                    await block.wait(1)

            await gate.reached.wait()
            nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        fetcher.close()


async def test_freed_buffers_are_used_again_for_similar_sizes() -> None:
    async with rig() as made:
        keeper = Keeper(made)
        first = keeper.keep(0, 8 * MIB)
        assert first is not None
        await wait_all_tasks_blocked()
        keeper.drop(first)
        await wait_all_tasks_blocked()
        assert made.budget.usage.used == 8 * MIB
        small = keeper.keep(0, MIB)
        again = keeper.keep(8 * MIB, 7 * MIB)
        assert small is not None
        assert again is not None
        assert again.store_buffer is first.store_buffer
        assert len(again.buffer) == 7 * MIB
        assert small.store_buffer is not first.store_buffer
        assert made.budget.usage.used == 9 * MIB


async def test_the_pool_keeps_the_newest_buffers_and_gives_all_up_when_asked() -> None:
    budget = Budget(64 * MIB, read_reserve=MIB)
    pool = Pool(budget, trio.lowlevel.current_trio_token(), spare_limit=4 * MIB)
    buffers = [await pool.wait(MIB * number) for number in (1, 2, 3)]
    small = await pool.wait(100)
    for buffer in (*buffers, small):
        pool.give_back(buffer)
    assert budget.usage.used == 6 * MIB + 100
    await wait_all_tasks_blocked()
    assert budget.usage.used == 3 * MIB
    assert pool.take(3 * MIB, reclaim=False) is buffers[2]
    pool.give_back(buffers[2])
    assert budget.try_acquire(63 * MIB, for_write=True)
    assert budget.usage.used == 63 * MIB
    await wait_all_tasks_blocked()
    assert budget.usage.used == 63 * MIB


async def test_spare_buffers_that_do_not_fit_give_way_to_as_many_fresh_bytes() -> None:
    budget = Budget(64 * MIB, read_reserve=MIB)
    pool = Pool(budget, trio.lowlevel.current_trio_token(), spare_limit=16 * MIB)
    for buffer in [await pool.wait(4 * MIB) for _ in range(2)]:
        pool.give_back(buffer)
    await wait_all_tasks_blocked()
    assert budget.usage.used == 8 * MIB
    used = []
    for _ in range(5):
        assert pool.take(MIB, reclaim=False)
        assert pool.take(100, reclaim=False)
        used.append(budget.usage.used // MIB)
    assert used == [9, 10, 11, 8, 9]
    twice_as_large = pool.take(2 * MIB, reclaim=False)
    assert twice_as_large is not None
    assert len(twice_as_large) == 4 * MIB


async def test_spare_buffers_are_given_up_when_nobody_has_taken_one_for_a_while(
    autojump_clock: MockClock,
) -> None:
    budget = Budget(64 * MIB, read_reserve=MIB)
    pool = Pool(budget, trio.lowlevel.current_trio_token(), spare_limit=8 * MIB)
    for _ in range(2):
        buffers = [await pool.wait(MIB) for _ in range(4)]
        for buffer in buffers:
            pool.give_back(buffer)
        for _ in range(3):
            await trio.sleep(0.7 * SPARE_SECONDS)
            taken = pool.take(MIB, reclaim=False)
            assert taken is not None
            assert budget.usage.used == 4 * MIB
            pool.give_back(taken)
        await trio.sleep(2 * SPARE_SECONDS)
        assert budget.usage.used == 0


@pytest.mark.parametrize(
    ("size", "capacity"),
    [
        (1, 1),
        (64 * KIB - 1, 64 * KIB - 1),
        (64 * KIB, 64 * KIB),
        (64 * KIB + 1, 128 * KIB),
        (8 * MIB, 8 * MIB),
    ],
)
def test_capacities(size: int, capacity: int) -> None:
    assert capacity_for(size) == capacity


class Token:
    """Stands for the loop: notes what would run in it."""

    def __init__(self) -> None:
        self.scheduled: list[Callable[[], object]] = []

    def run_sync_soon(self, call: Callable[[], object], *, idempotent: bool) -> None:
        assert idempotent
        self.scheduled.append(call)


async def test_progress_wakes_the_loop_only_when_somebody_waits_for_it() -> None:
    token = Token()
    block = Block(ByteRange(100, 200), bytearray(100), cast(Any, token), ahead=False)
    block.advance(10)
    assert token.scheduled == []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(block.wait, 150)
        nursery.start_soon(block.wait, 130)
        await wait_all_tasks_blocked()
        block.advance(29)
        assert token.scheduled == []
        block.advance(30)
        token.scheduled.pop()()
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        block.advance(49)
        assert token.scheduled == []
        block.advance(60)
        token.scheduled.pop()()
    await block.wait(160)


async def test_a_waiter_learns_of_the_end() -> None:
    block = Block(ByteRange(0, 10), bytearray(10), cast(Any, Token()), ahead=False)
    block.advance(5)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def attempt() -> None:
            with pytest.raises(ServerFault):
                await block.wait(6)

        await wait_all_tasks_blocked()
        block.finish(ServerFault("cut"))
    await block.wait(5)


async def test_options_follow_the_budget() -> None:
    async with trio.open_nursery() as nursery:
        store = MemoryStore(lambda: 0.0)
        small = Fetcher(store, Budget(8 * MIB, read_reserve=MIB), nursery)
        large = Fetcher(store, Budget(512 * MIB, read_reserve=MIB), nursery)
    assert small.options.window == MIB
    assert large.options.window == 32 * MIB


async def test_a_slow_store_is_asked_further_ahead_and_a_quick_one_again_less(
    autojump_clock: MockClock,
) -> None:
    async with rig(limit=512 * MIB) as made:
        keeper = Keeper(made)
        for latency, window in ((0.0, 32 * MIB), (0.005, 48_000_000), (0.0, 32 * MIB)):
            made.store.latency = latency
            for number in range(ANSWERS):
                block = keeper.keep(number * 64 * KIB, 64 * KIB)
                assert block is not None
                await block.wait((number + 1) * 64 * KIB)
            await wait_all_tasks_blocked()
            while keeper.blocks:
                keeper.drop(keeper.blocks[0])
            assert made.fetcher.options.window == pytest.approx(window, rel=0.05)


async def test_the_blocks_of_a_run_are_filled_by_one_request_and_settled_one_by_one(
    autojump_clock: MockClock,
) -> None:
    async with rig() as made:
        made.store.byte_seconds = 1 / MIB
        keeper = Keeper(made)
        spans = [ByteRange(start * MIB, (start + 2) * MIB) for start in (0, 2, 4)]
        one, two, three = keeper.keep_run(*spans)
        await two.wait(3 * MIB)
        assert two.view(2 * MIB, 3 * MIB) == made.data[2 * MIB : 3 * MIB]
        await wait_all_tasks_blocked()
        assert one.idle
        assert two.loading
        keeper.drop(one)
        assert one.free
        await three.wait(6 * MIB)
        assert three.view(4 * MIB, 6 * MIB) == made.data[4 * MIB : 6 * MIB]
        assert made.store.count("get") == 1


async def test_a_run_that_breaks_loses_only_what_had_not_come() -> None:
    async with rig() as made:
        made.store.fail(ServerFault("cut"), kind="get", filled=3 * MIB)
        keeper = Keeper(made)
        one, two, three = keeper.keep_run(
            *[ByteRange(start * MIB, (start + 2) * MIB) for start in (0, 2, 4)]
        )
        two.pins = 1
        with pytest.raises(ServerFault, match="cut"):
            await two.wait(4 * MIB)
        await wait_all_tasks_blocked()
        assert keeper.blocks == [one]
        assert keeper.failed == [two, three]
        assert one.view(0, 2 * MIB) == made.data[: 2 * MIB]
        two.pins = 0
        made.fetcher.settle(two)


async def test_after_a_rename_a_broken_run_goes_on_where_it_broke() -> None:
    async with rig(8 * MIB) as made:
        keeper = Keeper(made)
        renamed = await made.put("new", made.data)

        async def gone(*args: Any, **kwargs: Any) -> None:
            # What the retries of a broken try meet once the file has another name.
            byte_range, sink = args[1], args[2]
            pour(memoryview(made.data)[byte_range.start : byte_range.start + 5 * MIB], sink)
            keeper.key, keeper.etag = "new", renamed
            made.store.get = get  # type: ignore[method-assign]
            raise NoSuchKey("data: is not there")

        get, made.store.get = made.store.get, gone  # type: ignore[method-assign]
        blocks = keeper.keep_run(*[ByteRange(at * MIB, (at + 2) * MIB) for at in (0, 2, 4, 6)])
        await blocks[-1].wait(8 * MIB)
        await wait_all_tasks_blocked()
        assert b"".join(bytes(block.buffer) for block in blocks) == made.data
        assert all(block.idle for block in blocks)


async def test_a_request_under_way_holds_no_block_that_was_given_back(
    autojump_clock: MockClock,
) -> None:
    async with rig() as made:
        made.store.byte_seconds = 1 / MIB
        keeper = Keeper(made)
        one, two = keeper.keep_run(ByteRange(0, 2 * MIB), ByteRange(2 * MIB, 4 * MIB))
        await two.wait(3 * MIB)
        await wait_all_tasks_blocked()
        buffer = weakref.ref(one.store_buffer)
        keeper.blocks.remove(one)
        made.fetcher.discard(one)
        del one
        assert buffer() is None
        assert two.loading


async def test_who_pauses_leaves_room_ahead_to_those_who_read(autojump_clock: MockClock) -> None:
    async with rig(limit=16 * MIB) as made:
        idle, busy = Keeper(made), Keeper(made, "other")
        assert len(idle.keep_run(ByteRange(0, 2 * MIB), ByteRange(2 * MIB, 4 * MIB))) == 2
        await wait_all_tasks_blocked()
        await trio.sleep(IDLE_SECONDS / 2)
        made.fetcher.used(busy)
        assert busy.keep(0, MIB, ahead=True) is None
        await trio.sleep(IDLE_SECONDS)
        made.fetcher.used(busy)
        busy.key = "data"
        assert busy.keep(0, MIB, ahead=True) is not None
        assert [block.span.start for block in idle.blocks] == [2 * MIB]


async def test_a_run_is_as_long_as_memory_allows_and_none_where_others_lie_far_ahead() -> None:
    async with rig(limit=16 * MIB) as made:
        keeper = Keeper(made)
        spans = [ByteRange(start * MIB, (start + 1) * MIB) for start in range(5)]
        assert keeper.keep_run(*spans) == [], "a quarter of the memory may lie ahead"
        for start, size in ((8, 8), (4, 4), (1, 3)):
            keeper.keep(start * MIB, size * MIB)
        await wait_all_tasks_blocked()
        assert [block.span for block in keeper.keep_run(*spans[:4])] == spans[:1]


async def test_a_run_goes_on_as_long_as_somebody_wants_some_of_the_rest(
    autojump_clock: MockClock,
) -> None:
    async with rig() as made:
        made.store.byte_seconds = 1 / MIB
        keeper = Keeper(made)
        one, two = keeper.keep_run(ByteRange(0, MIB), ByteRange(MIB, 8 * MIB))
        keeper.drop(one)
        await two.wait(2 * MIB)
        keeper.drop(two)
        began = trio.current_time()
        while not two.free:
            await trio.sleep(0.01)
        assert trio.current_time() - began < 1


async def test_all_streams_together_lie_no_further_ahead_than_the_mount_may(
    autojump_clock: MockClock,
) -> None:
    async with rig(8 * MIB, limit=64 * MIB, options=Options(window=4 * MIB, block=MIB)) as made:
        readers = [made.reader() for _ in range(12)]
        most = 0
        for offset in range(0, 8 * MIB, 256 * KIB):
            for reader in readers:
                await made.read(reader, offset, 256 * KIB)
                most = max(most, made.fetcher.unread)
                await wait_all_tasks_blocked()
        assert 8 * MIB < most <= 16 * MIB + MIB // 4, "a spare buffer may be that much larger"
        for reader in readers:
            reader.close()
        assert made.fetcher.unread == 0


async def test_what_lies_ahead_is_forgotten_when_it_is_given_up_or_fails() -> None:
    async with rig() as made:
        keeper = Keeper(made)
        kept = keeper.keep(0, MIB, ahead=True)
        assert kept is not None
        assert made.fetcher.unread == MIB
        await wait_all_tasks_blocked()
        assert keeper.give_up(1) == MIB
        assert made.fetcher.unread == 0
        made.store.fail(ServerFault("broken"), kind="get")
        assert keeper.keep(0, MIB, ahead=True) is not None
        await wait_all_tasks_blocked()
        assert len(keeper.failed) == 1
        assert made.fetcher.unread == 0


async def test_many_streams_get_smaller_requests_and_fetch_nothing_twice(
    autojump_clock: MockClock,
) -> None:
    async with rig(8 * MIB, limit=32 * MIB) as made:
        alone = made.fetcher.options
        readers = [made.reader() for _ in range(32)]
        for offset in range(0, 8 * MIB, 256 * KIB):
            for reader in readers:
                await made.read(reader, offset, 256 * KIB)
        assert made.fetcher.asked <= 1.1 * 32 * 8 * MIB
        assert made.fetcher.options.block < alone.block
        for reader in readers:
            reader.close()
        assert made.fetcher.options == alone


async def test_half_of_the_means_are_spare_for_what_is_less_sure(autojump_clock: MockClock) -> None:
    async with rig(limit=64 * MIB, max_ahead=4) as made:
        made.store.latency = 1
        keeper = Keeper(made)
        assert made.fetcher.leaves_half(8 * MIB)
        assert not made.fetcher.leaves_half(8 * MIB + 1), "an eighth of the memory"
        keeper.keep(0, MIB, ahead=True)
        assert made.fetcher.leaves_half(7 * MIB)
        assert not made.fetcher.leaves_half(7 * MIB + 1)
        keeper.keep(MIB, MIB, ahead=True)
        assert not made.fetcher.leaves_half(1), "two requests of four"
        await trio.sleep(1.5)
        assert made.fetcher.leaves_half(1)


class Leaver(Keeper):
    """Closes when it has given up everything."""

    def give_up(self, wanted: int) -> int:
        freed = super().give_up(wanted)
        if not self.blocks:
            self.close()
        return freed


async def test_who_gives_up_everything_may_leave(autojump_clock: MockClock) -> None:
    async with rig(limit=8 * MIB) as made:
        keepers = [Leaver(made) for _ in range(2)]
        for keeper in keepers:
            keeper.keep(0, MIB, ahead=True)
            made.fetcher.used(keeper)
        await trio.sleep(IDLE_SECONDS * 2)
        other = Keeper(made)
        assert other.keep_run(ByteRange(0, 2 * MIB)), "at the cost of both"
        assert not any(keeper.blocks for keeper in keepers)
        keepers = [Leaver(made) for _ in range(2)]
        for keeper in keepers:
            keeper.keep(0, MIB)
            made.fetcher.used(keeper)
        await wait_all_tasks_blocked()
        for number in range(8):
            assert other.keep(number * MIB, MIB)
        assert not any(keeper.blocks for keeper in keepers)
