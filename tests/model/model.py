"""The reference model: what every operation of the strict contract gives, in memory, at once.

The only definition of correctness of the file system. Owns a bucket (``objects``: key to bytes),
the files that are open and what was written to them and not committed. An operation returns its
result or raises the class of ``phfs.errors`` that the contract names, and changes nothing then
unless the contract says so. There is no time in it: what somebody else does to the bucket
(``objects`` may be changed freely) is seen by the next operation.

Contents are told apart by their bytes: whoever drives the model writes each content once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from phfs.errors import (
    BadHandle,
    Busy,
    Exists,
    FileError,
    Invalid,
    IsDirectory,
    NotDirectory,
    NotEmpty,
    NotFound,
    NotSequential,
    Stale,
    Unsupported,
)
from phfs.vfs.values import OpenFlags

STALE = "stale"
"""Stands for ``Stale`` where a read may give it or the bytes of the version that was opened."""


@dataclass(eq=False)
class File:
    """A version somebody has open. ``base``: what was committed; None before the first commit."""

    path: str
    base: bytes | None
    linked: bool = True
    owner: Handle | None = None
    commits: int = 0
    handles: list[Handle] = field(default_factory=list)

    @property
    def uncommitted(self) -> bool:
        return self.base is None or self.owner is not None

    @property
    def length(self) -> int:
        return len(self.owner.data if self.owner else self.base or b"")


@dataclass(eq=False)
class Handle:
    """One open(2). ``data``: all bytes written from offset 0, ``fresh`` whether some of them are
    not committed, ``tail`` those kept in memory because no part of them was sent."""

    file: File
    flags: OpenFlags
    version: bytes | None
    commits: int
    fixed: bool
    """Has content that was there before and may not be changed."""
    truncating: bool
    reading: bool
    data: bytes = b""
    fresh: bool = False
    committed: bool = False
    published: bool = False
    """Has committed a version, perhaps before a truncation."""
    streamed: bool = False
    tail: int = 0
    error: type[FileError] | None = None
    discarded: bool = False

    @property
    def dirty(self) -> bool:
        return self.fresh or self.truncating


class Model:
    """One mount over a bucket. ``part_size``: bytes from which a write is sent in parts."""

    def __init__(self, part_size: int) -> None:
        self.objects: dict[str, bytes] = {}
        self._part_size = part_size
        self._kept: set[str] = set()
        self._files: dict[str, File] = {}
        self._open: list[Handle] = []

    # -- names ---------------------------------------------------------------------------------

    def listdir(self, path: str) -> dict[str, int | None]:
        """Names with the size of files, None for directories."""
        if self._find(path) is not None:
            raise NotDirectory(path)
        prefix = path + "/" if path else ""
        names: dict[str, int | None] = {}
        for key in sorted(set(self.objects) | self._kept):
            if key.startswith(prefix) and key != prefix:
                name, slash, _ = key[len(prefix) :].partition("/")
                names[name] = None if slash else names.get(name, len(self.objects.get(key, b"")))
        for known, file in self._files.items():
            if known.rpartition("/")[0] == path and file.uncommitted:
                names[known.rpartition("/")[2]] = file.length
        return names

    def stat(self, path: str) -> int | None:
        """The size of a file, None for a directory."""
        file = self._find(path)
        return None if file is None else file.length

    def _is_directory(self, path: str) -> bool:
        beneath = (key.startswith(path + "/") for key in (*self.objects, *self._kept))
        return path == "" or any(beneath)

    def _find(self, path: str) -> File | None:
        """The file at a path, None for a directory. Raises ``NotFound``, ``NotDirectory``."""
        if path == "":
            return None
        if self._find(path.rpartition("/")[0]) is not None:
            raise NotDirectory(path)
        known = self._files.get(path)
        if known is not None and known.uncommitted:
            return known
        if self._is_directory(path):
            self._unbind(path)
            return None
        content = self.objects.get(path)
        if content is None:
            raise NotFound(path)
        if known is None or known.base != content:
            self._unbind(path)
            for beneath in [name for name in self._files if name.startswith(path + "/")]:
                self._unbind(beneath)
            known = self._files[path] = File(path, content)
        return known

    def hides(self, key: str) -> bool:
        """Whether the key lies beneath a file that is open. Which of the two is shown for a while
        after the file is saved, the contract leaves open."""
        return any(f.handles and key.startswith(p + "/") for p, f in self._files.items())

    def _unbind(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            file.linked = False

    def _keep(self, path: str) -> None:
        while path:
            self._kept.add(path + "/")
            path = path.rpartition("/")[0]

    # -- opening -------------------------------------------------------------------------------

    def open(self, path: str, flags: OpenFlags) -> Handle:
        file = self._find(path)
        if file is None:
            raise IsDirectory(path)
        if flags.write:
            if flags.append and not flags.truncate and file.base:
                raise Unsupported(path)
            if flags.truncate:
                self._refuse_overwrite(file, None)
        elif file.owner is not None:
            raise Busy(path)
        return self._add(file, flags)

    def create(self, path: str, flags: OpenFlags) -> Handle:
        if self._find(path.rpartition("/")[0]) is not None:
            raise NotDirectory(path)
        try:
            self._find(path)
        except NotFound:
            file = self._files[path] = File(path, None)
            return self._add(file, flags._replace(write=True))  # it puts the empty object
        if flags.exclusive:
            raise Exists(path)
        return self.open(path, flags)

    def _add(self, file: File, flags: OpenFlags) -> Handle:
        handle = Handle(
            file,
            flags,
            version=file.base,
            commits=file.commits,
            fixed=flags.write and bool(file.base) and not flags.truncate,
            truncating=flags.write and bool(file.base) and flags.truncate,
            reading=not flags.write,
        )
        file.handles.append(handle)
        self._open.append(handle)
        if handle.truncating:
            file.owner = handle
        return handle

    # -- one handle ----------------------------------------------------------------------------

    def read(self, handle: Handle, offset: int, size: int) -> tuple[bytes | str, ...]:
        """All answers that are right, one of them."""
        file = handle.file
        if file.owner is handle:
            raise Unsupported(file.path)
        if handle.version != file.base:
            raise Stale(file.path)
        handle.reading = True
        data = (file.base or b"")[offset : offset + size]
        if not data or (file.linked and self.objects.get(file.path) == file.base):
            return (data,)
        return (data, STALE)

    def write(self, handle: Handle, offset: int, data: bytes) -> int:
        if not handle.flags.write:
            raise BadHandle(handle.file.path)
        if handle.discarded:
            return len(data)
        if handle.error is not None:
            raise handle.error("earlier")
        try:
            self._check_write(handle, len(handle.data) if handle.flags.append else offset)
        except FileError as error:
            self._fail(handle, error)
            raise
        handle.streamed = handle.streamed or self._goes_on_in_the_store(handle)
        handle.data += data
        handle.fresh = True
        handle.tail += len(data)
        if handle.tail >= self._part_size:
            handle.streamed, handle.tail = True, 0
        handle.file.owner = handle
        return len(data)

    def _check_write(self, handle: Handle, offset: int) -> None:
        file = handle.file
        if handle.fixed:
            raise Unsupported(file.path)
        if offset != len(handle.data):
            raise NotSequential(file.path)
        self._check_owner(handle)
        if self._goes_on_in_the_store(handle) and self.objects.get(file.path) != handle.version:
            raise Stale(file.path)

    def _goes_on_in_the_store(self, handle: Handle) -> bool:
        """Nothing of what was committed is in memory any more: it is copied inside the store."""
        kept = handle.fresh or handle.tail
        return handle.committed and bool(handle.data) and not kept

    def _check_owner(self, handle: Handle) -> None:
        file = handle.file
        if file.owner is not handle:
            if handle.commits != file.commits and (file.base or handle.data):
                raise Stale(file.path)
            self._refuse_overwrite(file, handle)

    def _refuse_overwrite(self, file: File, handle: Handle | None) -> None:
        if file.owner is not None and file.owner is not handle:
            raise Busy(file.path)
        if file.base and any(h.reading and h is not handle for h in file.handles):
            raise Busy(file.path)

    def flush(self, handle: Handle, *, durable: bool = False) -> None:
        """close(2), or with ``durable`` fsync(2)."""
        handle.reading = False
        file = handle.file
        if not handle.flags.write or handle.discarded:
            return
        if handle.error is not None:
            raise handle.error("earlier")
        unborn = file.base is None and file.owner in (None, handle)
        pending = handle.truncating and durable
        empty = not handle.fresh and not handle.committed and (unborn or pending)
        if not handle.fresh and not empty:
            return
        try:
            self._check_owner(handle)
            if handle.flags.exclusive and not handle.published and file.path in self.objects:
                raise Exists(file.path)
        except FileError as error:
            self._fail(handle, error)
            raise
        self._publish(file, handle.data)
        if handle.streamed:
            handle.streamed, handle.tail = False, 0
        handle.commits, handle.version = file.commits, file.base
        handle.committed = handle.published = True
        handle.fresh = handle.truncating = False
        file.owner = None

    def release(self, handle: Handle) -> None:
        """The last close(2) was flushed some time ago."""
        handle.reading = False
        if handle.flags.write and not handle.discarded and handle.error is None:
            try:
                if handle.data and handle.dirty:
                    self._fail(handle, Stale("not saved"))
                else:
                    self.flush(handle, durable=True)
            except FileError:
                pass  # nobody can be told
        file = handle.file
        file.handles.remove(handle)
        self._open.remove(handle)
        if file.owner is handle:
            file.owner = None
        if not file.handles and file.linked and self._files.get(file.path) is file:
            del self._files[file.path]

    def _fail(self, handle: Handle, error: FileError) -> None:
        file = handle.file
        handle.error = type(error)
        handle.fresh = handle.truncating = False
        if file.owner is handle:
            file.owner = None
        alive = any(h.flags.write and h.error is None and not h.discarded for h in file.handles)
        if file.base is None and file.linked and not alive:
            self._unbind(file.path)

    def _publish(self, file: File, data: bytes) -> None:
        self.objects[file.path] = data
        file.base = data
        file.commits += 1

    # -- lengths -------------------------------------------------------------------------------

    def truncate(self, path: str, size: int) -> None:
        file = self._find(path)
        if file is None:
            raise IsDirectory(path)
        if size == file.length:
            return
        if size != 0:
            raise Unsupported(path)
        self._refuse_overwrite(file, None)
        self._publish(file, b"")

    def ftruncate(self, handle: Handle, size: int) -> None:
        if size == handle.file.length:
            return
        if size != 0:
            raise Unsupported(handle.file.path)
        if handle.error is not None:
            raise handle.error("earlier")
        if handle.discarded:
            return
        self._check_owner(handle)
        handle.data, handle.tail = b"", 0
        handle.fresh = handle.streamed = handle.fixed = handle.committed = False
        handle.truncating = bool(handle.file.base)
        handle.file.owner = handle if handle.truncating else None

    # -- the tree ------------------------------------------------------------------------------

    def mkdir(self, path: str) -> None:
        if self._find(path.rpartition("/")[0]) is not None:
            raise NotDirectory(path)
        try:
            self._find(path)
        except NotFound:
            self.objects[path + "/"] = b""
        else:
            raise Exists(path)

    def rmdir(self, path: str) -> None:
        if self._find(path) is not None:
            raise NotDirectory(path)
        if self.listdir(path):
            raise NotEmpty(path)
        self.objects.pop(path + "/", None)
        self._kept.discard(path + "/")
        self._keep(path.rpartition("/")[0])

    def unlink(self, path: str) -> None:
        file = self._find(path)
        if file is None:
            raise IsDirectory(path)
        if file.base is not None:
            self.objects.pop(path, None)
        self._gone(file)
        self._keep(path.rpartition("/")[0])

    def _gone(self, file: File) -> None:
        self._unbind(file.path)
        file.owner = None
        for handle in file.handles:
            if handle.flags.write and handle.error is None:
                handle.discarded, handle.fresh, handle.truncating = True, False, False

    def rename(self, old: str, new: str, *, replace: bool = True) -> None:
        source = self._find(old)
        if self._find(new.rpartition("/")[0]) is not None:
            raise NotDirectory(new)
        try:
            target = self._find(new)
        except NotFound:
            there, target = False, None
        else:
            there = True
        if old == new:
            return
        if there and not replace:
            raise Exists(new)
        if source is None:
            if target is not None:
                raise NotDirectory(new)
            self._rename_directory(old, new, there)
        else:
            if there and target is None:
                raise IsDirectory(new)
            self._rename_file(source, new, target)
        self._keep(old.rpartition("/")[0])

    def _rename_file(self, source: File, new: str, target: File | None) -> None:
        old = source.path
        for file in (source, target):
            if file is not None and file.owner is not None:
                raise Busy(file.path)
        self._settle(source)
        if target is not None:
            self._gone(target)
        self.objects[new] = self.objects.pop(old)
        self._files.pop(old, None)
        source.path = new
        self._files[new] = source

    def _rename_directory(self, old: str, new: str, there: bool) -> None:
        if (new + "/").startswith(old + "/"):
            raise Invalid(new)
        if there and self.listdir(new):
            raise NotEmpty(new)
        for handle in self._open:
            written = handle.file.owner is handle
            if written and handle.file.path.startswith((old + "/", new + "/")):
                raise Busy(handle.file.path)
        open_files = [f for p, f in self._files.items() if p.startswith(old + "/")]
        for file in open_files:
            self._settle(file)
        beneath = [key for key in self.objects if key.startswith(old + "/")]
        if not beneath:
            self.objects[new + "/"] = b""
        for key in beneath:
            self.objects[new + key[len(old) :]] = self.objects.pop(key)
        kept = {key for key in self._kept if key.startswith(old + "/")}
        self._kept -= kept
        for key in kept:
            self._keep(new + key[len(old) : -1])
        for file in open_files:
            moved = new + file.path[len(old) :]
            del self._files[file.path]
            file.linked = self.objects.get(moved) == file.base
            file.path = moved
            if file.linked:
                self._files[moved] = file

    def _settle(self, file: File) -> None:
        for handle in file.handles:
            if file.base is None and handle.flags.write and not (handle.error or handle.discarded):
                self.flush(handle, durable=True)
