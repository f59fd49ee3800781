"""Where growth is measured: a store of holes, and fresh mounts of it with any options.

Owns the store, links before it and the directory of the mounts; whatever happens, nothing stays.
Called by ``__main__``, used by the topics.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.link import Link
from bench.mounts import Mounted, Origin, phfs
from bench.sparse import SparseStore
from bench.sparse_catalog import Objects
from phfs.bench.process import Process

PREFIX = "groups/bench/"


@dataclass
class Cost:
    """What was spent inside ``spent``: seconds, the mount's CPU seconds, its peak memory in MiB."""

    seconds: float = 0.0
    cpu: float = 0.0
    peak_mib: float | None = None


class Ground:
    """The store; mounts of it are made below ``directory``."""

    def __init__(self, store: SparseStore, directory: Path, closing: ExitStack) -> None:
        self._store = store
        self._directory = directory
        self._closing = closing
        self._numbers = count()

    @contextmanager
    def mounted(self, *options: str, endpoint_url: str | None = None) -> Iterator[Mounted]:
        """A mount whose process has just started."""
        url = endpoint_url or self._store.endpoint_url
        origin = Origin(url, self._store.bucket, PREFIX, "any", "thing")
        mount = Mounted(phfs(*options), origin, self._directory / f"phfs-{next(self._numbers)}")
        try:
            yield mount
        finally:
            mount.close()

    def link(self, round_trip: float) -> str:
        """The URL of the store behind a link of so many seconds there and back."""
        target = self._store.endpoint_url.removeprefix("http://")
        return self._closing.enter_context(Link(target, round_trip=round_trip)).endpoint_url


@contextmanager
def ground(objects: Sequence[Objects]) -> Iterator[Ground]:
    """A store with these objects, for as long as it is used."""
    with ExitStack() as closing:
        closing.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        directory = Path(tempfile.mkdtemp(prefix="phfs-growth-"))
        closing.callback(shutil.rmtree, directory, ignore_errors=True)
        store = closing.enter_context(SparseStore(objects))
        yield Ground(store, directory, closing)


@contextmanager
def spent(mount: Mounted) -> Iterator[Cost]:
    """Measure what is done inside; the figures are there afterwards."""
    cost, process = Cost(), Process(mount.pid)
    before = process.begin()
    begin = time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - begin
    if before is not None:
        cost.cpu, cost.peak_mib = process.used(before)


def resident_mib(mount: Mounted) -> float | None:
    """What is resident now: a peak that begins to be counted here."""
    with spent(mount) as cost:
        pass
    return cost.peak_mib
