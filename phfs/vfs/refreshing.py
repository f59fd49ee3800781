"""Lists directories in use before anybody has to wait for it.

Owns the requests; when one is worth it is decided by ``core/demand``. What comes back is kept in
the directory's cache, where newer knowledge wins: nothing becomes older than the TTL by it. Called
by ``namespace`` for every name that is asked for.
"""

from __future__ import annotations

import logging

import trio

from phfs.core.inodes import Directory
from phfs.core.listing import Child, ListingFold
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

    def asked(self, directory: Directory) -> None:
        """A name of the directory is asked for."""
        now = trio.current_time()
        if self._ttl > 0 and directory.demand.asked(now, directory.cache.listed, self._ttl):
            directory.demand.begun(now)
            self._nursery.start_soon(self._list, directory, ListingFold(directory.key, now))

    async def _list(self, directory: Directory, fold: ListingFold) -> None:
        pages: int | None = None
        try:
            pages = await self._list_pages(directory, fold)
        except StoreError as error:
            # Nobody waits for it: whoever needs a name asks for it, and is told.
            log.debug("%s could not be listed ahead: %s", directory.path, error)
        finally:
            directory.demand.ended(trio.current_time(), pages)

    async def _list_pages(self, directory: Directory, fold: ListingFold) -> int | None:
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
            if directory.demand.too_long(trio.current_time(), pages, self._ttl):
                return None
        if directory.key != key or not directory.linked:
            return None
        self._known.listed(directory, children, fold)
        return pages
