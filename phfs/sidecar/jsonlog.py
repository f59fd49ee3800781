"""The sidecar's log: one line for each event, to standard error, for people or for programs.

In the form ``json`` a line is an object of ``time``, ``level``, ``logger`` and ``message``; one
about a volume says ``volume``, that of a failure also ``why`` and ``advice``. Lines of
``phfs-mount`` are passed on as they are. Called by ``run``.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime

from phfs.sidecar.report import printable


def log_to_terminal(form: str) -> None:
    """Log to standard error; ``form`` is ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("phfs").setLevel(logging.INFO)


def about(volume: str, why: str = "", advice: str = "") -> dict[str, dict[str, str]]:
    """What a record says beside its message, for the argument ``extra``."""
    parts = {"volume": volume, "why": why, "advice": advice}
    return {"about": {name: text for name, text in parts.items() if text}}


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_when(record)} {record.levelname} {printable(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _when(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
