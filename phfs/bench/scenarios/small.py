"""Many small files: a training set in order and shuffled, a Python package, files written."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from phfs.bench.floor import Floor
from phfs.bench.place import BLOCK, Place
from phfs.bench.scenario import FILES_PER_SECOND, KIB, SECONDS, Scenario, Size, Theme, nothing
from phfs.bench.scenarios.programs import run
from phfs.bench.together import workers
from phfs.bench.turn import Turn
from phfs.bench.work import (
    LARGEST_SAMPLE,
    RECORD,
    read_sample,
    read_samples,
    write_record,
    write_records,
)
from phfs.bench.wrong import expect

SAMPLE = 100 * KIB
WORKERS = 8

UNREAD = "the files: nobody has read them before; the directory has not been listed"
LISTED = "the files: nobody has read them before; the directory was listed, as a data set does"


def theme(size: Size) -> Theme:
    """The scenarios."""
    return Theme(
        "small",
        "Small files",
        (
            _in_order(size),
            _shuffled(size),
            _package(size),
            _written(size, 1),
            _written(size, WORKERS),
        ),
    )


def _samples(turn: int, count: int) -> list[str]:
    return [f"turn-{turn}/{number:05}.bin" for number in range(count)]


def _listed(root: Path, turn: int, count: int) -> list[str]:
    """The samples' names, as the directory tells them."""
    names = sorted(f"turn-{turn}/{name}" for name in os.listdir(root / f"turn-{turn}"))
    expect("names listed", count, len(names))
    return names


def _lay_down(place: Place, turns: int, count: int) -> None:
    sample = BLOCK[:SAMPLE]
    for turn in range(turns):
        place.put_all((name, sample) for name in _samples(turn, count))


def _get_samples(turn: Turn, store: Floor, count: int, seconds: float) -> None:
    def get(name: str) -> None:
        expect(f"bytes of {name}", SAMPLE, store.get(name))

    turn.paced(_samples(turn.number, count), get, seconds)


def _in_order(size: Size) -> Scenario:
    count = size.pick(500, 150)

    def mount(turn: Turn, root: Path) -> None:
        buffer = bytearray(LARGEST_SAMPLE)
        names = _listed(root, turn.number, count)

        def read(name: str) -> None:
            expect(f"bytes of {name}", SAMPLE, read_sample(root / name, buffer))

        turn.paced(names, read, size.pace)

    return Scenario(
        "small-read-ordered",
        f"{count} files of 100 KiB in the order of their names, 1 reader",
        FILES_PER_SECOND,
        count,
        LISTED,
        lambda place: _lay_down(place, size.turns, count),
        mount,
        lambda turn, store: _get_samples(turn, store, count, size.pace),
        "one GET after the other",
    )


def _shuffled(size: Size) -> Scenario:
    count = size.pick(800, 200)

    def mount(turn: Turn, root: Path) -> None:
        names = random.Random(turn.number).sample(_listed(root, turn.number, count), count)
        shares = [
            [str(root / name) for name in names[worker::WORKERS]] for worker in range(WORKERS)
        ]
        expect("bytes read", count * SAMPLE, workers(turn, read_samples, shares))

    return Scenario(
        f"small-read-shuffled-{WORKERS}",
        f"{count} files of 100 KiB shuffled, {WORKERS} forked readers (a DataLoader)",
        FILES_PER_SECOND,
        count,
        LISTED,
        lambda place: _lay_down(place, size.turns, count),
        mount,
        lambda turn, store: _get_samples(turn, store, count, size.pace),
        "one GET after the other",
    )


def _package(size: Size) -> Scenario:
    modules = size.pick(60, 20)
    body = "".join(f"def function_{n}(x):\n    return x + {n}\n\n\n" for n in range(60)).encode()

    def files(turn: int) -> Iterator[tuple[str, bytes]]:
        imports = "".join(f"from bench_package import module_{n}\n" for n in range(modules))
        yield f"turn-{turn}/bench_package/__init__.py", f"{imports}COUNT = {modules}\n".encode()
        for number in range(modules):
            yield f"turn-{turn}/bench_package/module_{number}.py", body

    def prepare(place: Place) -> None:
        place.put_all(file for turn in range(size.turns) for file in files(turn))

    def mount(turn: Turn, root: Path) -> None:
        script = (
            f"import sys; sys.path.insert(0, {str(root / f'turn-{turn.number}')!r}); "
            r"import bench_package; print('\n' * bench_package.COUNT, end='')"
        )
        with turn.timed():
            lines = run(sys.executable, "-I", "-S", "-B", "-c", script)
        expect("modules imported", modules, lines)

    def floor(turn: Turn, store: Floor) -> None:
        with turn.timed():
            for name, content in files(turn.number):
                expect(f"bytes of {name}", len(content), store.get(name))

    return Scenario(
        "import-package",
        f"a Python package of {modules} modules imported by a fresh interpreter",
        SECONDS,
        1,
        UNREAD,
        prepare,
        mount,
        floor,
        "one GET after the other of the same files",
    )


def _written(size: Size, writers: int) -> Scenario:
    count = size.pick(400, 60) if writers == 1 else size.pick(800, 160)
    names = [f"{number:05}.bin" for number in range(count)]

    def mount(turn: Turn, root: Path) -> None:
        directory = turn.fresh(root)
        paths = [directory / name for name in names]
        if writers == 1:
            turn.paced(paths, write_record, size.pace)
        else:
            shares = [[str(path) for path in paths[one::writers]] for one in range(writers)]
            expect("files written", count, workers(turn, write_records, shares))

    def floor(turn: Turn, store: Floor) -> None:
        own = turn.own
        turn.paced(names, lambda name: store.put(f"{own}/{name}", RECORD), size.pace)

    return Scenario(
        f"small-write-{writers}",
        f"{count} files of 16 KiB written by {writers} writer{'s' if writers > 1 else ''}",
        FILES_PER_SECOND,
        count,
        "the files are new; each is in the store when its close returns",
        nothing,
        mount,
        floor,
        "one PUT after the other",
    )
