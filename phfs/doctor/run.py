"""The order of the checks, and that nothing is left behind by them.

Owns which check needs which, the store they share, and the removal of what they have written, when
they are interrupted as well. Called by ``cli``.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import trio

from phfs.config import MountConfig
from phfs.doctor import access, machine, standing, trial
from phfs.doctor.examination import Examination, Finding, Verdict, fail, in_thread, ok, skip
from phfs.doctor.network import Way
from phfs.doctor.rights import Rights
from phfs.doctor.scratch import Scratch, remove_leftovers
from phfs.doctor.standing import MountSeen
from phfs.errors import StoreError
from phfs.machine import Machine
from phfs.s3.client import S3Store
from phfs.s3.journal import JournaledStore, UploadJournal, abort_leftovers, origin_of
from phfs.s3.opening import connect
from phfs.s3.prefix import PrefixedStore
from phfs.s3.retry import RetryingStore
from phfs.s3.store import Store

STORE_SECONDS = 10.0
"""How long a request is tried again: a person waits."""

REMOVE_SECONDS = 20.0

ONCE_MORE_SECONDS = 1.0
"""After an interruption a request may still take effect: what it made is looked for again."""

_WRITING = ("delete", "write", "read", "multipart", "copy", "delete many", "outside", "trial mount")
"""Checks that make no sense where nothing can be listed, or nothing be noted."""

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Patient(NamedTuple):
    """What is examined. ``mount``: one that is there; ``read_only``: nothing is to be written."""

    config: MountConfig
    machine: Machine
    mount: MountSeen | None = None
    read_only: bool = False


def run(patient: Patient, tell: Callable[[Finding], None]) -> Examination:
    """Examine everything; ``tell`` hears each finding at once.

    Raises ``ConfigError`` for options that cannot be meant, ``KeyboardInterrupt`` when a signal
    comes, after everything was removed.
    """
    with _interruptible() as deafen:
        return trio.run(Run(patient, tell, deafen).go)


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """The signals are trio's ``KeyboardInterrupt``, which comes where it does no harm; what this
    gives has them ignored from then on."""

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)

    def deafen() -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)

    try:
        yield deafen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Run:
    """One examination. ``deafen`` is called when nothing may interrupt it any more."""

    def __init__(
        self, patient: Patient, tell: Callable[[Finding], None], deafen: Callable[[], None]
    ) -> None:
        self._patient = patient
        self._deafen = deafen
        self._config = patient.config
        self._origin = origin_of(patient.config)
        self._way = Way(patient.config)
        self._examination = Examination(tell)
        self._check = self._examination.check
        self._client: S3Store | None = None

    async def go(self) -> Examination:
        """All checks."""
        if self._patient.mount is None:
            await self._look_at_machine(self._patient.machine)
        else:
            await self._look_at_mount(self._patient.mount)
        await self._go_the_way()
        await self._check("keys", in_thread(self._connect))
        if self._client is not None:
            with closing(self._client) as client:
                await self._with_keys(client)
        elif self._patient.mount is not None and not self._patient.read_only:
            await self._check_mount(self._patient.mount)
        return self._examination

    # -- without the store -----------------------------------------------------------------------

    async def _look_at_machine(self, here: Machine) -> None:
        config = self._config
        looks: dict[str, Callable[[], Verdict]] = {
            "fuse": lambda: machine.fuse(here),
            "fusermount3": lambda: machine.fusermount(here),
            "allow-other": lambda: machine.allow_other(here, config),
            "kernel": lambda: machine.kernel(here),
            "memory": lambda: machine.memory(here, config),
            "open files": lambda: machine.open_files(here),
            "state directory": lambda: machine.state_directory(config),
        }
        for name, look in looks.items():
            await self._check(name, in_thread(look))

    async def _look_at_mount(self, mount: MountSeen) -> None:
        await self._check("mount", in_thread(lambda: standing.answers(mount)))
        looks: dict[str, Callable[[], Verdict]] = {
            "deaths": lambda: standing.deaths(mount),
            "failures": lambda: standing.failures(mount),
            "guarantees": lambda: standing.promises(mount),
        }
        for name, look in looks.items():
            await self._check(name, in_thread(look), needs=("mount",))
        await self._check(
            "state directory", in_thread(lambda: machine.state_directory(self._config))
        )

    async def _go_the_way(self) -> None:
        way = self._way
        await self._check("name", in_thread(way.name))
        await self._check("port", in_thread(way.port), needs=("name",))
        await self._check("tls", in_thread(way.certificate), needs=("port",))
        await self._check("store", in_thread(way.is_s3), needs=("tls",))
        await self._check("clock", in_thread(way.clock), needs=("store",))
        if way.heard is not None:
            self._examination.server = way.heard.headers.get("server", "")

    def _connect(self) -> Verdict:
        found = access.keys(self._config)
        self._client = connect(self._config)
        return found

    # -- with it ---------------------------------------------------------------------------------

    async def _with_keys(self, client: S3Store) -> None:
        config, lasting = self._config, RetryingStore(client, STORE_SECONDS)
        first = access.FirstRequest(config, lasting)
        await self._check("keys accepted", first.send, needs=("store",))
        region = in_thread(self._way.region_of_bucket)
        await self._check("region", region, needs=("keys accepted",))
        await self._check("bucket", first.bucket, needs=("keys accepted",))
        await self._check("list", first.list, needs=("bucket",))
        if self._patient.read_only:
            whole = PrefixedStore(lasting, config.prefix)
            rights = Rights(config, client, whole, whole, "")
            await self._check("read", lambda: rights.read(written=False), needs=("list",))
            await self._around(rights, writes=False)
        elif not self._examination.passed("list"):
            await self._skip(("list",))
        elif not self._examination.passed("state directory"):
            await self._skip(("state directory",))
        else:
            with (
                closing(Scratch(config.state_dir, self._origin)) as scratch,
                closing(UploadJournal(config.state_dir, self._origin)) as journal,
            ):
                await self._writing(client, JournaledStore(lasting, journal), scratch)

    async def _skip(self, needs: tuple[str, ...]) -> None:
        async def never() -> Verdict:
            raise AssertionError("what it needs was not well")

        for name in _WRITING:
            await self._check(name, never, needs=needs)

    async def _writing(self, client: S3Store, store: Store, scratch: Scratch) -> None:
        config = self._config
        whole = PrefixedStore(store, config.prefix)
        own = PrefixedStore(store, config.prefix + scratch.prefix)
        rights = Rights(config, client, whole, own, scratch.prefix.rstrip("/"))
        finished = False
        try:
            await self._check("leftovers", lambda: self._leftovers(store, whole), needs=("list",))
            await self._check("delete", rights.delete, needs=("list",))
            await self._check("write", rights.write, needs=("list",))
            written = rights.may_remove and self._examination.passed("write")
            await self._check("read", lambda: rights.read(written=written), needs=("list",))
            for name, look in (
                ("multipart", rights.multipart),
                ("copy", rights.copy),
                ("guarantees", rights.promises),
                ("delete many", rights.delete_many),
            ):
                if name != "guarantees" or self._patient.mount is None:
                    await self._check(name, look, needs=("delete", "write"))
            await self._around(rights, writes=True)
            await self._try_it(scratch)
            finished = True
        finally:
            await self._clean_up(whole, scratch, finished=finished)

    async def _around(self, rights: Rights, *, writes: bool) -> None:
        await self._check("list uploads", rights.list_uploads, needs=("list",))
        await self._check("outside", lambda: rights.outside(writes=writes), needs=("list",))

    async def _leftovers(self, store: Store, whole: Store) -> Verdict:
        """What an earlier run, or a mount that died, could not remove."""
        state = self._config.state_dir
        uploads = await abort_leftovers(store, state, self._origin)
        runs = await remove_leftovers(whole, state, self._origin)
        if not uploads and not runs:
            return ok("none")
        return ok(f"removed those of {runs} earlier runs, and {uploads} unfinished uploads")

    async def _try_it(self, scratch: Scratch) -> None:
        if self._patient.mount is not None:
            await self._check_mount(self._patient.mount, scratch.prefix)
            return
        one = trial.Trial(
            self._config, f"{self._config.prefix}{scratch.prefix}mount/", scratch.directory
        )
        needs = ("fuse", "fusermount3", "delete", "write")
        await self._check("trial mount", one.work, needs=needs, seconds=trial.SECONDS)
        ahead = in_thread(lambda: one.read_ahead)
        await self._check("read-ahead", ahead, needs=("trial mount",))

    async def _check_mount(self, mount: MountSeen, name: str = "") -> None:
        """A file goes through a mount that is there."""
        directory = mount.path / name if name else standing.own_name(mount)

        async def work() -> Verdict:
            if mount.status.get("read_only"):
                return skip("the mount is read-only")
            try:
                return await trio.to_thread.run_sync(_exercise, directory, abandon_on_cancel=True)
            finally:
                with trio.move_on_after(REMOVE_SECONDS, shield=True):
                    await trio.to_thread.run_sync(_remove, directory, abandon_on_cancel=True)

        await self._check("a file", work, needs=("mount",), seconds=trial.WORK_SECONDS)

    async def _clean_up(self, whole: Store, scratch: Scratch, *, finished: bool) -> None:
        """Remove everything; nothing interrupts that."""
        self._deafen()

        async def remove() -> Verdict:
            try:
                left = await scratch.remove(whole)
                if not finished:
                    await trio.sleep(ONCE_MORE_SECONDS)
                    left = await scratch.remove(whole)
            except StoreError as error:
                return fail(f"the store does not let it be done ({error.why})", _again(scratch))
            if left:
                return fail(f"{left} objects could not be removed", _again(scratch))
            return ok("nothing is left")

        with trio.CancelScope(shield=True):
            await self._check("clean-up", remove, needs=("list",), seconds=REMOVE_SECONDS)


def _again(scratch: Scratch) -> str:
    return f"phfs doctor removes them when it runs again; they are below {scratch.prefix}"


def _exercise(directory: Path) -> Verdict:
    directory.mkdir()
    return ok(trial.exercise(directory))


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
