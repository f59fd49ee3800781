"""Where the results go: a directory with JSON, plots and a page.

Owns the directory. Called by ``own`` and the repository's ``bench``.
"""

from __future__ import annotations

import os
from pathlib import Path

from phfs.bench.page import page
from phfs.bench.plots import plots
from phfs.bench.record import Run
from phfs.errors import PhfsError


def writable(directory: Path) -> Path:
    """The directory, made if it is missing. Raises ``PhfsError`` if it cannot be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PhfsError(
            f"The directory {directory} cannot be made ({error.strerror}).", "Give another one."
        ) from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PhfsError(f"The directory {directory} cannot be written to.", "Give another one.")
    return directory


def write(run: Run, directory: Path) -> Path:
    """Write everything; the path of the page."""
    run.write(directory)
    pictures = plots(run)
    for name, png in pictures.items():
        (directory / name).write_bytes(png)
    file = directory / "index.html"
    file.write_text(page(run, pictures))
    return file
