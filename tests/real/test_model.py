"""The mount does what the model says: operations by system call, errno by errno."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import trio

from phfs.errors import FileError, NotDirectory, NotFound, Stale
from phfs.fuse.errno import TABLE
from phfs.s3.memory import MemoryStore
from phfs.vfs.values import OpenFlags, Stat
from tests.model.commands import FIRST, Command, content, walk
from tests.model.model import STALE, Handle, Model
from tests.model.pair import PART, Pair
from tests.support.mounted import Mounted
from tests.support.volume import OpenFile, Volume

pytestmark = pytest.mark.real

RELEASE_SECONDS = 5.0
"""The kernel releases a file some time after the close; until then a truncation is not saved."""


class KernelFile:
    """An open descriptor with the methods of ``OpenFile``."""

    def __init__(self, fd: int, flags: OpenFlags) -> None:
        self.fd = fd
        self.flags = flags

    async def write(self, data: bytes, offset: int) -> int:
        return os.pwrite(self.fd, data, offset)

    async def read(self, size: int, offset: int) -> bytes:
        return os.pread(self.fd, size, offset)

    async def truncate(self, size: int) -> None:
        os.ftruncate(self.fd, size)

    async def flush(self) -> None:
        os.close(os.dup(self.fd))

    async def fsync(self) -> None:
        os.fsync(self.fd)

    async def release(self) -> None:
        os.close(self.fd)


class KernelVolume:
    """A directory of the mount with the methods of ``Volume``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def open(self, path: str, flags: OpenFlags) -> KernelFile:
        return self._open(path, flags, 0)

    async def create(self, path: str, flags: OpenFlags) -> KernelFile:
        return self._open(path, flags, os.O_CREAT)

    def _open(self, path: str, flags: OpenFlags, more: int) -> KernelFile:
        access = {(True, False): os.O_RDONLY, (False, True): os.O_WRONLY, (True, True): os.O_RDWR}
        wanted = access[flags.read, flags.write] | more
        wanted |= os.O_APPEND * flags.append | os.O_TRUNC * flags.truncate
        wanted |= os.O_EXCL * flags.exclusive
        fd = os.open(self.root / path, wanted, 0o644)
        if stat.S_ISDIR(os.fstat(fd).st_mode):  # the kernel opens directories too
            os.close(fd)
            raise IsADirectoryError(errno.EISDIR, path)
        return KernelFile(fd, flags)

    async def make_file(self, path: str) -> None:
        os.mknod(self.root / path)

    async def truncate(self, path: str, size: int) -> None:
        os.truncate(self.root / path, size)

    async def mkdir(self, path: str) -> None:
        (self.root / path).mkdir()

    async def rmdir(self, path: str) -> None:
        (self.root / path).rmdir()

    async def unlink(self, path: str) -> None:
        os.unlink(self.root / path)

    async def rename(self, old: str, new: str, *, replace: bool) -> None:
        assert replace
        os.rename(self.root / old, self.root / new)

    async def stat(self, path: str) -> Stat:
        found = os.stat(self.root / path)
        return Stat(found.st_ino, stat.S_ISDIR(found.st_mode), found.st_size, 0, 0.0)

    async def listdir(self, path: str) -> dict[str, Stat]:
        names = os.listdir(self.root / path)
        assert len(names) == len(set(names))
        return {name: await self.stat(f"{path}/{name}" if path else name) for name in names}


