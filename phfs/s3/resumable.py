"""Uploads that a later command goes on with: which parts of which file the store has taken.

Owns a file for each in the state directory, locked (flock) while a process works on it: a line of
JSON that says what is uploaded, and one for each part that the store has confirmed. Apart from the
journal of uploads, whose entries the next mount aborts: what stands here is kept for ``KEPT_DAYS``.
Never asks the store. Called by ``files`` and, for ``phfs uploads``, by ``uploads``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from phfs.core.objects import ETag, Part, UploadId
from phfs.errors import Busy
from phfs.s3.journal import Noted, UploadJournal

log = logging.getLogger(__name__)

KEPT_DAYS = 7
"""An upload nobody has gone on with for longer is aborted by the next command that uploads."""


class Source(NamedTuple):
    """Which bytes are uploaded: a file, as it was. Nanoseconds: ``modified`` can be set back by
    whoever writes, ``changed`` (ctime) by nobody."""

    path: str
    device: int
    inode: int
    size: int
    modified: int
    changed: int = 0


class Record:
    """One upload: ``key`` is the object's whole key, ``parts`` what the store has, by number."""

    def __init__(self, path: Path, file: int, entries: list[dict[str, object]]) -> None:
        head = entries[0]
        self.key = str(head["key"])
        self.upload = UploadId(str(head["upload"]))
        self.part_size = int(str(head["part_size"]))
        self.source = Source(*head["source"])  # type: ignore[misc]
        self.parts: dict[int, Part] = {}
        for entry in entries[1:]:
            number, size = int(str(entry["part"])), int(str(entry["size"]))
            checksum = None if entry["sum"] is None else str(entry["sum"])
            self.parts[number] = Part(number, ETag(str(entry["etag"])), size, checksum)
        self._path = path
        self._file = file

    def took(self, part: Part) -> None:
        """Write down that the store has taken a part."""
        self.parts[part.number] = part
        entry = {"part": part.number, "etag": part.etag, "size": part.size, "sum": part.checksum}
        try:
            os.write(self._file, _line(entry))
        except OSError as error:
            # The part would be sent once more, no worse.
            log.warning("a part is not written down in %s: %s", self._path, error.strerror)

    def forget(self) -> None:
        """The upload is published or thrown away."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it: it stays for the next command. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Records:
    """The uploads of ``origin`` (see ``journal.origin_of``) written down in ``directory``.

    ``prefix`` stands before every key; ``journal`` is told when an upload stands here instead.
    """

    def __init__(self, directory: Path, origin: str, prefix: str, journal: UploadJournal) -> None:
        self._directory = directory
        self._origin = origin
        self._prefix = prefix
        self._journal = journal

    def find(self, key: str, path: str) -> Record | None:
        """The upload of the file ``path`` to ``key`` that was begun, and locked for us.

        Raises ``Busy`` if another process works on it.
        """
        return _locked(self._path(key, path))

    def begin(self, key: str, upload: UploadId, part_size: int, source: Source) -> Record | None:
        """Write an upload down; None if that cannot be: it then cannot be gone on with."""
        path = self._path(key, source.path)
        entry = {
            "origin": self._origin,
            "key": self._prefix + key,
            "upload": upload,
            "part_size": part_size,
            "source": source,
        }
        flags = os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC
        try:
            file = os.open(path, flags, 0o600)
        except OSError as error:
            log.warning("an upload is not written down in %s: %s", path, error.strerror)
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(file, _line(entry))
        except OSError as error:
            os.close(file)
            log.warning("an upload is not written down in %s: %s", path, error.strerror)
            return None
        self._journal.ended(upload)
        return Record(path, file, [json.loads(_line(entry))])

    def expired(self) -> Iterator[tuple[str, Record]]:
        """Those older than ``KEPT_DAYS`` that nobody works on, with their keys below the prefix,
        locked for us: each is to be forgotten or closed."""
        oldest = time.time() - KEPT_DAYS * 86_400
        for path in sorted(self._directory.glob(f"{_stem(self._origin)}*.jsonl")):
            with contextlib.suppress(OSError, Busy):
                if path.stat().st_mtime < oldest and (record := _locked(path)) is not None:
                    yield record.key.removeprefix(self._prefix), record

    def _path(self, key: str, path: str) -> Path:
        digest = sha256(f"{self._prefix}{key}\0{path}".encode(errors="surrogateescape"))
        return self._directory / f"{_stem(self._origin)}{digest.hexdigest()[:24]}.jsonl"


def kept_uploads(directory: Path, origin: str) -> list[Noted]:
    """The uploads for ``origin`` that a command may go on with; ``living``: one does just now."""
    found = []
    for path in sorted(directory.glob(f"{_stem(origin)}*.jsonl")):
        with contextlib.suppress(OSError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                living = False
            except BlockingIOError:
                living = True
            if entries := _entries(file.read()):
                changed = os.fstat(file.fileno()).st_mtime
                upload = UploadId(str(entries[0]["upload"]))
                found.append(Noted(str(entries[0]["key"]), upload, living, changed))
    return found


def forget(directory: Path, origin: str, upload: str) -> None:
    """The upload was thrown away: nobody can go on with it."""
    for path in sorted(directory.glob(f"{_stem(origin)}*.jsonl")):
        with contextlib.suppress(OSError, Busy):
            record = _locked(path)
            if record is not None and record.upload == upload:
                record.forget()
            elif record is not None:
                record.close()


def _locked(path: Path) -> Record | None:
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise Busy(
            "Another phfs uploads this file to the same place just now.",
            "Wait until it has ended.",
        ) from None
    entries = _entries(os.pread(file, os.fstat(file).st_size, 0))
    if not entries:
        os.close(file)
        return None
    return Record(path, file, entries)


def _entries(content: bytes) -> list[dict[str, object]]:
    """The lines; the last may be torn. Empty if the first is no head."""
    entries: list[dict[str, object]] = []
    for line in content.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            break
        entries.append(entry)
    whole = entries and {"origin", "key", "upload", "part_size", "source"} <= entries[0].keys()
    return entries if whole else []


def _stem(origin: str) -> str:
    return f"resume-{sha256(origin.encode()).hexdigest()[:16]}-"


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry).encode() + b"\n"
