"""Directories that stay: closed upwards, moved as a whole."""

from __future__ import annotations

from phfs.core.kept import KeptDirectories


def test_what_is_above_is_kept_too() -> None:
    kept = KeptDirectories()
    kept.add("a/b/c/")
    assert all(key in kept for key in ("a/", "a/b/", "a/b/c/"))
    assert "" not in kept
    assert list(kept.names_in("")) == ["a"]
    assert list(kept.names_in("a/")) == ["b"]
    assert list(kept.names_in("a/b/c/")) == []


def test_the_root_needs_no_keeping() -> None:
    kept = KeptDirectories()
    kept.add("")
    assert list(kept.names_in("")) == []


def test_names_that_only_begin_alike_are_others() -> None:
    kept = KeptDirectories()
    kept.add("ab/c/")
    assert list(kept.names_in("a/")) == []


def test_a_directory_moves_with_what_is_beneath() -> None:
    kept = KeptDirectories()
    kept.add("a/b/")
    kept.add("ab/")
    kept.move("a/", "x/y/")
    assert [key for key in ("a/", "a/b/", "ab/", "x/", "x/y/", "x/y/b/") if key in kept] == [
        "ab/",
        "x/",
        "x/y/",
        "x/y/b/",
    ]
    kept.discard("x/y/b/")
    assert "x/y/b/" not in kept


def test_the_oldest_of_too_many_are_forgotten_and_what_is_above_the_others_stays() -> None:
    kept = KeptDirectories(most=4)
    for key in ("old/", "a/b/", "a/c/", "a/d/"):
        kept.add(key)
    assert len(kept) == 4
    assert [key for key in ("old/", "a/", "a/b/", "a/c/", "a/d/") if key in kept] == [
        "a/",
        "a/b/",
        "a/c/",
        "a/d/",
    ]
    kept.add("a/b/")  # emptied once more: now it is the newest
    kept.add("x/")
    kept.add("y/")
    assert "a/b/" in kept
    assert "a/" in kept
    assert "a/c/" not in kept
    kept.move("a/", "z/")
    assert len(kept) == 4
    assert "z/" in kept
    assert "z/b/" in kept


def test_ten_thousand_are_kept() -> None:
    kept = KeptDirectories()
    for number in range(10_100):
        kept.add(f"emptied-{number}/")
    assert len(kept) == 10_000
    assert "emptied-99/" not in kept
    assert "emptied-100/" in kept
