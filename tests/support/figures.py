"""Writes the experiments' last figures into ``docs/reliability.md``; ``make torture`` ends so.

Owns the table between the page's markers. Reads what ``Effort.record`` left in ``build/torture``;
where an experiment has figures of both forms, those of the long one count. Rows of experiments that
were not run stay as they are on the page.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.effort import RESULTS

PAGE = Path(__file__).resolve().parents[2] / "docs/reliability.md"
BEGIN, END = "<!-- figures:begin -->\n", "<!-- figures:end -->"
HEAD = "| experiment | form | measured | figures |\n|---|---|---|---|\n"


def rows(results: Path) -> dict[str, str]:
    """The table's rows by experiment, from the files in ``results``."""
    found: dict[str, str] = {}
    for path in sorted(results.glob("*.json"), key=lambda path: (".long." in path.name, path.name)):
        document = json.loads(path.read_text())
        day = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date()
        figures = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}"
                            for name, value in document["figures"].items())  # fmt: skip
        name = document["experiment"]
        found[name] = f"| {name} | {document['form']} | {day} | {figures} |"
    return found


def written(page: str, new: dict[str, str]) -> str:
    """The page with the new rows in its table. Raises ``ValueError`` if it has no place for it."""
    before, begun, rest = page.partition(BEGIN)
    table, ended, after = rest.partition(END)
    if not (begun and ended):
        raise ValueError(f"{PAGE} has no {BEGIN.strip()} and {END}")
    kept = {name: row for row in re.findall(r"^\| .*\|$", table, re.MULTILINE)
            if (name := row.split("|")[1].strip()) not in ("experiment", "---")}  # fmt: skip
    return f"{before}{BEGIN}{HEAD}{_lines({**kept, **new}.items())}{END}{after}"


def _lines(found: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{row}\n" for _, row in sorted(found))


def _shown(value: float | str) -> str:
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else f"{value}"


def main() -> int:
    """Write the table."""
    PAGE.write_text(written(PAGE.read_text(), rows(RESULTS)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
