"""A file that is being fetched, under a name of its own beside the one it will have.

Owns the list of ranges that have come, which is written behind the file's last byte and cut off at
the end, and what has to be right before the file takes its name, see ``replacing``. What is left by
a process that died is gone on with: every range in the list is summed again first. Where a file can
only be written from its beginning to its end, as in a mount of PHFS, there is no list, and nothing
stays. Blocking: called in worker threads by ``download``.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from phfs.core.objects import ByteRange
from phfs.errors import Exists, PhfsError
from phfs.files import replacing
from phfs.files.local import PART_ENDING, failed
from phfs.s3.sums import SUMS

CHUNK = 1024 * 1024


class Wanted(NamedTuple):
    """What is fetched: ``sum_name`` is the sum made of each range, see ``sums.SUMS``."""

    address: str
    etag: str
    size: int
    sum_name: str


class Partial:
    """A file in the making; ``done`` are its ranges' sums. Made by ``begin``, ``begin_lasting``."""

    def __init__(
        self, target: Path, path: Path, file: int, wanted: Wanted, mode: int | None
    ) -> None:
        self.target = target
        self.path = path
        self.file = file
        self.wanted = wanted
        self.done: dict[ByteRange, int] = {}
        self.afresh = False
        """Whether what an earlier command has left was of another version."""
        self._lasting = path.name.endswith(PART_ENDING)
        self._mode = mode
        self._end = wanted.size
        self._writing = threading.Lock()

    @property
    def bytes_done(self) -> int:
        """Bytes that are here."""
        return sum(part.size for part in self.done)

    def write(self, byte_range: ByteRange, bytes_of_it: memoryview) -> None:
        """Put a range in its place and into the list. Raises ``OperationFailed``."""
        value = SUMS[self.wanted.sum_name](bytes_of_it)
        try:
            _write(self.file, bytes_of_it, byte_range.start)
            with self._writing:
                self.done[byte_range] = value
                if self._lasting:
                    self._note({"range": byte_range, "sum": value})
        except OSError as error:
            raise failed(self.target, "written", error) from None

    def publish(self, *, modified: int, durable: bool, overwrite: bool = True) -> None:
        """Give the file its name, in one step, and its time (epoch seconds). Raises ``Exists`` if
        there is one that is to stay, ``OperationFailed``."""
        try:
            os.ftruncate(self.file, self.wanted.size)
            if self._mode is not None:  # not earlier: it could not be opened again
                os.fchmod(self.file, self._mode)
            os.utime(self.file, (modified, modified))
            if durable:
                os.fsync(self.file)
            if not self._lasting:
                # A mount of PHFS renames no file that is still written, and a file system over
                # the network may say only now that it has no room. A lasting file keeps its lock.
                self._let_go()
            if overwrite:
                self.path.replace(self.target)
            else:
                replacing.rename_new(self.path, self.target)
            if durable:
                replacing.sync_directory(self.target.parent)
        except FileExistsError:
            raise Exists(f"{self.target} is there already.") from None
        except OSError as error:
            raise failed(self.target, "written", error) from None

    def keep_only(self, ranges: Iterable[ByteRange]) -> None:
        """Forget what has come in ranges of another size than these."""
        fitting = set(ranges)
        self.done = {each: value for each, value in self.done.items() if each in fitting}

    def throw_away(self) -> None:
        """Remove what has come."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; it stays, for a later command, unless it was thrown away. May be
        called twice."""
        # What closing has to say counts where the file gets its name, which has closed it by then.
        with suppress(OSError):
            self._let_go()

    def settle(self) -> None:
        """Have everything on the disk, so that it can be read back. Raises ``OperationFailed``."""
        try:
            os.fsync(self.file)
        except OSError as error:
            raise failed(self.target, "written", error) from None

    def _let_go(self) -> None:
        file, self.file = self.file, -1
        if file >= 0:
            os.close(file)

    def _note(self, entry: dict[str, object]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        _write(self.file, memoryview(line), self._end)
        self._end += len(line)

    def _begin_list(self) -> None:
        os.ftruncate(self.file, 0)
        self._note({"phfs": 1, **self.wanted._asdict()})

    def _goes_on(self) -> bool:
        """Take over what is in the file, as far as it is of the version that is wanted. False if
        the list has no place behind the bytes that are still to come."""
        size = os.fstat(self.file).st_size
        if size == 0:
            try:
                self._begin_list()
            except OSError:  # the reason, if it is another one, comes again without the list
                return False
            return True
        tail = os.pread(self.file, max(0, size - self.wanted.size), self.wanted.size)
        entries = []
        for line in tail.splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                break
        if not entries or entries[0] != {"phfs": 1, **self.wanted._asdict()}:
            self.afresh = True
            self._begin_list()
            return True
        found = {ByteRange(*entry["range"]): entry["sum"] for entry in entries[1:]}
        self._begin_list_again(found)
        return True

    def _begin_list_again(self, found: dict[ByteRange, int]) -> None:
        os.ftruncate(self.file, self.wanted.size)
        self._note({"phfs": 1, **self.wanted._asdict()})
        for byte_range, value in sorted(found.items()):
            # A machine that lost its power may have kept the list and not the bytes.
            if self._sum(byte_range) == value:
                self.done[byte_range] = value
                self._note({"range": byte_range, "sum": value})

    def _sum(self, byte_range: ByteRange) -> int:
        buffer = bytearray(byte_range.size)
        with memoryview(buffer) as view:
            os.preadv(self.file, [view], byte_range.start)
            return SUMS[self.wanted.sum_name](view)


def begin(target: Path, wanted: Wanted) -> Partial:
    """The file that will be ``target``, and that leaves nothing when it is interrupted.

    Raises ``IsDirectory``, ``Unsupported`` and ``NotPermitted`` for a target that is not to be
    replaced, ``OperationFailed``.
    """
    try:
        target, mode = replacing.final(target)
        path = replacing.beside(target, f"-{os.urandom(6).hex()}")
        return Partial(target, path, replacing.new(path), wanted, mode)
    except OSError as error:
        raise failed(target, "written", error) from None


def begin_lasting(target: Path, wanted: Wanted) -> Partial | None:
    """As ``begin``, but it stays when it is interrupted, and one that has stayed is gone on with;
    None where a file cannot be written in any order.

    Raises ``Busy`` too, if another process fetches it.
    """
    try:
        target, mode = replacing.final(target)
        if replacing.in_order_only(target):
            return None
        path = replacing.beside(target)
        file = replacing.locked(path, target)
    except OSError as error:
        raise failed(target, "written", error) from None
    partial = Partial(target, path, file, wanted, mode)
    try:
        if not partial._goes_on():
            partial.throw_away()
            partial.close()
            return None
        replacing.check_room(target, wanted.size - partial.bytes_done)
    except OSError as error:
        partial.close()
        raise failed(target, "written", error) from None
    except PhfsError:
        partial.close()
        if not partial.done:
            partial.throw_away()
        raise
    return partial


def _write(file: int, bytes_of_it: memoryview, start: int) -> None:
    done = 0
    while done < len(bytes_of_it):
        with bytes_of_it[done:] as rest:
            done += os.pwrite(file, rest, start + done)
