"""The contract of listings: order, delimiter, pages."""

from __future__ import annotations

import pytest

from phfs.core.objects import Attributes, Page
from phfs.s3.store import Store


async def fill(store: Store, *keys: str) -> None:
    for key in keys:
        await store.put(key, [b"x"], Attributes())


def names(page: Page) -> tuple[list[str], list[str]]:
    return [info.key for info in page.objects], page.prefixes


async def test_an_empty_store_and_a_prefix_nobody_has(store: Store) -> None:
    assert await store.list_page("") == Page([], [], None)
    await fill(store, "a/b")
    assert await store.list_page("none/", delimiter="/") == Page([], [], None)


async def test_keys_come_in_the_order_of_their_bytes(store: Store) -> None:
    # In UTF-16 the last one, a surrogate pair, would come before the one above it.
    in_order = ["B", "a", "a b", "a-b", "a.b", "ab", "b", "é", "\uff5e", "\U0001f600"]
    await fill(store, *reversed(in_order))
    assert names(await store.list_page("")) == (in_order, [])


async def test_a_delimiter_rolls_directories_up(store: Store) -> None:
    await fill(store, "d/a", "d/b-c", "d/b/1", "d/b/2/3", "d/c/", "d2/x")
    page = await store.list_page("d/", delimiter="/")
    assert names(page) == (["d/a", "d/b-c"], ["d/b/", "d/c/"])
    assert page.next_token is None
    assert names(await store.list_page("", delimiter="/")) == ([], ["d/", "d2/"])


async def test_a_marker_is_listed_in_its_own_directory(store: Store) -> None:
    await fill(store, "d/", "d/a")
    assert names(await store.list_page("d/", delimiter="/")) == (["d/", "d/a"], [])


async def test_a_prefix_need_not_end_at_a_slash(store: Store) -> None:
    await fill(store, "data/1", "data/2", "dawn", "e")
    assert names(await store.list_page("da", delimiter="/")) == (["dawn"], ["data/"])
    assert names(await store.list_page("data/")) == (["data/1", "data/2"], [])


@pytest.mark.needs("file_beside_directory")
async def test_a_file_beside_a_directory_of_its_name(store: Store) -> None:
    await fill(store, "a", "a-b", "a/b")
    assert names(await store.list_page("", delimiter="/")) == (["a", "a-b"], ["a/"])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_go_through_everything_once(store: Store, limit: int) -> None:
    await fill(store, "a", "b/1", "b/2", "b/3", "c", "d/1", "d/2", "e", "f")
    seen: list[str] = []
    token = None
    while True:
        page = await store.list_page("", delimiter="/", token=token, limit=limit)
        objects, prefixes = names(page)
        assert len(objects) + len(prefixes) <= limit
        seen += sorted(objects + prefixes)
        token = page.next_token
        if token is None:
            break
    assert seen == ["a", "b/", "c", "d/", "e", "f"]


async def test_a_full_last_page_has_no_token(store: Store) -> None:
    await fill(store, "a", "b")
    assert (await store.list_page("", limit=2)).next_token is None
    assert (await store.list_page("", limit=1)).next_token is not None


async def test_start_after_leaves_out_what_comes_before(store: Store) -> None:
    await fill(store, "d/a", "d/b", "d/c", "d/s/1")
    assert names(await store.list_page("d/", delimiter="/", start_after="d/a")) == (
        ["d/b", "d/c"],
        ["d/s/"],
    )
    assert names(await store.list_page("d/", start_after="d/bb", limit=1)) == (["d/c"], [])
    assert names(await store.list_page("d/", start_after="d/z")) == ([], [])


async def test_start_after_and_pages_go_together(store: Store) -> None:
    await fill(store, "a", "b", "c", "d")
    first = await store.list_page("", start_after="a", limit=2)
    assert names(first) == (["b", "c"], [])
    second = await store.list_page("", token=first.next_token, limit=2)
    assert names(second) == (["d"], [])
