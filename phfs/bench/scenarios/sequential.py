"""Large files read from start to end: by 1, 4 and 16 streams, and once more after that."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

from phfs.bench.cold import dropped_afterwards
from phfs.bench.floor import Floor
from phfs.bench.place import Place
from phfs.bench.scenario import MB_PER_SECOND, MIB, Scenario, Size, Theme
from phfs.bench.together import streams
from phfs.bench.turn import Turn
from phfs.bench.wrong import expect

FLOOR = "one file after the other, by four threads with ranged GETs of 8 MiB"


def theme(size: Size) -> Theme:
    """The scenarios."""
    total = size.pick(1024, 256) * MIB
    counted = [_streams(total, number) for number in (1, 4, 16)]
    again = _again(size.pick(512, 128) * MIB)
    return Theme("sequential", "Large files, from start to end", (*counted, again))


def read(descriptor: int, stop: Event) -> int:
    """Read an open file to its end in requests of 1 MiB; the number of bytes."""
    buffer = bytearray(MIB)
    came = 0
    while not stop.is_set() and (count := os.readv(descriptor, [buffer])):
        came += count
    return came


def _streams(total: int, number: int) -> Scenario:
    names = [f"file-{index}" for index in range(number)]
    each = total // number

    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        with dropped_afterwards() as open_cold:
            with turn.timed():
                came = streams(
                    lambda name, stop: read(open_cold(root / name), stop),
                    names,
                )
            expect("bytes read", total, came)

    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            for name in names:
                store.read(name, each)

    return Scenario(
        f"read-seq-{number}",
        f"sequential read, {number} stream{'s' if number > 1 else ''}, {total // MIB} MiB",
        MB_PER_SECOND,
        total,
        "file pages, metadata (connections are warm)",
        _large(names, each),
        mount,
        floor,
        FLOOR,
    )


def _again(total: int) -> Scenario:
    def mount(turn: Turn, root: Path) -> None:
        with dropped_afterwards() as open_cold:
            expect("bytes read", total, read(open_cold(root / "file"), Event()))
            turn.age()
            with turn.timed():
                descriptor = os.open(root / "file", os.O_RDONLY)
                came = read(descriptor, Event())
                os.close(descriptor)
            expect("bytes read again", total, came)

    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            store.read("file", total)

    return Scenario(
        "read-again",
        f"the same file of {total // MIB} MiB again, reopened (second epoch)",
        MB_PER_SECOND,
        total,
        "metadata only: the file's pages are still in the kernel's cache, and that is the point",
        _large(["file"], total),
        mount,
        floor,
        FLOOR,
    )


def _large(names: list[str], each: int) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        for name in names:
            place.put_large(name, each)

    return prepare
