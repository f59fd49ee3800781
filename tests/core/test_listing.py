"""Folding the pages of a listing gives what the whole listing would."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.listing import Child, ListingFold
from phfs.core.objects import ETag, ObjectInfo, Page
from phfs.s3 import rules

SEEN = 3.0


def info(key: str) -> ObjectInfo:
    return ObjectInfo(key, len(key), ETag(f"tag of {key}"), 17)


def pages(keys: set[str], prefix: str, size: int) -> list[Page]:
    """A store's pages of ``size`` entries each."""
    entries = list(rules.list_names(sorted(keys), prefix, "/", ""))
    cuts = [*range(0, max(1, len(entries)), size), max(1, len(entries))]
    found = []
    for start, stop in pairwise(cuts):
        some = entries[start:stop]
        found.append(
            Page(
                [info(name) for name, rolled in some if not rolled],
                [name for name, rolled in some if rolled],
                "more" if stop < len(entries) else None,
            )
        )
    return found


def fold_all(keys: set[str], prefix: str, size: int) -> tuple[dict[str, Child], ListingFold]:
    fold = ListingFold(prefix, SEEN)
    children: dict[str, Child] = {}
    for page in pages(keys, prefix, size):
        settled = fold.add(page, SEEN)
        assert not set(settled) & set(children), "a name came twice"
        children.update(settled)
    return children, fold


def naive(keys: set[str], prefix: str) -> tuple[dict[str, bool], set[str], set[str]]:
    """Names with whether they are directories, ignored keys, shadowed files."""
    names: dict[str, bool] = {}
    ignored, files = set(), set()
    for key in keys:
        if key.startswith(prefix) and key != prefix:
            name, slash, _ = key[len(prefix) :].partition("/")
            hidden = prefix == "" and name == ".phfs"
            control = any(ord(c) < 32 or ord(c) == 127 for c in name)
            if name in ("", ".", "..") or hidden or control or len(name.encode()) > 255:
                ignored.add(prefix + name + slash)
            else:
                names[name] = bool(slash) or names.get(name, False)
                if not slash:
                    files.add(name)
    return names, ignored, {prefix + name for name in files if names[name]}


part = st.sampled_from(["a", "a-b", "a.b", "ab", "a0", "b", "", ".", "..", "é", "\n", ".phfs"])
keys_of_parts = st.lists(part, min_size=1, max_size=3).map("/".join).filter(bool)


@given(st.sets(keys_of_parts, max_size=12), st.sampled_from(["", "a/", "a-b/"]), st.integers(1, 5))
def test_pages_give_what_the_whole_listing_gives(keys: set[str], prefix: str, size: int) -> None:
    children, fold = fold_all(keys, prefix, size)
    names, ignored, shadowed = naive(keys, prefix)
    assert {name: child.is_dir for name, child in children.items()} == names
    assert set(fold.ignored) == ignored
    assert set(fold.shadowed) == shadowed
    for name, child in children.items():
        if child.is_dir:
            assert child == Child(is_dir=True, size=0, etag=ETag(""), mtime=0, seen=SEEN)
        else:
            of = info(prefix + name)
            wanted = Child(is_dir=False, size=of.size, etag=of.etag, mtime=17, seen=SEEN)
            assert child == wanted


@pytest.mark.parametrize("size", range(1, 6))
def test_a_file_is_shadowed_across_pages(size: int) -> None:
    children, fold = fold_all({"a", "a-1", "a-2", "a.txt", "a/x"}, "", size)
    assert {name for name, child in children.items() if child.is_dir} == {"a"}
    assert set(children) == {"a", "a-1", "a-2", "a.txt"}
    assert fold.shadowed == ["a"]


def test_a_file_comes_as_soon_as_nothing_can_shadow_it() -> None:
    fold = ListingFold("", SEEN)
    assert set(fold.add(Page([info("a"), info("b")], [], "more"), SEEN)) == {"a"}, (
        "b/ may still come"
    )
    assert set(fold.add(Page([info("b-")], [], "more"), SEEN)) == set()
    assert set(fold.add(Page([info("b0")], [], "more"), SEEN)) == {"b", "b-"}
    assert set(fold.add(Page([], [], None), SEEN)) == {"b0"}


@pytest.mark.parametrize(("size", "ignored"), [(0, []), (5, ["d/"])])
def test_a_marker_is_no_child_of_its_own_and_noted_if_it_has_bytes(
    size: int, ignored: list[str]
) -> None:
    fold = ListingFold("d/", SEEN)
    marker = info("d/")._replace(size=size)
    assert set(fold.add(Page([marker, info("d/x")], [], None), SEEN)) == {"x"}
    assert fold.ignored == ignored
