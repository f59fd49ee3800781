"""A program that writes to a mount whose process dies under it, and notes what it was promised.

Owns the load (what is written how) and the rule by which the bucket is judged afterwards. Runs as
``python -m tests.support.crash_load DIRECTORY NAME SEED NOTES``, until its standard input ends.
Each name is written by one program only, one attempt after the other: its history is a list.
"""

from __future__ import annotations

import json
import os
import random
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

KIB, MIB = 1024, 1024**2

PATIENCE = 120.0
"""Seconds after which a mount that does not come back counts as gone for good."""


def content(name: str, number: int, size: int) -> bytes:
    """What attempt ``number`` writes to ``name``; no two attempts write the same."""
    head = f"{name} {number} {size}\n".encode()
    return (head + random.Random(f"{name} {number}").randbytes(max(0, size - len(head))))[:size]


class Attempt(NamedTuple):
    """One attempt to change a file. ``sizes``: how much was written at each fsync, and at the
    close; ``kept``: how many of these had returned 0. For a truncation the one size is 0."""

    number: int
    sizes: tuple[int, ...]
    kept: int


def allowed(name: str, history: list[Attempt]) -> Iterator[bytes | None]:
    """Every content the bucket may have under the name; None: there may be no object."""
    floor = 0
    for position, attempt in enumerate(history):
        if attempt.kept:
            floor = position
    first = history[floor]
    if first.kept:
        yield content(name, first.number, first.sizes[-1])[: first.sizes[first.kept - 1]]
    else:
        yield None
    for attempt in history[floor:]:
        begin = attempt.kept if attempt is first else 0
        whole = content(name, attempt.number, attempt.sizes[-1])
        for size in attempt.sizes[begin:]:
            yield whole[:size]


def histories(notes: Path) -> dict[str, list[Attempt]]:
    """What a program has noted, by name."""
    found: dict[str, list[Attempt]] = {}
    for line in notes.read_text().splitlines():
        note = json.loads(line)
        history = found.setdefault(note["name"], [])
        if "sizes" in note:
            history.append(Attempt(note["number"], tuple(note["sizes"]), 0))
        else:
            history[-1] = history[-1]._replace(kept=note["kept"])
    return found


class Load:
    """The writer."""

    def __init__(self, directory: Path, name: str, seed: str, notes: TextIO) -> None:
        self._directory = directory
        self._name = name
        self._chance = random.Random(seed)
        self._notes = notes
        self._number = 0
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (
                12,
                lambda: self._write(self._new("once"), self._chance.choice((0, 1, 9_000, 70_000))),
            ),
            (6, lambda: self._write(self._old("again"), self._chance.randint(0, 200 * KIB))),
            (4, lambda: self._write(self._old("large"), self._chance.randint(9, 22) * MIB)),
            (3, lambda: self._write(self._new("synced"), 50_000, syncs=2)),
            (2, lambda: self._write(self._old("large-synced"), 17 * MIB, syncs=2)),
            (3, lambda: self._write(self._new("appended"), 30_000, mode="ab", pieces=30)),
            (2, lambda: self._truncate(self._old("again"))),
            (2, lambda: self._empty(self._old("again"))),
        ]

    def run(self, go_on: Callable[[], bool]) -> None:
        """Write until ``go_on`` says no."""
        weights, actions = zip(*self._actions, strict=True)
        while go_on():
            (action,) = self._chance.choices(actions, weights)
            try:
                action()
            except OSError:
                self._wait_for_mount()

    def _new(self, kind: str) -> str:
        return f"{self._name}-{kind}-{self._number + 1}"

    def _old(self, kind: str) -> str:
        return f"{self._name}-{kind}-{self._chance.randint(1, 4)}"

    def _write(
        self, name: str, size: int, *, syncs: int = 0, mode: str = "wb", pieces: int = 5
    ) -> None:
        sizes = [size * (count + 1) // (syncs + 1) for count in range(syncs + 1)]
        number = self._attempt(name, sizes)
        data, position = content(name, number, size), 0
        with open(self._directory / name, mode, buffering=0) as file:
            for kept, end in enumerate(sizes):
                for step in range(pieces):
                    upto = position + (end - position) * (step + 1) // pieces
                    file.write(data[position:upto])
                    position = upto
                if end < size:
                    os.fsync(file.fileno())
                    self._kept(name, kept + 1)
        self._kept(name, len(sizes))

    def _truncate(self, name: str) -> None:
        if (self._directory / name).exists():
            self._attempt(name, [0])
            os.truncate(self._directory / name, 0)
            self._kept(name, 1)

    def _empty(self, name: str) -> None:
        """Open, emptying; fsync promises it, the close alone would not."""
        synced = self._chance.random() < 0.5
        if not (self._directory / name).exists():
            return
        self._attempt(name, [0])
        with open(self._directory / name, "wb", buffering=0) as file:
            if synced:
                os.fsync(file.fileno())
                self._kept(name, 1)

    def _attempt(self, name: str, sizes: list[int]) -> int:
        self._number += 1
        self._note(name=name, number=self._number, sizes=sizes)
        return self._number

    def _kept(self, name: str, count: int) -> None:
        self._note(name=name, kept=count)

    def _note(self, **note: object) -> None:
        self._notes.write(json.dumps(note) + "\n")
        self._notes.flush()

    def _wait_for_mount(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            try:
                if (self._directory.parent / ".phfs/status.json").read_text():
                    self._directory.stat()
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the mount does not come back")


def main() -> None:
    directory, name, seed, notes = sys.argv[1:]

    def go_on() -> bool:
        return not select.select([sys.stdin], [], [], 0)[0]

    with open(notes, "w") as file:
        Load(Path(directory), name, seed, file).run(go_on)


if __name__ == "__main__":
    main()
