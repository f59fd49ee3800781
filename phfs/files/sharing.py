"""Links by which somebody without keys gets one file for a while.

Owns what can be shared. How an address is signed is in ``s3/sign``. Called by
``cli.commands.share``.
"""

from __future__ import annotations

import trio

from phfs.errors import AccessDenied, IsDirectory, NoSuchKey, NotFound
from phfs.files.looking import Entry, find, may_not
from phfs.files.paths import Remote
from phfs.s3.opening import Linking
from phfs.s3.sign import Link
from phfs.s3.store import Store


async def share(
    store: Store, link: Linking, place: Remote, seconds: int, download_name: str = ""
) -> tuple[Entry, Link]:
    """A link to the file there that works for so many seconds, and what it leads to.

    Raises ``IsDirectory``, ``NotFound``, ``StoreError``.
    """
    entry = await find(store, place)
    if entry.is_dir:
        raise IsDirectory(
            f"{place} is a directory, and a link leads to one file.",
            "Share its files one by one, or pack them into an archive and share that.",
        )
    try:
        # Through the same connection, so that the store's region and clock are known.
        await store.head(place.path)
    except AccessDenied as error:
        raise may_not("read", place, "s3:GetObject") from error
    except NoSuchKey as error:
        raise NotFound(f"{place} has been removed just now.") from error
    return entry, await trio.to_thread.run_sync(link, place.path, seconds, download_name)
