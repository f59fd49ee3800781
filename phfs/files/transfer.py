"""Copies files into the group, out of it and inside it, many at once.

Owns the order of things: what runs beside what, which failure ends the rest, what is told.
``copy`` is the whole of ``phfs cp``. Prints nothing and knows no option of a command line. Called
by ``moving``, ``sync`` and ``cli``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import trio

from phfs.core.content_type import DIRECTORY
from phfs.core.objects import Attributes
from phfs.errors import (
    BadCredentials,
    ConnectionFailed,
    Corrupted,
    Exists,
    NoSuchBucket,
    NoSuchKey,
    NotDirectory,
    PhfsError,
    PreconditionFailed,
    UntrustedServer,
)
from phfs.files import plan
from phfs.files.download import download, download_stream, replaced
from phfs.files.group import FILES, Group
from phfs.files.local import failed
from phfs.files.outcome import STREAM, Action, Outcome
from phfs.files.paths import Remote
from phfs.files.plan import Job, Options, Step
from phfs.files.upload import abort, upload, upload_stream
from phfs.files.within import Given
from phfs.s3.copying import copy_object

STANDARD_INPUT, STANDARD_OUTPUT = 0, 1

_HOPELESS = (BadCredentials, ConnectionFailed, NoSuchBucket, UntrustedServer)
"""Whatever one file fails by of these, all others would."""


class Tally(NamedTuple):
    """What was done. ``size``: bytes of the files that were done."""

    files: int
    size: int
    skipped: int
    failed: int


async def copy(
    group: Group, sources: list[Given], target: Given, options: Options, *, dry: bool = False
) -> Tally:
    """Copy ``sources`` to ``target``, of which one at least is in the group; ``dry``: only tell
    what would be done.

    What fails is told to the reporter file by file, and does not stop the others. Raises
    ``ConfigError`` if nothing can be done at all, ``StoreError`` if the store does not answer, or
    not to these keys.
    """
    await end_expired(group, dry=dry)
    return await transfer(group, plan.jobs(group, sources, target, options), dry=dry)


async def transfer(
    group: Group,
    steps: AsyncGenerator[Step, None],
    *,
    dry: bool = False,
    done: Callable[[Job], None] = lambda _: None,
) -> Tally:
    """Carry out ``steps``; ``done`` gets each that succeeded."""
    runner = _Runner(group, done)
    async with trio.open_nursery() as nursery:
        await runner.feed(steps, nursery, dry=dry)
    if runner.hopeless is not None:
        raise runner.hopeless
    return runner.tally()


async def end_expired(group: Group, *, dry: bool) -> None:
    """Abort the uploads that nobody has gone on with for days; one for which that fails is tried
    again by the next command. ``dry``: do nothing."""
    if dry or group.records is None:
        return
    for key, record in group.records.expired():
        if await abort(group, key, record.upload):
            record.forget()
        else:
            record.close()


class _Runner:
    """Runs jobs and counts them."""

    def __init__(self, group: Group, done: Callable[[Job], None]) -> None:
        self._group = group
        self.hopeless: PhfsError | None = None
        """What ended everything."""
        self._done = done
        self._room = trio.Semaphore(FILES)
        self._made: set[Path] = set()
        self._files = self._size = self._skipped = self._failed = 0

    def tally(self) -> Tally:
        """What was done so far."""
        return Tally(self._files, self._size, self._skipped, self._failed)

    def end(self, outcome: Outcome) -> None:
        """Count an outcome and tell it."""
        if outcome.action is Action.FAIL:
            self._failed += 1
        elif outcome.action is Action.SKIP:
            self._skipped += 1
        else:
            self._files += 1
            self._size += outcome.size
        self._group.reporter.ended(outcome)

    async def feed(
        self, steps: AsyncGenerator[Step, None], nursery: trio.Nursery, *, dry: bool
    ) -> None:
        """Begin the steps as they come and as there is room for them."""
        try:
            async with aclosing(steps) as planned:
                async for step in planned:
                    if isinstance(step, Outcome):
                        self.end(step)
                    elif not dry:
                        await self._room.acquire()
                        nursery.start_soon(self._run, step, nursery.cancel_scope)
                    elif not step.is_directory:
                        self.end(_outcome(step))
        except PhfsError as error:
            self.hopeless = error
            nursery.cancel_scope.cancel()

    async def _run(self, job: Job, all_of_them: trio.CancelScope) -> None:
        began = trio.current_time()
        counted = not job.is_directory
        if counted:
            self._group.reporter.found(1, job.size)
        try:
            size, verified = await self._do(job)
        except _HOPELESS as error:
            self.hopeless = error
            all_of_them.cancel()
        except PhfsError as error:
            if isinstance(error, Exists | PreconditionFailed) and not self._group.overwrite:
                self.end(plan.skipped(job))  # made by somebody else meanwhile
                return
            self.end(_outcome(job)._replace(action=Action.FAIL, error=error))
        else:
            if counted:
                seconds = trio.current_time() - began
                outcome = _outcome(job)._replace(size=size, seconds=seconds, verified=verified)
                self.end(outcome)
            self._done(job)
        finally:
            self._room.release()

    async def _do(self, job: Job) -> tuple[int, str]:
        group = self._group
        if job.action is Action.COPY:
            return job.size, await _copy(group, job)
        if job.action is Action.DOWNLOAD:
            return job.size, await self._fetch(job)
        assert isinstance(job.source, Path)
        if job.is_directory:
            await group.store.put(job.key, [], Attributes(content_type=DIRECTORY))
            return 0, ""
        if job.mark is None:
            return await upload_stream(group, STANDARD_INPUT, job.source, job.key)
        return job.size, await upload(group, job.source, job.mark, job.key)

    async def _fetch(self, job: Job) -> str:
        assert isinstance(job.target, Path)
        if job.target == STREAM:
            assert job.entry is not None
            return await download_stream(self._group, job.entry, STANDARD_OUTPUT, job.target)
        directory = job.target if job.is_directory else job.target.parent
        if directory not in self._made:
            _make(directory)
            self._made.add(directory)
        if job.is_directory:
            return ""
        assert job.entry is not None
        return await download(self._group, job.entry, job.target)


async def _copy(group: Group, job: Job) -> str:
    """Copy inside the store; by what the copy is known to be whole."""
    entry = job.entry
    assert entry is not None
    try:
        stored = await copy_object(
            group.store, entry.path, job.key, size=entry.size, if_match=entry.etag
        )
        if stored.etag == entry.etag:
            verified = "etag"
        else:
            # Made of parts, or encrypted: the store names the same bytes in another way.
            info = (await group.store.head(job.key)).info
            if (info.etag, info.size) != (stored.etag, entry.size):
                raise Corrupted(f"{Remote(job.key)} is not what was copied there.")
            verified = "size"
    except (PreconditionFailed, NoSuchKey):
        raise replaced(entry) from None
    group.reporter.moved(entry.size)
    return verified


def _outcome(job: Job) -> Outcome:
    return Outcome(job.action, _shown(job.source), _shown(job.target), job.size)


def _shown(place: Path | Remote) -> str:
    return str(place) if isinstance(place, Remote) else os.fspath(place)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotDirectory(f"{directory} is needed as a directory, and a file is there.") from None
    except OSError as error:
        raise failed(directory, "made", error) from None
