"""The keys of a mount, from a Secret's directory to a file that only the mount's process can read.

Owns that file, in the form of AWS's shared credentials. A Secret has either ``credentials``, such a
file with a section ``[default]``, or ``access-key-id`` and ``secret-access-key``, for temporary
keys also ``session-token``. Never logs what is in them. Called by ``phfsmount``.
"""

from __future__ import annotations

import os
from pathlib import Path

from phfs.errors import VolumeError
from phfs.sidecar.placing import write_file
from phfs.system.privileges import Identity

NAMES = {
    "access-key-id": "aws_access_key_id",
    "secret-access-key": "aws_secret_access_key",
    "session-token": "aws_session_token",
}
"""A Secret's keys, and what the shared file calls them."""

MOST_BYTES = 64 * 1024

_ADVICE = (
    "Have the Secret corrected: it needs access-key-id and secret-access-key, or credentials. It "
    "is looked at again by itself."
)


class KeyCopy:
    """``secret``: the Secret's directory, replaced by the kubelet when the Secret changes."""

    def __init__(self, secret: Path, directory: Path, reader: Identity) -> None:
        self._secret = secret
        self._directory = directory
        self._reader = reader
        self._written: bytes | None = None
        self.file = directory / "credentials"

    def refresh(self) -> bool:
        """Copy the keys if they are others than before; whether they were.

        Raises ``VolumeError`` if the Secret has none, ``OSError`` if they cannot be written; what
        was there stays.
        """
        content = self._content()
        if content == self._written:
            return False
        self._directory.mkdir(mode=0o710, parents=True, exist_ok=True)
        os.chown(self._directory, 0, self._reader.gid)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            write_file(directory, self.file.name, content, mode=0o400, owner=self._reader)
        finally:
            os.close(directory)
        self._written = content
        return True

    def remove(self) -> None:
        """Nobody needs them any more."""
        self.file.unlink(missing_ok=True)
        self._written = None

    def _content(self) -> bytes:
        whole = self._read("credentials")
        if whole is not None:
            return whole.rstrip() + b"\n"
        lines = ["[default]"]
        for name, variable in NAMES.items():
            data = self._read(name)
            if data is None:
                if name == "session-token":
                    continue
                raise VolumeError(f"The Secret at {self._secret} has no {name}.", _ADVICE)
            lines.append(f"{variable} = {self._line(name, data)}")
        return "".join(f"{line}\n" for line in lines).encode()

    def _line(self, name: str, data: bytes) -> str:
        text = data.decode("ascii", errors="replace").strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise VolumeError(f"{name} in the Secret at {self._secret} cannot be a key.", _ADVICE)
        return text

    def _read(self, name: str) -> bytes | None:
        try:
            with (self._secret / name).open("rb") as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VolumeError(
                f"{name} in the Secret at {self._secret} cannot be read ({error.strerror}).",
                _ADVICE,
            ) from None
