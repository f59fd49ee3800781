"""The reader: right bytes, few round trips, no more memory than allowed, errors in words."""

from __future__ import annotations

import math
import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.core.ahead import KIB, MIB
from phfs.core.objects import ByteRange, ETag
from phfs.errors import (
    AccessDenied,
    BadHandle,
    OutOfMemory,
    PhfsError,
    ServerFault,
    Stale,
    StoreError,
)
from phfs.s3.sink import pour
from phfs.s3.store import Sink
from phfs.s3.window import SinkWindow
from tests.vfs.reading import Rig, rig


@pytest.mark.parametrize("size", [1, 4 * KIB, 100_000, MIB, 3 * MIB + 17])
async def test_reads_are_exact_and_short_only_at_the_end(size: int) -> None:
    async with rig(size) as made:
        reader = made.reader()
        await made.read(reader, 0, size)
        await made.read(reader, size - 1, 10)
        await made.read(reader, 0, size + 10)
        assert await reader.read(size, 1) == b""
        assert await reader.read(size + 5, 1) == b""


async def test_one_block_is_not_copied_and_two_are_joined() -> None:
    async with rig() as made:
        reader = made.reader()
        assert isinstance(await reader.read(0, 128 * KIB), memoryview)
        assert isinstance(await reader.read(MIB, 256 * KIB), bytes)
        await made.read(reader, MIB, 256 * KIB)


async def test_a_small_file_is_one_request() -> None:
    async with rig(MIB) as made:
        reader = made.reader()
        async with trio.open_nursery() as nursery:
            for offset in range(0, MIB, 64 * KIB):
                nursery.start_soon(made.read, reader, offset, 64 * KIB)
        assert made.fetcher.requests == 1


@pytest.mark.parametrize("step", [128 * KIB, MIB])
async def test_a_sequential_read_takes_few_round_trips(
    autojump_clock: MockClock, step: int
) -> None:
    async with rig(128 * MIB) as made:
        made.store.latency = 0.010
        reader = made.reader()
        begun = trio.current_time()
        await made.read_through(reader, 0, 128 * MIB, step)
        assert trio.current_time() - begun < 0.010 * 14
        assert made.fetcher.requests < 128 // 16 + 12
        options = made.fetcher.options
        assert made.budget.usage.peak <= options.window + options.request + options.block


async def test_the_first_bytes_do_not_wait_for_the_block(autojump_clock: MockClock) -> None:
    async with rig() as made:
        made.store.latency = 0.010
        made.store.byte_seconds = 1 / MIB
        begun = trio.current_time()
        await made.read(made.reader(), 0, 128 * KIB)
        assert trio.current_time() - begun == pytest.approx(0.010 + 0.125)


@pytest.mark.parametrize("readers", [1, 4])
async def test_interleaved_cursors_all_become_streams(
    autojump_clock: MockClock, readers: int
) -> None:
    async with rig(128 * MIB) as made:
        made.store.latency = 0.010
        shared = [made.reader() for _ in range(readers)]
        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(4):
                start = number * 32 * MIB
                nursery.start_soon(
                    made.read_through,
                    shared[number % readers],
                    start,
                    start + 32 * MIB,
                    128 * KIB,
                )
        assert trio.current_time() - begun < 0.010 * 16
        for reader in shared:
            reader.close()


async def test_columns_of_a_table_take_few_round_trips(autojump_clock: MockClock) -> None:
    async with rig(256 * MIB) as made:
        made.store.latency = 0.010
        reader = made.reader()
        begun = trio.current_time()
        for group in range(0, 256 * MIB, 8 * MIB):
            for column in (1, 3, 4, 6):
                start = group + column * MIB + 12 * KIB
                await made.read_through(reader, start, start + 700 * KIB, 128 * KIB)
        # Each of 128 waits for two answers at most; the ten that are learned from do.
        assert trio.current_time() - begun <= 0.010 * (2 * 10 + 6)


