"""Uploads that come in pieces, kept on a local disk until they are complete.

Owns the uploads under way; their files have no names, so that nothing stays of a server that dies.
A name is written once, with all pieces, or not at all. Never mixes two uploads: JupyterLab gives a
piece a number, and nothing that tells whose it is. Called by ``manager``, ``keep`` and ``publish``
in a thread.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from tornado.web import HTTPError

FORGOTTEN_SECONDS = 3600.0
"""An upload that has been silent for so long is given up when another one begins."""

LAST = -1
"""What JupyterLab sends instead of a number with the last piece."""


@dataclass(eq=False)
class Upload:
    """An upload of which ``pieces`` have come, the last of them when the clock was ``heard``.
    While it is ``busy`` a piece is being kept, or all of them saved (``saving``): nobody else
    touches it."""

    spool: IO[bytes]
    pieces: int = 0
    heard: float = field(default_factory=time.monotonic)
    busy: bool = False
    saving: bool = False

    def silent(self, seconds: float) -> bool:
        """Whether nothing has been heard of it for so long."""
        return not self.busy and time.monotonic() - self.heard >= seconds


class Uploads:
    """The uploads under way, by the path they are for, as Jupyter names it."""

    def __init__(self, directory: str, silent_seconds: float) -> None:
        """``directory`` holds the pieces. An upload that has been silent for ``silent_seconds``
        may be begun anew."""
        self._directory = directory
        self._silent_seconds = silent_seconds
        self._uploads: dict[str, Upload] = {}

    def begin(self, path: str, os_path: str) -> None:
        """Expect the first piece of a file. Raises ``HTTPError`` if another upload of it is under
        way, or if it could not be written anyway."""
        for other, upload in list(self._uploads.items()):
            if upload.silent(FORGOTTEN_SECONDS):
                self.drop(other)
        before = self._uploads.get(path)
        if before is not None and not before.silent(self._silent_seconds):
            raise HTTPError(
                409,
                f"{path} is being uploaded already, and two uploads would mix. Wait until that one "
                f"is complete; if it was broken off, try again in {self._silent_seconds:.0f} "
                "seconds.",
            )
        self.drop(path)
        directory = os.path.dirname(os_path)
        if not os.path.isdir(directory):
            raise HTTPError(404, f"The directory of {path} is not there. Make it first.")
        if os.path.isdir(os_path):
            raise HTTPError(400, f"{path} is a directory. Upload the file under another name.")
        if not os.access(directory, os.W_OK):
            raise HTTPError(403, f"{path} cannot be written: its directory is read-only.")
        with self._on_the_local_disk(path):
            spool = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - closed by drop
            self._uploads[path] = Upload(spool)

    def expect(self, path: str, chunk: int) -> Upload:
        """The upload whose next piece has the number ``chunk``, busy with it from now on. Raises
        ``HTTPError`` if there is none: nothing comes of an upload that has missed a piece."""
        upload = self._uploads.get(path)
        if upload is None:
            raise HTTPError(
                400,
                f"The first pieces of {path} are not here any more, so nothing was saved. Upload "
                "the file again.",
            )
        if chunk not in (LAST, upload.pieces + 1) or upload.busy:
            if not upload.busy:
                self.drop(path)
            raise HTTPError(
                409,
                f"Piece {chunk} of {path} came and not piece {upload.pieces + 1}: two uploads of "
                "it would mix. Upload the file again.",
            )
        upload.pieces += 1
        upload.busy = True
        return upload

    def keep(self, path: str, upload: Upload, data: bytes) -> int:
        """Keep the piece that was expected; how many bytes there are now. Raises ``HTTPError``."""
        with self._on_the_local_disk(path):
            upload.spool.write(data)
            upload.spool.flush()
        return upload.spool.tell()

    def await_next(self, upload: Upload) -> None:
        """The piece is kept."""
        upload.heard = time.monotonic()
        upload.busy = False

    def publish(self, upload: Upload, os_path: str) -> None:
        """Write all pieces as one file, which is there when this returns. Raises ``OSError``."""
        with upload.spool:
            upload.spool.seek(0)
            with open(os_path, "wb") as file:
                shutil.copyfileobj(upload.spool, file, 1024 * 1024)

    def drop(self, path: str) -> None:
        """Give up what there is of an upload, but for one that is being saved: that is saved, even
        when nobody waits for it any more."""
        upload = self._uploads.pop(path, None)
        if upload is not None and not upload.saving:
            upload.spool.close()

    @contextmanager
    def _on_the_local_disk(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HTTPError(
                500,
                f"{path} was not uploaded. Its pieces are kept in {self._directory} of the Jupyter "
                f"server until the last has come, and there it says: {error.strerror}. Make room "
                "there, or set c.PhfsContentsManager.spool_dir to a directory that has it.",
            ) from error
