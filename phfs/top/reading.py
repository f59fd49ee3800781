"""One mount asked how it is doing, without ever hanging when it does.

Owns the two files that are read and what is said when they cannot be. Called by ``watching``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from phfs.errors import MountError

ANSWER_SECONDS = 5.0
"""A mount that has not answered by then is said to hang; it answers without asking its store."""


class Reading(NamedTuple):
    """What a mount said, ``at`` by the monotonic clock: its status, and its failures, the newest
    first."""

    at: float
    status: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]]


class Source:
    """The mount at ``root``. ``ask`` and ``answer`` take turns."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._asked: Future[Reading] | None = None
        self._since = 0.0

    def ask(self) -> None:
        """Begin to read; a question that has not been answered yet stays the only one."""
        if self._asked is not None:
            return
        self._asked, self._since = Future(), time.monotonic()
        # A call into a mount that hangs cannot be interrupted, only left behind.
        threading.Thread(target=_fill, args=(self._asked, self.root), daemon=True).start()

    def answer(self, seconds: float = ANSWER_SECONDS) -> Reading | None:
        """The answer, waited for at most so long; None if there is none yet.

        Raises ``MountError`` if the mount is gone, or has not answered for ``ANSWER_SECONDS``.
        """
        assert self._asked is not None
        try:
            reading = self._asked.result(seconds)
        except TimeoutError:
            if time.monotonic() - self._since < ANSWER_SECONDS:
                return None
            raise MountError(
                f"The mount at {self.root} does not answer.",
                "See its log; phfs mounts tells its process.",
            ) from None
        except MountError:
            self._asked = None
            raise
        self._asked = None
        return reading


def _fill(asked: Future[Reading], root: Path) -> None:
    try:
        asked.set_result(_read(root))
    except MountError as error:
        asked.set_exception(error)


def _read(root: Path) -> Reading:
    own = root / ".phfs"
    try:
        status = json.loads((own / "status.json").read_text())
        errors = json.loads((own / "errors.json").read_text())
    except FileNotFoundError:
        raise MountError(f"PHFS is not mounted at {root}.") from None
    except OSError as error:
        raise MountError(f"The mount at {root} cannot be asked: {error.strerror}.") from None
    except ValueError:
        raise MountError(f"{own} is not written by PHFS.") from None
    return Reading(time.monotonic(), status, errors)
