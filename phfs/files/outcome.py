"""What became of each file that was copied, moved, removed or left alone.

Owns the words for it, and the port through which a person is told as it happens. Called by the
rest of ``files`` and by ``cli``.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from phfs.errors import PhfsError
from phfs.files.paths import Remote

Place = Remote | Path
"""In the group, or on this machine."""

STREAM = Path("-")
"""Standard input or output."""


class Action(StrEnum):
    """What is done to a file."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    COPY = "copy"
    SKIP = "skip"
    REMOVE = "remove"
    FAIL = "fail"


class Outcome(NamedTuple):
    """One file. ``size`` in bytes; ``verified``: the checksum by which it was found to be the same
    on both sides, empty if there was none; ``error`` if it failed, ``note`` why it was left out."""

    action: Action
    source: str
    target: str = ""
    size: int = 0
    seconds: float = 0.0
    verified: str = ""
    note: str = ""
    error: PhfsError | None = None


class Reporter(Protocol):
    """Is told how far a command has come."""

    def found(self, files: int, size: int) -> None:
        """So many files more are to be done, of so many bytes together."""

    def moved(self, count: int) -> None:
        """``count`` bytes have been carried; fewer than none if they have to be once more."""

    def ended(self, outcome: Outcome) -> None:
        """A file is done."""

    def say(self, sentence: str) -> None:
        """Something a person should know that is no failure."""


class Silent:
    """A ``Reporter`` that keeps the outcomes and the sentences."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.said: list[str] = []

    def found(self, files: int, size: int) -> None:
        """Nothing."""

    def moved(self, count: int) -> None:
        """Nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Keep it."""
        self.outcomes.append(outcome)

    def say(self, sentence: str) -> None:
        """Keep it."""
        self.said.append(sentence)


def shown(place: Place | str) -> str:
    """A place, or a name, in a sentence or a document: bytes that are no text are escaped."""
    return os.fsencode(str(place)).decode(errors="backslashreplace")
