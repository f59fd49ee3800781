"""Removing takes exactly what is below a path, in the versions that were counted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.objects import Attributes
from phfs.errors import AccessDenied, NotFound
from phfs.files.paths import Remote
from phfs.files.removing import Removed, count, remove
from phfs.s3.memory import MemoryStore
from phfs.s3.prefix import PrefixedStore
from phfs.s3.store import DeleteFailure
from tests.files.test_looking import SmallPages, store_of

PARTS = st.sampled_from(["a", "b", "a-b", "a.txt", "a0", "a ", "*", ".phfs", "..", "\n", ""])
KEYS = st.sets(st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(bool), max_size=14)
PATHS = st.lists(st.sampled_from(["a", "b", "a-b", "*"]), max_size=3).map("/".join)


@given(KEYS, PATHS, st.integers(1, 4))
async def test_exactly_what_is_below_goes(keys: set[str], path: str, limit: int) -> None:
    store = await store_of(keys, limit)
    inside = {key for key in keys if key.startswith(f"{path}/" if path else "")}
    try:
        counted = await count(store, Remote(path))
    except NotFound:
        assert not inside
        assert path not in keys
        return
    gone = await remove(store, counted)
    assert (gone.failed, gone.newer) == ([], [])
    expected = inside if inside or not path else {path}
    assert set(store.objects) == keys - expected
    assert gone.objects == counted.objects == len(expected)
    assert gone.size == counted.size == sum(len(key.encode()) for key in expected)
    assert gone.uncovered == (path in keys and bool(inside))


@given(KEYS, PATHS, st.integers(1, 4), st.sets(st.sampled_from(["a", "a/b", "a/c", "b/x", "a0"])))
async def test_what_is_written_meanwhile_stays(
    keys: set[str], path: str, limit: int, written: set[str]
) -> None:
    store = await store_of(keys, limit)
    try:
        counted = await count(store, Remote(path))
    except NotFound:
        return
    if not counted.entry.is_dir:
        return
    for key in written:
        await store.put(key, [b"newer"], Attributes())
    gone = await remove(store, counted)
    below = {key for key in written if key.startswith(f"{path}/" if path else "")}
    assert written <= set(store.objects)
    assert sorted(gone.newer) == sorted(below)
    assert len(gone.newer) == len(set(gone.newer))


async def test_a_file_that_was_replaced_meanwhile_stays() -> None:
    store = await store_of(["a"])
    counted = await count(store, Remote("a"))
    await store.put("a", [b"newer"], Attributes())
    gone = await remove(store, counted)
    assert (gone.objects, gone.failed, gone.newer) == (0, [], ["a"])
    assert set(store.objects) == {"a"}
    await store.delete("a")
    assert await remove(store, counted) == Removed(0, 0, [], []), "somebody else was faster"


class Partly(SmallPages):
    """Refuses to delete some keys, and the whole request for others."""

    def __init__(self, refused: set[str], failing: str = "") -> None:
        super().__init__(1000)
        self._refused = refused
        self._failing = failing
        self.batches: list[int] = []

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        self.batches.append(len(keys))
        if self._failing in keys:
            raise AccessDenied("the whole request")
        done = [key for key in keys if key not in self._refused]
        await super().delete_many(done)
        return [DeleteFailure(key, AccessDenied("no")) for key in keys if key in self._refused]


async def filled(store: MemoryStore, number: int) -> None:
    for each in range(number):
        await store.put(f"d/{each:05}", [b"x"], Attributes())


async def test_a_thousand_go_at_a_time_and_each_failure_is_named() -> None:
    store = Partly({"d/00007", "d/01500"})
    await filled(store, 2_500)
    told: list[int] = []
    gone = await remove(store, await count(store, Remote("d")), told.append)
    assert sorted(store.batches) == [500, 1_000, 1_000]
    assert (gone.objects, gone.size) == (2_498, 2_498)
    assert sorted(failure.key for failure in gone.failed) == ["d/00007", "d/01500"]
    assert "may not remove phfs:///d/0" in gone.failed[0].error.why
    assert gone.newer == []
    assert sorted(told)[-1] == 2_498


async def test_a_request_that_fails_does_not_stop_the_others() -> None:
    store = Partly(set(), failing="d/00003")
    await filled(store, 1_200)
    gone = await remove(store, await count(store, Remote("d")))
    assert (gone.objects, len(gone.failed)) == (200, 1_000)
    assert len(store.objects) == 1_000


async def test_the_root_s_own_marker_and_other_groups_stay() -> None:
    bucket = await store_of(["g/", "g/a", "g/b/c", "g2/a", "a"])
    store = PrefixedStore(bucket, "g/")
    gone = await remove(store, await count(store, Remote("")))
    assert (gone.objects, gone.newer, gone.failed) == (2, [], [])
    assert set(bucket.objects) == {"g/", "g2/a", "a"}


async def test_a_file_that_cannot_be_removed_is_named() -> None:
    class Refusing(SmallPages):
        async def delete(self, key: str) -> None:
            raise AccessDenied("no")

    store = Refusing(1000)
    await store.put("a", [b"x"], Attributes())
    gone = await remove(store, await count(store, Remote("a")))
    assert gone.objects == 0
    assert [failure.key for failure in gone.failed] == ["a"]
    with pytest.raises(NotFound):
        await count(store, Remote("b"))
