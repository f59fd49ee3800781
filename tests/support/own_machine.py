"""What the tests must not take from the machine they run on, and what they may take away there.

Owns which variables of whoever runs the tests they see, and which directories are of no session any
more. Called by ``tests/conftest.py``.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

KEPT = ("PHFS_MINIO", "PHFS_KUBELET")
"""Where programs for the tests are: no options of PHFS."""


def without_own_options(environ: MutableMapping[str, str]) -> None:
    """Take every variable of PHFS away, and have no configuration file read: neither the user's nor
    the machine's. A test that reads one names it."""
    for name in [name for name in environ if name.startswith("PHFS_") and name not in KEPT]:
        del environ[name]
    environ["PHFS_CONFIG"] = os.devnull


def abandoned(own: Path | str | None, temporary: Path | None = None) -> list[Path]:
    """Directories of tests in which nothing is running: the session's ``own`` (``--basetemp``),
    which pytest is about to empty, and those of this user whose pytest has ended. Those of a
    session that runs beside this one are not among them."""
    usual = (temporary or Path(tempfile.gettempdir())) / f"pytest-of-{getpass.getuser()}"
    # What pytest could not remove has another name: garbage-….
    ended = [path for path in usual.glob("*-*") if _is_ours(path) and not _runs(path)]
    return ended if own is None else [Path(own).absolute(), *ended]


def _is_ours(path: Path) -> bool:
    try:
        return not path.is_symlink() and path.stat().st_uid == os.getuid()
    except OSError:  # removed meanwhile
        return False


def _runs(directory: Path) -> bool:
    """Whether the process is there that pytest has written into its lock."""
    try:
        return Path("/proc", (directory / ".lock").read_text().strip()).is_dir()
    except OSError:
        return False
