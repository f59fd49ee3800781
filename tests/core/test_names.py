"""Names and keys: what can be a name, what is refused for a new one and why."""

from __future__ import annotations

import pytest

from phfs.core.names import MAX_KEY, check_new_name, is_name, is_path, split_key
from phfs.errors import Invalid, NameTooLong, NotPermitted

GOOD = [
    "a",
    "a b",
    " ",
    "...",
    ".hidden",
    "é" * 127,
    "x" * 255,
    "日本語.txt",
    "a\\b",
    "%2F",
    "-",
    "~",
]
BAD = ["", ".", "..", "a/b", "/", "a\n", "\x00", "\x1f", "\x7f", "é\n", "x" * 256, "é" * 128]


@pytest.mark.parametrize("name", GOOD)
def test_can_be_a_name(name: str) -> None:
    assert is_name(name)
    check_new_name("d/", name, MAX_KEY)
    assert is_path(f"d/{name}")


@pytest.mark.parametrize("name", BAD)
def test_cannot_be_a_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises((Invalid, NameTooLong)):
        check_new_name("d/", name, MAX_KEY)


def test_a_key_with_its_slash_has_at_most_1024_bytes() -> None:
    parent = "p" * 200 + "/"
    deep = parent * 4
    fits = "n" * (MAX_KEY - len(deep) - 1)
    check_new_name(deep, fits, MAX_KEY)
    with pytest.raises(NameTooLong, match="1024 bytes"):
        check_new_name(deep, fits + "n", MAX_KEY)


def test_the_explanations_are_reserved_at_the_root_only() -> None:
    with pytest.raises(NotPermitted, match="reserved"):
        check_new_name("", ".phfs", MAX_KEY)
    check_new_name("d/", ".phfs", MAX_KEY)


@pytest.mark.parametrize(
    ("key", "parts"), [("a", ["a"]), ("a/b", ["a", "b"]), ("a/b/", ["a", "b"]), ("a//", ["a", ""])]
)
def test_parts_of_a_key(key: str, parts: list[str]) -> None:
    assert split_key(key) == parts


@pytest.mark.parametrize("key", ["a//b", "/a", "a/../b", "./a", "a/\n", "a//"])
def test_keys_that_are_no_path(key: str) -> None:
    assert not is_path(key)
