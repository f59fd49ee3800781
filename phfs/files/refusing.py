"""Whether a source can be copied or moved to a place as a whole, before anything of it is.

Owns the sentences for what is not there, is the same on both sides, leads into itself, or is in
the way. Changes nothing. Called by ``plan``.
"""

from __future__ import annotations

from pathlib import Path

from phfs.errors import (
    Exists,
    Invalid,
    IsDirectory,
    NotDirectory,
    NotEmpty,
    NotFound,
)
from phfs.files import local
from phfs.files.group import Group
from phfs.files.looking import Entry, find, nearest
from phfs.files.outcome import STREAM, Place
from phfs.files.paths import Remote
from phfs.files.room import in_group, what_is
from phfs.files.within import Given, There, inside_itself


async def found(group: Group, place: Remote) -> Entry:
    """What is there. Raises ``NotFound`` with what may be meant, ``StoreError``."""
    try:
        return await find(group.store, place)
    except NotFound as error:
        near = await nearest(group.store, place)
        raise NotFound(error.why, "" if near is None else f"Is {near} meant?") from None


def is_directory_here(source: Given) -> bool:
    """Whether a source on this machine is a directory. Raises ``NotFound``, ``OperationFailed``."""
    assert isinstance(source.place, Path)
    try:
        source.place.stat()
    except FileNotFoundError:
        raise NotFound(
            f"There is no file or directory {source.text} on this machine.",
            "What is in the group begins with phfs:///.",
        ) from None
    except OSError as error:
        raise local.failed(source.place, "read", error) from None
    return source.place.is_dir()


async def check(
    group: Group,
    source: Given,
    target: Given,
    place: Place,
    there: There,
    *,
    is_directory: bool,
    moving: bool,
) -> None:
    """Refuse what is in the way of the file or directory that ``source`` is to become at ``place``.

    Raises ``Exists``, ``Invalid``, ``IsDirectory``, ``NotDirectory``, ``NotEmpty``, ``NotFound``.
    """
    one, other = await in_group(group, source.place), await in_group(group, place)
    if one == other or (
        isinstance(one, Remote) and isinstance(other, Remote) and one.path == other.path
    ):
        text = target.text if place == target.place else place
        raise Exists(f"{source.text} and {text} are the same.", "Choose another target.")
    if is_directory and inside_itself(one, other):
        raise Invalid(f"{source.text} cannot be copied into itself, to {place}.")
    own = there if place == target.place else await what_is(group, place)
    if own is There.DIRECTORY and not is_directory:
        raise IsDirectory(f"{place} is a directory, and a file cannot take its place.")
    if own is There.FILE and is_directory:
        raise NotDirectory(f"{place} is a file, and a directory cannot take its place.")
    if moving and own is There.DIRECTORY and not source.inside:
        await _check_empty(group, place)
    if isinstance(place, Path) and place != STREAM and not place.parent.is_dir():
        raise NotFound(f"There is no directory {place.parent}: make it with mkdir -p.")


async def _check_empty(group: Group, place: Place) -> None:
    if isinstance(place, Path):
        empty = not any(place.iterdir())
    else:
        page = await group.store.list_page(place.prefix, limit=2)
        empty = all(info.key == place.prefix for info in page.objects)
    if not empty:
        raise NotEmpty(f"{place} is there already and not empty.", "Move it away, or copy with cp.")
