"""A mixed load for as long as it takes to see that nothing grows: descriptors, threads, sockets,
inodes, names, memory."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.support.crowd import MIB, PATIENT, content, explaining, read_file, write_file
from tests.support.effort import Effort
from tests.support.mounted import Mounted
from tests.support.processes import poll_until
from tests.support.vitals import vitals

pytestmark = pytest.mark.real

READ = 24
"""Files that are read again and again, of up to so many times 256 KiB."""

FORGET_SECONDS = 30.0
"""In the long form the kernel is told so often to forget the names that nobody uses."""

GROWTH = {"threads": 16.0, "descriptors": 32.0, "sockets": 24.0, "inodes": 600.0, "names": 3000.0}
"""By how much the last third may be above the first one, which is not yet warm."""

GROWTH_OF_MEMORY = 24.0
"""The same for resident MiB in the long form. In a few seconds the memory limit is not yet used."""

LIMIT = 64
"""MiB of buffers."""

RESIDENT_BEYOND = 100
"""Resident MiB a mount may have beyond its limit."""

LEAST_LOOKS = 9
"""Looks at the figures, however slow the machine: a third needs some."""


class Load:
    """What goes on until ``stop``; each kind of work is done by one thread over and over."""

    def __init__(self, mounted: Mounted) -> None:
        self.stop = threading.Event()
        self.rounds = 0
        self._mounted = mounted
        self._random = random.Random(7)
        self.works = [
            self.read,
            self.read,
            self.write,
            self.make_and_remove,
            self.list,
            self.rename,
            self.miss,
            self.change_outside,
        ]

    def run(self, work: Callable[[int], None]) -> None:
        """One thread's life."""
        number = 0
        while not self.stop.is_set():
            work(number)
            number += 1
            self.rounds += 1

    def read(self, number: int) -> None:
        chosen = self._random.randrange(READ)
        read_file(self._mounted.path / "read" / f"file-{chosen}", size_of(chosen))

    def write(self, number: int) -> None:
        path = self._mounted.path / "written" / f"file-{number}"
        size = 12 * MIB if number % 20 == 0 else 1000 * (number % 300)
        write_file(path, size)
        read_file(path, size)
        path.unlink()

    def make_and_remove(self, number: int) -> None:
        top = self._mounted.path / f"made-{number}"
        (top / "a" / "b").mkdir(parents=True)
        for name in ("x", "a/y", "a/b/z"):
            (top / name).write_bytes(b"small")
        shutil.rmtree(top)

    def list(self, number: int) -> None:
        for entry in os.scandir(self._mounted.path / "read"):
            assert entry.stat().st_size == size_of(int(entry.name.removeprefix("file-")))

    def rename(self, number: int) -> None:
        place = self._mounted.path / "renamed"
        old, new = place / f"name-{number}", place / f"name-{number + 1}"
        if number == 0:
            old.write_bytes(b"moves on")
        old.rename(new)
        assert new.read_bytes() == b"moves on"

    def miss(self, number: int) -> None:
        for each in range(50):
            assert not (self._mounted.path / "read" / f"missing-{number}-{each}").exists()

    def change_outside(self, number: int) -> None:
        """New names and versions come from outside, and go."""
        self._mounted.put(f"outside/file-{number}", b"new")
        path = self._mounted.path / "outside" / f"file-{number}"
        poll_until(path.exists, 60, lambda: f"{path} does not appear")
        assert path.read_bytes() == b"new"
        self._mounted.delete(f"outside/file-{number}")


def size_of(number: int) -> int:
    return (number + 1) * MIB // 4 - number


@pytest.fixture
def loaded(mount_with: MountWith) -> Mounted:
    """A mount with what the load needs."""
    mounted = mount_with(f"--memory-limit={LIMIT}", "--metadata-ttl=0.2", *PATIENT)
    for number in range(READ):
        name = f"file-{number}"
        mounted.put(f"read/{name}", content(name, size_of(number)))
    for name in ("written", "renamed", "outside"):
        (mounted.path / name).mkdir()
    return mounted


def figures(mounted: Mounted) -> dict[str, float]:
    """What must not grow, at this moment."""
    status = mounted.status()
    found = vitals(status["pid"])
    return {
        "threads": found.threads,
        "descriptors": found.descriptors,
        "sockets": found.sockets,
        "inodes": status["inodes"],
        "names": status["names_remembered"],
        "resident": found.resident,
    }


@pytest.mark.torture
def test_nothing_grows(loaded: Mounted, effort: Effort) -> None:
    seconds = effort.of(quick=12.0, long=600.0)
    load = Load(loaded)
    begun = forgot = time.monotonic()
    seen: list[dict[str, float]] = []
    with ThreadPoolExecutor(len(load.works)) as pool:
        running = [pool.submit(load.run, work) for work in load.works]
        try:
            while time.monotonic() < begun + seconds or len(seen) < LEAST_LOOKS:
                if any(it.done() for it in running):
                    break
                seen.append(figures(loaded))
                if effort.long and time.monotonic() > forgot + FORGET_SECONDS:
                    forgot = time.monotonic()
                    forget_names()
                load.stop.wait(0.25)
        finally:
            load.stop.set()
    with explaining(loaded):
        for each in running:
            each.result()
    assert loaded.errors() == []
    third = len(seen) // 3
    first, last = (
        {name: max(it[name] for it in part) for name in seen[0]}
        for part in (seen[:third], seen[-third:])
    )
    effort.record(
        "soak",
        seconds=seconds,
        rounds=load.rounds,
        **{f"{name}_first_third": round(value) for name, value in first.items()},
        **{f"{name}_last_third": round(value) for name, value in last.items()},
    )
    bounds = {**GROWTH, "resident": effort.of(quick=float(LIMIT), long=GROWTH_OF_MEMORY)}
    grown = {
        name: (first[name], last[name])
        for name in bounds
        if last[name] > first[name] + bounds[name]
    }
    assert grown == {}
    assert last["resident"] < LIMIT + RESIDENT_BEYOND
    assert loaded.status()["open"]["files"] == 0


def forget_names() -> None:
    """Let the kernel forget, as it does when memory is short, on the whole machine."""
    Path("/proc/sys/vm/drop_caches").write_text("2")
