"""What there is in the group: one name, one directory, everything below one.

Owns how keys become files and directories outside a mount, by the same rules as in one
(``core/listing``), and what is said where there is nothing, or where the keys may not look. Never
changes anything. Called by the rest of ``files`` and by ``cli.commands``.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from difflib import get_close_matches
from typing import NamedTuple

from phfs.core.listing import NO_ETAG, ListingFold
from phfs.core.names import EXPLANATIONS, is_name, is_path
from phfs.core.objects import ETag, ObjectInfo, Page
from phfs.errors import AccessDenied, NotFound, NotPermitted
from phfs.files.paths import Remote
from phfs.s3 import looking
from phfs.s3.store import Store

_MOST_PAGES = 5
"""Pages of a directory that are read in search of a name like the one that is not there."""


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

    The root is always there. Raises ``NotFound``, ``StoreError``. Keys that may read but not list
    find files.
    """
    if place.path == "":
        return Entry("", is_dir=True)
    denied = None
    try:
        if (await page_of(store, place, limit=1)).objects:
            return Entry(place.path, is_dir=True)
    except AccessDenied as error:
        denied = error
    info = None if place.slash else await _file(store, place, denied)
    if info is None:
        if denied is not None:
            raise denied
        raise NotFound(
            f"There is no {'directory' if place.slash else 'file or directory'} {place}."
        )
    return Entry(place.path, is_dir=False, size=info.size, modified=info.modified, etag=info.etag)


def check_is_seen(place: Remote) -> None:
    """Refuse what a mount has for itself. Raises ``NotPermitted``."""
    if _is_hidden(place.path):
        raise NotPermitted(
            f"What is in {place} is not shown: a mount has /{EXPLANATIONS} to explain itself.",
            "Give phfs ls -a to see which objects are there.",
        )


async def nearest(store: Store, place: Remote) -> Remote | None:
    """What is there and looks most like a place that is not; None if nothing does, or if the keys
    may not look. Raises ``StoreError``."""
    above = Remote("")
    with suppress(AccessDenied):
        for name in place.path.split("/"):
            if (await page_of(store, above.child(name), limit=1)).objects:
                above = above.child(name)
                continue
            names = await _names(store, above)
            near = get_close_matches(name.lower(), names, n=1)
            return above.child(names[near[0]]) if near else None
    return None


async def children(
    store: Store, place: Remote, left_out: list[str] | None = None
) -> AsyncIterator[Entry]:
    """What is in a directory; nothing if there is no such directory. In byte order of the names,
    those of directories with a slash behind them. ``left_out`` gets the keys that are not seen in a
    mount, and without it ``/.phfs`` is refused. Raises ``NotPermitted``, ``StoreError``.
    """
    if left_out is None:
        check_is_seen(place)
    elif _is_hidden(place.path):
        left_out += [info.key async for info in objects(store, place)]
        return
    fold, token = ListingFold(place.prefix, time.monotonic()), None
    waiting: list[tuple[str, Entry]] = []  # behind a name that may be a file or hidden
    while True:
        began = time.monotonic()
        page = await page_of(store, place, delimiter="/", token=token)
        for name, child in fold.add(page, began).items():
            entry = Entry(place.prefix + name, child.is_dir, child.size, child.mtime, child.etag)
            waiting.append((f"{name}/" if child.is_dir else name, entry))
        waiting.sort()
        floor, token = fold.first_held, page.next_token
        settled = sum(1 for name, _ in waiting if floor is None or name < floor)
        for _, entry in waiting[:settled]:
            yield entry
        del waiting[:settled]
        if token is None:
            break
    if left_out is not None:
        left_out += [*fold.ignored, *fold.shadowed]


