"""What a measurement shows at the terminal: how far it is, tables, verdicts.

Owns the printing; decides nothing. Called by ``own`` and the repository's ``bench``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from phfs.bench.figures import Figure, figures, find
from phfs.bench.guard import Fall
from phfs.bench.measure import FLOOR, Series
from phfs.bench.numbers import NONE, short, with_spread
from phfs.bench.scenario import Theme
from phfs.bench.targets import Verdict

WIDTH = 120
"""Characters of a line where there is no terminal to ask."""


class Screen:
    """An ``Audience`` with a progress bar where there is a terminal, and tables."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = max(WIDTH, self._console.width)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the bar inside."""
        with self._progress:
            yield

    def started(self, steps: int) -> None:
        """See ``Audience``."""
        self._progress.reset(self._task, total=steps)

    def doing(self, what: str) -> None:
        """See ``Audience``."""
        self._progress.update(self._task, description=what)

    def advanced(self) -> None:
        """See ``Audience``."""
        self._progress.advance(self._task)

    def finished(self, theme: Theme, results: Sequence[Series]) -> None:
        """See ``Audience``."""
        known = figures(results)
        for link in dict.fromkeys(one.link for one in known):
            self._console.print(_table(theme, link, known))
        for figure in known:
            if figure.error:
                where = f"{figure.scenario.name}, {figure.subject}, {figure.link}"
                self._console.print(Text(f"{where} failed: {figure.error}", "red"))

    def say(self, text: str) -> None:
        """A line."""
        self._console.print(Text(text))

    def scenarios(self, themes: Sequence[Theme]) -> None:
        """Which there are, and what each does."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("scenario", "what it does", "cold"):
            table.add_column(heading)
        for theme in themes:
            for scenario in theme.scenarios:
                table.add_row(scenario.name, scenario.title, scenario.cold)
        self._console.print(table)

    def verdicts(self, found: Sequence[Verdict]) -> None:
        """Which targets are met."""
        table = Table(title="Targets", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for heading in ("scenario", "link", "target", "measured", ""):
            table.add_column(heading)
        for target, measured, met in found:
            word = Text("ok", "green") if met else Text("below", "bold red")
            table.add_row(target.scenario, target.link, target.text, measured, word)
        self._console.print(table)

    def falls(self, found: Sequence[Fall]) -> None:
        """What has become slower than the figures that are kept."""
        for fall in found:
            self._console.print(Text(fall.sentence, "bold red"))


def _table(theme: Theme, link: str, known: Sequence[Figure]) -> Table:
    mounts = [name for name in dict.fromkeys(one.subject for one in known) if name != FLOOR]
    table = Table(
        title=f"{theme.title}, {link}", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("scenario")
    table.add_column("unit")
    # The peers' cost is on the page; here the first mount's is enough.
    for heading in (*mounts[:1], "x floor", "s/GiB", "MiB", *mounts[1:], FLOOR):
        table.add_column(heading, justify="right")
    for scenario in theme.scenarios:
        found = {name: find(known, scenario.name, name, link) for name in (*mounts, FLOOR)}
        table.add_row(
            scenario.name,
            scenario.unit.text,
            *(_value(found[name]) for name in mounts[:1]),
            *_beside_it(found[mounts[0]] if mounts else None),
            *(_value(found[name]) for name in (*mounts[1:], FLOOR)),
        )
    return table


def _value(figure: Figure | None) -> Text:
    if figure is not None and figure.error:
        return Text("failed", "bold red")
    return Text(NONE if figure is None else short(figure.value))


def _beside_it(figure: Figure | None) -> list[str]:
    if figure is None or figure.error:
        return [NONE] * 3
    return [
        with_spread(figure.ratios, figure.ratio),
        short(figure.cpu_per_gib),
        NONE if figure.peak_mib is None else f"{figure.peak_mib:.0f}",
    ]
