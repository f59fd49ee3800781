"""The copies a rename makes, and what is left of them when it fails.

Owns the looking after an answer was lost, and the taking back. Nothing here deletes a source.
Called by ``rename`` and ``rename_directory``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from phfs.core.inodes import File
from phfs.core.objects import ETag, Stored
from phfs.errors import NoSuchKey, OperationFailed, StoreError, TransientError
from phfs.s3.copying import copy_object
from phfs.s3.store import Store

log = logging.getLogger(__name__)

UNDO_SECONDS = 30.0
"""How long removing the copies of a failed rename may take."""

MOST_NAMED = 5
"""Keys named in one sentence."""


class Copies:
    """Copies inside ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def copy_file(self, source: File, key: str, *, replaced: ETag | None) -> Stored:
        """Copy a file's version to ``key``, where ``replaced`` was, or nothing.

        When the answer was lost, what is there now says whether the copy was made. Raises
        ``OperationFailed`` naming the copy when that cannot be known, else what the store raises.
        """
        try:
            return await copy_object(
                self._store, source.key, key, size=source.size, if_match=source.etag
            )
        except TransientError as error:
            try:
                found = (await self._store.head(key)).info
            except NoSuchKey:
                raise error from None
            except StoreError:
                found = None
            if found is not None and found.etag == replaced:
                raise
            if found is not None and found.etag == source.etag:
                return Stored(found.etag, found.modified)
            raise OperationFailed(
                f"{source.path} could not be renamed, and /{key} may hold a copy of it now or "
                f"later: {error}",
                f"{source.path} is whole: try again, or look whether /{key} is what it should be.",
            ) from error

    async def remove(self, keys: Sequence[str]) -> list[str]:
        """Take copies back, for at most ``UNDO_SECONDS``; returns those that may be left."""
        left = list(keys)
        if keys:
            with trio.move_on_after(UNDO_SECONDS, shield=True):
                try:
                    left = [failure.key for failure in await self._store.delete_many(keys)]
                except StoreError as error:
                    log.warning("copies under /%s may be left behind: %s", keys[0], error)
        return left


def named(keys: Sequence[str]) -> str:
    """The keys for a sentence, the first ``MOST_NAMED`` of them by name."""
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return ", ".join(f"/{key}" for key in keys[:MOST_NAMED]) + more
