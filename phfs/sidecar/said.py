"""What a program has said of its failure, made fit for a sentence.

Pure. Called by ``gitwords`` and ``nfswords``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SHOWN = 200
"""Characters of a program's words that a sentence may hold."""


class Known(NamedTuple):
    """A failure that is known by what a program prints in the C locale (a regular expression)."""

    pattern: str
    why: str
    advice: str


def known(table: Sequence[Known], said: str) -> Known | None:
    """The first of a table that fits."""
    return next((one for one in table if re.search(one.pattern, said)), None)


def line(said: str, secrets: Iterable[str] = ()) -> str:
    """The line that matters, without secrets, logins in URLs and control characters."""
    lines = [text.strip() for text in said.splitlines() if text.strip()] or ["nothing"]
    marked = [text for text in lines if text.startswith(("fatal:", "error:", "remote:"))]
    chosen = marked[0] if marked else lines[-1]
    for secret in secrets:
        chosen = chosen.replace(secret, "…")
    chosen = re.sub(r"//[^/@\s]*@", "//", chosen)
    shown = "".join(one if one.isprintable() else " " for one in chosen)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
