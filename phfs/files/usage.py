"""How much is stored in each directory.

Owns the sums: every object counts for each directory it is in, markers and keys that a mount does
not show as well, because they take their place too. Never changes anything. Called by
``cli.commands.du``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

from phfs.core.names import is_name
from phfs.files.looking import find, objects
from phfs.files.paths import Remote
from phfs.s3.store import Store


class Usage(NamedTuple):
    """A directory or a file (``path`` as in ``Remote``), the number of objects and their bytes."""

    path: str
    is_dir: bool
    objects: int
    size: int


@dataclass
class _Sum:
    path: str
    objects: int = 0
    size: int = 0


async def usage(store: Store, place: Remote, depth: int | None = None) -> AsyncIterator[Usage]:
    """The directories at most ``depth`` below ``place``, each after those in it, ``place`` itself
    last; or the one file there. Raises ``NotFound``, ``StoreError``."""
    entry = await find(store, place)
    if not entry.is_dir:
        yield Usage(entry.path, False, 1, entry.size)  # noqa: FBT003
        return
    sums = [_Sum(place.path)]
    async for info in objects(store, place):
        names = _directories(info.key[len(place.prefix) :], depth)
        paths = ["/".join(filter(None, [place.path, *names[: n + 1]])) for n in range(len(names))]
        while len(sums) > 1 and sums[-1].path not in paths:
            yield _closed(sums)
        sums += [_Sum(path) for path in paths[len(sums) - 1 :]]
        sums[-1].objects += 1
        sums[-1].size += info.size
    while len(sums) > 1:
        yield _closed(sums)
    yield Usage(place.path, True, sums[0].objects, sums[0].size)  # noqa: FBT003


def _closed(sums: list[_Sum]) -> Usage:
    """The innermost directory, which no key is in any more; its sums are those of the next."""
    done = sums.pop()
    sums[-1].objects += done.objects
    sums[-1].size += done.size
    return Usage(done.path, True, done.objects, done.size)  # noqa: FBT003


def _directories(key: str, depth: int | None) -> list[str]:
    """The names of the directories that a key is in, as far as they are names."""
    found: list[str] = []
    for name in key.split("/")[:-1]:
        if not is_name(name) or len(found) == depth:
            break
        found.append(name)
    return found
