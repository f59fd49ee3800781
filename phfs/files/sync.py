"""Makes one directory like another: copies what differs, and removes what is only in the target.

Owns what counts as different, and what keeps a removal from happening. Called by
``cli.commands.sync``.

Two files are alike if they have the same size and
* from this machine to the group: the object was stored in a later second than the file was last
  written, replaced or given another name, or the file has the object's time to the nanosecond;
* from the group to this machine: the file has the object's time, which a download gives it, and got
  it in a later second;
* inside the group: the same ETag, or the target was stored in a later second;
or, with ``checksum``, the same bytes by what the store keeps to check them. Stores tell times in
seconds: two that are equal say nothing of which came first.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Set
from pathlib import Path

import trio

from phfs.errors import (
    ConfigError,
    Invalid,
    IsDirectory,
    NoSuchKey,
    NotDirectory,
    NotFound,
    PhfsError,
    Unsupported,
)
from phfs.files import local
from phfs.files.download import replaced
from phfs.files.group import Group
from phfs.files.looking import Entry
from phfs.files.outcome import Action, Outcome, Place, shown
from phfs.files.paths import Remote
from phfs.files.plan import Job, Step
from phfs.files.pruning import Removal, removals, remove
from phfs.files.room import check_above, check_key, directories_above, in_group, needed, what_is
from phfs.files.same import same_bytes
from phfs.files.sides import Rules, Side, side_of
from phfs.files.transfer import Tally, end_expired, transfer
from phfs.files.within import Given, There, inside_itself
from phfs.s3.resumable import Source

ONE_SECOND = 1_000_000_000


Confirm = Callable[[list[Removal], bool], Awaitable[bool]]
"""Whether these may be removed from the target; the second argument: the source has no file."""


async def sync(
    group: Group,
    source: Given,
    target: Given,
    rules: Rules,
    confirm: Confirm,
    *,
    dry: bool = False,
) -> Tally:
    """Make ``target`` like ``source``; ``dry``: only tell what would be done.

    What fails is told to the reporter; then nothing is removed. Raises ``ConfigError``,
    ``NotFound``, ``NotDirectory``, ``StoreError``.
    """
    await _check(group, source, target)
    await end_expired(group, dry=dry)
    here = await side_of(group, source.place, rules)
    there = await side_of(group, target.place, rules._replace(follow=False))
    gone = removals(there.files, here.files, here.odd) if rules.delete else []
    allowed = not gone or dry or (not here.problems and await confirm(gone, not here.files))
    in_the_way = [one for one in gone if one.in_the_way] if allowed and not here.problems else []
    early, kept_back = await _replaceable(group, source.place, target.place, here, in_the_way)
    removed = await remove(group, target.place, early, dry=dry)
    stay = there.files.keys() - {
        one.path for one, outcome in zip(early, removed, strict=True) if outcome.error is None
    }
    way = _Way(target.place, stay, there.odd, kept_back)
    steps = _steps(group, source.place, target.place, here, there, way, rules)
    tally = await transfer(group, steps, dry=dry)
    late = [one for one in gone if not one.in_the_way]
    if late and allowed and (dry or not tally.failed) and not here.problems:
        removed += await remove(group, target.place, late, dry=dry)
    elif gone and (tally.failed or here.problems):
        group.reporter.say(
            f"Nothing more was removed from {target.text}, because not all of {source.text} could "
            "be read or copied."
        )
    failed = sum(outcome.action is Action.FAIL for outcome in removed)
    for outcome in removed:
        group.reporter.ended(outcome)
    return tally._replace(files=tally.files + len(removed) - failed, failed=tally.failed + failed)


async def _check(group: Group, source: Given, target: Given) -> None:
    if isinstance(source.place, Path) and isinstance(target.place, Path):
        raise ConfigError(
            f"Neither {source.text!r} nor {target.text!r} is in the group: what is, begins with "
            "phfs:///, as in phfs:///data."
        )
    for place, other in ((source.place, target.place), (target.place, source.place)):
        if inside_itself(await in_group(group, place), await in_group(group, other)):
            raise Invalid(f"{source.text} and {target.text} are in each other: nothing was done.")
    there = await what_is(group, source.place)
    if there is There.NOTHING:
        raise NotFound(f"There is no directory {source.text}.", "Check the path; nothing was done.")
    if there is There.FILE:
        raise NotDirectory(f"{source.text} is a file: copy it with phfs cp.")
    there = await what_is(group, target.place)
    if there is There.FILE:
        raise NotDirectory(f"{target.text} is a file, and sync makes directories alike.")
    if there is There.NOTHING:
        await check_above(group, target.place)


async def _steps(
    group: Group,
    source: Place,
    target: Place,
    here: Side,
    there: Side,
    way: _Way,
    rules: Rules,
) -> AsyncGenerator[Step, None]:
    for told in (*here.problems, *here.left_out):
        yield told
    for path, one in here.files.items():
        job = _job(source, target, path, one)
        try:
            if job.action is not Action.DOWNLOAD:
                check_key(group, job.key)
            other = there.files.get(path)
            if other is not None and await _alike(group, source, target, path, one, other, rules):
                continue
            way.check(path)
        except PhfsError as error:
            yield Outcome(Action.FAIL, shown(job.source), str(job.target), error=error)
            continue
        yield job


def _job(source: Place, target: Place, path: str, one: Entry | Source) -> Job:
    place = _child(target, path)
    if isinstance(one, Source):
        assert isinstance(place, Remote)
        assert isinstance(source, Path)
        return Job(Action.UPLOAD, source / path, place, one.size, place.path, one)
    if isinstance(place, Path):
        return Job(Action.DOWNLOAD, Remote(one.path), place, one.size, entry=one)
    return Job(Action.COPY, Remote(one.path), place, one.size, place.path, entry=one)


async def _alike(
    group: Group,
    source: Place,
    target: Place,
    path: str,
    one: Entry | Source,
    other: Entry | Source,
    rules: Rules,
) -> bool:
    if one.size != other.size:
        return False
    if rules.checksum:
        here = source / path if isinstance(source, Path) else None
        there = target / path if isinstance(target, Path) else None
        return await same_bytes(group, here or there, one, other)
    return alike(one, other)


def alike(one: Entry | Source, other: Entry | Source) -> bool:
    """Whether a file of the source and one of the target, both of one size, are taken for the same
    by their times."""
    if isinstance(one, Source):
        assert isinstance(other, Entry)
        if one.modified == other.modified * ONE_SECOND:  # it was fetched
            return other.modified < one.changed // ONE_SECOND
        return other.modified > max(one.modified, one.changed) // ONE_SECOND
    if isinstance(other, Source):
        fetched = other.modified // ONE_SECOND == one.modified
        return fetched and other.changed // ONE_SECOND > one.modified
    return one.etag == other.etag or other.modified > one.modified


async def _replaceable(
    group: Group, source: Place, target: Place, here: Side, in_the_way: list[Removal]
) -> tuple[list[Removal], dict[str, PhfsError]]:
    """Of what is in the way that for which something can come; and what keeps the other files of
    the source from coming, by their paths."""
    ready: set[str] = set()
    kept_back: dict[str, PhfsError] = {}
    ways = {one.path for one in in_the_way}
    above = {up for path in ways for up in directories_above(path)}
    for path, one in here.files.items():
        behind = ways.intersection(directories_above(path))
        if path not in above and behind <= ready:
            continue
        try:
            if isinstance(target, Remote):
                check_key(group, target.prefix + path)
            await _look(group, source, path, one)
            ready |= {path, *behind}
        except PhfsError as error:
            kept_back[path] = error
    early = [
        one for one in in_the_way if not ready.isdisjoint((one.path, *directories_above(one.path)))
    ]
    return early, kept_back


async def _look(group: Group, source: Place, path: str, one: Entry | Source) -> None:
    """Raises ``PhfsError`` if a file of the source is not there any more, or cannot be read."""
    if isinstance(one, Source):
        assert isinstance(source, Path)
        await trio.to_thread.run_sync(_open, source / path, one)
        return
    try:
        if (await group.store.head(one.path)).info.etag == one.etag:
            return
    except NoSuchKey:
        pass
    raise replaced(one)


def _open(path: Path, mark: Source) -> None:
    with local.opened(path, mark):
        pass


class _Way:
    """What of the target is in the way of a file: ``stay`` are its files, ``odd`` its links and the
    like; ``kept_back``: what cannot come."""

    def __init__(
        self,
        target: Place,
        stay: Set[str],
        odd: Mapping[str, Outcome],
        kept_back: Mapping[str, PhfsError],
    ) -> None:
        self._target = target
        self._stay = stay
        self._odd = odd
        self._kept_back = kept_back
        self._directories = {above for path in stay for above in directories_above(path)}

    def check(self, path: str) -> None:
        """Refuse a file that cannot be made. In a local directory the system refuses one below
        another."""
        if path in self._kept_back:
            raise self._kept_back[path]
        advice = "Give --delete to have it removed."
        for one in (path, *directories_above(path)):
            if one in self._odd:
                raise Unsupported(
                    f"{_child(self._target, one)} is a link or no regular file: sync writes to "
                    "nothing that it leads to.",
                    "Remove it, or give the directory it leads to as the target.",
                )
        if isinstance(self._target, Path):
            return
        if path in self._directories:
            place = self._target.child(path)
            why = f"{place} is a directory, and a file cannot take its place."
            raise IsDirectory(why, advice)
        for above in directories_above(path):
            if above in self._stay:
                raise needed(self._target.child(above), advice)


def _child(place: Place, path: str) -> Place:
    return place.child(path) if isinstance(place, Remote) else place / path
