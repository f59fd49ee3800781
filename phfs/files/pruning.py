"""What is only in the target of a sync, and its removal.

Owns that nothing but files below the target goes, and that directories go only when they are empty.
Called by ``sync``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import trio

from phfs.core.objects import ETag
from phfs.errors import PhfsError, Stale, StoreError
from phfs.files.group import Group
from phfs.files.local import failed, is_still
from phfs.files.looking import Entry, objects
from phfs.files.outcome import Action, Outcome, Place
from phfs.files.paths import Remote
from phfs.files.room import directories_above
from phfs.s3.resumable import Source
from phfs.s3.store import MAX_DELETE


class Removal(NamedTuple):
    """A file, by its path in the target. ``in_the_way``: the source has a directory of its name, or
    a file where it has its directory. ``version``: which one a person was asked about."""

    path: str
    size: int
    in_the_way: bool
    version: ETag | Source


def removals(
    there: Mapping[str, Entry | Source], here: Iterable[str], odd: Iterable[str] = ()
) -> list[Removal]:
    """What ``there`` has and ``here`` has not, by its path; but nothing at ``odd`` paths or below:
    something is here, which takes no part."""
    kept = set(odd)
    wanted = set(here)
    directories = {above for path in wanted for above in directories_above(path)}

    def removal(path: str, one: Entry | Source) -> Removal:
        in_the_way = path in directories or not wanted.isdisjoint(directories_above(path))
        return Removal(path, one.size, in_the_way, one if isinstance(one, Source) else one.etag)

    return [
        removal(path, one)
        for path, one in there.items()
        if path not in wanted and kept.isdisjoint((path, *directories_above(path)))
    ]


async def remove(group: Group, target: Place, gone: list[Removal], *, dry: bool) -> list[Outcome]:
    """Remove files of ``target`` that are still the versions they were; what became of each."""
    if dry:
        return [_outcome(target, one) for one in gone]
    if isinstance(target, Path):
        return await trio.to_thread.run_sync(_unlink, target, gone)
    try:
        now = await _now(group, target, gone)
    except StoreError as error:
        return [_outcome(target, one, error) for one in gone]
    newer = [one for one in gone if now.get(one.path, one.version) != one.version]
    outcomes = [_outcome(target, one, _newer(target.child(one.path))) for one in newer]
    waiting = (one for one in gone if now.get(one.path, one.version) == one.version)
    while batch := list(islice(waiting, MAX_DELETE)):
        keys = [target.prefix + one.path for one in batch]
        refused: dict[str, PhfsError] = {}
        try:
            failures = await group.store.delete_many(keys)
            refused = {failure.key: failure.error for failure in failures}
        except StoreError as error:
            refused = dict.fromkeys(keys, error)
        outcomes += [
            _outcome(target, one, refused.get(key)) for one, key in zip(batch, keys, strict=True)
        ]
    return outcomes


async def _now(group: Group, target: Remote, gone: list[Removal]) -> dict[str, ETag]:
    """The versions that there are now of those that are to go."""
    wanted = {one.path for one in gone}
    now: dict[str, ETag] = {}
    async for info in objects(group.store, target):
        path = info.key[len(target.prefix) :]
        if path in wanted:
            now[path] = info.etag
    return now


def _unlink(target: Path, gone: list[Removal]) -> list[Outcome]:
    outcomes = []
    for one in gone:
        error: PhfsError | None = None
        path = target / one.path
        try:
            if isinstance(one.version, Source) and is_still(one.version, os.lstat(path)):
                os.unlink(path)
            else:
                error = _newer(path)
        except FileNotFoundError:
            pass
        except OSError as refused:
            error = failed(path, "removed", refused)
        outcomes.append(_outcome(target, one, error))
        for above in directories_above(one.path):
            with suppress(OSError):  # it is not empty
                os.rmdir(target / above)
    return outcomes


def _outcome(target: Place, one: Removal, error: PhfsError | None = None) -> Outcome:
    place = target.child(one.path) if isinstance(target, Remote) else target / one.path
    action = Action.REMOVE if error is None else Action.FAIL
    return Outcome(action, str(place), size=one.size, error=error)


def _newer(place: Place) -> Stale:
    return Stale(
        f"{place} was written to since it was to be removed: it stays.",
        "Sync again, or remove it.",
    )