async def test_a_random_read_fetches_little(autojump_clock: MockClock) -> None:
    async with rig(32 * MIB) as made:
        reader = made.reader()
        for offset in random.Random(3).sample(range(1, 32 * MIB // 4096), 100):
            await made.read(reader, offset * 4096, 4096)
        assert made.fetcher.requests <= 100
        assert made.budget.usage.peak < 4 * MIB


async def test_requests_of_the_kernel_in_any_order_are_answered(
    autojump_clock: MockClock,
) -> None:
    async with rig(64 * MIB) as made:
        made.store.latency = 0.010
        reader = made.reader()
        chance = random.Random(5)
        for batch in range(0, 64 * MIB, MIB):
            offsets = list(range(batch, batch + MIB, 128 * KIB))
            chance.shuffle(offsets)
            async with trio.open_nursery() as nursery:
                for offset in offsets:
                    nursery.start_soon(made.read, reader, offset, 128 * KIB)
        assert made.fetcher.requests < 80


@pytest.mark.parametrize("shared", [True, False])
async def test_many_readers_proceed_within_a_small_budget(
    autojump_clock: MockClock, shared: bool
) -> None:
    async with rig(64 * MIB, limit=8 * MIB) as made:
        made.store.latency = 0.001
        one = made.reader()
        readers = [one if shared else made.reader() for _ in range(64)]
        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                for number, reader in enumerate(readers):
                    nursery.start_soon(
                        made.read_through, reader, number * MIB, (number + 1) * MIB, 200_000
                    )
        for reader in readers:
            reader.close()


@pytest.mark.parametrize("seed", range(10))
async def test_any_reads_at_once_are_right_within_any_budget(
    autojump_clock: MockClock, seed: int
) -> None:
    chance = random.Random(seed)
    limit = chance.choice([MIB + 128 * KIB, 2 * MIB, 8 * MIB, 64 * MIB])
    async with rig(8 * MIB, limit=limit, max_ahead=chance.choice([0, 1, 16])) as made:
        made.store.latency = 0.001
        made.store.byte_seconds = chance.choice([0.0, 1e-9])
        readers = [made.reader() for _ in range(3)]

        async def program() -> None:
            position = chance.randrange(8 * MIB)
            reader = chance.choice(readers)
            for _ in range(30):
                if chance.random() < 0.2:
                    position = chance.randrange(8 * MIB)
                size = chance.choice([1, 4096, 128 * KIB, MIB])
                await made.read(reader, position, size)
                position = (position + size) % (8 * MIB)

        with trio.fail_after(3600):
            async with trio.open_nursery() as nursery:
                for _ in range(12):
                    nursery.start_soon(program)


async def test_reads_proceed_while_writers_have_their_whole_share() -> None:
    async with rig(16 * MIB, limit=8 * MIB) as made:
        assert made.budget.try_acquire(6 * MIB, for_write=True)
        reader = made.reader()
        await made.read_through(reader, 0, 16 * MIB, MIB)
        made.budget.release(6 * MIB, for_write=True)


async def test_writers_get_what_was_only_fetched_ahead() -> None:
    async with rig(64 * MIB, limit=64 * MIB) as made:
        readers = [made.reader() for _ in range(12)]
        for reader in readers:
            await made.read_through(reader, 0, 20 * MIB, MIB)
        await wait_all_tasks_blocked()
        assert made.budget.usage.used > 16 * MIB
        await made.budget.acquire(48 * MIB, for_write=True)
        for reader in readers:
            await made.read(reader, 20 * MIB, MIB)
        made.budget.release(48 * MIB, for_write=True)


async def test_a_read_larger_than_the_budget_is_refused() -> None:
    async with rig(16 * MIB, limit=4 * MIB) as made:
        reader = made.reader()
        with pytest.raises(OutOfMemory):
            await reader.read(0, 8 * MIB)
        await made.read(reader, 0, MIB)


async def test_a_buffer_handed_out_is_not_reused_before_the_next_checkpoint() -> None:
    async with rig() as made:
        reader, other = made.reader(), made.reader()
        span = ByteRange(0, MIB + 128 * KIB)
        found = await reader.read(0, 128 * KIB)
        assert isinstance(found, memoryview)
        await wait_all_tasks_blocked()
        reader.close()
        early = made.fetcher.start(other, span)
        assert early is not None
        assert early.store_buffer is not found.obj
        await wait_all_tasks_blocked()
        late = made.fetcher.start(other, span)
        assert late is not None
        assert late.store_buffer is found.obj
        for block in (early, late):
            block.kept = False
            made.fetcher.settle(block)


async def test_a_buffer_taken_back_by_the_budget_stays_valid_while_it_is_seen() -> None:
    async with rig(16 * MIB, limit=16 * MIB) as made:
        reader = made.reader()
        found = await reader.read(0, 128 * KIB)
        assert isinstance(found, memoryview)
        assert made.budget.try_acquire(12 * MIB, for_write=True)
        assert made.budget.try_acquire(4 * MIB, for_write=False)
        assert found == made.data[: 128 * KIB]
        made.budget.release(12 * MIB, for_write=True)
        made.budget.release(4 * MIB, for_write=False)


@pytest.mark.parametrize("replaced", [True, False])
async def test_a_version_that_is_gone_is_stale(replaced: bool) -> None:
    async with rig() as made:
        reader = made.reader()
        await made.read(reader, 0, MIB)
        if replaced:
            await made.put("data", b"another" * MIB)
        else:
            await made.memory.delete("data")
        await made.read(reader, 0, MIB)
        with pytest.raises(Stale, match="data was replaced or deleted"):
            await reader.read(10 * MIB, 1)


async def test_other_errors_pass_and_the_next_read_asks_anew() -> None:
    async with rig() as made:
        reader = made.reader()
        for error in (AccessDenied("no"), ServerFault("broken")):
            made.store.fail(error, kind="get")
            with pytest.raises(type(error), match=error.why):
                await reader.read(0, 4096)
        await made.read(reader, 0, 4096)


async def test_all_readers_of_a_failed_request_get_its_error(autojump_clock: MockClock) -> None:
    async with rig() as made:
        reader = made.reader()
        made.store.latency = 1
        made.store.fail(ServerFault("cut"), kind="get", filled=256 * KIB)
        outcomes: list[object] = []

        async def attempt(offset: int) -> None:
            try:
                await made.read(reader, offset, 128 * KIB)
                outcomes.append(offset)
            except StoreError as error:
                outcomes.append(error.why)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, 0)
            await wait_all_tasks_blocked()
            for offset in range(128 * KIB, MIB, 128 * KIB):
                nursery.start_soon(attempt, offset)
        assert sorted(map(str, outcomes)) == ["0", "131072", *["cut"] * 6]
        await made.read(reader, 0, MIB)


async def test_a_failed_prefetch_is_forgotten() -> None:
    async with rig() as made:
        reader = made.reader()
        await made.read(reader, 0, 128 * KIB)
        made.store.fail(ServerFault("broken"), kind="get", times=math.inf)
        await made.read_through(reader, 128 * KIB, MIB, 128 * KIB)
        await wait_all_tasks_blocked()
        made.store.heal()
        await made.read_through(reader, MIB, 16 * MIB, 128 * KIB)


@pytest.mark.parametrize("nth", range(1, 12))
async def test_whatever_request_fails_the_rest_is_right(nth: int) -> None:
    async with rig(16 * MIB, limit=8 * MIB) as made:
        made.store.fail(ServerFault("broken"), kind="get", nth=nth)
        reader = made.reader()
        failures = 0
        for offset in range(0, 16 * MIB, MIB):
            try:
                await made.read(reader, offset, MIB)
            except PhfsError:
                failures += 1
                await made.read(reader, offset, MIB)
        assert failures <= 1


async def test_a_rename_does_not_disturb_readers(autojump_clock: MockClock) -> None:
    async with rig() as made:
        reader = made.reader()
        gate = made.store.hold(kind="get")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.read, reader, 0, 4096)
            await gate.reached.wait()
            etag = (await made.memory.copy("data", "renamed", if_match=made.etag)).etag
            reader.move("renamed", etag)
            await made.memory.delete("data")
            gate.release()
        await made.read(reader, 8 * MIB, MIB)
        assert [call.key for call in made.store.calls] == ["data", "renamed", "renamed"]


