"""Whether something has become slower than it was.

Owns the file of ratios that is kept, and the comparison with it. Only ratios are kept, because they
hold on other machines, too, and only of PHFS. Called by the repository's ``bench``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from phfs.bench.figures import Figure
from phfs.bench.targets import PHFS

ALLOWED = 0.8
"""Of the kept ratio; less is a fall. Quick runs on a busy machine differ by a tenth."""

Ratios = dict[str, dict[str, float]]
"""By link, then by scenario."""


class Fall(NamedTuple):
    """A scenario over a link whose ratio was ``before`` and is ``now`` (None: it failed)."""

    scenario: str
    link: str
    before: float
    now: float | None

    @property
    def sentence(self) -> str:
        """For people."""
        if self.now is None:
            return f"{self.scenario}, {self.link}: failed, and reached {self.before:.2f} before."
        lost = 1 - self.now / self.before
        return (
            f"{self.scenario}, {self.link}: {self.now:.2f} of the floor, {self.before:.2f} before: "
            f"{lost:.0%} less."
        )


def ratios(known: Sequence[Figure]) -> Ratios:
    """What is kept of a run."""
    found: Ratios = {}
    for figure in known:
        if figure.subject == PHFS and figure.ratio is not None:
            found.setdefault(figure.link, {})[figure.scenario.name] = round(figure.ratio, 3)
    return found


def falls(kept: Ratios, known: Sequence[Figure]) -> list[Fall]:
    """What was measured now and is more than a fifth below what is kept."""
    found = []
    for figure in known:
        before = kept.get(figure.link, {}).get(figure.scenario.name)
        if figure.subject != PHFS or before is None:
            continue
        if figure.ratio is None or figure.ratio < ALLOWED * before:
            found.append(Fall(figure.scenario.name, figure.link, before, figure.ratio))
    return found


def load(file: Path) -> Ratios:
    """The ratios that are kept; none if there is no file."""
    if not file.exists():
        return {}
    kept: Ratios = json.loads(file.read_text())["ratios"]
    return kept


def save(file: Path, known: Sequence[Figure], machine: dict[str, object]) -> None:
    """Keep the ratios of a run, with the machine they are from."""
    content = {"machine": machine, "ratios": ratios(known)}
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
