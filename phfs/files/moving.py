"""Moves files: copies them, and removes the sources that were copied and have not changed since.

Owns what is removed: nothing of a source of which anything could not be copied, and of the others
only the versions that were. Called by ``cli.commands.mv``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import trio

from phfs.core.objects import ETag
from phfs.errors import Invalid, NoSuchKey, OperationFailed, PhfsError, Stale, StoreError
from phfs.files import plan
from phfs.files.group import Group
from phfs.files.local import failed, is_still
from phfs.files.looking import objects
from phfs.files.outcome import Action, Outcome, Place
from phfs.files.paths import Remote
from phfs.files.plan import Job, Options
from phfs.files.room import Taken
from phfs.files.transfer import Tally, end_expired, transfer
from phfs.files.within import Given
from phfs.s3.store import MAX_DELETE


async def move(
    group: Group, sources: list[Given], target: Given, options: Options, *, dry: bool = False
) -> Tally:
    """Move ``sources`` to ``target``; ``dry``: only tell what would be done.

    ``group.durable`` has to be set. Raises as ``transfer.copy``.
    """
    await end_expired(group, dry=dry)
    several = options.several or len(sources) > 1
    options = options._replace(recursive=True, moving=True, several=several)
    taken = Taken()
    total = Tally(0, 0, 0, 0)
    for source in sources:
        error = await trio.to_thread.run_sync(_unmovable, source)
        if error is not None:
            group.reporter.ended(Outcome(Action.FAIL, source.text, target.text, error=error))
            total = total._replace(failed=total.failed + 1)
            continue
        made: list[Job] = []
        steps = plan.jobs(group, [source], target, options, taken)
        tally = await transfer(group, steps, dry=dry, done=made.append)
        left = 0
        if not (dry or tally.failed or tally.skipped):
            left = await _remove(group, source, made)
        elif made:
            group.reporter.say(f"Nothing of {source.text} was removed, as not all was copied.")
        total = Tally(
            total.files + tally.files,
            total.size + tally.size,
            total.skipped + tally.skipped,
            total.failed + tally.failed + left,
        )
    return total


def _unmovable(source: Given) -> Invalid | None:
    if not source.name:
        return Invalid(f"{source.text} cannot be moved as a whole: name what is in it.")
    if isinstance(source.place, Path) and source.place.is_symlink() and source.place.is_dir():
        return Invalid(
            f"{source.text} is a symbolic link to a directory, which cannot be moved to the group.",
            f"Move the directory itself, {source.place.resolve()}, or copy it with phfs cp -r.",
        )
    return None


async def _remove(group: Group, source: Given, made: list[Job]) -> int:
    """Remove what was copied; how many files of it could not be."""
    if isinstance(source.place, Path):
        failures = await trio.to_thread.run_sync(_unlink, source.place, made)
    else:
        copied = {job.entry.path: job.entry.etag for job in made if job.entry is not None}
        is_directory = any(job.is_directory for job in made) or source.place.path not in copied
        if is_directory:
            failures = await _delete_tree(group, Remote(source.place.path), copied)
        else:
            failures = await _delete_file(group, source.place, copied[source.place.path])
    for place, error in failures:
        group.reporter.ended(Outcome(Action.FAIL, str(place), error=error))
    return len(failures)


def _unlink(source: Path, made: list[Job]) -> list[tuple[Place, PhfsError]]:
    failures: list[tuple[Place, PhfsError]] = []
    for job in made:
        path, mark = job.source, job.mark
        if mark is None or isinstance(path, Remote):
            continue
        try:
            now = os.lstat(path) if not source.is_symlink() else os.stat(path)
            if is_still(mark, now):
                os.unlink(path)
            else:
                failures.append((path, _newer(path)))
        except OSError as error:
            failures.append((path, failed(path, "removed", error)))
    if source.is_dir() and not source.is_symlink():
        for directory, _, _ in os.walk(source, topdown=False):
            with suppress(OSError):  # not empty: what it holds is named already, or below
                os.rmdir(directory)
        if source.exists() and not failures:
            failures.append((source, _holds(source)))
    return failures


async def _delete_file(group: Group, place: Remote, etag: ETag) -> list[tuple[Place, PhfsError]]:
    try:
        if (await group.store.head(place.path)).info.etag != etag:
            return [(place, _newer(place))]
        await group.store.delete(place.path)
    except NoSuchKey:
        return []
    except StoreError as error:
        return [(place, _stays(place, error))]
    return []


async def _delete_tree(
    group: Group, place: Remote, copied: dict[str, ETag]
) -> list[tuple[Place, PhfsError]]:
    """Delete the versions that were copied, and the markers of the directories they were in."""
    failures: list[tuple[Place, PhfsError]] = []
    batch: list[str] = []

    async def send() -> None:
        for failure in await group.store.delete_many(batch):
            failures.append((Remote(failure.key), _stays(Remote(failure.key), failure.error)))
        batch.clear()

    try:
        async for info in objects(group.store, place):
            marker = info.key.endswith("/") and not info.size
            if marker or copied.get(info.key) == info.etag:
                batch.append(info.key)
            else:
                failures.append((Remote(info.key), _newer(Remote(info.key))))
            if len(batch) == MAX_DELETE:
                await send()
        await send()
    except StoreError as error:
        failures.append((place, _stays(place, error)))
    return failures


def _newer(place: Place) -> Stale:
    return Stale(
        f"{place} was copied, and written to since: it stays.", "Move it again, or remove it."
    )


def _holds(directory: Path) -> Stale:
    return Stale(
        f"{directory} stays: something is in it that was not there when it was copied, or is left "
        "of a copy that was interrupted.",
        "Look what is in it (ls -A), and move that or remove it.",
    )


def _stays(place: Place, error: PhfsError) -> OperationFailed:
    return OperationFailed(f"{place} was copied and cannot be removed: {error.why}", error.advice)
