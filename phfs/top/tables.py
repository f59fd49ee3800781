"""The parts of the view, each a table or a few lines: what is shown of one topic, and how wide.

Owns the columns. Every part takes the width it has and leaves out what does not fit there. Called
by ``view``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from phfs.core.names import printable
from phfs.core.sizes import size
from phfs.core.unsaved import Unsaved, read
from phfs.top import words
from phfs.top.rates import Operation, Rates

WIDE = 80
"""Columns from which nothing is left out."""

_ANSWERS = ("errors.NoSuchKey", "errors.PreconditionFailed")
"""What the store answers to a question, which is no failure."""

_HEAD = "bold"
_FAINT = "dim"
_BAD = "bold red"


def heading(text: str, remark: str = "") -> Text:
    """What the following lines are about."""
    return Text.assemble((text, _HEAD), (f"  {remark}" if remark else "", _FAINT))


def _table(*columns: tuple[str, str]) -> Table:
    """Columns by name and side, two blanks apart, without lines."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style=_FAINT)
    for name, side in columns:
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    return table


def throughput(
    rates: Rates, history: Mapping[str, Sequence[float]], width: int, *, plain: bool
) -> RenderableType:
    """Bytes by second, of this interval and of those before it."""
    table = _table(("", "left"), ("now", "right"), ("before", "left"))
    for name, now in (
        ("programs read", rates.read),
        ("programs wrote", rates.written),
        ("came from the store", rates.fetched),
        ("went to the store", rates.sent),
    ):
        line = words.history(history.get(name, ()), width - 36, plain=plain)
        table.add_row(name, words.speed(now), Text(line, "cyan"))
    return table


def operations(shown: Sequence[Operation], width: int) -> RenderableType:
    """What programs asked for, the busiest first."""
    table = _table(
        ("operation", "left"), ("per s", "right"), ("each", "right"), ("in all", "right"),
        ("failed", "right"),
    )  # fmt: skip
    for one in shown:
        failed = Text(str(one.errors or "-"), "" if not one.errors else "yellow")
        table.add_row(
            words.path(one.name, width - 42),
            words.often(one.per_second),
            words.lasting(one.seconds_each),
            str(one.total),
            failed,
        )
    return table


def unsaved(status: Mapping[str, Any], rates: Rates, width: int, most: int) -> RenderableType:
    """The files on their way to the store; of one that is closed, how long it will take."""
    files = read(status.get("unsaved", []))
    count = int(status.get("unsaved_files", len(files)))
    table = _table(
        ("file", "left"), ("", "left"), ("sent", "right"), ("", "right"), ("left", "right")
    )
    bar = 20 if width >= WIDE else 6
    for one in files[:most]:
        speed = rates.sending.get(one.path, 0.0)
        table.add_row(
            words.path(one.path, max(width - bar - 46, 8)),
            ProgressBar(total=max(one.known, 1), completed=one.sent, width=bar),
            f"{size(one.sent)} of {size(one.known)}",
            words.speed(speed),
            _left(one),
        )
    more = count - min(len(files), most)
    parts: list[RenderableType] = [table]
    for one in files[:most]:
        if one.waits_for:
            shown = words.path(one.path, width // 2)
            parts.append(Text(f"{shown} waits for {one.waits_for}", "yellow"))
    if more > 0:
        parts.append(Text(f"and {more} more", _FAINT))
    return Group(*parts)


def _left(one: Unsaved) -> str:
    """How long the rest will take at the speed of so far, which jumps less than that of now."""
    if not one.closing:
        return "open"
    return words.lasting((one.known - one.sent) * one.seconds / one.sent) if one.sent else "-"


def memory(status: Mapping[str, Any], width: int) -> RenderableType:
    """What the process has, and what its buffers take of their limit."""
    usage = status.get("memory", {})
    used, limit = usage.get("used_bytes", 0), usage.get("limit_bytes", 0)
    table = _table(("", "left"), ("", "left"), ("", "left"))
    waiting = usage.get("waiting", 0)
    told = f"{size(used)} of {size(limit)}"
    if waiting:
        told += f", {waiting} wait for some"
    bar = ProgressBar(total=max(limit, 1), completed=used, width=20 if width >= WIDE else 6)
    table.add_row("buffers", bar, Text(told, _BAD if waiting else ""))
    resident = status.get("process", {}).get("resident_bytes")
    if resident is not None:
        table.add_row("process", "", f"{size(resident)} resident")
    table.show_header = False
    return table


def caches(status: Mapping[str, Any]) -> str:
    """What is kept so that the store need not be asked."""
    ahead = size(status.get("fetched_ahead_bytes", 0))
    return (
        f"{status.get('names_remembered', 0)} names remembered, "
        f"{status.get('files_fetched_ahead', 0)} files and {ahead} fetched ahead"
    )


def requests(status: Mapping[str, Any], rates: Rates) -> str:
    """How the store is being asked."""
    under_way, counted = status.get("requests_under_way", {}), status.get("requests", {})
    failed = sum(
        figure
        for name, figure in counted.items()
        if name.startswith("errors.") and name not in _ANSWERS
    )
    return (
        f"{words.often(rates.requests)} per s, {under_way.get('count', 0)} under way, "
        f"{under_way.get('waiting', 0)} wait; {counted.get('retries', 0)} tried again, "
        f"{failed} failed"
    )


def slowest(found: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    """The requests that took longest in the last minutes."""
    table = _table(("request", "left"), ("about", "left"), ("took", "right"), ("ago", "right"))
    for one in found:
        failure = f" ({one['failure']})" if one.get("failure") else ""
        table.add_row(
            words.path(str(one["operation"]), 14) + failure,
            words.path(str(one["subject"]), max(width - 36 - len(failure), 8)),
            words.lasting(one["seconds"]),
            words.lasting(one["ago_seconds"]),
        )
    return table


def errors(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """The last failures, each with its reason and what to do."""
    parts = []
    for one in found:
        often = f", {one['count']} times" if one.get("count", 1) > 1 else ""
        when = str(one["time"])[11:19]
        head = f"{when} {one['operation']} {one['path']}: {one['errno']}{often}"
        parts.append(Text(printable(head), _BAD))
        parts.append(Text(printable(f"  {one['why']} {one['advice']}".rstrip())))
    return Group(*parts)
