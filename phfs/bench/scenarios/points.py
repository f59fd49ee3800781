"""Single reads: the first byte of a file, and reads at random places of a large one."""

from __future__ import annotations

import os
import random
from pathlib import Path

from phfs.bench.cold import dropped_afterwards
from phfs.bench.floor import Floor, Span
from phfs.bench.place import Place
from phfs.bench.scenario import KIB, MB_PER_SECOND, MIB, MILLISECONDS, Scenario, Size, Theme, Unit
from phfs.bench.turn import Turn
from phfs.bench.wrong import expect


def theme(size: Size) -> Theme:
    """The scenarios."""
    large = size.pick(512, 128) * MIB
    return Theme(
        "points",
        "Single reads",
        (
            _first_byte(size),
            _random("4k", 4 * KIB, large, size.pick(200, 40), MILLISECONDS, size),
            _random("128k", 128 * KIB, large, size.pick(200, 40), MILLISECONDS, size),
            _random("1m", MIB, large, size.pick(200, 40), MB_PER_SECOND, size),
        ),
    )


def _first_byte(size: Size) -> Scenario:
    each = 8 * MIB  # too large to be fetched ahead as a small sibling of the one before
    count = size.pick(8, 6)

    def names(turn: int) -> list[str]:
        return [f"turn-{turn}/file-{index}" for index in range(count)]

    def prepare(place: Place) -> None:
        for turn in range(size.turns):
            for name in names(turn):
                place.put_large(name, each)

    def mount(turn: Turn, root: Path) -> None:
        order = random.Random(turn.number).sample(names(turn.number), count)
        for name in order:
            os.listdir((root / name).parent)
            with turn.timed():
                descriptor = os.open(root / name, os.O_RDONLY)
                came = len(os.read(descriptor, 1))
            os.close(descriptor)
            expect("bytes read", 1, came)

    def floor(turn: Turn, store: Floor) -> None:
        for name in names(turn.number):
            with turn.timed():
                came = store.get(name, Span(0, MIB))
            expect("bytes read", MIB, came)

    return Scenario(
        "first-byte",
        "first byte of a file: open, read",
        MILLISECONDS,
        count,
        "the file: nobody has read it before (its directory has just been listed, connections are "
        "warm)",
        prepare,
        mount,
        floor,
        "a bare GET of 1 MiB",
    )


def _random(label: str, length: int, large: int, count: int, unit: Unit, size: Size) -> Scenario:
    amount = count * length if unit is MB_PER_SECOND else count
    per_read = amount // count

    def spans(turn: int) -> list[Span]:
        places = random.Random(turn).sample(range(large // length), count)
        return [Span(place * length, length) for place in places]

    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        buffer = bytearray(length)
        with dropped_afterwards() as open_cold:
            descriptor = open_cold(root / "file")

            def read(span: Span) -> None:
                expect("bytes read", length, os.preadv(descriptor, [buffer], span.start))

            turn.paced(spans(turn.number), read, size.pace)
        turn.amount *= per_read

    def floor(turn: Turn, store: Floor) -> None:
        turn.paced(spans(turn.number), lambda span: _get(store, span), size.pace)
        turn.amount *= per_read

    return Scenario(
        f"read-random-{label}",
        f"reads of {_words(length)} at random places of {large // MIB} MiB",
        unit,
        amount,
        "file pages (the file is open)",
        lambda place: place.put_large("file", large),
        mount,
        floor,
        "one bare ranged GET after the other",
    )


def _get(store: Floor, span: Span) -> None:
    expect("bytes read", span.size, store.get("file", span))


def _words(length: int) -> str:
    return f"{length // MIB} MiB" if length >= MIB else f"{length // KIB} KiB"
