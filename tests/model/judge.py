"""The model as judge of a mount whose store fails: exact until the failure, then what must hold.

Owns the rules of what a failure may do. Until the store has failed a call, every step is compared
with the model as ``pair`` does. The step that meets the failure gives what the model says, or an
error, and each key has what the model has before or after the step. Of the steps after it, whatever
they return: a read gives bytes of one version; a close that succeeds has stored all that was
written; no step changes what it does not name; a rename loses nothing. Called by
``test_any_failure``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import trio
import trio.testing

from phfs.errors import (
    Exists,
    IsDirectory,
    NotDirectory,
    NotEmpty,
    NotFound,
    PhfsError,
)
from phfs.vfs.values import OpenFlags
from tests.model.commands import Command, content
from tests.model.history import RecordingStore
from tests.model.model import File, Handle
from tests.model.pair import SLOTTED, TTL, Pair
from tests.support.volume import NOTHING_IN_USE, OpenFile, Volume

ANSWERS = (NotFound, Exists, NotEmpty, IsDirectory, NotDirectory)
"""Answers to a question: a failure of the store is none."""

UNKNOWN = Handle(File("", None), OpenFlags(), None, 0, fixed=False, truncating=False, reading=False)
"""Stands for the model's side of a file that was opened after the model's last word."""

Contents = dict[str, bytes]


class Affected(Exception):
    """A step met the failure."""


class JudgedPair(Pair):
    """``failing_call``: the number of the call whose failure may be seen, counted from the store's
    first. ``in_doubt``: the number of one after which an empty file that was made exclusively may
    be taken for somebody else's."""

    def __init__(
        self, store: RecordingStore, volume: Volume, *, failing_call: float, in_doubt: float
    ) -> None:
        super().__init__(store.memory, volume)
        self.recording = store
        self._failing_call = failing_call
        self._in_doubt = in_doubt
        self.reported: list[str] = []
        """Paths whose release failed, which no call tells."""

    @property
    def struck(self) -> bool:
        return self.recording.count() >= self._failing_call

    async def check(self) -> None:
        if not self.reported:
            await super().check()

    def unexpected(self, error: PhfsError) -> None:
        if isinstance(error, Exists) and self.recording.count() >= self._in_doubt:
            raise Affected from error
        if self.struck and not isinstance(error, ANSWERS):  # an answer is not true
            raise Affected from error


def check_step(before: Contents, after: Contents, found: Contents, command: Command) -> None:
    """The step that met the failure: each key as before or as the model says, nothing lost."""
    for key in {*before, *after, *found}:
        allowed = {before.get(key), after.get(key)}
        assert found.get(key) in allowed, f"{key} has {found.get(key)!r} after {command}"
    _check_renamed(before, found, command)


def _check_renamed(before: Contents, found: Contents, command: Command) -> None:
    if command.kind not in ("rename", "rename_new"):
        return
    for key, data in before.items():
        if key == command.path or key.startswith(command.path + "/"):
            new = command.other + key[len(command.path) :]
            assert data in (found.get(key), found.get(new)), f"{key} is lost by {command}"