async def test_a_rename_that_lost_the_object_is_stale_after_one_more_try() -> None:
    async with rig() as made:
        reader = made.reader()
        gate = made.store.hold(kind="get")
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def attempt() -> None:
                with pytest.raises(Stale, match="renamed"):
                    await reader.read(0, 1)

            await gate.reached.wait()
            await made.memory.delete("data")
            reader.move("renamed", ETag("other"))
            gate.release()
        assert made.store.count("get") == 2


async def test_closing_cancels_what_nobody_waits_for(autojump_clock: MockClock) -> None:
    async with rig() as made:
        reader = made.reader()
        await made.read_through(reader, 0, 4 * MIB, MIB)
        made.store.byte_seconds = 1.0
        await made.read(reader, 4 * MIB, 1)
        begun = trio.current_time()
        reader.close()
        with pytest.raises(BadHandle, match="data"):
            await reader.read(0, 1)
    assert trio.current_time() - begun <= 128 * KIB + 1


async def test_a_read_under_way_survives_close(autojump_clock: MockClock) -> None:
    async with rig() as made:
        reader = made.reader()
        made.store.latency = 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.read, reader, 0, MIB)
            await trio.sleep(0.5)
            reader.close()


async def test_a_reader_closed_while_it_waits_for_memory_gives_it_back() -> None:
    async with rig(16 * MIB, limit=4 * MIB) as made:
        made.budget.try_acquire(4 * MIB, for_write=False)
        reader = made.reader()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def attempt() -> None:
                with pytest.raises(BadHandle):
                    await reader.read(0, 4096)

            await wait_all_tasks_blocked()
            reader.close()
            made.budget.release(4 * MIB, for_write=False)


