"""Which file goes where, when places are copied or moved.

Owns the walk over what is named, and what is refused of it: by name, while the others go on.
Changes nothing. Called by ``transfer`` and ``moving``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import trio

from phfs.errors import Exists, IsDirectory, PhfsError, Unsupported
from phfs.files import local, refusing
from phfs.files.group import Group
from phfs.files.looking import Entry, objects, tree
from phfs.files.outcome import STREAM, Action, Outcome, Place, shown
from phfs.files.paths import Remote
from phfs.files.room import (
    Existing,
    Taken,
    check_above,
    check_key,
    check_length,
    unseen,
    what_is,
)
from phfs.files.within import Given, There, check_sides, goes_to
from phfs.s3.resumable import Source


class Options(NamedTuple):
    """How is copied. ``recursive``: directories, too; ``follow``: links in them are what they lead
    to; ``moving``: a directory does not go into one of its name that has something in it;
    ``several``: other sources go to the same target."""

    recursive: bool = False
    follow: bool = False
    moving: bool = False
    several: bool = False


class Job(NamedTuple):
    """One file, or a directory as such. ``mark`` says which version of a local file is meant,
    ``entry`` which of one in the group; ``key`` is where it goes there."""

    action: Action
    source: Place
    target: Place
    size: int = 0
    key: str = ""
    mark: Source | None = None
    entry: Entry | None = None
    is_directory: bool = False


Step = Job | Outcome
"""Something to do, or to tell of what is not done."""


async def jobs(
    group: Group,
    sources: list[Given],
    target: Given,
    options: Options,
    taken: Taken | None = None,
) -> AsyncGenerator[Step, None]:
    """What copying ``sources`` to ``target`` means, file by file. ``taken`` has what sources before
    have become, and gets what these do.

    Raises ``ConfigError`` if that means nothing, ``NotDirectory`` if the target is below a file,
    ``StoreError``.
    """
    check_sides(sources, target)
    there = await what_is(group, target.place)
    if there is There.NOTHING:
        await check_above(group, target.place)
    taken = Taken() if taken is None else taken
    options = options._replace(several=options.several or len(sources) > 1)
    for source in sources:
        try:
            one = _of_source(group, source, target, there, options, taken)
            async with aclosing(one) as steps:
                async for step in steps:
                    yield _unless_taken(taken, step) if options.several else step
        except PhfsError as error:
            yield Outcome(Action.FAIL, source.text, target.text, error=error)


async def _of_source(
    group: Group,
    source: Given,
    target: Given,
    there: There,
    options: Options,
    taken: Taken,
) -> AsyncGenerator[Step, None]:
    entry = None
    if isinstance(source.place, Remote):
        entry = await refusing.found(group, source.place)
        is_directory = entry.is_dir
    else:
        is_directory = False if source.is_stream else refusing.is_directory_here(source)
    if is_directory and not options.recursive:
        raise IsDirectory(f"{source.text} is a directory: give -r to copy all that is in it.")
    if is_directory and target.is_stream:
        raise IsDirectory(f"{source.text} is a directory: - takes one file.")
    if source.is_stream and (there is There.DIRECTORY or target.slash):
        raise IsDirectory(f"{target.text} is a directory: name the file that - becomes in it.")
    place = goes_to(source, target, there, is_directory=is_directory, several=options.several)
    await refusing.check(
        group, source, target, place, there, is_directory=is_directory, moving=options.moving
    )
    if options.moving and place in taken.sources:
        raise Exists(f"{place} would be overwritten by {source.text} in the same command.")
    taken.sources.add(place)
    if not is_directory:
        yield await _one(group, source, place, entry)
        return
    if isinstance(source.place, Path):
        assert isinstance(place, Remote)
        steps = _upload_tree(group, source.place, place, options)
    elif isinstance(place, Path):
        steps = _download_tree(group, source.place, place)
    else:
        steps = _copy_tree(group, source.place, place)
    async with aclosing(steps) as planned:
        async for step in planned:
            yield step


def _unless_taken(taken: Taken, step: Step) -> Step:
    if isinstance(step, Outcome):
        return step
    source = shown(step.source)
    place, is_directory = step.target, step.is_directory
    if isinstance(place, Remote) and place.path.endswith("/"):
        place, is_directory = Remote(place.path.removesuffix("/")), True
    try:
        taken.add(place, source, is_directory=is_directory)
    except PhfsError as error:
        return Outcome(Action.FAIL, source, str(step.target), error=error)
    return step


async def _one(group: Group, source: Given, place: Place, entry: Entry | None) -> Step:
    if entry is not None:
        if isinstance(place, Path):
            return _download(group, entry, place)
        return await _copy(group, entry.path, entry, place.path)
    assert isinstance(place, Remote)
    assert isinstance(source.place, Path)
    check_key(group, place.path)
    if source.is_stream:
        return Job(Action.UPLOAD, source.place, place, key=place.path)
    mark = local.mark_of(source.place, source.place.stat())
    if not source.place.is_file():
        raise Unsupported(
            f"{source.text} is no regular file.", "Send what can be read from it with - as source."
        )
    job = Job(Action.UPLOAD, source.place, place, mark.size, place.path, mark)
    if not group.overwrite and await what_is(group, place) is not There.NOTHING:
        return skipped(job)
    return job


def _download(group: Group, entry: Entry, path: Path) -> Step:
    source = Remote(entry.path)
    job = Job(Action.DOWNLOAD, source, path, entry.size, entry=entry, is_directory=entry.is_dir)
    if not (group.overwrite or entry.is_dir or path == STREAM) and os.path.lexists(path):
        return skipped(job)
    return job


async def _copy(group: Group, key: str, entry: Entry, target: str) -> Step:
    check_key(group, target)
    job = Job(Action.COPY, Remote(key), Remote(target), entry.size, target, entry=entry)
    if not group.overwrite and await what_is(group, Remote(target)) is not There.NOTHING:
        return skipped(job)
    return job


def skipped(job: Job) -> Outcome:
    """It is there already, and is not to be overwritten."""
    note = "is there already"
    return Outcome(Action.SKIP, str(job.source), str(job.target), job.size, note=note)


async def _upload_tree(
    group: Group, directory: Path, place: Remote, options: Options
) -> AsyncGenerator[Step, None]:
    existing = Existing()
    await existing.read(group, place)
    found = local.walk(directory, follow=options.follow)
    while batch := await trio.to_thread.run_sync(local.take, found):
        for one in batch:
            yield upload_of(group, directory, place, one, existing)


def upload_of(
    group: Group, directory: Path, place: Remote, one: local.Found, existing: Existing
) -> Step:
    """What a file below ``directory`` means for the group."""
    name = shown(one.path)
    if one.problem is not None:
        return Outcome(Action.FAIL, name, error=one.problem)
    target = Remote(place.prefix + one.path.relative_to(directory).as_posix())
    if one.path == directory:
        target = place
    try:
        check_key(group, target.path)
        existing.check(target.path, is_directory=one.mark is None)
    except PhfsError as error:
        return Outcome(Action.FAIL, name, error=error)
    if one.mark is None:
        key = target.prefix
        return Job(Action.UPLOAD, one.path, target, key=key, is_directory=True)
    job = Job(Action.UPLOAD, one.path, target, one.mark.size, target.path, one.mark)
    return skipped(job) if not group.overwrite and target.path in existing.files else job


async def _download_tree(group: Group, source: Remote, place: Path) -> AsyncGenerator[Step, None]:
    yield Job(Action.DOWNLOAD, source, place, is_directory=True)
    left_out: list[str] = []
    async with aclosing(tree(group.store, Remote(source.path), left_out)) as found:
        async for entry in found:
            yield _download(group, entry, place / entry.path[len(source.prefix) :])
    for key in left_out:
        yield Outcome(Action.FAIL, str(Remote(key)), error=unseen(key))


async def _copy_tree(group: Group, source: Remote, place: Remote) -> AsyncGenerator[Step, None]:
    existing = Existing()
    await existing.read(group, place)
    async with aclosing(objects(group.store, Remote(source.path))) as found:
        async for info in found:
            target = place.prefix + info.key[len(source.prefix) :]
            entry = Entry(info.key, False, info.size, info.modified, info.etag)  # noqa: FBT003
            job = Job(Action.COPY, Remote(info.key), Remote(target), info.size, target, entry=entry)
            try:
                check_length(group, target)
                is_directory = target.endswith("/")
                existing.check(target.removesuffix("/"), is_directory=is_directory)
            except PhfsError as error:
                yield Outcome(Action.FAIL, str(Remote(info.key)), str(Remote(target)), error=error)
                continue
            yield skipped(job) if not group.overwrite and target in existing.files else job
