"""A page that a person opens: what came out, in tables and pictures, in one file.

Owns the HTML. Everything is inside the file, so that it can be sent to somebody. Called by
``output``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from phfs.bench.figures import Figure, find
from phfs.bench.measure import FLOOR
from phfs.bench.numbers import NONE, short, with_spread
from phfs.bench.record import Run
from phfs.bench.scenario import Scenario, Theme

STYLE = """
:root { color-scheme: light dark; --line: #d1d5db; --quiet: #6b7280; --ok: #0f766e; --bad: #b91c1c }
@media (prefers-color-scheme: dark) {
  :root { --line: #374151; --quiet: #9ca3af; --ok: #5eead4; --bad: #fca5a5 }
  body { background: #111827; color: #e5e7eb }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 3rem }
.quiet { color: var(--quiet) } .ok { color: var(--ok) } .bad { color: var(--bad); font-weight: 600 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left }
th { font-weight: 600 } td.n, th.n { text-align: right; white-space: nowrap }
small { color: var(--quiet) } td { vertical-align: top }
tr.next td { border-top: 2px solid var(--line) }
img { max-width: 100%; background: white; border-radius: 6px; margin: 1rem 0 }
dt { font-weight: 600; margin-top: .6rem } dd { margin-left: 1.5rem }
"""


def page(run: Run, pictures: Mapping[str, bytes]) -> str:
    """The whole page."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>PHFS, {escape(run.made)}</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{STYLE}</style>",
        *_head(run),
        *_targets(run),
        *(_image(pictures, name) for name in pictures if name.startswith("ratios-")),
    ]
    for theme, group in groupby(run.figures, lambda figure: figure.theme):
        parts += _theme(theme, list(group), pictures)
    return "\n".join(parts) + "</html>\n"


def _head(run: Run) -> Iterator[str]:
    facts = run.machine
    yield "<h1>How fast PHFS is</h1>"
    yield (
        f"<p class=quiet>{escape(run.made)}, {'quick, ' if run.quick else ''}{run.rounds} rounds "
        f"after one that warmed up. {facts['cpus']} CPUs ({escape(str(facts['cpu']))}), "
        f"{facts['memory_gib']} GiB, Linux {escape(str(facts['kernel']))}, "
        f"Python {facts['python']}, PHFS {facts['phfs']}.</p>"
    )
    yield (
        "<p>The <b>floor</b> is the store without a mount, asked by boto3 in the same rounds. "
        "<b>x floor</b> is a speed divided by the floor's: above 1 the mount is faster. Figures "
        "are medians, ± is half of the distance between the least and the highest round. s/GiB are "
        "seconds of CPU of the mount's process, MiB its resident memory at most, with what it "
        "still holds of earlier work.</p>"
    )


def _targets(run: Run) -> Iterator[str]:
    if not run.verdicts:
        return
    met = sum(verdict.met for verdict in run.verdicts)
    yield f"<h2>Targets</h2><p>{met} of {len(run.verdicts)} are met.</p>"
    rows = [
        (
            target.scenario,
            target.link,
            target.text,
            measured,
            "<span class=ok>ok</span>" if ok else "<span class=bad>below</span>",
        )
        for target, measured, ok in run.verdicts
    ]
    yield _table(
        ("scenario", "link", "target", "measured", ""),
        (([*map(escape, row[:4]), row[4]], False) for row in rows),
        left=5,
    )


def _theme(theme: Theme, known: Sequence[Figure], pictures: Mapping[str, bytes]) -> Iterator[str]:
    yield f"<h2>{escape(theme.title)}</h2>"
    yield _image(pictures, f"{theme.name}.png")
    mounts = [one for one in dict.fromkeys(figure.subject for figure in known) if one != FLOOR]
    headings = ["scenario", "link", "unit", *mounts, FLOOR]
    yield _table(headings, _rows(known, mounts), left=3)
    yield "<dl>"
    for scenario in _scenarios(known):
        floor = f" Floor: {escape(scenario.floor_is)}." if scenario.floor_is else ""
        yield f"<dt>{scenario.name}</dt><dd>{escape(scenario.title)}.{floor}<br>"
        yield f"<span class=quiet>Cold: {escape(scenario.cold)}.</span></dd>"
    yield "</dl>"


def _scenarios(known: Sequence[Figure]) -> list[Scenario]:
    return list({figure.scenario.name: figure.scenario for figure in known}.values())


def _rows(known: Sequence[Figure], mounts: Sequence[str]) -> Iterator[tuple[list[str], bool]]:
    """Cells of a row, and whether another scenario begins with it."""
    links = list(dict.fromkeys(figure.link for figure in known))
    for scenario in _scenarios(known):
        for link in links:
            first = link == links[0]
            cells = [scenario.name if first else "", escape(link), scenario.unit.text]
            cells += [_cell(find(known, scenario.name, name, link)) for name in [*mounts, FLOOR]]
            yield cells, first


def _cell(figure: Figure | None) -> str:
    """The figure, and below it, small, what it is beside the floor and what it cost."""
    if figure is None:
        return NONE
    if figure.error:
        return f"<span class=bad title='{escape(figure.error, quote=True)}'>failed</span>"
    notes = []
    if figure.ratio is not None:
        notes.append(f"{with_spread(figure.ratios, figure.ratio)} x floor")
    if figure.cpu_per_gib is not None:
        notes.append(f"{short(figure.cpu_per_gib)} s/GiB")
    if figure.peak_mib is not None:
        notes.append(f"{figure.peak_mib:.0f} MiB")
    small = f"<br><small>{', '.join(notes)}</small>" if notes else ""
    return with_spread(figure.values, figure.value) + small


def _table(
    headings: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]], *, left: int
) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = ["" if number < left else " class=n" for number in range(len(cells))]
        return "".join(
            f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True)
        )

    body = "\n".join(
        f"<tr{' class=next' if begins else ''}>{line('td', cells)}</tr>" for cells, begins in rows
    )
    return f"<div class=wide><table><tr>{line('th', headings)}</tr>\n{body}</table></div>"


def _image(pictures: Mapping[str, bytes], name: str) -> str:
    if name not in pictures:
        return ""
    data = base64.b64encode(pictures[name]).decode()
    return f"<img alt='{escape(name)}' src='data:image/png;base64,{data}'>"