async def below(store: Store, place: Remote) -> AsyncIterator[Entry]:
    """Every file in a directory and in those in it, without the directories: a listing without a
    delimiter, which costs one request for 1,000 files. Nearly in the order of the keys: ``a`` comes
    when it is sure that there is no ``a/``, which ``a-b`` goes before.

    Keys that are no path are left out, as in a mount; so is a file that a directory of the same
    name hides. Raises ``StoreError``.
    """
    async for entry in tree(store, place):
        if not entry.is_dir:
            yield entry


async def tree(
    store: Store, place: Remote, left_out: list[str] | None = None
) -> AsyncGenerator[Entry, None]:
    """As ``below``, with each directory before what is in it, but not the one ``place`` names.
    ``left_out`` gets the keys that are not seen in a mount."""
    held: list[Entry] = []  # files that a directory of the same name could still hide
    above: list[str] = []  # the directories the last key was in
    async with aclosing(objects(store, place)) as found:
        async for info in found:
            for entry in held[:]:
                if info.key.startswith(f"{entry.path}/"):
                    held.remove(entry)
                    if left_out is not None:
                        left_out.append(entry.path)
                elif info.key > f"{entry.path}/":
                    held.remove(entry)
                    yield entry
            now = _directories(info.key)
            for directory in now:
                if directory not in above and len(directory) > len(place.path):
                    yield Entry(directory, is_dir=True)
            above = now
            if not is_path(info.key) or _is_hidden(info.key):
                if info.key and left_out is not None:
                    left_out.append(info.key)
            elif not info.key.endswith("/"):
                held.append(Entry(info.key, False, info.size, info.modified, info.etag))  # noqa: FBT003
    for entry in held:
        yield entry


async def objects(store: Store, place: Remote) -> AsyncGenerator[ObjectInfo, None]:
    """Every object whose key begins with the directory's, in the order of the keys: markers, and
    keys that are no path, too. Raises ``StoreError``."""
    token = None
    while True:
        page = await page_of(store, place, token=token)
        for info in page.objects:
            yield info
        token = page.next_token
        if token is None:
            return


async def page_of(
    store: Store, place: Remote, *, delimiter: str = "", token: str | None = None, limit: int = 1000
) -> Page:
    """One page of a directory's listing. Raises ``StoreError``; ``AccessDenied`` names the
    place."""
    try:
        return await store.list_page(place.prefix, delimiter=delimiter, token=token, limit=limit)
    except AccessDenied as error:
        raise AccessDenied(
            f"The keys may not list {place} ({error.why}).",
            "Check --group and the bucket, or ask whoever manages the bucket for the right to list "
            "it (s3:ListBucket).",
        ) from error


def may_not(verb: str, place: Remote, right: str) -> AccessDenied:
    """What is said when the keys may not do something with one object."""
    return AccessDenied(
        f"The keys may not {verb} {place}.",
        f"Ask whoever manages the bucket for the right to {verb} it ({right}).",
    )


async def _file(store: Store, place: Remote, denied: AccessDenied | None) -> ObjectInfo | None:
    """The object under the path itself. ``denied``: the keys may not list, so that what they may
    not read cannot be told from what is not there."""
    try:
        return await looking.find(store, place.path)
    except AccessDenied as error:
        raise denied or may_not("read", place, "s3:GetObject") from error


def _is_hidden(path: str) -> bool:
    """Whether a mount has this name for itself, or it is below that."""
    return path.partition("/")[0] == EXPLANATIONS


def _directories(key: str) -> list[str]:
    """The directories that a key makes, as a mount shows them: as far as its parts are names."""
    found: list[str] = []
    names = [] if _is_hidden(key) else key.split("/")[:-1]
    for depth, name in enumerate(names):
        if not is_name(name):
            break
        found.append("/".join(names[: depth + 1]))
    return found


async def _names(store: Store, place: Remote) -> dict[str, str]:
    """Names in a directory by their small letters."""
    fold, token = ListingFold(place.prefix, 0.0), None
    names: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        page = await page_of(store, place, delimiter="/", token=token)
        names.update((name.lower(), name) for name in fold.add(page, 0.0))
        token = page.next_token
        if token is None:
            break
    return names
