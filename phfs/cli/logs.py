"""Where the log goes and how a line of it looks.

The level applies to PHFS's own loggers; libraries are heard from warnings on, because what they say
below that contains the signatures of requests. A message is one line of printable characters: names
in it come from the bucket, and a terminal may show it. In the form ``json`` a line is an object of
``time``, ``level``, ``logger`` and ``message``; that of a failure says its parts, too.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
from datetime import datetime
from pathlib import Path

from phfs.core.names import printable
from phfs.system.privileges import Identity, acting_as

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S%z"

LOG_SIZE = 10 * 1024**2
"""Bytes after which a log file is put aside; one older one is kept."""


def log_to_terminal(level: str, form: str = "text") -> None:
    """Log to standard error."""
    _configure(level, form, logging.StreamHandler())


def log_to_file(level: str, file: Path, form: str = "text") -> None:
    """Log to the end of ``file``. Raises ``OSError`` if it cannot be written."""
    handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_SIZE, backupCount=1)
    _configure(level, form, handler)


def log_beside(level: str, file: Path, owner: Identity | None, form: str = "text") -> None:
    """Log to the end of ``file``, which another process writes, too, and puts aside when it is
    long. ``owner``: whose the file is, if not the caller's."""
    _configure(level, form, _Beside(file, owner))


class _Beside(logging.Handler):
    """Opens the file for each line: the few of a supervisor are in the file of the moment."""

    def __init__(self, file: Path, owner: Identity | None) -> None:
        super().__init__()
        self._file = file
        self._owner = owner

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with acting_as(self._owner), self._file.open("a") as stream:
                stream.write(self.format(record) + "\n")
        except OSError:
            self.handleError(record)


def _configure(level: str, form: str, handler: logging.Handler) -> None:
    handler.setFormatter(_Json() if form == "json" else _Printable(_FORMAT, _TIME))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("phfs").setLevel(level.upper())


class _Printable(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)
        return super().formatMessage(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "failure", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
