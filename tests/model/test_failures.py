"""Every request of every scenario fails once, before and after it took effect.

Whatever fails: no object is ever half of anything, a rename that failed has left its source, no
upload and no byte of the memory budget stays behind, and the mount goes on working.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import trio
import trio.testing

from phfs.core.objects import Attributes
from phfs.errors import AccessDenied, ConnectionFailed, FileError, StoreError
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from tests.support.volume import NOTHING_IN_USE, Volume, open_volume

OLD = {
    "f": b"old content of f",
    "g": b"old content of g",
    "d/": b"",
    "d/a": b"a in d",
    "d/b": b"b in d",
    "empty/": b"",
}
SMALL, LARGE, MORE = b"new and small", b"new and large " * 300, b" and more"


class Scenario(NamedTuple):
    """What is done, and the contents each key may have afterwards besides the old one; None says
    that the key may be gone."""

    run: Callable[[Volume], Awaitable[object]]
    allowed: dict[str, set[bytes | None]]


async def write_sync_write(volume: Volume) -> None:
    file = await volume.create("new")
    try:
        await file.write(LARGE)
        await file.fsync()
        await file.write(MORE)
        await file.flush()
    finally:
        await file.release()


MOVED: dict[str, set[bytes | None]] = {
    **{key: {None} for key in ("d/", "d/a", "d/b")},
    "moved/": {b""},
    "moved/a": {OLD["d/a"]},
    "moved/b": {OLD["d/b"]},
}

SCENARIOS = {
    "create": Scenario(lambda v: v.write("new", SMALL), {"new": {SMALL}}),
    "create empty": Scenario(lambda v: v.make_file("new"), {"new": {b""}}),
    "multipart": Scenario(lambda v: v.write("new", LARGE, LARGE), {"new": {LARGE * 2}}),
    "overwrite": Scenario(lambda v: v.write("f", SMALL), {"f": {SMALL}}),
    "overwrite in parts": Scenario(lambda v: v.write("f", LARGE), {"f": {LARGE}}),
    "write on": Scenario(write_sync_write, {"new": {LARGE, LARGE + MORE}}),
    "truncate": Scenario(lambda v: v.truncate("f", 0), {"f": {b""}}),
    "unlink": Scenario(lambda v: v.unlink("f"), {"f": {None}}),
    "mkdir": Scenario(lambda v: v.mkdir("m"), {"m/": {b""}}),
    "rmdir": Scenario(lambda v: v.rmdir("empty"), {"empty/": {None}}),
    "rename": Scenario(lambda v: v.rename("f", "h"), {"f": {None}, "h": {OLD["f"]}}),
    "rename over": Scenario(lambda v: v.rename("f", "g"), {"f": {None}, "g": {OLD["f"]}}),
    "rename directory": Scenario(lambda v: v.rename("d", "moved"), MOVED),
    "rename over a directory": Scenario(
        lambda v: v.rename("d", "empty"),
        {key.replace("moved/", "empty/"): values for key, values in MOVED.items()},
    ),
    "read": Scenario(lambda v: v.read("f"), {}),
    "list": Scenario(lambda v: v.listdir("d"), {}),
}

ERRORS = (ConnectionFailed("the answer was lost"), AccessDenied("not for you"))


def contents(store: MemoryStore) -> dict[str, bytes]:
    return {key: kept.data for key, kept in store.objects.items()}


async def fresh_store() -> MemoryStore:
    store = MemoryStore(now=trio.current_time, min_part=1)
    for key, data in OLD.items():
        await store.put(key, [data], Attributes())
    return store


def check_objects(store: MemoryStore, scenario: Scenario) -> None:
    found = contents(store)
    for key in {*found, *OLD}:
        allowed = {OLD.get(key), *scenario.allowed.get(key, set())}
        assert found.get(key) in allowed, (key, found.get(key))
    for old, new in (("f", "h"), ("f", "g"), ("d/a", "moved/a"), ("d/b", "moved/b")):
        if new in scenario.allowed and old in scenario.allowed:
            assert OLD[old] in (found.get(old), found.get(new)), f"{old} is lost"


async def fails_at(scenario: Scenario, number: int, error: StoreError, *, after: bool) -> bool:
    """Run a scenario whose ``number``-th request fails; False when it has fewer requests."""
    store = await fresh_store()
    faulty = FaultyStore(store)
    faulty.latency = 0.001
    reported: list[Any] = []
    async with open_volume(faulty, report=lambda *what: reported.append(what)) as volume:
        faulty.fail(error, nth=number, after=after)
        before = faulty.count()
        succeeded = True
        try:
            await scenario.run(volume)
        except (StoreError, FileError):
            succeeded = False
        requests = faulty.count() - before
        failed = faulty.calls[number - 1].kind if requests >= number else ""
        # An upload whose abort fails stays, and one whose id was never told.
        may_stay = failed == "abort_upload" or (failed == "create_upload" and after)
        await trio.testing.wait_all_tasks_blocked()  # requests just answered let go of memory
        faulty.heal()
        check_objects(store, scenario)
        if succeeded and not reported:
            for key, allowed in scenario.allowed.items():
                assert contents(store).get(key) in allowed, f"{key} was not done"
        assert not store.uploads or may_stay
        status: Any = volume.fs.status()
        assert status["memory"]["used_bytes"] == 0
        assert status["open"] == {"files": 0, "directories": 0}
        await still_works(volume, store)
    assert not store.uploads or may_stay
    return requests >= number


async def still_works(volume: Volume, store: MemoryStore) -> None:
    """The mount shows what is in the bucket, and takes writes under the names just used."""
    await trio.sleep(2)
    for key, data in contents(store).items():
        if not key.endswith("/"):
            assert await volume.read(key) == data
    for name in ("new", "f"):
        await volume.write(name, b"written afterwards")
        assert contents(store)[name] == b"written afterwards"
        assert await volume.read(name) == b"written afterwards"
    assert await volume.listdir()
    await trio.testing.wait_all_tasks_blocked()  # requests just answered let go of memory
    assert volume.in_use() == NOTHING_IN_USE


@pytest.mark.expects_log
@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("error", ERRORS, ids=["transient", "permanent"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_any_request_may_fail(
    name: str, error: StoreError, after: bool, autojump_clock: trio.testing.MockClock
) -> None:
    number = 1
    while await fails_at(SCENARIOS[name], number, error, after=after):
        number += 1
    assert number > 1, "the scenario made no request"