class KernelPair(Pair):
    """Compares errnos, and looks at the bucket through S3."""

    def __init__(self, mounted: Mounted, directory: str) -> None:
        super().__init__(cast(MemoryStore, None), cast(Volume, KernelVolume(mounted.path)))
        self.volume = cast(Volume, KernelVolume(mounted.path / directory))
        self.model = Model(part_size=1 << 30)
        self._mounted = mounted
        self._prefix = directory + "/"

    async def step(self, command: Command) -> None:
        if command.kind == "rename_new":  # Python has no renameat2
            command = command._replace(kind="rename")
        ends = sorted((command.path, command.other))
        if command.kind == "rename" and ends[1].startswith(ends[0] + "/"):
            return  # of a directory and what is in it the kernel decides alone
        await super().step(command)

    async def check(self) -> None:
        give_up = time.monotonic() + RELEASE_SECONDS
        while (found := self._objects()) != self.model.objects:
            assert time.monotonic() < give_up, (found, self.model.objects)
            time.sleep(0.01)

    def _objects(self) -> dict[str, bytes]:
        keys = self._mounted.keys(self._prefix)
        cut = len(self._prefix)
        return {key[cut:]: self._mounted.get(key) for key in keys if key != self._prefix}

    async def both(
        self, expected: Callable[[], Any], actual: Callable[[], Awaitable[Any]]
    ) -> tuple[Any, Any]:
        wanted: Any = None
        refused: type[FileError] | None = None
        try:
            wanted = expected()
        except FileError as error:
            refused = type(error)
        try:
            got = await actual()
        except OSError as error:
            if error.errno not in self._errnos(refused, wanted):
                raise
            return None, None
        if refused is Stale and isinstance(got, bytes):
            return None, None  # from the page cache: the version that was opened
        assert refused is None, f"{refused} was expected, {got!r} came"
        return wanted, got

    def _errnos(self, refused: type[FileError] | None, wanted: Any) -> set[int]:
        if refused is None:
            return {errno.ESTALE} if isinstance(wanted, tuple) and STALE in wanted else set()
        if refused in (NotFound, NotDirectory):  # the kernel resolves two paths in its own order
            return {errno.ENOENT, errno.ENOTDIR}
        return {TABLE[refused].number}

    async def outside(self, command: Command) -> None:
        key = command.path + ("/" if command.kind == "outside_mkdir" else "")
        if command.kind == "outside_delete":
            self._mounted.delete(self._prefix + key)
            self.model.objects.pop(key, None)
            return
        path = command.path
        above = {path[:cut] for cut, letter in enumerate(path) if letter == "/"}
        beneath = any(k.startswith(path + "/") for k in self.model.objects)
        if above & set(self.model.objects) or path in self.model.objects or beneath:
            return  # MinIO cannot hold a key beside keys beneath it
        self.serial += 1
        data = content(self.serial, 50) if command.kind == "outside_put" else b""
        self._mounted.put(self._prefix + key, data)
        self.model.objects[key] = data

    async def write(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        if self._flags(pair).write:  # the kernel refuses the others by itself
            await super().write(command, pair)

    async def read(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        if self._flags(pair).read:
            await super().read(command, pair)

    async def flush(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        # Reads after it may come out of the page cache, of which the mount knows nothing.
        if self._flags(pair).write:
            await super().flush(command, pair)

    async def fsync(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        if self._flags(pair).write:
            await super().fsync(command, pair)

    async def ftruncate(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        if self._flags(pair).write:
            await super().ftruncate(command, pair)

    def _flags(self, pair: tuple[Handle, OpenFile]) -> OpenFlags:
        return cast(KernelFile, pair[1]).flags

    async def close(self, command: Command, pair: tuple[Handle, OpenFile]) -> None:
        handle, file = pair
        self.open.remove(pair)

        def expected() -> None:
            try:
                self.model.flush(handle)
            finally:
                self.model.release(handle)

        await self.both(expected, file.release)


async def run(mounted: Mounted, directory: str, steps: list[Command]) -> None:
    (mounted.path / directory).mkdir()
    pair = KernelPair(mounted, directory)
    try:
        for command in (*FIRST, *steps):
            await pair.step(command)
        while pair.open:
            await pair.step(Command("close"))
    finally:
        for _, file in pair.open:
            os.close(cast(KernelFile, file).fd)


@pytest.mark.parametrize("seed", range(8))
def test_the_mount_does_what_the_model_says(mounted: Mounted, seed: int) -> None:
    steps = walk(Random(seed), 25, part_size=PART)
    trio.run(run, mounted, f"run-{seed}", steps)
