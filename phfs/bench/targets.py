"""What PHFS is to reach, as data, and whether a figure reaches it.

Owns the table. Ratios are speeds over the floor's in the same run, so more is better. Called by
``report``, ``page`` and ``record``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from phfs.bench.figures import Figure, find
from phfs.bench.numbers import short

PHFS = "phfs"
DIRECT = "direct"
UNDELAYED = "0ms"
"""A proxy without a delay: over it, only the delay makes the difference to ``TEN_MS``."""
TEN_MS = "10ms"
TEN_MS_HELD = "10ms-held"
"""The same without a proxy, which costs CPU of its own: the targets are the same."""


class Condition(NamedTuple):
    """A measure of a figure and its bounds; ``of`` names one of ``MEASURES``."""

    of: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, measured: float) -> bool:
        """Whether a number is within the bounds."""
        enough = self.at_least is None or measured >= self.at_least
        return enough and (self.at_most is None or measured <= self.at_most)


class Target(NamedTuple):
    """A scenario over a link must meet one of the conditions; ``text`` says so to people."""

    scenario: str
    link: str
    text: str
    any_of: tuple[Condition, ...]


class Verdict(NamedTuple):
    """A target, what was measured in its words, and whether it is met."""

    target: Target
    measured: str
    met: bool


def _ratio(scenario: str, link: str, least: float, text: str) -> Target:
    return Target(scenario, link, text, (Condition("ratio", at_least=least),))


def _least(scenario: str, link: str, least: float, text: str) -> Target:
    return Target(scenario, link, text, (Condition("value", at_least=least),))


def _most(scenario: str, link: str, most: float, text: str) -> Target:
    return Target(scenario, link, text, (Condition("value", at_most=most),))


def _share(scenario: str, of: str, least: float, whose: str) -> Target:
    return Target(scenario, TEN_MS, f"≥ {least} of {whose}", (Condition(of, at_least=least),))


def _of_direct(scenario: str, least: float) -> Target:
    return _share(scenario, "of_direct", least, "its own direct figure")


def _of_undelayed(scenario: str, least: float) -> Target:
    whose = "its own figure over the same proxy without delay"
    return _share(scenario, "of_undelayed", least, whose)


def _cpu(scenario: str, link: str, most: float) -> Target:
    text = f"≤ {most} s of CPU per GiB"
    return Target(scenario, link, text, (Condition("cpu_per_gib", at_most=most),))


_BOTH = (DIRECT, TEN_MS)

_WANTED: tuple[Target, ...] = (
    Target(
        "first-byte",
        DIRECT,
        "≤ 3.5 ms, or 1.5 x a bare GET of 1 MiB",
        (Condition("value", at_most=3.5), Condition("ratio", at_least=1 / 1.5)),
    ),
    _most("first-byte", TEN_MS, 15.0, "≤ 1 round trip + 5 ms"),
    _ratio("read-seq-1", DIRECT, 0.65, "≥ 0.65 of the floor"),
    _ratio("read-seq-4", DIRECT, 0.7, "≥ 0.7 of the floor"),
    _of_direct("read-seq-1", 0.9),
    _of_direct("read-seq-4", 0.9),
    _of_undelayed("read-seq-1", 0.9),
    _of_undelayed("read-seq-4", 0.9),
    _most("memory-read-1", DIRECT, 130, "≤ 130 MiB resident"),
    _most("memory-read-4", DIRECT, 256, "≤ 256 MiB resident"),
    _most("memory-read-1", TEN_MS, 256, "≤ 256 MiB resident"),
    _most("memory-read-4", TEN_MS, 256, "≤ 256 MiB resident"),
    *(_cpu(f"read-seq-{streams}", link, 0.7) for streams in (1, 4) for link in _BOTH),
    *(_cpu(f"write-seq-{streams}", link, 0.6) for streams in (1, 4) for link in _BOTH),
    *(_ratio("read-mmap-4", link, 0.5, "≥ 0.5 of the floor") for link in _BOTH),
    *(_least("read-again", link, 3000, "≥ 3 GB/s, from the page cache") for link in _BOTH),
    _ratio("small-read-ordered", DIRECT, 1.2, "≥ 1.2 x GETs one after the other"),
    _least("small-read-ordered", TEN_MS, 600, "≥ 600 per s"),
    _ratio("small-read-shuffled-8", DIRECT, 1.7, "≥ 1.7 x GETs one after the other"),
    _least("small-read-shuffled-8", TEN_MS, 600, "≥ 600 per s"),
    _ratio("read-random-4k", DIRECT, 1 / 1.5, "≤ 1.5 x a bare ranged GET"),
    _most("read-random-4k", TEN_MS, 13.0, "≤ 1 round trip + 3 ms"),
    _ratio("write-seq-1", DIRECT, 1.1, "≥ 1.1 of the floor"),
    _ratio("write-seq-4", DIRECT, 1.1, "≥ 1.1 of the floor"),
    _of_direct("write-seq-1", 0.8),
    _of_direct("write-seq-4", 0.8),
    _ratio("small-write-1", DIRECT, 0.45, "≥ 0.45 of PUTs one after the other"),
    _ratio("small-write-8", DIRECT, 0.75, "≥ 0.75 of PUTs one after the other"),
    _least("small-write-1", TEN_MS, 75, "≥ 75 per s"),
    _least("small-write-8", TEN_MS, 450, "≥ 450 per s"),
    *(_ratio("ls-l", link, 1 / 1.3, "≤ 1.3 x the LIST pages") for link in _BOTH),
    *(_least("ls-l-again", link, 50_000, "≤ 0.1 s for 5,000 names") for link in _BOTH),
    *(_least("stat-known", link, 5000, "≥ 5,000 per s") for link in _BOTH),
    _most("mount-ready", DIRECT, 0.7, "≤ 0.7 s"),
    _most("mount-ready", TEN_MS, 0.73, "≤ 0.7 s + 3 round trips"),
)

TARGETS = _WANTED + tuple(
    target._replace(link=TEN_MS_HELD)
    for target in _WANTED
    if target.link == TEN_MS and target.any_of[0].of != "of_undelayed"
)


def _share_of(figure: Figure, known: Sequence[Figure], link: str) -> float | None:
    other = find(known, figure.scenario.name, figure.subject, link)
    if other is None or other.value is None or figure.value is None:
        return None
    return figure.value / other.value


MEASURES: dict[str, tuple[str, Callable[[Figure, Sequence[Figure]], float | None]]] = {
    "ratio": ("{:.2f} of the floor", lambda figure, _: figure.ratio),
    "value": ("", lambda figure, _: figure.value),
    "of_direct": ("{:.2f} of direct", lambda one, known: _share_of(one, known, DIRECT)),
    "of_undelayed": ("{:.2f} of 0ms", lambda one, known: _share_of(one, known, UNDELAYED)),
    "cpu_per_gib": ("{:.2f} s/GiB", lambda figure, _: figure.cpu_per_gib),
}


def verdicts(known: Sequence[Figure]) -> list[Verdict]:
    """What became of each target whose scenario was measured over its link."""
    found = []
    for target in TARGETS:
        figure = find(known, target.scenario, PHFS, target.link)
        if figure is not None:
            found += _judge(target, figure, known)
    return found


def _judge(target: Target, figure: Figure, known: Sequence[Figure]) -> list[Verdict]:
    if figure.error:
        return [Verdict(target, figure.error, met=False)]
    said, met = [], False
    for condition in target.any_of:
        form, measure = MEASURES[condition.of]
        measured = measure(figure, known)
        if measured is not None:
            unit = figure.scenario.unit.text
            said.append(form.format(measured) if form else f"{short(measured)} {unit}")
            met = met or condition.holds(measured)
    return [Verdict(target, ", ".join(said), met)] if said else []
