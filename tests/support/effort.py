"""How hard an experiment tries: a form that fits CI, and the long one of ``make torture``.

Owns the switch ``--torture``'s meaning and the figures that experiments leave. ``make test`` runs
every experiment in its short form; ``make torture`` those marked ``torture`` in the long one, and
writes their figures into ``docs/reliability.md`` (``python -m tests.support.figures``). The fixture
``effort`` of ``tests/conftest.py`` gives one.

::

    @pytest.mark.torture
    def test_kills(effort: Effort) -> None:
        for number in range(effort.of(quick=5, long=200)):
            ...
        effort.record("kills of the daemon", kills=number + 1, lost=0)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

RESULTS = Path(__file__).resolve().parents[2] / "build/torture"


class Effort:
    """``long``: whether this is ``make torture``. Figures go to ``directory``."""

    def __init__(self, *, long: bool, directory: Path = RESULTS) -> None:
        self.long = long
        self._directory = directory

    def of(self, *, quick: T, long: T) -> T:
        """The amount to do: times, seconds, bytes."""
        return long if self.long else quick

    def record(self, experiment: str, **figures: float | str) -> None:
        """Write down what an experiment found, over what it found last time in the same form."""
        form = "long" if self.long else "quick"
        self._directory.mkdir(parents=True, exist_ok=True)
        name = experiment.lower().replace(" ", "-").replace("/", "-")
        document = {"experiment": experiment, "form": form, "figures": figures}
        (self._directory / f"{name}.{form}.json").write_text(json.dumps(document, indent=1))
