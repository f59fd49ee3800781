"""The composition root: from a checked configuration to a served mount.

Owns which parts a mount is made of and the order in which they come and go. Decides nothing that a
part can decide. Called by ``cli``.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import closing

import trio

from phfs import __version__, allocator
from phfs.config import MountConfig
from phfs.config.start import Start
from phfs.core.names import MAX_KEY
from phfs.core.unsaved import Unsaved, read
from phfs.errors import MountError, StoreError, Unfinished
from phfs.first_reason import first_reason
from phfs.fuse.activity import activity
from phfs.fuse.convert import Attributes, Ownership
from phfs.fuse.counts import Counts
from phfs.fuse.explain import Explanations
from phfs.fuse.failures import Failures, local_time
from phfs.fuse.operations import Operations
from phfs.fuse.session import MountOptions, Session
from phfs.fuse.shown import ShownFile
from phfs.s3.client import S3Store
from phfs.s3.journal import JournaledStore, UploadJournal, origin_of
from phfs.s3.leftovers import end_leftovers
from phfs.s3.opening import connect
from phfs.s3.prefix import PrefixedStore
from phfs.s3.refusals import place_of, refusal_at
from phfs.s3.retry import RetryingStore
from phfs.s3.store import Store
from phfs.system import process
from phfs.vfs.filesystem import FileSystem, FileSystemOptions, open_filesystem

log = logging.getLogger(__name__)

MOST_NAMED = 5
"""Files named in the sentence at the end; the log has them all."""

Leaving = Callable[[Callable[[], Sequence[Unsaved]]], Awaitable[None]]
"""Tells a person what a mount that ends waits for, which its argument says; until cancelled."""

CHECK_SECONDS = 10.0
"""How long the store has to answer before anything is mounted: whoever starts a mount waits, and a
supervisor tries again."""


def run(
    config: MountConfig,
    ready: Callable[[], None],
    start: Start = Start(),  # noqa: B008
    leaving: Leaving | None = None,
) -> int:
    """Mount and serve until it is unmounted or a signal ends it; ``ready`` is called in between,
    once the mount answers, ``leaving`` when a signal ends it. Returns 0 after an orderly end.

    Raises ``MountError`` if it could not be mounted, ``Unfinished`` if a signal ended it and not
    everything was saved, ``ConfigError`` for what only the store or the machine could tell was
    wrong.
    """
    allocator.tune(config.memory_limit)
    with first_reason():
        trio.run(_run, config, ready, start, leaving)
    return 0


async def _run(
    config: MountConfig, ready: Callable[[], None], start: Start, leaving: Leaving | None
) -> None:
    options = MountOptions(
        config.mountpoint,
        config.source,
        config.read_only,
        config.allow_other,
        start.device,
        config.noexec,
    )
    session = Session(options, drain_seconds=config.drain_seconds)
    unsaved: set[str] = set()
    cut_short = True
    async with trio.open_nursery() as nursery:
        await nursery.start(session.obey_signals, nursery.cancel_scope)
        with closing(connect(config)) as client:
            if not start.again:
                await check(client, config)
            await _serve(client, config, session, ready, start, unsaved, leaving)
        cut_short = nursery.cancel_scope.cancel_called
        nursery.cancel_scope.cancel()
    for path in sorted(unsaved):
        log.error("%s was not saved: the mount ended before it was closed", path)
    if unsaved or cut_short:
        raise _unfinished(unsaved)


def _unfinished(unsaved: Collection[str]) -> Unfinished:
    if not unsaved:
        return Unfinished("The mount was stopped by a signal before it had finished.")
    files = "1 file was" if len(unsaved) == 1 else f"{len(unsaved)} files were"
    first = ", ".join(sorted(unsaved)[:MOST_NAMED])
    more = f" and {len(unsaved) - MOST_NAMED} more, which the log names" * (
        len(unsaved) > MOST_NAMED
    )
    return Unfinished(
        f"{files} not saved, because the mount ended before a program had closed them: "
        f"{first}{more}.",
        "Write them again; --drain-seconds gives programs more time to finish.",
    )


async def check(store: Store, config: MountConfig) -> None:
    """Ask for one name under the prefix, which is all that a group's keys may be allowed.

    Raises ``MountError`` with a sentence for the person at the command line.
    """
    seconds = min(CHECK_SECONDS, config.retry_deadline)
    asked = PrefixedStore(RetryingStore(store, seconds), config.prefix)
    try:
        await asked.list_page("", limit=1)
    except StoreError as error:
        raise refusal(error, config) from error


def refusal(error: StoreError, config: MountConfig) -> MountError:
    """What the check's failure means for the person who wants to mount."""
    found = refusal_at(error, config)
    return MountError(found.why, found.advice)


