"""What the sparse store holds: names and sizes, no bytes.

Owns the objects, their order and the uploads under way. Knows nothing of HTTP; called by
``sparse_answers`` from many threads at once.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from phfs.s3.rules import list_names


@dataclass(frozen=True)
class Objects:
    """``count`` objects of ``size`` bytes below ``prefix``, called ``000000``, ``000001`` ..."""

    prefix: str
    count: int
    size: int

    def names(self) -> Iterator[str]:
        """Their keys, in order."""
        width = max(6, len(str(self.count - 1)))
        return (f"{self.prefix}{number:0{width}}" for number in range(self.count))


class Held(NamedTuple):
    """An object. ``modified`` in epoch seconds."""

    size: int
    modified: int


class Entry(NamedTuple):
    """One line of a listing: a key and its object, or a rolled-up prefix without one."""

    name: str
    held: Held | None


def etag(key: str, held: Held) -> str:
    """An object's version. All bytes are zeros, so the key and the size tell everything."""
    return hashlib.md5(f"{key}\0{held.size}".encode(), usedforsecurity=False).hexdigest()


class Catalog:
    """The objects of one bucket."""

    def __init__(self, objects: Iterable[Objects]) -> None:
        now = int(time.time())
        self._held = {key: Held(each.size, now) for each in objects for key in each.names()}
        self._keys = sorted(self._held)
        self._uploads: dict[str, dict[int, int]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def find(self, key: str) -> Held | None:
        """An object, None if there is none."""
        return self._held.get(key)

    def put(self, key: str, size: int) -> Held:
        """Store an object, in place of the one before."""
        held = Held(size, int(time.time()))
        with self._lock:
            if key not in self._held:
                bisect.insort(self._keys, key)
            self._held[key] = held
        return held

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with self._lock:
            if self._held.pop(key, None) is not None:
                del self._keys[bisect.bisect_left(self._keys, key)]

    def page(self, prefix: str, delimiter: str, after: str, limit: int) -> tuple[list[Entry], bool]:
        """At most ``limit`` entries behind ``after``, and whether there are more."""
        with self._lock:
            names = list_names(self._keys, prefix, delimiter, after)
            entries = [
                Entry(name, None if rolled_up else self._held[name])
                for name, rolled_up in itertools.islice(names, limit)
            ]
            return entries, limit > 0 and next(names, None) is not None

    def begin(self) -> str:
        """The name of a new upload."""
        upload = f"upload-{next(self._numbers)}"
        self._uploads[upload] = {}
        return upload

    def parts(self, upload: str) -> Mapping[int, int] | None:
        """The sizes of an upload's parts by number; None if there is no such upload."""
        return self._uploads.get(upload)

    def put_part(self, upload: str, number: int, size: int) -> bool:
        """Keep a part; False if there is no such upload."""
        with self._lock:
            parts = self._uploads.get(upload)
            if parts is not None:
                parts[number] = size
            return parts is not None

    def end(self, upload: str) -> bool:
        """Forget an upload; False if there is no such upload."""
        return self._uploads.pop(upload, None) is not None
