"""Takes all subjects in turn, several rounds, and keeps every reading.

Owns the order: per theme everything is laid down, then each round does each scenario with each
subject, one after the other, so that what slows the machine down for a while slows all of them, and
so that other work lies between two turns of the same files. Knows no subject's kind and prints
nothing. Called by ``own`` and the repository's ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from phfs.bench.floor import Floor
from phfs.bench.place import Place
from phfs.bench.process import Process
from phfs.bench.scenario import Scenario, Theme
from phfs.bench.turn import Clock, Turn

FLOOR = "floor"
"""The subject that is no mount."""

MARGIN_SECONDS = 0.2
"""Waited for beyond a mount's TTL, so that it surely asks the store again."""

PATIENCE = 20.0
"""Seconds one subject may use for one scenario; then what has been read so far must do."""


@dataclass(frozen=True)
class Subject:
    """A mount (``root`` is the run's directory on it) or the bare store (``store``), over a link.

    ``process`` is the mount's, if its cost can be seen.
    """

    name: str
    link: str
    root: Path | None = None
    store: Floor | None = None
    process: Process | None = None


class Reading(NamedTuple):
    """One turn: its number, from 0, and what came out; ``error`` is empty if all went well.

    Seconds, CPU seconds and MiB; ``value`` is in the scenario's unit.
    """

    turn: int
    value: float = 0.0
    amount: float = 0.0
    seconds: float = 0.0
    cpu: float | None = None
    peak_mib: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Series:
    """All readings of a scenario by a subject."""

    scenario: Scenario
    theme: Theme
    subject: Subject
    readings: list[Reading]

    @property
    def failed(self) -> bool:
        """Whether the last reading failed: what cannot be done is not tried again."""
        return bool(self.readings) and bool(self.readings[-1].error)

    @property
    def patience_is_spent(self) -> bool:
        """Whether it has been looked at long enough."""
        return sum(reading.seconds for reading in self.readings) > PATIENCE


class Audience(Protocol):
    """Is told how far it is."""

    def started(self, steps: int) -> None:
        """So many turns will be made."""
        ...

    def doing(self, what: str) -> None:
        """This is being done now."""
        ...

    def advanced(self) -> None:
        """A turn is over."""
        ...

    def finished(self, theme: Theme, results: Sequence[Series]) -> None:
        """A theme is over."""
        ...


class Bench:
    """Subjects of one store. ``place`` is where files are laid down, the same directory as every
    subject's ``root``."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        place: Place,
        audience: Audience,
        *,
        ttl: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        """``ttl``: seconds for which the mounts believe names and attributes, at most."""
        self._subjects = subjects
        self._place = place
        self._audience = audience
        self._clock = clock or Clock()
        self._stale_seconds = ttl + MARGIN_SECONDS
        self._last_used: dict[tuple[str, Subject], float] = {}

    def run(self, themes: Sequence[Theme], turns: int) -> list[Series]:
        """Measure everything ``turns`` times. What was laid down is removed theme by theme."""
        scenarios = sum(len(theme.scenarios) for theme in themes)
        self._audience.started(scenarios * len(self._subjects) * turns)
        self._make_directories(themes)
        results: list[Series] = []
        for theme in themes:
            found = self._theme(theme, turns)
            self._audience.finished(theme, found)
            results += found
        return results

    def _make_directories(self, themes: Sequence[Theme]) -> None:
        # Before any mount has seen the run's directory: none can remember that one was not there.
        for theme in themes:
            for scenario in theme.scenarios:
                self._place.below(scenario.name).make_directory()
        self._clock.sleep(self._stale_seconds)

    def _theme(self, theme: Theme, turns: int) -> list[Series]:
        every = [
            Series(scenario, theme, subject, [])
            for scenario in theme.scenarios
            for subject in self._subjects
            if subject.store is None or scenario.floor is not None
        ]
        skipped = len(theme.scenarios) * len(self._subjects) - len(every)
        try:
            for scenario in theme.scenarios:
                self._audience.doing(f"laying down files for {scenario.name}")
                scenario.prepare(self._place.below(scenario.name))
            for number in range(turns):
                for series in every:
                    if not (series.failed or series.patience_is_spent):
                        self._audience.doing(_describe(series, number))
                        series.readings.append(self._take(series, number))
                    self._audience.advanced()
                for _ in range(skipped):
                    self._audience.advanced()
        finally:
            self._audience.doing("removing files")
            for scenario in theme.scenarios:
                self._place.remove(scenario.name)
        return every

    def _take(self, series: Series, number: int) -> Reading:
        scenario, subject = series.scenario, series.subject
        place = self._place.below(scenario.name)
        own = f"own-{self._subjects.index(subject)}-{number}"
        turn = Turn(
            number,
            scenario.amount,
            place,
            name=own,
            process=subject.process,
            stale_seconds=self._stale_seconds,
            last_used=self._last_used.get((scenario.name, subject)),
            clock=self._clock,
        )
        try:
            _work(scenario, subject)(turn)
        except Exception as error:  # a subject that cannot do it is a result, not the end
            return Reading(number, seconds=turn.seconds, error=_sentence(error))
        finally:
            self._last_used[scenario.name, subject] = self._clock.now()
            if turn.wrote:
                place.remove(own)
        value = turn.figure
        if value is None:
            value = scenario.unit.value(turn.amount, turn.seconds)
        return Reading(number, value, turn.amount, turn.seconds, turn.cpu, turn.peak_mib)


def _work(scenario: Scenario, subject: Subject) -> Callable[[Turn], None]:
    if subject.store is not None:
        store, floor = subject.store.below(scenario.name), scenario.floor
        assert floor is not None
        return lambda turn: floor(turn, store)
    assert subject.root is not None
    root = subject.root / scenario.name
    return lambda turn: scenario.mount(turn, root)


def _describe(series: Series, number: int) -> str:
    what = "warming up" if number == 0 else f"round {number}"
    return f"{series.scenario.name}: {series.subject.name}, {series.subject.link}, {what}"


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:300]