async def _serve(
    client: S3Store,
    config: MountConfig,
    session: Session,
    ready: Callable[[], None],
    start: Start,
    unsaved: set[str],
    leaving: Leaving | None,
) -> None:
    """Serve the mount; at its end ``unsaved`` has the paths of files that were given up."""
    origin = origin_of(config)
    lasting = RetryingStore(client, config.retry_deadline)
    failures, counts = Failures(time.time), Counts()
    for crash in start.crashes:
        failures.report("/", "mount", crash)
    with closing(UploadJournal(config.state_dir, origin)) as journal:
        store = PrefixedStore(JournaledStore(lasting, journal), config.prefix)
        try:
            async with open_filesystem(store, filesystem_options(config, failures)) as fs:
                explanations = Explanations(
                    failures,
                    counts,
                    lambda: (
                        status(
                            config,
                            failures,
                            fs,
                            {**client.counters, "retries": lasting.retries, "strays": store.strays},
                            start,
                        )
                        | {"store": client.capabilities.status()}
                        | {"process": process.usage()}
                        | activity(config.prefix, fs.ending.under_way(), client)
                    ),
                    ShownFile(config.show_file) if config.show_file else None,
                )
                ownership = Ownership(config.uid, config.gid, config.file_mode, config.dir_mode)
                operations = Operations(fs, explanations, failures, counts, Attributes(ownership))
                async with trio.open_nursery() as background:
                    if not config.read_only:
                        background.start_soon(end_leftovers, lasting, config.state_dir, origin)
                    await session.serve(
                        operations,
                        ready,
                        lambda: _settle(fs, client, config, leaving),
                        fs.ending.outstanding,
                    )
                    background.cancel_scope.cancel()
        finally:
            unsaved.update(fs.ending.unsaved)


async def _settle(
    fs: FileSystem, client: S3Store, config: MountConfig, leaving: Leaving | None
) -> None:
    """Wait until nobody has anything left to save, and say meanwhile for whom."""

    def unsaved() -> list[Unsaved]:
        return read(activity(config.prefix, fs.ending.under_way(), client)["unsaved"])

    async with trio.open_nursery() as nursery:
        if leaving is not None:
            nursery.start_soon(leaving, unsaved)
        await fs.ending.settle()
        nursery.cancel_scope.cancel()


def filesystem_options(config: MountConfig, failures: Failures) -> FileSystemOptions:
    """What the file system needs to know of the configuration."""
    return FileSystemOptions(
        metadata_ttl=config.metadata_ttl,
        memory_limit=config.memory_limit,
        part_size=config.part_size,
        read_only=config.read_only,
        dir_markers=config.dir_markers,
        rename_limit=config.rename_limit,
        max_key=MAX_KEY - len(config.prefix.encode()),
        drain_seconds=config.drain_seconds,
        report=failures.report,
        give_back=allocator.give_back,
    )


def status(
    config: MountConfig,
    failures: Failures,
    fs: FileSystem,
    requests: Mapping[str, int],
    start: Start = Start(),  # noqa: B008
) -> dict[str, object]:
    """What ``.phfs/status`` shows: never a key, a token or anything else that is secret."""
    return {
        "mount_point": str(config.mountpoint),
        "version": __version__,
        "pid": os.getpid(),
        "supervisor_pid": start.supervisor,
        "crashes": start.deaths,
        "log": None if config.foreground else str(config.log_file),
        "mounted_since": local_time(failures.since),
        "uptime_seconds": int(time.time() - failures.since),
        "endpoint": place_of(config.endpoint_url),
        "bucket": config.bucket,
        "prefix": config.prefix,
        "read_only": config.read_only,
        "failures": failures.total,
        "limits": {
            "metadata_ttl_seconds": config.metadata_ttl,
            "memory_limit_bytes": config.memory_limit,
            "part_size_bytes": config.part_size,
            "rename_limit_objects": config.rename_limit,
            "timeout_seconds": config.timeout,
            "retry_deadline_seconds": config.retry_deadline,
            "drain_seconds": config.drain_seconds,
        },
        **fs.status(),
        "requests": dict(sorted(requests.items())),
    }
