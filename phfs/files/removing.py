"""Removing a file, or a directory with everything in it.

Owns what goes: of a directory the objects whose keys begin with its path and a slash, whether a
mount shows them or not, and of those the versions that were counted before. What was not there then
stays. Never asks a person. Called by ``cli.commands.rm`` and ``cli.commands.files``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import trio

from phfs.core.objects import ObjectInfo, Page
from phfs.errors import AccessDenied, StoreError
from phfs.files.looking import Entry, find, may_not, objects, page_of
from phfs.files.paths import Remote
from phfs.s3 import looking
from phfs.s3.store import MAX_DELETE, DeleteFailure, Store

AT_ONCE = 4
"""Requests that delete at the same time, each of up to ``MAX_DELETE`` keys."""


class Counted(NamedTuple):
    """What is below a place: ``versions`` tells each object that was counted from any other and
    from a later version of itself, in a machine word each."""

    entry: Entry
    objects: int
    size: int
    versions: frozenset[int]

    @property
    def place(self) -> Remote:
        """Where it is."""
        return Remote(self.entry.path)


class Removed(NamedTuple):
    """What became of it: ``failed`` could not be deleted. ``newer`` are the keys of what was left
    because it had not been counted: it was written meanwhile, or a file that is gone hid it.
    ``uncovered``: the directory has hidden a file of its name."""

    objects: int
    size: int
    failed: list[DeleteFailure]
    newer: list[str]
    uncovered: bool = False


async def count(store: Store, place: Remote) -> Counted:
    """What would go with ``place``: a file, or a directory with what is in it.

    Raises ``NotFound``, ``StoreError``.
    """
    entry = await find(store, place)
    if not entry.is_dir:
        version = _version(ObjectInfo(entry.path, entry.size, entry.etag, entry.modified))
        return Counted(entry, 1, entry.size, frozenset({version}))
    number, size, versions = 0, 0, set[int]()
    async for info in objects(store, place):
        if info.key:  # the root's own marker keeps an empty group
            number, size = number + 1, size + info.size
            versions.add(_version(info))
    return Counted(entry, number, size, frozenset(versions))


async def remove(
    store: Store, counted: Counted, removed: Callable[[int], None] = lambda _: None
) -> Removed:
    """Delete what was counted; ``removed`` is told how many objects are gone after each request.

    A failure of one object or request does not stop the others. Raises ``StoreError`` if the
    directory cannot be listed any more.
    """
    if not counted.entry.is_dir:
        return await _remove_file(store, counted, removed)
    gone, size, failed, newer = 0, 0, list[DeleteFailure](), list[str]()

    async def delete(batch: list[ObjectInfo], room: trio.Semaphore) -> None:
        nonlocal gone, size
        keys = [info.key for info in batch]
        try:
            failures = await store.delete_many(keys)
        except StoreError as error:
            failures = [DeleteFailure(key, error) for key in keys]
        finally:
            room.release()
        left = {failure.key for failure in failures}
        done = [info.size for info in batch if info.key not in left]
        gone, size = gone + len(done), size + sum(done)
        failed.extend(_told(failure) for failure in failures)
        removed(gone)

    async with trio.open_nursery() as nursery:
        room = trio.Semaphore(AT_ONCE)
        batch: list[ObjectInfo] = []

        async def send() -> None:
            nonlocal batch
            if batch:
                await room.acquire()
                nursery.start_soon(delete, batch, room)
                batch = []

        async for info in objects(store, counted.place):
            if _version(info) in counted.versions:
                batch.append(info)
            elif info.key:
                newer.append(info.key)
            if len(batch) == MAX_DELETE:
                await send()
        await send()
    known = {*newer, *(failure.key for failure in failed), ""}
    # What was written behind the listing's back, as far as one page shows it.
    page = await page_of(store, counted.place)
    newer += [info.key for info in page.objects if info.key not in known]
    return Removed(gone, size, failed, newer, await _hidden(store, counted.place))


async def _remove_file(store: Store, counted: Counted, removed: Callable[[int], None]) -> Removed:
    key = counted.entry.path
    try:
        there = await looking.find(store, key)
        if there is None:
            return Removed(0, 0, [], [])
        if _version(there) not in counted.versions:
            return Removed(0, 0, [], [key])
        await store.delete(key)
    except StoreError as error:
        return Removed(0, 0, [_told(DeleteFailure(key, error))], [])
    removed(1)
    return Removed(1, counted.size, [], [])


async def _hidden(store: Store, place: Remote) -> bool:
    """Whether there is an object of exactly this path: the first of all that begin with it."""
    if not place.path:
        return False
    return any(info.key == place.path for info in (await _beginning(store, place)).objects)


async def _beginning(store: Store, place: Remote) -> Page:
    try:
        return await store.list_page(place.path, limit=1)
    except AccessDenied:
        return Page([], [], None)


def _version(info: ObjectInfo) -> int:
    return hash((info.key, info.etag))


def _told(failure: DeleteFailure) -> DeleteFailure:
    """With a sentence for a person where the keys lack a right."""
    if not isinstance(failure.error, AccessDenied):
        return failure
    told = may_not("remove", Remote(failure.key), "s3:DeleteObject")
    return failure._replace(error=told)
