"""Large files written from start to end by 1, 4 and 16 streams."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

from phfs.bench.floor import Floor
from phfs.bench.place import BLOCK, REQUEST
from phfs.bench.scenario import MB_PER_SECOND, MIB, Scenario, Size, Theme, nothing
from phfs.bench.together import streams
from phfs.bench.turn import Turn
from phfs.bench.wrong import expect


def theme(size: Size) -> Theme:
    """The scenarios."""
    total = size.pick(1024, 128) * MIB
    scenarios = tuple(_written(total, number) for number in (1, 4, 16))
    return Theme("writing", "Large files written", scenarios)


def _write(path: Path, size: int, stop: Event) -> int:
    """Write a file in requests of 1 MiB and close it; the number of bytes."""
    written = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        while written < size and not stop.is_set():
            written += os.write(descriptor, REQUEST)
    finally:
        os.close(descriptor)
    return written


def _written(total: int, number: int) -> Scenario:
    each = total // number
    names = [f"file-{index}" for index in range(number)]

    def mount(turn: Turn, root: Path) -> None:
        directory = turn.fresh(root)
        with turn.timed():
            came = streams(lambda name, stop: _write(directory / name, each, stop), names)
        expect("bytes written", total, came)
        for name in names:
            expect(f"size of {name}", each, (directory / name).stat().st_size)

    def floor(turn: Turn, store: Floor) -> None:
        own = turn.own
        with turn.timed():
            for name in names:
                store.upload(f"{own}/{name}", BLOCK, each)

    return Scenario(
        f"write-seq-{number}",
        f"sequential write, {number} stream{'s' if number > 1 else ''}, {total // MIB} MiB",
        MB_PER_SECOND,
        total,
        "the files are new; each is whole in the store when its close returns",
        nothing,
        mount,
        floor,
        "one file after the other, by four threads with parts of 8 MiB",
    )
