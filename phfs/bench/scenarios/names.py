"""Names and attributes: one large directory, many small ones, listed and looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from phfs.bench.floor import Floor
from phfs.bench.place import Place
from phfs.bench.scenario import NAMES_PER_SECOND, Scenario, Size, Theme
from phfs.bench.scenarios.programs import run
from phfs.bench.turn import Turn
from phfs.bench.wrong import expect

DIRECTORIES = 60
COLD = "metadata: what was known of the directory is older than the TTL"
KNOWN = "nothing: the directory has just been listed, within the TTL"


def theme(size: Size) -> Theme:
    """The scenarios."""
    count = size.pick(5000, 2000)
    total = size.pick(1000, 300)
    return Theme(
        "names",
        "Names and attributes",
        (
            _flat("ls", count, ("ls",), 0),
            _flat("ls-l", count, ("ls", "-l"), 1),
            _again(count),
            _flat("find", size.pick(5000, 1000), ("find",), 1),
            _deep("ls-lR-tree", total, ("ls", "-lR")),
            _deep("find-tree", total, ("find",)),
            _stat(size.pick(5000, 500)),
        ),
    )


def _lay_down_flat(count: int) -> Callable[[Place], None]:
    return lambda place: place.put_all((f"{number:05}.txt", b"x") for number in range(count))


def _pages(count: int) -> Callable[[Turn, Floor], None]:
    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            came = store.list()
        expect("names listed", count, came)

    return floor


def _flat(name: str, count: int, command: tuple[str, ...], more: int) -> Scenario:
    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        with turn.timed():
            lines = run(*command, root)
        expect("lines printed", count + more, lines)

    return Scenario(
        name,
        f"{' '.join(command)} of {count:,} files in one directory",
        NAMES_PER_SECOND,
        count,
        COLD,
        _lay_down_flat(count),
        mount,
        _pages(count),
        "the pages of the listing (LIST, 1,000 names each), one after the other",
    )


def _again(count: int) -> Scenario:
    def mount(turn: Turn, root: Path) -> None:
        run("ls", "-l", root)
        with turn.timed():
            lines = run("ls", "-l", root)
        expect("lines printed", count + 1, lines)

    return Scenario(
        "ls-l-again",
        f"ls -l of {count:,} files again, within the TTL",
        NAMES_PER_SECOND,
        count,
        KNOWN,
        _lay_down_flat(count),
        mount,
        _pages(count),
        "the pages of the listing, one after the other",
    )


def _stat(count: int) -> Scenario:
    def mount(turn: Turn, root: Path) -> None:
        names = os.listdir(root)
        with turn.timed():
            sizes = sum(os.stat(root / name).st_size for name in names)
        expect("bytes in all files", count, sizes)

    def floor(turn: Turn, store: Floor) -> None:
        turn.paced(
            (f"{number:05}.txt" for number in range(count)),
            lambda name: expect(f"size of {name}", 1, store.head(name)),
            0.5,
        )

    return Scenario(
        "stat-known",
        f"stat of {count:,} files, one after the other",
        NAMES_PER_SECOND,
        count,
        KNOWN,
        _lay_down_flat(count),
        mount,
        floor,
        "one HEAD after the other",
    )


def _deep(name: str, total: int, command: tuple[str, ...]) -> Scenario:
    names = [f"{number % DIRECTORIES:02}/{number:05}.txt" for number in range(total)]

    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        with turn.timed():
            lines = run(*command, root)
        # find prints every name and the root; ls -lR a head, a sum and an empty line for each.
        more = DIRECTORIES + 1 if command[0] == "find" else 4 * DIRECTORIES + 2
        expect("lines printed", total + more, lines)

    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            store.list()
            came = sum(store.list(f"{number:02}/") for number in range(DIRECTORIES))
        expect("names listed", total, came)

    return Scenario(
        name,
        f"{' '.join(command)} of {total:,} files in {DIRECTORIES} directories",
        NAMES_PER_SECOND,
        total,
        COLD,
        lambda place: place.put_all((name, b"x") for name in names),
        mount,
        floor,
        "a LIST of each directory, one after the other",
    )
