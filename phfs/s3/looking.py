"""What is in the store after a call whose answer was lost: looked at, never guessed.

Owns how a call's effect is recognised. Asks once and decides nothing about trying again. Called by
``retry``.

An object is taken for the one that was sent when it has its size and its ETag. A store that
encrypts makes ETags of its own: what cannot be told apart there is not called saved.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from phfs.core.objects import ETag, ObjectInfo, Part, Stored
from phfs.errors import AccessDenied, NoSuchKey
from phfs.s3.etags import body_etag, multipart_etag
from phfs.s3.store import MAX_DELETE, Body, Store

PAGES = 10
"""Most pages of a listing read in search of deleted keys, beyond those the keys would fill."""


async def find(store: Store, key: str) -> ObjectInfo | None:
    """What is under ``key``. Raises ``StoreError``.

    A key pair that may not list the whole bucket gets 403 for what does not exist: a LIST of the
    key settles it.
    """
    try:
        return (await store.head(key)).info
    except NoSuchKey:
        return None
    except AccessDenied:
        page = await store.list_page(key, limit=1)
        if any(info.key == key for info in page.objects):
            raise
        return None


async def stored_body(store: Store, key: str, body: Body) -> Stored | None:
    """The object under ``key`` if it is ``body``."""
    info = await find(store, key)
    if info is None or info.size != sum(len(chunk) for chunk in body):
        return None
    etag = await trio.to_thread.run_sync(body_etag, body)
    return Stored(info.etag, info.modified) if info.etag == etag else None


async def stored_parts(
    store: Store, key: str, parts: Sequence[Part], *, vanished: bool
) -> Stored | None:
    """The object under ``key`` if it was made of ``parts``. Where ETags are no MD5s their number
    has to fit, and the upload to have ``vanished``: a name that is taken is no sign."""
    info = await find(store, key)
    if info is None or info.size != sum(part.size for part in parts):
        return None
    expected = multipart_etag(parts)
    if expected is not None:
        ours = info.etag == expected
    else:
        ours = vanished and info.etag.endswith(f"-{len(parts)}")
    return Stored(info.etag, info.modified) if ours else None


async def stored_copy(store: Store, key: str, etag: ETag) -> Stored | None:
    """The object under ``key`` if it has the ETag of what was copied: those bytes, then."""
    info = await find(store, key)
    return Stored(info.etag, info.modified) if info is not None and info.etag == etag else None


async def remaining(store: Store, keys: Sequence[str]) -> set[str] | None:
    """Those of ``keys`` that there are still; None if that would take too many pages."""
    wanted, found = set(keys), set[str]()
    first, last = min(keys), max(keys)
    prefix, token = first, None
    while not last.startswith(prefix):
        prefix = prefix[:-1]
    for _ in range(PAGES + len(keys) // MAX_DELETE):
        page = await store.list_page(prefix, token=token)
        found.update(info.key for info in page.objects if info.key in wanted)
        token = page.next_token
        if token is None or (page.objects and page.objects[-1].key >= last):
            return found
    return None
