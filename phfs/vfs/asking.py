"""Asks the store what a name stands for, in the way that costs least.

Owns the choice between one name, a small directory as a whole, and a page of names in order. What
comes back is kept in the directory's cache, where newer knowledge wins. Called by ``namespace``.
"""

from __future__ import annotations

import trio

from phfs.core.inodes import Directory
from phfs.core.listing import Child, ListingFold, directory_child, file_child
from phfs.core.objects import ObjectInfo
from phfs.errors import AccessDenied, NoSuchKey
from phfs.s3.store import Store
from phfs.vfs.known import Known
from phfs.vfs.tasks import SingleFlight, both

SMALL_DIRECTORY = 100
"""Names up to which a stale directory is listed again as a whole: one LIST then answers for all of
them, where each name alone costs a HEAD and a LIST."""


class Asking:
    """Questions about names, each asked once at a time."""

    def __init__(self, store: Store, known: Known, *, ttl: float) -> None:
        self._store = store
        self._known = known
        self._ttl = ttl
        self._flights = SingleFlight()

    async def ask(self, parent: Directory, name: str) -> Child | None:
        """What the store says a name stands for; None if for nothing."""
        cache, oldest = parent.cache, trio.current_time() - self._ttl
        if cache.listed is not None and len(cache.children) <= SMALL_DIRECTORY:
            children = await self._flights.run(
                parent.number, lambda: self._list_small(parent), oldest=oldest
            )
            if children is not None:
                return children.get(name)
        if cache.asked_in_order(name):
            flight = (parent.number, "", name)
            if await self._flights.run(
                flight, lambda: self._list_from(parent, name), oldest=oldest
            ):
                return cache.children.get(name)
        return await self._flights.run(
            (parent.number, name), lambda: self._probe(parent, name), oldest=oldest
        )

    async def _list_small(self, parent: Directory) -> dict[str, Child] | None:
        """List a directory that was small; None if it no longer is."""
        fold = ListingFold(parent.key, trio.current_time())
        page = await self._store.list_page(parent.key, delimiter="/", limit=SMALL_DIRECTORY * 2)
        if page.next_token is not None:
            return None
        children = fold.add(page, fold.begun)
        self._known.listed(parent, children, fold)
        return children

    async def _list_from(self, parent: Directory, name: str) -> bool:
        """List the names from ``name`` on, for those who go through a directory in order; False if
        the name is not among them."""
        fold = ListingFold(parent.key, trio.current_time())
        # Of all that comes before the name, its own beginning leaves out the least.
        page = await self._store.list_page(
            parent.key, delimiter="/", start_after=parent.key + name[:-1]
        )
        children = fold.add(page, fold.begun)
        for each, child in children.items():
            parent.cache.learn(each, child)
        self._known.remember(parent)
        return name in children

    async def _probe(self, parent: Directory, name: str) -> Child | None:
        begun = trio.current_time()
        key = parent.key + name
        info, beneath = await both(
            lambda: self._head(key), lambda: self._store.list_page(key + "/", limit=1)
        )
        if beneath.objects or key + "/" in self._known.kept:
            if info is not None:
                self._known.note_shadowed(key)
            return parent.cache.learn(name, directory_child(begun))
        if info is not None:
            return parent.cache.learn(name, file_child(info, begun))
        parent.cache.expire(begun - self._ttl)
        return parent.cache.learn_absent(name, begun)

    async def _head(self, key: str) -> ObjectInfo | None:
        try:
            return (await self._store.head(key)).info
        except NoSuchKey:
            return None
        except AccessDenied:
            # A key pair that may not list the whole bucket gets 403 for what does not exist.
            page = await self._store.list_page(key, limit=1)
            found = page.objects[0] if page.objects else None
            if found is None or found.key != key:
                return None
            raise
