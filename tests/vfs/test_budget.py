"""The memory budget: hard, fair, and never waiting for what nobody will free."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from phfs.errors import OutOfMemory
from phfs.vfs.budget import MIB, Budget


class Claims:
    """Acquires in tasks of their own and remembers who got what in which order."""

    def __init__(self, budget: Budget, nursery: trio.Nursery) -> None:
        self.budget = budget
        self.nursery = nursery
        self.granted: list[str] = []
        self.refused: list[str] = []
        self.scopes: dict[str, trio.CancelScope] = {}

    async def ask(self, name: str, size: int) -> None:
        """``name`` begins with r or w; returns when the request is granted, refused or waits."""
        self.scopes[name] = trio.CancelScope()
        self.nursery.start_soon(self._acquire, name, size)
        await wait_all_tasks_blocked()

    async def _acquire(self, name: str, size: int) -> None:
        with self.scopes[name]:
            try:
                await self.budget.acquire(size, for_write=name.startswith("w"))
            except OutOfMemory:
                self.refused.append(name)
            else:
                self.granted.append(name)


def used(budget: Budget) -> tuple[int, int, int]:
    usage = budget.usage
    return usage.used, usage.write_used, usage.waiting


@pytest.mark.parametrize("reserve", [0, 100, 101, -1])
def test_the_reserve_is_a_part_of_the_limit(reserve: int) -> None:
    with pytest.raises(ValueError, match="read_reserve"):
        Budget(100, read_reserve=reserve)


def test_bytes_are_counted_and_never_more_than_the_limit() -> None:
    budget = Budget(100, read_reserve=40)
    assert budget.try_acquire(60, for_write=True)
    assert not budget.try_acquire(1, for_write=True)
    assert budget.try_acquire(40, for_write=False)
    assert not budget.try_acquire(1, for_write=False)
    budget.release(60, for_write=True)
    budget.release(40, for_write=False)
    assert budget.usage == (100, 0, 100, 0, 0, 0)


def test_readers_may_have_all_of_it() -> None:
    budget = Budget(100, read_reserve=40)
    assert budget.try_acquire(100, for_write=False)


async def test_a_reader_waits_until_enough_is_released() -> None:
    budget = Budget(100, read_reserve=40)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("r1", 80)
        await claims.ask("r2", 50)
        assert used(budget) == (80, 0, 1)
        budget.release(20, for_write=False)
        await wait_all_tasks_blocked()
        assert claims.granted == ["r1"]
        budget.release(20, for_write=False)
    assert claims.granted == ["r1", "r2"]
    assert used(budget) == (90, 0, 0)


async def test_the_oldest_is_served_first_and_is_not_overtaken() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(90, for_write=False)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("r1", 50)
        await claims.ask("w2", 10)
        await claims.ask("r3", 5)
        assert not budget.try_acquire(5, for_write=False)
        assert not budget.try_acquire(5, for_write=True)
        assert claims.granted == []
        budget.release(45, for_write=False)
        await wait_all_tasks_blocked()
        assert claims.granted == ["r1"]
        budget.release(5, for_write=False)
        await wait_all_tasks_blocked()
        assert claims.granted == ["r1", "w2"]
        budget.release(5, for_write=False)
    assert claims.granted == ["r1", "w2", "r3"]


async def test_a_writer_without_a_share_does_not_hold_up_readers() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(60, for_write=True)
    budget.mark_in_flight(60)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("w1", 10)
        await claims.ask("r2", 40)
        assert claims.granted == ["r2"]
        assert not budget.try_acquire(1, for_write=False)
        budget.release(40, for_write=False)
        assert budget.try_acquire(40, for_write=False)
        budget.release(10, for_write=True, in_flight=True)
    assert claims.granted == ["r2", "w1"]


async def test_a_write_nobody_can_help_is_refused_with_the_number_of_files() -> None:
    budget = Budget(32 * MIB, read_reserve=8 * MIB)
    assert budget.try_acquire(24 * MIB, for_write=True)
    with pytest.raises(OutOfMemory) as refused:
        await budget.acquire(1, for_write=True)
    assert "24 MiB" in refused.value.why
    assert "about 4 of them" in refused.value.why
    assert "--memory-limit" in refused.value.advice
    assert used(budget) == (24 * MIB, 24 * MIB, 0)


async def test_more_than_there_will_ever_be_is_refused_at_once() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(10, for_write=True)
    budget.mark_in_flight(10)
    for size, for_write in ((61, True), (101, False)):
        with pytest.raises(OutOfMemory):
            await budget.acquire(size, for_write=for_write)


async def test_waiters_are_refused_when_the_last_upload_ends_without_helping() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(60, for_write=True)
    budget.mark_in_flight(10)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("w1", 20)
        await claims.ask("w2", 5)
        assert used(budget) == (60, 60, 2)
        budget.release(10, for_write=True, in_flight=True)
    assert claims.refused == ["w1"]
    assert claims.granted == ["w2"]


async def test_waiters_are_refused_when_an_upload_keeps_its_bytes() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(60, for_write=True)
    budget.mark_in_flight(30)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("w1", 20)
        budget.mark_held(15)
        await wait_all_tasks_blocked()
        assert claims.refused == []
        budget.mark_held(15)
    assert claims.refused == ["w1"]


async def test_a_writer_waits_for_memory_that_readers_have() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(90, for_write=False)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("w1", 20)
        assert (claims.granted, claims.refused) == ([], [])
        budget.release(10, for_write=False)
    assert claims.granted == ["w1"]


async def test_a_cancelled_waiter_leaves_the_queue_and_lets_the_next_go() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(70, for_write=False)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("r1", 50)
        await claims.ask("r2", 30)
        claims.scopes["r1"].cancel()
    assert claims.granted == ["r2"]
    assert used(budget) == (100, 0, 0)


async def test_bytes_granted_to_a_waiter_that_is_cancelled_come_back() -> None:
    budget = Budget(100, read_reserve=40)
    budget.try_acquire(100, for_write=False)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("r1", 50)
        await claims.ask("r2", 50)
        claims.scopes["r1"].cancel()
        budget.release(50, for_write=False)
    assert "r2" in claims.granted
    assert used(budget)[0] == 50 + 50 * len(claims.granted)


async def test_idle_memory_is_freed_before_anybody_waits() -> None:
    budget = Budget(100, read_reserve=40)
    idle = [30, 30, 30]
    wanted_of_me: list[int] = []

    def reclaim(wanted: int) -> int:
        wanted_of_me.append(wanted)
        if not idle:
            return 0
        size = idle.pop()
        budget.release(size, for_write=False)
        return size

    budget.add_reclaimer(reclaim)
    budget.add_reclaimer(reclaim)
    assert budget.try_acquire(90, for_write=False)
    assert not budget.try_acquire(20, for_write=True, reclaim=False)
    assert wanted_of_me == []
    await budget.acquire(20, for_write=True)
    assert wanted_of_me == [10]
    assert not budget.try_acquire(100, for_write=False)
    assert budget.usage.used == 20


async def test_a_waiter_is_served_when_memory_becomes_idle_later() -> None:
    budget = Budget(100, read_reserve=40)
    idle: list[int] = []

    def reclaim(wanted: int) -> int:
        freed = sum(idle)
        idle.clear()
        if freed:
            budget.release(freed, for_write=False)
        return freed

    budget.add_reclaimer(reclaim)
    budget.try_acquire(100, for_write=False)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        await claims.ask("r1", 30)
        idle.append(40)
        budget.reconsider()
    assert claims.granted == ["r1"]
    assert budget.usage.used == 90


@pytest.mark.parametrize("seed", range(20))
async def test_any_mix_of_clients_ends_within_the_limit(seed: int, autojump_clock: object) -> None:
    chance = random.Random(seed)
    budget = Budget(1000, read_reserve=250)
    refused = 0

    def check() -> None:
        usage = budget.usage
        assert usage.used <= 1000
        assert usage.in_flight <= usage.write_used <= 750

    async def client(*, writes: bool) -> None:
        nonlocal refused
        for _ in range(30):
            size = chance.randint(1, 400)
            with trio.move_on_after(chance.choice([0.5, 1000])) as scope:
                try:
                    with budget.request(arrived=size * writes):
                        await budget.acquire(size, for_write=writes)
                except OutOfMemory:
                    refused += 1
                    continue
            if scope.cancelled_caught:
                continue
            check()
            await trio.sleep(chance.random())
            if writes:
                budget.mark_in_flight(size)
                await trio.sleep(chance.random())
            budget.release(size, for_write=writes, in_flight=writes)

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(lambda writes: client(writes=writes), number % 2 == 0)
    assert used(budget) == (0, 0, 0)
    assert budget.usage.in_flight == 0
    assert refused < 12 * 30


def test_what_the_allocator_keeps_of_write_buffers_goes_back_before_readers_have_as_much() -> None:
    given: list[int] = []
    budget = Budget(100 * MIB, read_reserve=25 * MIB, give_back=lambda: given.append(1))
    for _ in range(3):  # one after the other they use the same memory again
        assert budget.try_acquire(70 * MIB, for_write=True)
        budget.release(70 * MIB, for_write=True)
    assert given == []
    for _ in range(3):
        assert budget.try_acquire(11 * MIB, for_write=False)
    assert given == []
    assert budget.try_acquire(11 * MIB, for_write=False)  # 44 MiB, and 70 that were freed
    assert given == [1]
    assert budget.try_acquire(45 * MIB, for_write=False)
    assert given == [1]


async def test_nobody_starves(autojump_clock: object) -> None:
    """64 readers and 64 writers who want five times as much as there is, all the time."""
    budget = Budget(100 * MIB, read_reserve=25 * MIB)
    longest: dict[str, float] = {}

    async def client(name: str, size: int, seconds: float) -> None:
        for_write = name.startswith("w")
        for _ in range(50):
            asked = trio.current_time()
            await budget.acquire(size, for_write=for_write)
            longest[name] = max(longest.get(name, 0.0), trio.current_time() - asked)
            if for_write:
                budget.mark_in_flight(size)
            await trio.sleep(seconds)
            budget.release(size, for_write=for_write, in_flight=for_write)

    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(client, f"r{number}", (1 + number % 8) * MIB, 0.1)
            nursery.start_soon(client, f"w{number}", (1 + number % 5) * MIB, 0.2)
    assert len(longest) == 128
    assert budget.usage.used == 0
    # In turn: as long as all others together take once, whatever somebody asks for.
    assert max(longest.values()) < 3.0


def test_reads_make_room_for_what_has_arrived() -> None:
    budget = Budget(800, read_reserve=200)
    assert budget.try_acquire(100, for_write=False)
    with budget.request(arrived=100):  # the bytes, and the buffer they were received in
        assert not budget.try_acquire(501, for_write=False)
        with budget.request():  # what its buffer holds was read or written before
            assert not budget.try_acquire(401, for_write=False)
            assert budget.try_acquire(400, for_write=False)
    assert budget.try_acquire(300, for_write=False)


def test_a_large_read_waits_for_other_reads_and_not_for_what_has_arrived() -> None:
    budget = Budget(800, read_reserve=200)
    assert budget.try_acquire(1, for_write=False)
    with ExitStack() as requests:
        for _ in range(20):
            requests.enter_context(budget.request(arrived=100))
        assert not budget.try_acquire(400, for_write=False)
        budget.release(1, for_write=False)
        assert budget.try_acquire(400, for_write=False)


def test_reads_keep_half_of_their_reserve_whatever_arrives() -> None:
    budget = Budget(800, read_reserve=200)
    with ExitStack() as requests:
        for _ in range(20):
            requests.enter_context(budget.request(arrived=100))
        assert budget.try_acquire(600, for_write=True)
        assert budget.try_acquire(100, for_write=False)
        assert not budget.try_acquire(1, for_write=False)


def test_idle_memory_makes_room_for_what_has_arrived() -> None:
    budget = Budget(800, read_reserve=200)
    wanted_of_me: list[int] = []

    def reclaim(wanted: int) -> int:
        wanted_of_me.append(wanted)
        budget.release(wanted, for_write=False)
        return wanted

    assert budget.try_acquire(800, for_write=False)
    budget.add_reclaimer(reclaim)
    with budget.request(arrived=100):
        assert budget.try_acquire(100, for_write=True)
    assert wanted_of_me == [300]


async def test_a_writer_waits_while_much_has_arrived_and_an_upload_will_end() -> None:
    budget = Budget(800, read_reserve=200)
    assert budget.try_acquire(500, for_write=True)
    budget.mark_in_flight(10)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        with budget.request(arrived=100):
            await claims.ask("w1", 50)
            assert (claims.granted, claims.refused) == ([], [])
        await wait_all_tasks_blocked()
        assert claims.granted == ["w1"]


async def test_no_write_is_refused_because_of_what_came_with_others() -> None:
    budget = Budget(800, read_reserve=200)
    assert budget.try_acquire(500, for_write=True)
    budget.mark_in_flight(10)
    async with trio.open_nursery() as nursery:
        claims = Claims(budget, nursery)
        with ExitStack() as requests:
            for _ in range(20):
                requests.enter_context(budget.request(arrived=100))
            await claims.ask("w1", 50)
            await claims.ask("w2", 50)
            await claims.ask("w3", 50)
            assert (claims.granted, claims.refused) == ([], [])
            budget.mark_held(10)  # now nothing will free memory by itself
            await wait_all_tasks_blocked()
            assert sorted(claims.granted) == ["w1", "w2"]
            assert claims.refused == ["w3"]


async def test_what_is_really_there_stays_within_the_limit(autojump_clock: object) -> None:
    """64 readers and 64 writers of 5 MiB parts on a slow link, in steps of 1 MiB, at 512 MiB."""
    budget = Budget(512 * MIB)
    uploads = trio.CapacityLimiter(8)
    arrived = received = most = 0

    async def write() -> None:
        nonlocal arrived, received, most
        for step in range(1, 31):
            arrived, received = arrived + 1, received + 1
            with budget.request(arrived=MIB):
                await budget.acquire(MIB, for_write=True)
                arrived -= 1
                most = max(most, budget.usage.used + (arrived + received) * MIB)
                if step % 5 == 0:
                    turn = object()
                    await uploads.acquire_on_behalf_of(turn)
                    budget.mark_in_flight(5 * MIB)
                    nursery.start_soon(send, turn)
            received -= 1
            await trio.sleep(0.001)

    async def send(turn: object) -> None:
        await trio.sleep(0.5)
        budget.release(5 * MIB, for_write=True, in_flight=True)
        uploads.release_on_behalf_of(turn)

    async def read() -> None:
        nonlocal received, most
        for _ in range(60):
            received += 1  # in a buffer that a write may have filled before
            with budget.request():
                await budget.acquire(4 * MIB, for_write=False)
                most = max(most, budget.usage.used + (arrived + received) * MIB)
                await trio.sleep(0.3)
            received -= 1
            budget.release(4 * MIB, for_write=False)
            await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        for _ in range(64):
            nursery.start_soon(write)
            nursery.start_soon(read)
    assert budget.usage.used == 0
    # What arrives after a read has begun is beyond it until that read has ended.
    assert most <= (512 + 96) * MIB
    assert most > 400 * MIB
