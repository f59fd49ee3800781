"""What the kernel lets be tuned once a mount answers: how much it reads ahead and asks at once.

Owns the two figures and the files under /sys that take them. Never fails: where it is not
permitted, as in most containers, the mount is slower and the log says so. Called by ``session``
and, where that has no right to, by ``cli.handover``.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

READ_AHEAD = 4 * 1024**2
"""Bytes the kernel reads ahead of a sequential reader. Its default of 128 KiB makes one small
request at a time; a request has at most 1 MiB (FUSE_MAX_MAX_PAGES), so this keeps four under way.
One stream from a file system in memory that takes 2 ms for each request, on 2 busy cores: 128 KiB
72 MB/s, 1 MiB 360, 2 MiB 460, 4 MiB 580, 8 MiB 510, 16 MiB 480 (medians of 4). More is also read
in vain when a reader stops early."""

MAX_BACKGROUND = 64
"""Read-ahead requests the kernel has under way over all files; its default of 12
(FUSE_DEFAULT_MAX_BACKGROUND) is three streams of ``READ_AHEAD``."""


def tune(device: int, sys: Path = Path("/sys")) -> None:
    """Set the figures for the mounted device ``st_dev``."""
    name = f"{os.major(device)}:{os.minor(device)}"
    _write(sys / "class/bdi" / name / "read_ahead_kb", READ_AHEAD // 1024)
    background = sys / "fs/fuse/connections" / str(os.minor(device)) / "max_background"
    if background.exists():  # else fusectl is not mounted
        _write(background, MAX_BACKGROUND)


def _write(file: Path, value: int) -> None:
    try:
        file.write_text(str(value))
    except OSError as error:
        log.info("%s stays as it is (%s): reading is slower", file, error.strerror)
