"""What one reading looks like: the parts in their order, as many lines of each as there is room.

Owns the order and the division of the screen. Draws a view and knows no terminal. Called by
``watching``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from phfs.core.names import printable
from phfs.top import tables, words
from phfs.top.rates import Rates
from phfs.top.reading import Reading

HISTORY = 240
"""Intervals that are remembered."""

_LEAST_LINES = 20
"""Lines that are taken whatever is going on; what a screen has beyond them is shared."""


class View:
    """The last reading of the mount at ``root``, and what came before it; a renderable of rich."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._history: dict[str, deque[float]] = {}
        self._reading: Reading | None = None
        self._rates: Rates | None = None
        self._trouble = ""

    def take(self, reading: Reading, rates: Rates) -> None:
        """Show this from now on."""
        self._reading, self._rates, self._trouble = reading, rates, ""
        if rates.seconds > 0:
            for name, figure in (
                ("programs read", rates.read),
                ("programs wrote", rates.written),
                ("came from the store", rates.fetched),
                ("went to the store", rates.sent),
            ):
                self._history.setdefault(name, deque(maxlen=HISTORY)).append(figure)

    def miss(self, sentence: str) -> None:
        """The mount does not answer: say so in the place of what it would have said."""
        self._trouble = sentence

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The view, as wide as the terminal, and not much higher."""
        if self._trouble:
            yield Text(printable(self._trouble), "bold red")
            yield Text("It is shown again as soon as it is there; q ends.", "dim")
        elif self._reading is not None and self._rates is not None:
            height = options.height or (console.height if console.is_terminal else 100)
            rows = min(max((height - _LEAST_LINES) // 4, 2), 10)
            width = options.max_width
            yield from self._parts(
                self._reading, self._rates, width, rows, plain=options.ascii_only
            )
        else:
            yield Text(f"Asking the mount at {printable(str(self._root))} …")

    def _parts(
        self, reading: Reading, rates: Rates, width: int, rows: int, *, plain: bool
    ) -> Iterator[RenderableType]:
        status, errors = reading.status, reading.errors
        yield from self._head(reading, rates, width)
        yield tables.throughput(rates, self._history, width, plain=plain)
        yield tables.heading("Programs", _opened(reading))
        yield tables.operations(rates.operations[:rows], width)
        if status.get("unsaved"):
            yield tables.heading("On their way to the store")
            yield tables.unsaved(status, rates, width, rows)
        yield tables.heading("Memory", tables.caches(status))
        yield tables.memory(status, width)
        yield tables.heading("Store", tables.requests(status, rates))
        if status.get("slowest_requests"):
            yield tables.slowest(status["slowest_requests"][:rows], width)
        if errors:
            yield tables.heading("What failed last", f"all of it: {self._root}/.phfs/errors")
            yield tables.errors(errors[: max(rows // 2, 1)])

    def _head(self, reading: Reading, rates: Rates, width: int) -> Iterator[RenderableType]:
        status = reading.status
        since = words.lasting(float(status.get("uptime_seconds", 0)))
        yield Text(words.path(f"{status.get('mount_point', self._root)}", width), "bold")
        told = f"s3://{status.get('bucket')}/{status.get('prefix')}, up {since}"
        if status.get("read_only"):
            told += ", read-only"
        if crashes := status.get("crashes"):
            told += ", mounted anew " + ("once" if crashes == 1 else f"{crashes} times")
        if rates.processor is not None:
            told += f", {rates.processor * 100:.0f} % of a core"
        yield Padding(Text(printable(told), "dim"), (0, 0, 1, 0))


def _opened(reading: Reading) -> str:
    opened = reading.status.get("open", {})
    return f"{opened.get('files', 0)} files and {opened.get('directories', 0)} directories open"
