"""The two operations that are taken apart, done in this process and through a mount, in turn.

Owns what is inside and outside each lap. Called by ``__main__``.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import trio

from bench.anatomy.layers import recorded
from bench.anatomy.recorder import Lap, Recorder
from bench.anatomy.stack import Stack, stack
from phfs.bench.process import Process
from phfs.bench.scenario import KIB, MIB
from phfs.bench.wrong import expect
from phfs.config import MountConfig

FILES = 480
"""That there are for each job: of fewer, some would follow each other in listing order by chance,
and the next ones be fetched ahead."""

NAMES = [f"{number:06}.n{number}" for number in range(FILES)]
"""Each of a kind of its own: who reads files in no order has others of the kind fetched ahead."""

ROUNDS = 6
WARM_ROUNDS = 1
"""At the start, which are not counted: connections and threads are made."""


SHORT_SECONDS = 0.0002


class Job(NamedTuple):
    """An operation on files of ``size`` bytes in ``directory``; ``open_before`` leaves out what it
    takes to open and to close them."""

    name: str
    directory: str
    size: int
    open_before: bool


LARGE_READ = Job("a read of 1 MiB", "large", MIB, open_before=True)
SMALL_FILE = Job("a file of 100 KiB: open, read, close", "small", 100 * KIB, open_before=False)
JOBS = (LARGE_READ, SMALL_FILE)


@dataclass
class Found:
    """What came out for a job: laps taken apart, seconds of those that were not and of those
    through the mount, the mount's CPU seconds for all, requests of the former."""

    job: Job
    laps: list[Lap] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    mounted: list[float] = field(default_factory=list)
    mount_cpu: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)


async def take_apart(
    job: Job, configs: tuple[MountConfig, MountConfig], mount: Path, process: Process, count: int
) -> Found:
    """Do the job on ``count`` files each: in this process, recorded and not, and through a mount.

    Nobody reads a file twice; their order is random, and each is of a kind of its own, so that none
    is fetched ahead.
    """
    found = Found(job)
    names = random.Random(0).sample(NAMES, count)
    each = count // ROUNDS
    async with AsyncExitStack() as open_now:
        bare, taken_apart = [await open_now.enter_async_context(stack(one)) for one in configs]
        for number in range(ROUNDS):
            some = names[number * each : (number + 1) * each]
            plain = await _in_process(job, bare, some, record=False)
            before = taken_apart.requests()
            laps = await _in_process(job, taken_apart, some, record=True)
            requests = taken_apart.requests() - before
            seconds, cpu = _through(job, mount / job.directory, some, process)
            if number >= WARM_ROUNDS:
                found.bare += [lap.seconds for lap in plain]
                found.laps += laps
                found.mounted += seconds
                found.mount_cpu += cpu
                found.requests += requests
    return found


async def _in_process(job: Job, stack: Stack, names: Sequence[str], *, record: bool) -> list[Lap]:
    recorder = Recorder()
    directory = await stack.lookup(job.directory)
    with recorded(recorder) if record else nullcontext():
        handles = []
        if job.open_before:
            handles = [await stack.open(await stack.lookup_in(directory, name)) for name in names]
        for name, handle in zip_longest(names, handles):
            while not recorder.idle:  # a request that was answered early is not over yet
                await trio.sleep(SHORT_SECONDS)
            with recorder.lap():
                if handle is None:
                    opened = await stack.open(await stack.lookup_in(directory, name))
                    await stack.read(opened, job.size)
                    await stack.close(opened)
                else:
                    await stack.read(handle, job.size)
        for handle in handles:
            await stack.close(handle)
    return recorder.laps


def _through(
    job: Job, directory: Path, names: Sequence[str], process: Process
) -> tuple[list[float], float]:
    """Seconds of each lap, and the mount's CPU seconds for all of them."""
    buffer = bytearray(job.size)
    laps, descriptors = [], []
    if job.open_before:
        descriptors = [os.open(directory / name, os.O_RDONLY) for name in names]
    before = process.begin()
    for name, descriptor in zip_longest(names, descriptors):
        begin = time.perf_counter()
        if descriptor is None:
            opened = os.open(directory / name, os.O_RDONLY)
            came = os.readv(opened, [buffer])
            os.close(opened)
        else:
            came = os.readv(descriptor, [buffer])
        laps.append(time.perf_counter() - begin)
        expect("bytes read", job.size, came)
    cpu = 0.0 if before is None else process.used(before).cpu
    for descriptor in descriptors:
        os.close(descriptor)
    return laps, cpu
