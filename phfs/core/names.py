"""Which strings are names of a directory, and how names and keys belong together.

Owns the rules for names; never looks anything up. Keys are relative to the mount's prefix: the
root's key is ``""``, a directory's ends with ``/``, a file's does not. Also how a name stands in a
message, which may be shown by a terminal.
"""

from __future__ import annotations

from phfs.errors import Invalid, NameTooLong, NotPermitted

MAX_NAME = 255
"""Bytes of a name (NAME_MAX of Linux)."""

MAX_KEY = 1024
"""Bytes of a whole key, prefix included (S3 API reference, "Object key names")."""

EXPLANATIONS = ".phfs"
"""The name at the root under which the mount explains itself."""


def is_name(name: str) -> bool:
    """Whether a part of a key can be shown as a name: UTF-8, no path syntax, no control
    characters."""
    if name.isascii() and name.isprintable():
        return name not in ("", ".", "..") and len(name) <= MAX_NAME and "/" not in name
    if "/" in name or any(character < " " or character == "\x7f" for character in name):
        return False
    try:
        return len(name.encode()) <= MAX_NAME
    except UnicodeEncodeError:  # bytes that were no UTF-8 in the bucket
        return False


def check_new_name(parent_key: str, name: str, max_key: int) -> None:
    """Refuse a name that could not be listed afterwards.

    ``max_key`` is what remains of ``MAX_KEY`` behind the prefix. Raises ``NameTooLong``,
    ``Invalid``, ``NotPermitted``.
    """
    length = len(name.encode())
    if length > MAX_NAME:
        raise NameTooLong(f"The name has {length} bytes; a name has at most {MAX_NAME}.")
    if not is_name(name):
        raise Invalid(
            f"The name {name!r} has control characters, which S3 tools cannot show.",
            "Choose a name without line breaks, tabs and other control characters.",
        )
    if len(parent_key.encode()) + length + 1 > max_key:
        raise NameTooLong(
            f"The path /{parent_key}{name} makes a key of more than {MAX_KEY} bytes, S3's limit.",
            "Choose shorter names or fewer directory levels.",
        )
    if parent_key == "" and name == EXPLANATIONS:
        raise NotPermitted(
            f"/{EXPLANATIONS} is reserved: the mount explains its errors and its state there.",
            "Choose another name.",
        )


def split_key(key: str) -> list[str]:
    """The names of a key's parts; a trailing ``/`` (a directory's marker) adds none."""
    return key.removesuffix("/").split("/")


def is_path(key: str) -> bool:
    """Whether every part of a relative key is a name."""
    return all(map(is_name, split_key(key)))


def printable(text: str) -> str:
    """The text on one line: what a terminal would obey is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
