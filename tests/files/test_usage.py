"""The sums of directories are those of the keys below them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.errors import NotFound
from phfs.files.paths import Remote
from phfs.files.usage import Usage, usage
from tests.files.test_looking import store_of

PARTS = st.sampled_from(["a", "b", "a-b", "a.c", "..", ""])
KEYS = st.sets(st.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(bool), max_size=14)


@given(KEYS, st.integers(1, 4), st.none() | st.integers(0, 3))
async def test_every_directory_has_the_sum_of_its_keys(
    keys: set[str], limit: int, depth: int | None
) -> None:
    store = await store_of(keys, limit)
    found = [each async for each in usage(store, Remote(""), depth)]
    assert found[-1] == Usage("", True, len(keys), sum(map(len, keys)))
    paths = [each.path for each in found]
    assert len(set(paths)) == len(paths)
    for each in found[:-1]:
        below = [key for key in keys if key.startswith(f"{each.path}/")]
        assert (each.objects, each.size) == (len(below), sum(map(len, below)))
        assert depth is None or each.path.count("/") < depth
        inner = [path for path in paths if path.startswith(f"{each.path}/")]
        assert all(paths.index(path) < paths.index(each.path) for path in inner)


async def test_directories_are_named_down_to_a_depth() -> None:
    store = await store_of(["d/", "d/a/b/c", "d/a/x", "d/e", "other"])
    shown = [(each.path, each.objects) async for each in usage(store, Remote("d"), 1)]
    assert shown == [("d/a", 2), ("d", 4)]
    assert [each.path async for each in usage(store, Remote("d"))] == ["d/a/b", "d/a", "d"]
    assert [each.path async for each in usage(store, Remote("d"), 0)] == ["d"]


async def test_a_file_is_one_object() -> None:
    store = await store_of(["d/a"])
    assert [each async for each in usage(store, Remote("d/a"))] == [Usage("d/a", False, 1, 3)]
    with pytest.raises(NotFound):
        _ = [each async for each in usage(store, Remote("d/b"))]
