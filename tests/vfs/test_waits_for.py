"""What holds up a program that writes is told while it does, and no longer."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from phfs.s3.faults import FaultyStore
from phfs.vfs.filesystem import MIB
from phfs.vfs.uploads import PARTS_AT_ONCE
from tests.support.volume import open_volume


async def test_memory_is_waited_for(autojump_clock: MockClock, faulty: FaultyStore) -> None:
    async with open_volume(faulty, memory_limit=16 * MIB, part_size=5 * MIB) as volume:
        file = await volume.create("f")
        assert [one.waits_for for one in volume.fs.ending.under_way()] == [""]
        faulty.latency = 10.0
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(file.write, bytes(5 * MIB), file.position)
                file.position += 5 * MIB
                await wait_all_tasks_blocked()
            (waiting,) = volume.fs.ending.under_way()
            assert waiting.waits_for == "memory"
            assert (waiting.path, waiting.key) == ("/f", "f")
            assert 0 < waiting.known < 15 * MIB
        assert [one.waits_for for one in volume.fs.ending.under_way()] == [""]
        faulty.latency = 0.001
        await file.close()


async def test_a_place_for_a_part_is_waited_for(
    autojump_clock: MockClock, faulty: FaultyStore
) -> None:
    async with open_volume(faulty, memory_limit=512 * MIB, part_size=5 * MIB) as volume:
        file = await volume.create("f")
        faulty.latency = 10.0
        for _ in range(PARTS_AT_ONCE):
            await file.write(bytes(5 * MIB))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(file.write, bytes(5 * MIB))
            await wait_all_tasks_blocked()
            (waiting,) = volume.fs.ending.under_way()
            assert waiting.waits_for == "earlier parts to be sent"
        assert [one.waits_for for one in volume.fs.ending.under_way()] == [""]
        faulty.latency = 0.001
        await file.close()
