"""A clock that tests move, a place that remembers, an audience that listens, scenarios made up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from phfs.bench.floor import Floor
from phfs.bench.measure import FLOOR, Reading, Series, Subject
from phfs.bench.place import Place
from phfs.bench.scenario import FILES_PER_SECOND, Scenario, Theme, Unit, nothing
from phfs.bench.turn import Clock, Turn


class FakeClock:
    """Stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


class FakePlace:
    """Remembers what was asked of it, by name."""

    def __init__(self, calls: list[str] | None = None, name: str = "") -> None:
        self.calls = [] if calls is None else calls
        self._name = name

    def below(self, name: str) -> FakePlace:
        return FakePlace(self.calls, f"{self._name}{name}/")

    def make_directory(self) -> None:
        self.calls.append(f"make {self._name}")

    def put_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        self.calls += [f"put {self._name}{name}" for name, _ in files]

    def put_large(self, name: str, size: int) -> None:
        self.calls.append(f"put {self._name}{name} {size}")

    def remove(self, name: str = "") -> None:
        self.calls.append(f"remove {self._name}{name}")


class FakeAudience:
    """Counts."""

    def __init__(self) -> None:
        self.steps = 0
        self.advances = 0
        self.themes: list[str] = []

    def started(self, steps: int) -> None:
        self.steps = steps

    def doing(self, what: str) -> None:
        assert what

    def advanced(self) -> None:
        self.advances += 1

    def finished(self, theme: Theme, results: Sequence[Series]) -> None:
        assert results
        self.themes.append(theme.name)


class NoStore(Floor):
    """A store that is only told apart, never asked."""

    def __init__(self) -> None:
        super().__init__(None, "bucket", "")


def subject(name: str, link: str = "direct") -> Subject:
    """A mount, or the floor."""
    if name == FLOOR:
        return Subject(name, link, store=NoStore())
    return Subject(name, link, Path("/mounts") / name)


def scenario(
    name: str,
    mount: Callable[[Turn, Path], None] = lambda _turn, _root: None,
    floor: Callable[[Turn, Floor], None] | None = None,
    *,
    unit: Unit = FILES_PER_SECOND,
    prepare: Callable[[Place], None] = nothing,
) -> Scenario:
    """A scenario of amount 100."""
    return Scenario(name, f"title of {name}", unit, 100, "everything", prepare, mount, floor, "SDK")


def theme(*scenarios: Scenario, name: str = "theme") -> Theme:
    """A theme of them."""
    return Theme(name, f"Title of {name}", scenarios)


def series(one: Scenario, who: Subject, *readings: Reading) -> Series:
    """What came out for a subject."""
    return Series(one, theme(one), who, list(readings))


def values(one: Scenario, who: Subject, *numbers: float) -> Series:
    """Readings of these values, the first of the turn that warms up."""
    return series(one, who, *(Reading(turn, value, 1.0) for turn, value in enumerate(numbers)))
