"""Files and directories as they are seen without a mount are those a mount shows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.names import EXPLANATIONS, is_path
from phfs.core.objects import Attributes, Page
from phfs.errors import AccessDenied, NotFound, NotPermitted
from phfs.files.looking import Entry, below, check_is_seen, children, find, nearest, tree
from phfs.files.paths import Remote
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Described


class SmallPages(MemoryStore):
    """Listings in pages of at most ``limit`` keys."""

    def __init__(self, limit: int) -> None:
        super().__init__(lambda: 1e9)
        self._limit = limit

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """A page of it."""
        return await super().list_page(
            prefix,
            delimiter=delimiter,
            token=token,
            start_after=start_after,
            limit=min(limit, self._limit),
        )


async def store_of(keys: Iterable[str], limit: int = 1000) -> MemoryStore:
    store = SmallPages(limit)
    for key in keys:
        await store.put(key, [key.encode()], Attributes())
    return store


async def test_a_name_is_a_file_or_a_directory() -> None:
    store = await store_of(["a/b", "a", "ab", "d/"])
    assert (await find(store, Remote("a"))).is_dir, "a directory hides a file of its name"
    assert (await find(store, Remote("d", slash=True))).is_dir
    assert (await find(store, Remote(""))).is_dir
    file = await find(store, Remote("a/b"))
    assert (file.is_dir, file.size, file.name) == (False, 3, "b")
    assert file.etag
    assert file.modified


@pytest.mark.parametrize("place", [Remote("x"), Remote("a/b/c"), Remote("ab", slash=True)])
async def test_what_is_not_there_is_named(place: Remote) -> None:
    store = await store_of(["a/b", "ab"])
    with pytest.raises(NotFound, match=str(place)):
        await find(store, place)


async def test_a_directory_has_files_and_directories_and_no_keys_without_a_path() -> None:
    store = await store_of(["a/", "a/b", "a/c/d", "a//e", "a/c", "ab", f"{EXPLANATIONS}/x", "a/\n"])
    assert [(e.path, e.is_dir) async for e in children(store, Remote("a"))] == [
        ("a/b", False),
        ("a/c", True),
    ]
    assert [entry.path async for entry in children(store, Remote(""))] == ["a", "ab"]
    assert [entry.path async for entry in below(store, Remote(""))] == ["a/b", "a/c/d", "ab"]


async def test_a_directory_that_only_a_key_without_a_path_makes_is_seen_from_everywhere() -> None:
    store = await store_of(["a//b", "c/d/../e", "f/", f"{EXPLANATIONS}/x/y", "/z"])
    listed = [entry.path async for entry in children(store, Remote(""))]
    assert listed == ["a", "c", "f"]
    left_out: list[str] = []
    whole = [entry.path async for entry in tree(store, Remote(""), left_out)]
    assert whole == ["a", "c", "c/d", "f"]
    assert left_out == [f"{EXPLANATIONS}/x/y", "/z", "a//b", "c/d/../e"]


@pytest.mark.parametrize("path", [EXPLANATIONS, f"{EXPLANATIONS}/x"])
async def test_what_a_mount_has_for_itself_is_shown_on_request_only(path: str) -> None:
    store = await store_of([f"{EXPLANATIONS}/x/y", f"{EXPLANATIONS}z"])
    with pytest.raises(NotPermitted, match=f"What is in phfs:///{path} is not shown"):
        [entry async for entry in children(store, Remote(path))]
    left_out: list[str] = []
    assert [entry async for entry in children(store, Remote(path), left_out)] == []
    assert left_out == [f"{EXPLANATIONS}/x/y"]
    check_is_seen(Remote(f"{EXPLANATIONS}z"))


async def test_everything_below_is_found_over_many_pages() -> None:
    names = [f"d/{number:05}" for number in range(2_500)]
    store = await store_of([*names, "d", "e"])
    assert [entry.path async for entry in below(store, Remote("d"))] == names


PARTS = st.sampled_from(["a", "b", "a-b", "a.c", "a0", ".phfs", ""])
KEYS = st.sets(st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(bool), max_size=12)


@given(KEYS, st.integers(1, 4))
async def test_below_is_what_walking_finds(keys: set[str], limit: int) -> None:
    store = await store_of(keys, limit)
    walked: list[Entry] = []

    async def walk(place: Remote) -> None:
        async for entry in children(store, place):
            walked.append(Entry(entry.path, is_dir=True) if entry.is_dir else entry)
            if entry.is_dir:
                await walk(Remote(entry.path))

    await walk(Remote(""))
    found = [entry async for entry in below(store, Remote(""))]
    assert sorted(found) == sorted(entry for entry in walked if not entry.is_dir)
    assert sorted([entry async for entry in tree(store, Remote(""))]) == sorted(walked)
    assert len(set(found)) == len(found)
    assert all(is_path(entry.path) for entry in found)


@given(KEYS, st.integers(1, 4))
async def test_names_are_sorted_however_the_pages_fall(keys: set[str], limit: int) -> None:
    store = await store_of(keys, limit)
    left_out: list[str] = []
    found = [
        f"{entry.name}/" if entry.is_dir else entry.name
        async for entry in children(store, Remote(""), left_out)
    ]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    hidden = {key for key in keys if "/" not in key and f"{key}/" in found}
    assert hidden <= set(left_out)


@given(KEYS, st.integers(1, 4))
async def test_a_tree_has_every_directory_before_what_is_in_it(keys: set[str], limit: int) -> None:
    store = await store_of(keys, limit)
    left_out: list[str] = []
    found = [entry async for entry in tree(store, Remote(""), left_out)]
    assert [entry for entry in found if not entry.is_dir] == [
        entry async for entry in below(store, Remote(""))
    ]
    seen: set[str] = set()
    for entry in found:
        above = entry.path.rpartition("/")[0]
        assert above in seen or not above
        assert entry.path not in seen
        seen.add(entry.path)
    shown = {entry.path for entry in found}
    hidden = {key for key in keys if key.rstrip("/") not in shown or (key in left_out)}
    assert set(left_out) == hidden


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/trian.csv", Remote("data/train.csv")),
        ("data/TRAIN.CSV", Remote("data/train.csv")),
        ("dta/train.csv", Remote("data")),
        ("data/deep/x/y", Remote("data/deep/x")),
        ("zzz", None),
    ],
)
async def test_the_nearest_name_is_proposed(path: str, expected: Remote | None) -> None:
    store = await store_of(["data/train.csv", "data/deep/x", "models/m"])
    assert await nearest(store, Remote(path)) == expected


class Rights(MemoryStore):
    """Keys that may do a part of it."""

    def __init__(self, *, lists: bool, reads: bool) -> None:
        super().__init__(lambda: 1e9)
        self._lists = lists
        self._reads = reads

    async def list_page(self, prefix: str, **rest: object) -> Page:
        if not self._lists:
            raise AccessDenied("no listing")
        return await super().list_page(prefix, **rest)  # type: ignore[arg-type]

    async def head(self, key: str) -> Described:
        if not self._reads:
            raise AccessDenied("no reading")
        return await super().head(key)


async def test_keys_that_may_not_list_still_find_files() -> None:
    store = Rights(lists=False, reads=True)
    await store.put("a/b", [b"x"], Attributes())
    assert (await find(store, Remote("a/b"))).size == 1
    for place in (Remote("a"), Remote("a", slash=True), Remote("c")):
        with pytest.raises(AccessDenied, match=f"may not list {place}"):
            await find(store, place)
    assert await nearest(store, Remote("c")) is None


async def test_keys_that_may_not_read_say_so_of_what_is_there() -> None:
    store = Rights(lists=True, reads=False)
    await store.put("a/b", [b"x"], Attributes())
    assert (await find(store, Remote("a"))).is_dir
    with pytest.raises(AccessDenied, match=r"may not read phfs:///a/b\."):
        await find(store, Remote("a/b"))
    with pytest.raises(NotFound):
        await find(store, Remote("a/c"))
