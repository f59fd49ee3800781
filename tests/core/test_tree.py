"""What a directory knows of its names: newer beats older, what this mount did beats answers."""

from __future__ import annotations

from phfs.core.listing import Child, directory_child
from phfs.core.objects import ETag
from phfs.core.tree import DirectoryCache


def file(seen: float, tag: str = "t", mtime: int = 1) -> Child:
    return Child(is_dir=False, size=1, etag=ETag(tag), mtime=mtime, seen=seen)


def test_a_name_is_known_until_it_is_too_old() -> None:
    cache = DirectoryCache()
    cache.learn("a", file(5))
    assert cache.get("a", 5) == file(5)
    assert cache.get("a", 5.1) is None
    assert cache.get("b", 0) is None
    assert not cache.is_absent("b", 0)


def test_what_is_absent_is_known_until_it_is_too_old() -> None:
    cache = DirectoryCache()
    assert cache.learn_absent("a", 5) is None
    assert cache.is_absent("a", 5)
    assert not cache.is_absent("a", 5.1)


def test_a_complete_listing_knows_what_is_absent() -> None:
    cache = DirectoryCache()
    cache.merge({"a": file(5)}, 5)
    assert cache.is_complete(5)
    assert not cache.is_complete(5.1)
    assert cache.is_absent("b", 5)
    assert not cache.is_absent("a", 5)


def test_an_older_answer_does_not_replace_a_newer_one() -> None:
    cache = DirectoryCache()
    cache.put("a", file(5, "new"))
    assert cache.learn("a", file(4, "old")) == file(5, "new")
    assert cache.learn_absent("a", 4) == file(5, "new")
    cache.merge({"a": file(4, "old")}, 4)
    assert cache.get("a", 0) == file(5, "new")


def test_an_answer_begun_before_a_removal_does_not_bring_the_name_back() -> None:
    cache = DirectoryCache()
    cache.put("a", file(1))
    cache.remove("a", 5)
    assert cache.learn("a", file(4)) is None
    cache.merge({"a": file(4), "b": file(4)}, 4)
    assert set(cache.children) == {"b"}
    assert cache.is_absent("a", 5)
    assert cache.learn("a", file(6)) == file(6)
    assert cache.get("a", 6) == file(6)


def test_an_answer_older_than_a_listing_adds_no_name() -> None:
    cache = DirectoryCache()
    cache.merge({}, 5)
    assert cache.learn("a", file(4)) is None
    assert cache.is_absent("a", 5)


def test_what_this_mount_did_counts_whatever_was_known() -> None:
    cache = DirectoryCache()
    cache.put("a", file(5))
    cache.remove("a", 5)
    assert cache.is_absent("a", 5)
    cache.put("a", file(5, "again"))
    assert cache.get("a", 5) == file(5, "again")


def test_an_older_listing_is_dropped() -> None:
    cache = DirectoryCache()
    cache.merge({"a": file(5)}, 5)
    cache.merge({"b": file(4)}, 4)
    assert set(cache.children) == {"a"}
    assert cache.listed == 5


def test_what_was_written_during_a_listing_stays() -> None:
    cache = DirectoryCache()
    cache.put("new", file(5))
    cache.put("gone elsewhere", file(3))
    cache.merge({"a": file(4)}, 4)
    assert set(cache.children) == {"a", "new"}


def test_one_version_has_one_mtime() -> None:
    cache = DirectoryCache()
    cache.put("a", file(1, "t", mtime=10))
    assert cache.learn("a", file(2, "t", mtime=11)) == file(2, "t", mtime=10)
    cache.merge({"a": file(3, "t", mtime=12)}, 3)
    assert cache.get("a", 3) == file(3, "t", mtime=10)
    assert cache.learn("a", file(4, "u", mtime=13)) == file(4, "u", mtime=13)
    cache.put("a", file(5, "u", mtime=14))
    assert cache.get("a", 5) == file(5, "u", mtime=14)


def test_doubt_and_clear() -> None:
    cache = DirectoryCache()
    cache.merge({"a": file(5), "d": directory_child(5)}, 5)
    cache.doubt("a")
    assert cache.get("a", 0) is None
    assert not cache.is_absent("a", 0)
    assert not cache.is_complete(0)
    assert cache.get("d", 5) == directory_child(5)
    cache.clear()
    assert len(cache) == 0


def test_many_absent_names_are_forgotten_when_too_old() -> None:
    cache = DirectoryCache()
    for number in range(1001):
        cache.learn_absent(f"n{number}", number)
    cache.expire(1000)
    assert len(cache) == 1
    assert cache.is_absent("n1000", 1000)


def test_each_child_of_a_listing_is_as_old_as_its_page() -> None:
    cache = DirectoryCache()
    cache.put("known-later", file(5.0))
    cache.put("known-earlier", file(2.0))
    cache.put("made-meanwhile", file(3.0))
    cache.remove("removed-before-its-page", 2.0)
    cache.remove("removed-after-its-page", 6.0)
    listed = ("known-later", "known-earlier", "removed-before-its-page", "removed-after-its-page")
    cache.merge({name: file(4.0) for name in listed}, 1.0)
    assert {name: found.seen for name, found in cache.children.items()} == {
        "known-later": 5.0,
        "known-earlier": 4.0,
        "made-meanwhile": 3.0,
        "removed-before-its-page": 4.0,
    }
    assert cache.listed == 1.0


def test_the_files_in_order_follow_every_change() -> None:
    cache = DirectoryCache()
    cache.merge({"b": file(1), "d": file(1), "c": directory_child(1)}, 1)
    assert cache.files_in_order() == ["b", "d"]
    cache.put("a", file(2))
    cache.put("e", directory_child(2))
    cache.put("b", file(3))
    assert cache.files_in_order() == ["a", "b", "d"]
    cache.remove("b", 4)
    cache.remove("c", 4)
    cache.remove("nothing", 4)
    assert cache.files_in_order() == ["a", "d"]
    cache.doubt("a")
    assert cache.files_in_order() == ["d"]
    cache.clear()
    assert cache.files_in_order() == []
