"""What is said of a path that is not there, and of several of which some are not.

Owns the advice: the nearest name there is, what a pattern or a path of this machine would have to
be. Called by ``commands`` that take paths in the group.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from phfs.cli.addresses import USUAL, local
from phfs.cli.shown import JsonList
from phfs.commandline import say, sentence_of
from phfs.config import MountConfig
from phfs.core.names import printable
from phfs.errors import ConfigError, FileError, NotFound, StoreError
from phfs.files.looking import find, nearest, page_of
from phfs.files.mounted import table
from phfs.files.paths import SCHEME, Remote, remote_of
from phfs.s3.opening import OF_THE_PLACE
from phfs.s3.store import Store

PROG = "phfs"


class Named(NamedTuple):
    """A place, and how it was written. ``prefix``: what the keys of its group begin with."""

    text: str
    place: Remote
    prefix: str = ""


def named(texts: Sequence[str], config: MountConfig) -> list[Named]:
    """The places that arguments name. Raises ``ConfigError``."""
    return [Named(text, remote_of(text, config), config.prefix) for text in texts]


@asynccontextmanager
async def explaining(store: Store, one: Named) -> AsyncIterator[None]:
    """Inside, ``NotFound`` gets advice on what may have been meant."""
    try:
        yield
    except NotFound as error:
        raise NotFound(error.why, await _advice(store, one)) from error


async def for_each(
    store: Store,
    places: Sequence[Named],
    work: Callable[[Named], Awaitable[None]],
    out: JsonList | None = None,
) -> bool:
    """Do ``work`` with each place, saying what fails; whether nothing did. ``out``: the document
    that it adds to, which is torn if what one place has added is not all of it.

    Raises ``StoreError`` for what no other place can do without either.
    """
    good = True
    for one in places:
        began = 0 if out is None else out.length
        try:
            async with explaining(store, one):
                await work(one)
        except OF_THE_PLACE:
            raise
        except (FileError, StoreError) as error:
            complain(sentence_of(error))
            good = False
            if out is not None and out.length > began:
                out.torn = True
    return good


async def remark_if_empty(store: Store, place: Remote) -> None:
    """Say so where nothing was found because the group has no objects at all, which is how a name
    of a group that does not exist looks. Raises ``StoreError``."""
    if not place.path and not (await page_of(store, place, limit=1)).objects:
        complain("The group has no objects: check --bucket and --group if it should have some.")


def complain(sentence: str) -> None:
    """Say what failed, after what has been printed before."""
    sys.stdout.flush()
    say(PROG, printable(sentence))


async def _there_or_near(store: Store, place: Remote) -> Remote | None:
    try:
        await find(store, place)
    except NotFound:
        return await nearest(store, place)
    return place


async def _advice(store: Store, one: Named) -> str:
    text, place, prefix = one
    if any(sign in text for sign in "*?["):
        above, _, name = place.path.rpartition("/")
        return (
            f"Patterns stand for themselves here; phfs find {Remote(above)} --name '{name}' shows "
            "what fits one."
        )
    with suppress(ConfigError):
        here = local(text, table())
        if here is not None:
            return f"{text} is in a mount on this machine: give {SCHEME}/{here[1]}."
    with suppress(StoreError):
        for root in (str(USUAL), prefix.rstrip("/")):
            if root and place.child("").path.startswith(f"{root.lstrip('/')}/"):
                below = Remote(place.path[len(root.lstrip("/")) + 1 :])
                meant = await _there_or_near(store, below)
                if meant is not None:
                    return f"{root} is the group's root: give {meant}."
        near = await nearest(store, place)
        if near is not None:
            return f"Is {near} meant?"
    return ""
