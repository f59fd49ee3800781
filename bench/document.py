"""Tables and pictures in ``docs``: generated, never typed.

Owns their form and the places between markers where they go. Called by ``growth`` and ``anatomy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from rich.console import Console
from rich.table import Table

from phfs.bench.record import machine
from phfs.errors import PhfsError

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = "performance.md"
IMAGES = "images"

COLOURS = ("#0f766e", "#d9923b", "#4f83cc", "#7c6fb0", "#b91c1c", "#9ca3af", "#111827", "#65a30d")


class Grid(NamedTuple):
    """A table; the first ``words`` columns hold words, the others numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1

    def markdown(self) -> str:
        """The table as a document has it."""
        kinds = ["---" if at < self.words else "---:" for at in range(len(self.headings))]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.headings, kinds, *self.rows))

    def table(self, title: str) -> Table:
        """The table as a terminal shows it."""
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for at, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if at < self.words else "right")
        for row in self.rows:
            table.add_row(*row)
        return table


def console() -> Console:
    """A terminal, or something as wide as the tables."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = max(120, made.width)
    return made


def png(picture: Picture) -> bytes:
    """The picture as a file's bytes."""
    file = BytesIO()
    picture.savefig(file, format="png", dpi=100)
    return file.getvalue()


def plain(axes: Axes) -> None:
    """Leave out of a picture what says nothing."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(visible=True, color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)


def image(name: str, title: str) -> str:
    """A picture as a document shows it."""
    return f"![{title}]({IMAGES}/{name})"


def conditions(made: str) -> str:
    """When and on which machine figures were measured, as a sentence."""
    facts = machine()
    return (
        f"Measured on {made.split(' ')[0]} with PHFS {facts['phfs']} on {facts['cpus']} CPUs "
        f"({facts['cpu']}) with {facts['memory_gib']} GiB, Linux {facts['kernel']}, Python "
        f"{facts['python']}; store, mount and readers share them."
    )


def publish(parts: Mapping[str, str], pictures: Mapping[str, bytes], docs: Path = DOCS) -> None:
    """Put texts between their markers on the page, and pictures beside it.

    Raises ``PhfsError`` if the page has no such marker, before anything is written.
    """
    page = docs / PAGE
    text = page.read_text()
    for name, part in parts.items():
        text = _replaced(text, name, part)
    (docs / IMAGES).mkdir(exist_ok=True)
    for name, picture in pictures.items():
        (docs / IMAGES / name).write_bytes(picture)
    page.write_text(text)


def _replaced(text: str, name: str, part: str) -> str:
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise PhfsError(f"{PAGE} has no place for {name}.", f"Write {begin.strip()} and {end}.")
    return f"{before}{begin}{part.strip()}\n{end}{after}"
