"""A file that is written and not saved yet: what is told of it, as values and in words.

Owns the words, so that a mount that ends and a command that waits for one say the same. Made by
``vfs/ending``; read by ``mount`` for the status and by ``cli``, there from the status of another
process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from phfs.core.names import printable
from phfs.core.sizes import size

MOST_TOLD = 100
"""Files that a status tells one by one."""


class Unsaved(NamedTuple):
    """A file that is written or created and not in the bucket, by its ``path`` in the mount.

    ``known``: bytes its program has written so far; ``sent``: those that have gone out;
    ``seconds`` since the first of them came; ``closing``: a close or fsync waits for the rest. What
    is never closed is never saved.
    """

    path: str
    sent: int
    known: int
    seconds: float
    closing: bool
    stored: int = 0
    """Bytes of those sent that the store has confirmed."""
    waits_for: str = ""
    """What holds up the program that writes; empty if nothing does."""
    key: str = ""
    """Where the bytes go, below the mount's prefix."""


def values_of(files: Iterable[Unsaved]) -> list[dict[str, object]]:
    """For a status: plain values of the first ``MOST_TOLD``."""
    return [
        {
            "path": one.path,
            "sent_bytes": one.sent,
            "stored_bytes": one.stored,
            "known_bytes": one.known,
            "seconds": round(one.seconds, 1),
            "closing": one.closing,
            "waits_for": one.waits_for,
        }
        for one in list(files)[:MOST_TOLD]
    ]


def read(told: object) -> list[Unsaved]:
    """The files of a status, as another process has written it; what is not one is left out."""
    found = []
    for item in told if isinstance(told, list) else []:
        try:
            found.append(
                Unsaved(
                    str(item["path"]),
                    int(item["sent_bytes"]),
                    int(item["known_bytes"]),
                    float(item["seconds"]),
                    bool(item["closing"]),
                    int(item.get("stored_bytes", 0)),
                    str(item.get("waits_for", "")),
                )
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return found


def line_of(one: Unsaved) -> str:
    """One line for people: ``/a.bin: 12 MiB of 40 MiB are sent, being saved``."""
    doing = "being saved" if one.closing else "a program has it open"
    return f"{printable(one.path)}: {amount(one)}, {doing}"


def amount(one: Unsaved) -> str:
    """How much of it has gone out."""
    return f"{size(one.sent)} of {size(one.known)} are sent"
