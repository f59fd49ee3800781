"""What is written down of a run: machine, versions, every round's value, what was cold.

Owns the form of ``results.json``. Called by ``own`` and the repository's ``bench``.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from phfs import __version__
from phfs.bench.figures import Figure
from phfs.bench.targets import Verdict


def machine() -> dict[str, object]:
    """The facts that figures depend on."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_name(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "phfs": __version__,
        "pyfuse3": version("pyfuse3"),
        "boto3": version("boto3"),
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


class Run:
    """One run: how it was done, and all that came out."""

    def __init__(
        self, known: Sequence[Figure], found: Sequence[Verdict], *, quick: bool, rounds: int
    ) -> None:
        self.figures = list(known)
        self.verdicts = list(found)
        self.quick = quick
        self.rounds = rounds
        self.made = time.strftime("%Y-%m-%d %H:%M:%S %z")
        self.machine = machine()

    def write(self, directory: Path) -> Path:
        """Write ``results.json``; its path."""
        content = {
            "made": self.made,
            "quick": self.quick,
            "rounds": self.rounds,
            "machine": self.machine,
            "results": [_values(figure) for figure in self.figures],
            "targets": [
                {
                    "scenario": target.scenario,
                    "link": target.link,
                    "target": target.text,
                    "measured": measured,
                    "met": met,
                }
                for target, measured, met in self.verdicts
            ],
        }
        file = directory / "results.json"
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return file


def _values(figure: Figure) -> dict[str, object]:
    scenario = figure.scenario
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "theme": figure.theme.name,
        "link": figure.link,
        "subject": figure.subject,
        "unit": scenario.unit.text,
        "more_is_better": scenario.unit.per_second,
        "median": figure.value,
        "values": figure.values,
        "ratio_to_floor": figure.ratio,
        "ratios": figure.ratios,
        "daemon_cpu_seconds": figure.cpu_seconds,
        "daemon_cpu_seconds_per_gib": figure.cpu_per_gib,
        "daemon_peak_mib": figure.peak_mib,
        "cold": scenario.cold,
        "floor_is": scenario.floor_is,
        "error": figure.error,
    }
