"""Directories that stay although nothing in the bucket says so.

Owns the set of their keys, which is closed upwards (what is above a kept directory is kept too),
and the bound on it: one that is removed from outside is never said to be gone. Never asks the
store. Called by ``vfs``.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_KEPT = 10_000
"""Directories kept. Of more, the oldest are forgotten: what is in the bucket still shows, and an
empty directory without a marker is gone."""


class KeptDirectories:
    """Keys of directories, each with its ``/``; the root (``""``) needs no keeping."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._keys: dict[str, None] = {}
        """The oldest first, and what is in a directory before it."""

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """The directory with this key, and all above it, stay."""
        while key:
            self.discard(key)
            self._keys[key] = None
            key = key[: key.rfind("/", 0, -1) + 1]
        while len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]

    def discard(self, key: str) -> None:
        """The directory was removed."""
        self._keys.pop(key, None)

    def names_in(self, key: str) -> Iterator[str]:
        """The names of kept directories directly in the one with this key."""
        for kept in self._keys:
            name = kept[len(key) : -1]
            if kept.startswith(key) and name and "/" not in name:
                yield name

    def move(self, old_key: str, new_key: str) -> None:
        """A directory was renamed: what is kept beneath it goes along."""
        moved = [key for key in self._keys if key.startswith(old_key)]
        for key in moved:
            self.discard(key)
        for key in moved:
            self.add(new_key + key[len(old_key) :])
