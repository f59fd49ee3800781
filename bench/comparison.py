"""What a run says, for the documents: PHFS beside its peers, and beside what it is to reach.

Owns the choice of columns. Called by ``bench``.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.document import Grid, conditions, image
from phfs.bench.figures import Figure, find
from phfs.bench.measure import FLOOR
from phfs.bench.numbers import NONE, short, with_spread
from phfs.bench.plots import plots
from phfs.bench.record import Run
from phfs.bench.targets import DIRECT, PHFS, Verdict

PICTURE = "bench-{}"

RESULTS = "bench-results"
"""The tables of all scenarios."""


def parts(run: Run) -> dict[str, str]:
    """The texts to put between markers: of a run with peers only the comparison, so that a run
    of a few scenarios beside peers leaves the tables of all scenarios as they are; of a run over
    links only, those."""
    links = list(dict.fromkeys(figure.link for figure in run.figures))
    tables = [
        f"**{link}**\n\n{_peers(run.figures, link).markdown()}\n\n_{_cold(run.figures, link)}_"
        for link in links
    ]
    amounts = "the smaller amounts of `--quick`, " if run.quick else ""
    said = f"{conditions(run.made)} {run.rounds} rounds, {amounts}medians and half of the spread."
    part = _part(run)
    if part != RESULTS:
        return {part: "\n\n".join([said, *tables]) + "\n"}
    shown = [image(PICTURE.format(name), name.removesuffix(".png")) for name in plots(run)]
    return {
        "bench-conditions": f"{said}\n",
        RESULTS: "\n\n".join([*tables, *shown]) + "\n",
        "bench-targets": _targets(run.verdicts).markdown() + "\n",
    }


def pictures(run: Run) -> dict[str, bytes]:
    """The plots, by the names under which ``parts`` shows them."""
    if _part(run) != RESULTS:
        return {}
    return {PICTURE.format(name): png for name, png in plots(run).items()}


def _part(run: Run) -> str:
    """Where the tables of a run belong."""
    if _peers_in(run.figures):
        return "bench-peers"
    direct = any(figure.link == DIRECT for figure in run.figures)
    return RESULTS if direct else "bench-links"


def _peers(known: Sequence[Figure], link: str) -> Grid:
    here = [figure for figure in known if figure.link == link]
    peers = _peers_in(here)
    scenarios = dict.fromkeys(figure.scenario.name for figure in here)
    own = [find(here, name, PHFS, link) for name in scenarios]
    rows = [
        (
            f"`{figure.scenario.name}`",
            figure.scenario.unit.text,
            short(figure.value),
            with_spread(figure.ratios, figure.ratio),
            *(_value(find(here, figure.scenario.name, name, link)) for name in [*peers, FLOOR]),
            short(figure.cpu_per_gib),
            short(figure.peak_mib),
        )
        for figure in own
        if figure is not None
    ]
    headings = ("scenario", "unit", "phfs", "x floor", *peers, "floor", "CPU s/GiB", "MiB")
    return Grid(headings, rows, words=2)


def _peers_in(known: Sequence[Figure]) -> list[str]:
    subjects = dict.fromkeys(figure.subject for figure in known)
    return [name for name in subjects if name not in (PHFS, FLOOR)]


def _value(figure: Figure | None) -> str:
    if figure is None:
        return NONE
    return "failed" if figure.error else short(figure.value)


def _cold(known: Sequence[Figure], link: str) -> str:
    """What was cold, each once, with the scenarios it holds for."""
    said: dict[str, list[str]] = {}
    for figure in known:
        if figure.link == link and figure.subject == PHFS:
            said.setdefault(figure.scenario.cold, []).append(figure.scenario.name)
    sentences = [f"{', '.join(names)}: {cold}" for cold, names in said.items() if cold]
    return "Cold: " + ". ".join(sentences) + "."


def _targets(judged: Sequence[Verdict]) -> Grid:
    rows = [
        (f"`{target.scenario}`", target.link, target.text, measured, "ok" if met else "below")
        for target, measured, met in judged
    ]
    return Grid(("scenario", "link", "target", "measured", ""), rows, words=5)
