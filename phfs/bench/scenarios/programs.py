"""Runs the programs that people run on a directory.

Owns the running, no scenario. Used by the scenarios.
"""

from __future__ import annotations

import os
import subprocess

from phfs.bench.wrong import WrongResult

SECONDS = 100.0
"""After which a program is given up: some mounts need minutes where others need a second."""


def run(*command: str | os.PathLike[str]) -> int:
    """Run a program and wait for it; the number of lines it printed. Raises ``WrongResult``."""
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WrongResult(f"{command[0]} did not end within {SECONDS:g} seconds") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").splitlines()
        raise WrongResult((said or [f"{command[0]} failed"])[-1])
    return ran.stdout.count(b"\n")
