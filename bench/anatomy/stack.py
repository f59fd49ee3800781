"""A mount's stack in this process, driven as the kernel would, without a kernel.

Owns its assembly, which is that of ``phfs.mount`` from the handlers down, and the kernel's order of
requests. Called by ``jobs``.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import cast

import pyfuse3

from phfs.bench.wrong import expect
from phfs.config import MountConfig
from phfs.fuse.convert import Attributes, Ownership
from phfs.fuse.counts import Counts
from phfs.fuse.explain import Explanations
from phfs.fuse.failures import Failures
from phfs.fuse.operations import Operations
from phfs.mount import filesystem_options
from phfs.s3.journal import JournaledStore, UploadJournal
from phfs.s3.opening import connect
from phfs.s3.prefix import PrefixedStore
from phfs.s3.retry import RetryingStore
from phfs.vfs.filesystem import open_filesystem

NOBODY = cast(pyfuse3.RequestContext, None)
"""No handler asks who calls."""


class Stack:
    """The handlers, called one after the other."""

    def __init__(self, operations: Operations, counters: Mapping[str, int]) -> None:
        self._operations = operations
        self._counters = counters

    def requests(self) -> Counter[str]:
        """What was asked of the store so far, by kind."""
        return Counter(
            {
                name.removeprefix("requests."): number
                for name, number in self._counters.items()
                if name.startswith("requests.")
            }
        )

    async def lookup(self, path: str) -> pyfuse3.InodeT:
        """The inode of a path."""
        inode = pyfuse3.ROOT_INODE
        for name in path.split("/"):
            entry = await self._operations.lookup(inode, pyfuse3.FileNameT(name.encode()), NOBODY)
            inode = entry.st_ino
        return inode

    async def lookup_in(self, directory: pyfuse3.InodeT, name: str) -> pyfuse3.InodeT:
        """The inode of a name."""
        named = pyfuse3.FileNameT(name.encode())
        return (await self._operations.lookup(directory, named, NOBODY)).st_ino

    async def open(self, inode: pyfuse3.InodeT) -> pyfuse3.FileHandleT:
        """Open a file for reading."""
        return (await self._operations.open(inode, pyfuse3.FlagT(os.O_RDONLY), NOBODY)).fh

    async def read(self, handle: pyfuse3.FileHandleT, size: int) -> None:
        """Read so many bytes from the start."""
        expect("bytes read", size, len(await self._operations.read(handle, 0, size)))

    async def close(self, handle: pyfuse3.FileHandleT) -> None:
        """Close a file."""
        await self._operations.flush(handle)
        await self._operations.release(handle)


@asynccontextmanager
async def stack(config: MountConfig) -> AsyncIterator[Stack]:
    """The stack of a mount with this configuration."""
    failures, counts = Failures(time.time), Counts()
    explanations = Explanations(failures, counts, dict)
    attributes = Attributes(Ownership(config.uid, config.gid, config.file_mode, config.dir_mode))
    with (
        closing(connect(config)) as client,
        closing(UploadJournal(config.state_dir, config.source)) as journal,
    ):
        lasting = RetryingStore(client, config.retry_deadline)
        store = PrefixedStore(JournaledStore(lasting, journal), config.prefix)
        async with open_filesystem(store, filesystem_options(config, failures)) as fs:
            yield Stack(Operations(fs, explanations, failures, counts, attributes), client.counters)
