"""How findings are shown: lines as they come, in colour on a terminal, and one JSON document.

Owns the words of the end and what a document for support contains: versions, the place, every
finding; never a key, a token or a signature. Called by ``cli``.
"""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from rich.console import Console
from rich.table import Table
from rich.text import Text

from phfs import __version__
from phfs.core.names import printable
from phfs.doctor.examination import Examination, Finding, Result
from phfs.doctor.run import Patient
from phfs.s3.refusals import place_of

_STYLES = {
    Result.OK: "green",
    Result.WARN: "yellow",
    Result.FAIL: "bold red",
    Result.SKIP: "dim",
}
_NAME_WIDTH = 15


class Screen:
    """Prints findings: a table on a terminal, plain lines in a pipe."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def show(self, finding: Finding) -> None:
        """One finding, and what to do about it."""
        advice = finding.advice if finding.result in (Result.WARN, Result.FAIL) else ""
        text = printable(f"{finding.text}.") if advice else printable(finding.text)
        if not self._console.is_terminal:
            more = f" {printable(advice)}" if advice else ""
            print(f"{finding.result.value:<5} {finding.check}: {text}{more}", flush=True)
            return
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=4)
        grid.add_column(width=_NAME_WIDTH)
        grid.add_column(overflow="fold")
        style = _STYLES[finding.result]
        words = Text(text, style="dim" if finding.result is Result.SKIP else "")
        if advice:
            words.append(f" {printable(advice)}", style="italic")
        grid.add_row(Text(finding.result.value, style), Text(finding.check), words)
        self._console.print(grid)

    def end(self, examination: Examination) -> None:
        """The sum."""
        self._console.print(Text(summary(examination)))


def summary(examination: Examination) -> str:
    """One sentence."""
    failed, warned = examination.count(Result.FAIL), examination.count(Result.WARN)
    if not failed and not warned:
        return "All is well."
    parts = [f"{failed} {'failure' if failed == 1 else 'failures'}"] if failed else []
    parts += [f"{warned} {'warning' if warned == 1 else 'warnings'}"] if warned else []
    well = "" if failed else " A mount works."
    return f"{' and '.join(parts)}.{well}"


def document(patient: Patient, examination: Examination) -> dict[str, object]:
    """Everything, as plain values."""
    config = patient.config
    return {
        "result": "fail" if examination.count(Result.FAIL) else "ok",
        "summary": summary(examination),
        "versions": {
            "phfs": __version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "pyfuse3": _version("pyfuse3"),
            "trio": _version("trio"),
            "botocore": _version("botocore"),
            "store": examination.server or None,
        },
        "machine": {"system": sys.platform, "architecture": platform.machine()},
        "endpoint": place_of(config.endpoint_url),
        "bucket": config.bucket,
        "prefix": config.prefix,
        "mount_point": None if patient.mount is None else str(patient.mount.path),
        "read_only": patient.read_only,
        "checks": [finding.values() for finding in examination.findings],
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
