"""Directories that stay although nothing in the bucket says so.

Owns the set of their keys, which is closed upwards: what is above a kept directory is kept too.
Never asks the store. Called by ``vfs``.
"""

from __future__ import annotations

from collections.abc import Iterator


class KeptDirectories:
    """Keys of directories, each with its ``/``; the root (``""``) needs no keeping."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """The directory with this key, and all above it, stay."""
        while key:
            self._keys.add(key)
            key = key[: key.rfind("/", 0, -1) + 1]

    def discard(self, key: str) -> None:
        """The directory was removed."""
        self._keys.discard(key)

    def names_in(self, key: str) -> Iterator[str]:
        """The names of kept directories directly in the one with this key."""
        for kept in self._keys:
            name = kept[len(key) : -1]
            if kept.startswith(key) and name and "/" not in name:
                yield name

    def move(self, old_key: str, new_key: str) -> None:
        """A directory was renamed: what is kept beneath it goes along."""
        moved = {key for key in self._keys if key.startswith(old_key)}
        self._keys -= moved
        for key in moved:
            self.add(new_key + key[len(old_key) :])
