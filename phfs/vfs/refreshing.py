"""Lists directories before anybody has to wait for it: those in use, and those next in a walk.

Owns the requests; when one is worth it is decided by ``core/demand`` and ``core/walk``. What comes
back is kept in the directory's cache, where newer knowledge wins: nothing becomes older than the
TTL by it. Called by ``namespace`` for every name that is asked for and every directory entered.
"""

from __future__ import annotations

import logging
from functools import partial

import trio

from phfs.core.demand import MOST_PAGES
from phfs.core.inodes import Directory, number_of
from phfs.core.listing import Child, ListingFold
from phfs.core.walk import Walk
from phfs.errors import StoreError
from phfs.s3.store import Store
from phfs.vfs.known import Known

log = logging.getLogger(__name__)


class Refreshing:
    """The listings that run in the background, in ``nursery``; one at a time per directory."""

    def __init__(self, store: Store, known: Known, nursery: trio.Nursery, *, ttl: float) -> None:
        self._store = store
        self._known = known
        self._nursery = nursery
        self._ttl = ttl
        self._ahead: dict[Directory, tuple[trio.Event, float]] = {}
        """The directories that are being listed for a walk, and since when."""

    def asked(self, directory: Directory) -> None:
        """A name of the directory is asked for."""
        now = trio.current_time()
        if self._ttl > 0 and directory.demand.asked(now, directory.cache.listed, self._ttl):
            directory.demand.begun(now)
            fold = ListingFold(directory.key, now)
            self._nursery.start_soon(self._list_in_use, directory, fold)

    def entered(self, directory: Directory) -> None:
        """A directory begins to be read."""
        parent = directory.parent
        if parent is None or self._ttl <= 0:
            return
        now = trio.current_time()
        parent.walk = parent.walk or Walk()
        names = parent.cache.directories_in_order()
        number = partial(number_of, parent)
        for name in parent.walk.entered(names, directory.name, number, now, self._ttl):
            following = parent.children.get(name)
            if (
                isinstance(following, Directory)
                and not following.cache.is_complete(now - self._ttl / 2)
                and following.demand.walked(now)
            ):
                following.demand.begun(now)
                self._ahead[following] = trio.Event(), now
                fold = ListingFold(following.key, now)
                self._nursery.start_soon(self._list_walked, following, fold, parent.walk)

    async def ahead(self, directory: Directory) -> None:
        """Wait for the directory's listing if one is on its way for a walk, as long as it can be
        believed when it comes."""
        if directory in self._ahead:
            event, begun = self._ahead[directory]
            with trio.move_on_at(begun + self._ttl):
                await event.wait()

    async def _list_in_use(self, directory: Directory, fold: ListingFold) -> None:
        pages = await self._list(directory, fold, MOST_PAGES)
        directory.demand.ended(trio.current_time(), pages)

    async def _list_walked(self, directory: Directory, fold: ListingFold, walk: Walk) -> None:
        try:
            pages = await self._list(directory, fold, 1)
            walk.listed(whole=pages is not None)
            if pages is None:
                directory.demand.cut(trio.current_time())
            else:
                directory.demand.ended(trio.current_time(), pages)
        finally:
            event, _ = self._ahead.pop(directory)
            event.set()

    async def _list(self, directory: Directory, fold: ListingFold, most: int) -> int | None:
        """List to the end; the number of pages, None if it was given up or failed."""
        try:
            return await self._list_pages(directory, fold, most)
        except StoreError as error:
            # Nobody waits for it: whoever needs a name asks for it, and is told.
            log.debug("%s could not be listed ahead: %s", directory.path, error)
            return None

    async def _list_pages(self, directory: Directory, fold: ListingFold, most: int) -> int | None:
        """List to the end; the number of pages, None if it was given up."""
        children: dict[str, Child] = {}
        token: str | None = None
        key, pages = directory.key, 0
        while True:
            begun = trio.current_time()
            page = await self._store.list_page(key, delimiter="/", token=token)
            children.update(fold.add(page, begun))
            pages += 1
            token = page.next_token
            if token is None:
                break
            now = trio.current_time()
            if pages >= most or directory.demand.too_long(now, self._ttl):
                return None
        if directory.key != key or not directory.linked:
            return None
        self._known.listed(directory, children, fold)
        return pages
