"""Mounts that have just been started: how soon they answer, how much memory reading takes.

Owns the scenarios that start mounts themselves: the memory of a mount that has done other work
before says nothing of this one. Called by ``bench/__main__``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bench.mounts import Mounted
from phfs.bench.cold import dropped_afterwards
from phfs.bench.place import Place
from phfs.bench.process import Process
from phfs.bench.scenario import MEBIBYTES, MIB, SECONDS, Scenario, Size, Theme, nothing
from phfs.bench.scenarios.sequential import read
from phfs.bench.together import streams
from phfs.bench.turn import Turn
from phfs.bench.wrong import expect

COLD = "the mount: its process has just started"


def theme(mounts: Mapping[Path, Mounted], size: Size) -> Theme:
    """The scenarios; ``mounts`` by the directory that the subject has on them."""
    total = size.pick(1024, 256) * MIB
    scenarios = (_ready(mounts), _memory(mounts, total, 1), _memory(mounts, total, 4))
    return Theme("fresh", "A mount just started", scenarios)


def _ready(mounts: Mapping[Path, Mounted]) -> Scenario:
    def mount(turn: Turn, root: Path) -> None:
        first = mounts[root.parent]
        with turn.timed():
            other = first.another()
        other.close()
        _cost_is_not_of_this_mount(turn)

    return Scenario(
        "mount-ready",
        "from the start of the mount's process to the first listing",
        SECONDS,
        1,
        f"{COLD} (programs are in the page cache)",
        nothing,
        mount,
    )


def _memory(mounts: Mapping[Path, Mounted], total: int, number: int) -> Scenario:
    names = [f"file-{index}" for index in range(number)]

    def prepare(place: Place) -> None:
        for name in names:
            place.put_large(name, total // number)

    def mount(turn: Turn, root: Path) -> None:
        first = mounts[root.parent]
        with closing(first.another()) as other, dropped_afterwards() as open_cold:
            directory = other.path / root.relative_to(first.path)
            begin = Process(other.pid).begin()
            with turn.timed():
                came = streams(lambda name, stop: read(open_cold(directory / name), stop), names)
            expect("bytes read", total, came)
            assert begin is not None
            turn.figure = Process(other.pid).used(begin).peak_mib
            _cost_is_not_of_this_mount(turn)

    return Scenario(
        f"memory-read-{number}",
        f"most resident memory while {total // MIB} MiB are read, streams: {number}",
        MEBIBYTES,
        total,
        f"{COLD}, file pages",
        prepare,
        mount,
    )


def _cost_is_not_of_this_mount(turn: Turn) -> None:
    """Forget what the subject's own process, which had nothing to do, has used."""
    turn.cpu = turn.peak_mib = None
