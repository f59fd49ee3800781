"""Ends the uploads that dead processes have left, for as long as it takes.

Owns when it is tried again: the store may be away just when a mount starts, as after a failure of
both. What is left stands in the journals. Called by ``mount``, beside everything else.
"""

from __future__ import annotations

import logging
from pathlib import Path

import trio

from phfs.s3.journal import abort_leftovers, noted
from phfs.s3.store import Store

log = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3_600.0
"""Between two attempts, doubled each time."""


async def end_leftovers(store: Store, directory: Path, origin: str) -> None:
    """Return when the journals for ``origin`` in ``directory`` have no upload of the dead."""
    wait = WAIT_SECONDS
    while True:
        aborted = await abort_leftovers(store, directory, origin)
        if aborted:
            log.info("threw away %d uploads that an earlier mount had left unfinished", aborted)
        if all(one.living for one in noted(directory, origin)):
            return
        await trio.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
