"""Files and directories as they are seen without a mount are those a mount shows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.names import EXPLANATIONS, is_path
from phfs.core.objects import Attributes, Page
from phfs.errors import NotFound
from phfs.files.looking import Entry, below, children, find
from phfs.files.paths import Remote
from phfs.s3.memory import MemoryStore


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
            if entry.is_dir:
                await walk(Remote(entry.path))
            else:
                walked.append(entry)

    await walk(Remote(""))
    found = [entry async for entry in below(store, Remote(""))]
    assert sorted(found) == sorted(walked)
    assert len(set(found)) == len(found)
    assert all(is_path(entry.path) for entry in found)