class Aftermath:
    """The steps after a failure. ``whole``: contents that may be in the bucket."""

    def __init__(self, pair: JudgedPair, whole: set[bytes]) -> None:
        self.pair = pair
        self.whole = whole
        self._volume = pair.volume
        self._written = {file: handle.data for handle, file in pair.open}
        """What was written through a file since it was opened or emptied."""
        self._unsure = {file for handle, file in pair.open if handle.error or handle.discarded}
        """Files of which a close says nothing: they have failed, or their path was changed."""

    async def step(self, command: Command) -> None:
        """Carry out a command, and look what it did."""
        before = self.pair.recording.contents()
        named = [command.path, command.other, *self._open_paths()]
        with suppress(PhfsError):  # what it may not have done is checked below
            await self._carry_out(command)
        await trio.testing.wait_all_tasks_blocked()
        found = self.pair.recording.contents()
        self.pair.recording.note()
        named += self._open_paths()
        for key in {*before, *found}:
            if before.get(key) != found.get(key):
                touched = any(key.rstrip("/") == n or key.startswith(n + "/") for n in named if n)
                assert touched, f"{key} was changed by {command}"
        _check_renamed(before, found, command)

    def _open_paths(self) -> list[str]:
        return [self._path(file) for _, file in self.pair.open]

    def _path(self, file: OpenFile) -> str:
        return self._volume.fs.path_of(file.ino).removeprefix("/")

    async def _carry_out(self, command: Command) -> None:
        if command.kind in SLOTTED:
            if self.pair.open:
                pair = self.pair.open[command.slot % len(self.pair.open)]
                await self._on_file(command, pair)
            return
        if command.kind.startswith("outside"):
            await self.pair.outside(command)
            self.whole |= set(self.pair.recording.contents().values())
        elif command.kind in ("open", "create"):
            opened = await getattr(self._volume, command.kind)(command.path, command.flags)
            fresh = command.flags.truncate or command.flags.exclusive
            self.pair.open.append((replace(UNKNOWN, flags=command.flags), opened))
            self._written[opened] = b""
            if not fresh:
                self._unsure.add(opened)
            return
        elif command.kind in ("rename", "rename_new"):
            over = command.kind == "rename"
            self._unsure |= set(self._written)
            await self._volume.rename(command.path, command.other, replace=over)
        elif command.kind == "truncate":
            await self._volume.truncate(command.path, command.size)
        else:
            await getattr(self._volume, command.kind)(command.path)
        if command.kind not in ("stat", "listdir"):
            self._unsure |= set(self._written)

    async def _on_file(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        if command.kind in ("write", "write_elsewhere"):
            self.pair.serial += 1
            data = content(self.pair.serial, command.size)
            sure = file not in self._unsure
            self._unsure.add(file)
            await file.write(data, len(self._written[file]) + 3 * (command.kind != "write"))
            appended = command.kind == "write" or handle.flags.append
            assert appended or not sure, "a write elsewhere was taken"
            if sure:
                self._unsure.discard(file)
            self._written[file] += data
        elif command.kind == "read":
            data = await file.read(command.size, command.size // 3)
            self.check_read(data, command.size // 3, command.size)
        elif command.kind == "ftruncate":
            self._unsure.add(file)
            await file.truncate(command.size)
            self._written[file] = b""
        else:
            await self._save(command.kind, pair)

    async def _save(self, kind: str, pair: tuple[Handle, OpenFile]) -> None:
        _, file = pair
        self.whole.add(self._written[file])
        try:
            await (file.fsync() if kind == "fsync" else file.flush())
            if file not in self._unsure and self._written[file]:
                found = self.pair.recording.contents().get(self._path(file))
                assert found == self._written[file], f"{self._path(file)} was closed, not stored"
        except PhfsError:
            self._unsure.add(file)
            raise
        finally:
            if kind == "close":
                self.pair.open.remove(pair)
                await file.release()

    def check_read(self, data: bytes, offset: int, size: int) -> None:
        """The bytes are of one version."""
        versions = set[bytes]({b""}).union(*self.pair.recording.history.values())
        assert any(data == v[offset : offset + size] for v in versions), "bytes of no version"

    async def check(self, *, uploads_may_stay: bool) -> None:
        """After the last step, with a store that works again."""
        while self.pair.open:
            await self.step(Command("close"))
        await trio.sleep(TTL + 1)
        await trio.testing.wait_all_tasks_blocked()
        assert self._volume.in_use() == NOTHING_IN_USE
        found = self.pair.recording.contents()
        assert set(found.values()) <= {b"", *self.whole}, "half a file is in the bucket"
        for key, data in found.items():
            shadowed = any(other.startswith(key + "/") for other in found)
            if not key.endswith("/") and not shadowed and not await self._is_kept(key):
                assert await self._volume.read(key) == data
        assert uploads_may_stay or not self.pair.store.uploads
        for path in ("a", "new"):
            if not await self._is_kept(path):
                await self._volume.write(path, b"afterwards")
                assert self.pair.recording.contents()[path] == b"afterwards"
                assert await self._volume.read(path) == b"afterwards"
        await trio.testing.wait_all_tasks_blocked()
        assert self._volume.in_use() == NOTHING_IN_USE

    async def _is_kept(self, path: str) -> bool:
        """Whether there is a directory, or a file above, whatever the bucket says."""
        try:
            return (await self._volume.stat(path)).is_dir
        except NotDirectory:
            return True
        except NotFound:
            return False
