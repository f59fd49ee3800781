"""The program that keeps a job's artifacts, put where the job's own container finds it.

Owns the file ``phfs-artifacts`` beside this module: a POSIX shell script, because it runs in
whatever image the job has, where neither Python nor PHFS need be. What is copied, and when, is said
in it and nowhere else. Called by ``phfs-sidecar artifacts`` and by whoever fills the shared tree.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

SCRIPT = Path(__file__).with_name("phfs-artifacts")
"""Runs a command, then copies ``./artifacts``: ``phfs-artifacts COMMAND [ARGUMENT]...``."""


def install(directory: Path) -> Path:
    """Put the program into ``directory``, for everybody to run; its path there.

    Whoever starts it meanwhile gets the old one or the new one, whole. Raises ``OSError``.
    """
    target = directory / SCRIPT.name
    number, name = tempfile.mkstemp(dir=directory, prefix=f".{SCRIPT.name}-")
    try:
        with open(number, "wb") as file:
            file.write(SCRIPT.read_bytes())
            os.fchmod(number, 0o755)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    return target


def become(command: Sequence[str]) -> NoReturn:
    """Run ``command`` and keep its artifacts in this process's place; its exit code is then this
    process's. Raises ``OSError`` if there is no shell."""
    os.execv("/bin/sh", ["sh", str(SCRIPT), "--", *command])  # noqa: S606
