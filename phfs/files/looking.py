"""What there is in the group: one name, one directory, everything below one.

Owns how keys become files and directories outside a mount, by the same rules as in one
(``core/listing``). Never changes anything. Called by the rest of ``files`` and by ``cli.commands``.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from phfs.core.listing import NO_ETAG, ListingFold
from phfs.core.names import EXPLANATIONS, is_path
from phfs.core.objects import ETag
from phfs.errors import NotFound
from phfs.files.paths import Remote
from phfs.s3 import looking
from phfs.s3.store import Store


class Entry(NamedTuple):
    """A file or a directory. ``path`` as in ``Remote``; ``size`` in bytes and ``modified`` in whole
    epoch seconds, both 0 for a directory, which has neither in an object store."""

    path: str
    is_dir: bool
    size: int = 0
    modified: int = 0
    etag: ETag = NO_ETAG

    @property
    def name(self) -> str:
        """The last part of its path; empty for the root."""
        return self.path.rpartition("/")[2]


async def find(store: Store, place: Remote) -> Entry:
    """The file or the directory there; a directory hides a file of the same name, as in a mount.

    The root is always there. Raises ``NotFound``, ``StoreError``.
    """
    if place.path == "" or (await store.list_page(place.prefix, limit=1)).objects:
        return Entry(place.path, is_dir=True)
    info = None if place.slash else await looking.find(store, place.path)
    if info is None:
        raise NotFound(
            f"There is no {'directory' if place.slash else 'file or directory'} {place}."
        )
    return Entry(place.path, is_dir=False, size=info.size, modified=info.modified, etag=info.etag)


async def children(store: Store, place: Remote) -> AsyncIterator[Entry]:
    """What is in a directory, by name in byte order within each page of the store's; nothing if
    there is no such directory. Raises ``StoreError``."""
    fold, token = ListingFold(place.prefix, time.monotonic()), None
    while True:
        began = time.monotonic()
        page = await store.list_page(place.prefix, delimiter="/", token=token)
        found = fold.add(page, began)
        for name in sorted(found):
            child = found[name]
            yield Entry(place.prefix + name, child.is_dir, child.size, child.mtime, child.etag)
        token = page.next_token
        if token is None:
            return


async def below(store: Store, place: Remote) -> AsyncIterator[Entry]:
    """Every file in a directory and in those in it, without the directories: a listing without a
    delimiter, which costs one request for 1,000 files. Nearly in the order of the keys: ``a`` comes
    when it is sure that there is no ``a/``, which ``a-b`` goes before.

    Keys that are no path are left out, as in a mount; so is a file that a directory of the same
    name hides. Raises ``StoreError``.
    """
    held: list[Entry] = []  # files that a directory of the same name could still hide
    token = None
    while True:
        page = await store.list_page(place.prefix, token=token)
        for info in page.objects:
            for entry in held[:]:
                if info.key.startswith(f"{entry.path}/"):
                    held.remove(entry)
                elif info.key > f"{entry.path}/":
                    held.remove(entry)
                    yield entry
            is_file = is_path(info.key) and not info.key.endswith("/")
            if is_file and info.key.split("/")[0] != EXPLANATIONS:
                held.append(Entry(info.key, False, info.size, info.modified, info.etag))  # noqa: FBT003
        token = page.next_token
        if token is None:
            break
    for entry in held:
        yield entry
