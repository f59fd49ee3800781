"""The model and a file system side by side: each command on both, and the comparison.

Owns the files that are open on both sides. Called by ``test_memory`` with a ``Volume``, and by
``tests/real/test_model`` with the kernel's mount.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio.testing

from phfs.core.objects import Attributes
from phfs.errors import FileError, PhfsError, Stale
from phfs.s3.memory import MemoryStore
from tests.model.commands import EXCLUSIVE, Command, content
from tests.model.model import STALE, Handle, Model
from tests.support.volume import NOTHING_IN_USE, OpenFile, Volume

PART = 1000
TTL = 1.0


class Pair:
    """The model and a volume side by side, and the files open in both."""

    def __init__(self, store: MemoryStore, volume: Volume) -> None:
        self.model = Model(PART)
        self.store = store
        self.volume = volume
        self.open: list[tuple[Handle, OpenFile]] = []
        self.serial = 0
        self.uploads_may_stay = False
        """Whether the answer with an upload's id may have been lost."""

    async def step(self, command: Command) -> None:
        """Carry out a command on both sides and compare."""
        carry_out = getattr(self, METHODS.get(command.kind, command.kind))
        if command.kind not in SLOTTED:
            await carry_out(command)
        elif self.open:
            await carry_out(command, self.open[command.slot % len(self.open)])
        await self.check()

    async def check(self) -> None:
        """What holds after every step."""
        await trio.testing.wait_all_tasks_blocked()  # requests just answered let go of memory
        found = {key: kept.data for key, kept in self.store.objects.items()}
        assert found == self.model.objects
        if not self.open:
            assert self.volume.in_use() == NOTHING_IN_USE
            assert self.uploads_may_stay or not self.store.uploads

    async def both(
        self, expected: Callable[[], Any], actual: Callable[[], Awaitable[Any]]
    ) -> tuple[Any, Any]:
        """Both results; both raise the same class of error, or neither does."""
        wanted: Any = None
        refused: type[FileError] | None = None
        try:
            wanted = expected()
        except FileError as error:
            refused = type(error)
        try:
            got = await actual()
        except PhfsError as error:
            if refused is type(error) or (refused is None and self._stale(wanted, error)):
                return None, None
            self.unexpected(error)
            raise
        assert refused is None, f"{refused} was expected, {got!r} came"
        return wanted, got

    def unexpected(self, error: PhfsError) -> None:
        """An error that the model does not know; it is raised when this returns."""

    def _stale(self, wanted: Any, error: PhfsError) -> bool:
        return isinstance(wanted, tuple) and STALE in wanted and isinstance(error, Stale)

    # -- by path -------------------------------------------------------------------------------

    async def create(self, command: Command) -> None:
        opened = await self.both(
            lambda: self.model.create(command.path, command.flags),
            lambda: self.volume.create(command.path, command.flags),
        )
        if opened[0] is not None:
            self.open.append(opened)

    async def open_(self, command: Command) -> None:
        opened = await self.both(
            lambda: self.model.open(command.path, command.flags),
            lambda: self.volume.open(command.path, command.flags),
        )
        if opened[0] is not None:
            self.open.append(opened)

    async def make_file(self, command: Command) -> None:
        def expected() -> None:
            handle = self.model.create(command.path, EXCLUSIVE)
            try:
                self.model.flush(handle)
            finally:
                self.model.release(handle)

        await self.both(expected, lambda: self.volume.make_file(command.path))

    async def truncate(self, command: Command) -> None:
        await self.both(
            lambda: self.model.truncate(command.path, command.size),
            lambda: self.volume.truncate(command.path, command.size),
        )

    async def change(self, command: Command) -> None:
        """mkdir, rmdir, unlink."""
        await self.both(
            lambda: getattr(self.model, command.kind)(command.path),
            lambda: getattr(self.volume, command.kind)(command.path),
        )

    async def rename(self, command: Command) -> None:
        replace = command.kind == "rename"
        await self.both(
            lambda: self.model.rename(command.path, command.other, replace=replace),
            lambda: self.volume.rename(command.path, command.other, replace=replace),
        )

    async def stat(self, command: Command) -> None:
        async def actual() -> tuple[bool, int]:
            found = await self.volume.stat(command.path)
            return (found.is_dir, found.size)

        def expected() -> tuple[bool, int]:
            size = self.model.stat(command.path)
            return (size is None, size or 0)

        wanted, got = await self.both(expected, actual)
        assert wanted == got

    async def listdir(self, command: Command) -> None:
        wanted, got = await self.both(
            lambda: self.model.listdir(command.path), lambda: self.volume.listdir(command.path)
        )
        if wanted is not None:
            assert {n: None if s.is_dir else s.size for n, s in got.items()} == wanted

    # -- behind the mount ----------------------------------------------------------------------

    async def outside(self, command: Command) -> None:
        """Somebody else changes the bucket; the mount believes what it knew until the TTL ends."""
        key = command.path + ("/" if command.kind == "outside_mkdir" else "")
        if self.model.hides(key):
            return
        if command.kind == "outside_delete":
            await self.store.delete(key)
            self.model.objects.pop(key, None)
        else:
            self.serial += 1
            data = content(self.serial, 50) if command.kind == "outside_put" else b""
            await self.store.put(key, [data], Attributes())
            self.model.objects[key] = data
        await trio.sleep(TTL + 0.1)

    # -- by open file --------------------------------------------------------------------------

    async def write(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        self.serial += 1
        data = content(self.serial, command.size)
        offset = len(handle.data) + (3 if command.kind == "write_elsewhere" else 0)
        wanted, got = await self.both(
            lambda: self.model.write(handle, offset, data), lambda: file.write(data, offset)
        )
        assert wanted == got

    async def read(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        offset = command.size // 3
        wanted, got = await self.both(
            lambda: self.model.read(handle, offset, command.size),
            lambda: file.read(command.size, offset),
        )
        assert wanted is None or got in wanted

    async def flush(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        await self.both(lambda: self.model.flush(handle), file.flush)

    async def fsync(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        await self.both(lambda: self.model.flush(handle, durable=True), file.fsync)

    async def ftruncate(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        if handle.flags.write:  # the kernel refuses the others by itself
            await self.both(
                lambda: self.model.ftruncate(handle, command.size),
                lambda: file.truncate(command.size),
            )

    async def close(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        self.open.remove(pair)
        try:
            await self.flush(command, pair)
        finally:
            self.model.release(handle)
            await file.release()


METHODS = {
    **dict.fromkeys(("mkdir", "rmdir", "unlink"), "change"),
    **dict.fromkeys(("outside_put", "outside_delete", "outside_mkdir"), "outside"),
    "open": "open_",
    "rename_new": "rename",
    "write_elsewhere": "write",
}
"""The method of ``Pair`` for a command whose name it does not have."""

SLOTTED = {"write", "write_elsewhere", "read", "flush", "fsync", "ftruncate", "close"}
"""Commands on an open file."""
