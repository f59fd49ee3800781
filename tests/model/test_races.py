"""Programs at work on the same paths at the same time, under many orders of events."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.crowd import Crowd, Start, UnevenStore, run
from tests.support.effort import Effort

pytestmark = pytest.mark.torture

Orders = Callable[[Callable[[int], None]], None]


@pytest.fixture
def orders(effort: Effort, request: pytest.FixtureRequest) -> Orders:
    """Calls a function with many seeds."""

    def call(scenario: Callable[[int], None]) -> None:
        count = 0

        @settings(max_examples=effort.of(quick=100, long=1500), deadline=None)
        @given(st.integers(0, 2**32))
        def all_orders(seed: int) -> None:
            nonlocal count
            count += 1
            scenario(seed)

        all_orders()
        name = request.node.name.removeprefix("test_").replace("_", " ")
        effort.record(f"race {name}", orders=count)

    return call


def test_writers_and_readers(orders: Orders) -> None:
    def scenario(seed: int) -> None:
        def start(nursery: trio.Nursery, crowd: Crowd) -> None:
            for _ in range(2):
                nursery.start_soon(crowd.writer, "f", 4)
                nursery.start_soon(crowd.reader, "f", 6)

        crowd, store = run(seed, start)
        assert set(crowd.closed) <= store.history.get("f", set()), "an acknowledged write was lost"
        if crowd.closed:
            assert store.memory.objects["f"].data in (*crowd.closed, b"")

    orders(scenario)


def test_everybody_on_one_path(orders: Orders) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        for _ in range(2):
            nursery.start_soon(crowd.writer, "f", 4)
            nursery.start_soon(crowd.reader, "f", 5)
        nursery.start_soon(crowd.writer, "g", 2)
        nursery.start_soon(crowd.reader, "g", 5)
        nursery.start_soon(crowd.lister, 4)
        nursery.start_soon(crowd.repeat, lambda: volume.unlink("f"), 2)
        nursery.start_soon(crowd.repeat, lambda: volume.rename("f", "g"), 3)
        nursery.start_soon(crowd.repeat, lambda: volume.rename("g", "f"), 2)
        nursery.start_soon(crowd.repeat, lambda: volume.truncate("f", 0), 2)

    orders(lambda seed: judged(seed, start))


def judged(seed: int, start: Start) -> None:
    """Nothing but what holds always: ``run`` checks that."""
    run(seed, start)


def test_renaming_loses_nothing(orders: Orders) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        nursery.start_soon(crowd.writer, "f", 3)
        nursery.start_soon(crowd.reader, "f", 5)
        nursery.start_soon(crowd.reader, "g", 5)
        for _ in range(3):
            nursery.start_soon(crowd.repeat, lambda: volume.rename("f", "g", replace=False), 2)
            nursery.start_soon(crowd.repeat, lambda: volume.rename("g", "f", replace=False), 2)

    def scenario(seed: int) -> None:
        crowd, store = run(seed, start)
        if crowd.closed:
            kept = {kept.data for kept in store.memory.objects.values()}
            assert crowd.closed[-1] in kept, "the last acknowledged write is nowhere"

    orders(scenario)


def test_directories_are_renamed_under_readers_and_listers(orders: Orders) -> None:
    still = {"d/still": b"nobody writes it", "d/in/deep": b"nor this"}

    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        for directory in ("d", "e"):
            nursery.start_soon(crowd.reader, f"{directory}/still", 6)
            nursery.start_soon(crowd.reader, f"{directory}/in/deep", 6)
            nursery.start_soon(crowd.lister, 4, directory)
        nursery.start_soon(crowd.lister, 4)
        for old, new in (("d", "e"), ("e", "d"), ("d", "e")):
            nursery.start_soon(
                crowd.repeat, lambda old=old, new=new: volume.rename(old, new), 2, "", old, new
            )

    def scenario(seed: int) -> None:
        crowd, store = run(seed, start, still)
        assert set(crowd.read) <= set(still.values()), "a reader saw a file that is not complete"
        everything_is_once(store, still)

    orders(scenario)


def everything_is_once(store: UnevenStore, still: dict[str, bytes]) -> None:
    """Files nobody writes are whole, each in one place, all in the same directory."""
    found = {key: data for key, data in store.contents().items() if not key.endswith("/")}
    assert sorted(found.values()) == sorted(still.values()), found
    assert len({key.partition("/")[0] for key in found}) == 1, found


def test_directories_are_renamed_under_writers(orders: Orders) -> None:
    still = {"d/still": b"nobody writes it"}

    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        for directory in ("d", "e"):
            nursery.start_soon(crowd.writer, f"{directory}/f", 3)
            nursery.start_soon(crowd.reader, f"{directory}/f", 4)
            nursery.start_soon(
                crowd.repeat, lambda it=directory: volume.unlink(f"{it}/f"), 1, directory
            )
        for old, new in (("d", "e"), ("e", "d"), ("d", "e")):
            nursery.start_soon(
                crowd.repeat, lambda old=old, new=new: volume.rename(old, new), 2, "", old, new
            )

    def scenario(seed: int) -> None:
        _, store = run(seed, start, still)
        assert list(store.contents().values()).count(still["d/still"]) == 1, store.contents()

    orders(scenario)


def test_files_are_removed_while_they_are_written(orders: Orders) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        for path in ("f", "d/f"):
            nursery.start_soon(crowd.writer, path, 3)
            nursery.start_soon(crowd.emptier, path, 2)
            nursery.start_soon(crowd.reader, path, 3)
            for _ in range(2):
                nursery.start_soon(crowd.repeat, lambda it=path: volume.unlink(it), 3, "d")
        nursery.start_soon(crowd.repeat, lambda: volume.mkdir("d"), 3, "")
        nursery.start_soon(crowd.repeat, lambda: volume.rmdir("d"), 3, "", "d")

    orders(lambda seed: judged(seed, start))


def test_files_are_emptied_while_they_are_written_and_read(orders: Orders) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        volume = crowd.volume
        nursery.start_soon(crowd.writer, "f", 3)
        for _ in range(2):
            nursery.start_soon(crowd.emptier, "f", 3)
            nursery.start_soon(crowd.reader, "f", 4)
            nursery.start_soon(crowd.repeat, lambda: volume.truncate("f", 0), 2)

    def scenario(seed: int) -> None:
        crowd, store = run(seed, start)
        assert set(crowd.closed) <= store.history.get("f", set()), "an acknowledged write was lost"

    orders(scenario)


def test_of_many_that_make_a_file_one_does(orders: Orders) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        for _ in range(5):
            nursery.start_soon(crowd.creator, "lock")
        nursery.start_soon(crowd.reader, "lock", 3)

    def scenario(seed: int) -> None:
        crowd, store = run(seed, start)
        assert [store.contents()["lock"]] == crowd.closed

    orders(scenario)


def test_many_cursors_read_one_version(orders: Orders) -> None:
    def start(nursery: trio.Nursery, crowd: Crowd) -> None:
        for _ in range(2):
            nursery.start_soon(crowd.mapper, "f", 4)
        nursery.start_soon(crowd.writer, "f", 3)
        nursery.start_soon(crowd.repeat, lambda: crowd.volume.rename("f", "g"), 2)
        nursery.start_soon(crowd.repeat, lambda: crowd.volume.rename("g", "f"), 2)

    orders(lambda seed: judged(seed, start))
