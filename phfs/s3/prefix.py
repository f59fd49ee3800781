"""A store seen from below a prefix: its keys are relative to it.

Owns the translation of keys both ways, and the promise that nothing outside the prefix is ever
asked for or passed on. Never interprets a key. Called by ``vfs`` through the port.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from phfs.core.objects import Attributes, ByteRange, ETag, Page, Part, Stored, UploadId
from phfs.errors import StoreError
from phfs.s3 import paging
from phfs.s3.store import Body, DeleteFailure, Described, Kept, Sink, Store

log = logging.getLogger(__name__)


class PrefixedStore:
    """Wraps ``store``; ``key`` here is ``prefix + key`` there, in error sentences as well
    but for those of listings.

    ``strays`` counts the entries of listings that lay outside what was asked for and were dropped:
    a store that names them is broken, and its names must not become files.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.strays = 0
        self._store = store
        self._prefix = prefix

    async def head(self, key: str) -> Described:
        """Describe the object ``prefix + key``."""
        with self._translated(key):
            described = await self._store.head(self._prefix + key)
        return described._replace(info=described.info._replace(key=key))

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """What to check the bytes of ``prefix + key`` by."""
        with self._translated(key):
            return await self._store.kept(self._prefix + key, part=part)

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """Read from the object ``prefix + key``."""
        with self._translated(key):
            await self._store.get(
                self._prefix + key, byte_range, sink, if_match=if_match, whole=whole
            )

    async def list_page(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        token: str | None = None,
        start_after: str = "",
        limit: int = 1000,
    ) -> Page:
        """One page below the prefix; the marker of the prefix itself has the key ``""``.

        Raises ``ServerFault`` when the store does not come to an end.
        """
        wanted = self._prefix + prefix
        place = paging.place_of(token)
        # Its errors speak of the bucket and what was asked of that, which is the whole prefix.
        page = await self._store.list_page(
            wanted,
            delimiter=delimiter,
            token=place.token,
            start_after=start_after and self._prefix + start_after,
            limit=limit,
        )
        cut = len(self._prefix)
        inside = [info for info in page.objects if info.key.startswith(wanted)]
        rolled = [name for name in page.prefixes if name.startswith(wanted)]
        self._count_strays(len(page.objects) + len(page.prefixes) - len(inside) - len(rolled))
        empty = not (inside or rolled)
        return Page(
            [info._replace(key=info.key[cut:]) for info in inside],
            [name[cut:] for name in rolled],
            paging.token_after(place, page.next_token, f"/{prefix}", empty=empty),
        )

    async def put(
        self, key: str, body: Body, attributes: Attributes, *, if_none_match: bool = False
    ) -> Stored:
        """Store the object ``prefix + key``."""
        with self._translated(key):
            return await self._store.put(
                self._prefix + key, body, attributes, if_none_match=if_none_match
            )

    async def copy(self, source: str, target: str, *, if_match: ETag) -> Stored:
        """Copy between two keys below the prefix."""
        with self._translated(source, target):
            return await self._store.copy(
                self._prefix + source, self._prefix + target, if_match=if_match
            )

    async def delete(self, key: str) -> None:
        """Delete the object ``prefix + key``."""
        with self._translated(key):
            await self._store.delete(self._prefix + key)

    async def delete_many(self, keys: Sequence[str]) -> list[DeleteFailure]:
        """Delete objects below the prefix."""
        with self._translated(*keys):
            failures = await self._store.delete_many([self._prefix + key for key in keys])
        cut = len(self._prefix)
        for failure in failures:
            self._translate(failure.error, [failure.key[cut:]])
        return [DeleteFailure(failure.key[cut:], failure.error) for failure in failures]

    async def tags(self, key: str) -> str:
        """The tags of the object ``prefix + key``."""
        with self._translated(key):
            return await self._store.tags(self._prefix + key)

    async def create_upload(
        self, key: str, attributes: Attributes, *, tagging: str = "", summed: bool = False
    ) -> UploadId:
        """Begin an upload of ``prefix + key``."""
        with self._translated(key):
            return await self._store.create_upload(
                self._prefix + key, attributes, tagging=tagging, summed=summed
            )

    async def put_part(self, key: str, upload: UploadId, number: int, body: Body) -> Part:
        """Upload a part of ``prefix + key``."""
        with self._translated(key):
            return await self._store.put_part(self._prefix + key, upload, number, body)

    async def copy_part(
        self,
        key: str,
        upload: UploadId,
        number: int,
        source: str,
        byte_range: ByteRange,
        *,
        if_match: ETag,
    ) -> Part:
        """Make a part from an object that is below the prefix as well."""
        with self._translated(source, key):
            return await self._store.copy_part(
                self._prefix + key,
                upload,
                number,
                self._prefix + source,
                byte_range,
                if_match=if_match,
            )

    async def complete_upload(
        self, key: str, upload: UploadId, parts: Sequence[Part], *, if_none_match: bool = False
    ) -> Stored:
        """Publish an upload of ``prefix + key``."""
        with self._translated(key):
            return await self._store.complete_upload(
                self._prefix + key, upload, parts, if_none_match=if_none_match
            )

    async def abort_upload(self, key: str, upload: UploadId) -> None:
        """Throw an upload of ``prefix + key`` away."""
        with self._translated(key):
            await self._store.abort_upload(self._prefix + key, upload)

    @contextmanager
    def _translated(self, *keys: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._translate(error, keys)
            raise

    def _translate(self, error: StoreError, keys: Sequence[str]) -> None:
        """Let the sentence name the keys that the caller knows."""
        for key in keys:
            if key and self._prefix:
                error.why = error.why.replace(self._prefix + key, key)
        error.args = (error.why,)

    def _count_strays(self, count: int) -> None:
        if count and not self.strays:
            log.warning("the store lists keys outside %s that nobody asked for", self._prefix)
        self.strays += count
