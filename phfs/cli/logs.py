"""Where the log goes and how a line of it looks.

The level applies to PHFS's own loggers; libraries are heard from warnings on, because what they say
below that contains the signatures of requests.
"""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S%z"

LOG_SIZE = 10 * 1024**2
"""Bytes after which a log file is put aside; one older one is kept."""


def log_to_terminal(level: str) -> None:
    """Log to standard error."""
    _configure(level, logging.StreamHandler())


def log_to_file(level: str, file: Path) -> None:
    """Log to the end of ``file``. Raises ``OSError`` if it cannot be written."""
    _configure(level, logging.handlers.RotatingFileHandler(file, maxBytes=LOG_SIZE, backupCount=1))


def _configure(level: str, handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("phfs").setLevel(level.upper())