async def test_what_another_read_fetched_meanwhile_is_not_fetched_again(
    autojump_clock: MockClock,
) -> None:
    async with rig(256 * KIB, limit=4 * MIB) as made:
        made.store.latency = 1
        made.budget.try_acquire(4 * MIB, for_write=False)
        reader = made.reader()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.read, reader, 0, 4096)
            await wait_all_tasks_blocked()
            made.budget.release(4 * MIB, for_write=False)
            await made.read(reader, 0, 256 * KIB)
        assert made.fetcher.requests == 1


@pytest.mark.parametrize("delay", [0.0, 0.5, 1.5, 5.0])
async def test_a_cancelled_read_leaves_nothing_behind(
    autojump_clock: MockClock, delay: float
) -> None:
    async with rig(16 * MIB, limit=2 * MIB) as made:
        made.store.latency = 1
        reader = made.reader()
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(made.read, reader, number * 2 * MIB, MIB)
            await trio.sleep(delay)
            nursery.cancel_scope.cancel()
        await made.read(reader, MIB, MIB)


class ThreadStore:
    """Fills sinks from worker threads, in pieces, as the real client does."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        await trio.to_thread.run_sync(self._fill, byte_range, sink)

    def _fill(self, byte_range: ByteRange, sink: Sink) -> None:
        for start in range(0, byte_range.size, 64 * KIB):
            stop = min(start + 64 * KIB, byte_range.size)
            piece = memoryview(self.data)[byte_range.start + start : byte_range.start + stop]
            pour(piece, SinkWindow(sink, start))


async def test_bytes_that_come_from_threads_wake_their_readers() -> None:
    async with rig(16 * MIB) as made:
        made.store.get = ThreadStore(made.data).get  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            for number in range(4):
                start = number * 4 * MIB
                nursery.start_soon(
                    made.read_through, made.reader(), start, start + 4 * MIB, 128 * KIB
                )


def test_the_rig_checks_every_byte() -> None:
    async def wrong() -> None:
        async with rig(4096) as made:
            made.data = bytes(4096)
            await Rig.read(made, made.reader(), 0, 10)

    with pytest.raises(BaseExceptionGroup) as failed:
        trio.run(wrong)
    assert failed.value.split(AssertionError)[0] is not None
