"""What is measured against what: one MinIO on a tmpfs, links before it, mounts over each link.

Owns the order in which they come and go; whatever happens, nothing stays. Called by
``bench/__main__``.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import boto3

from bench.held import HeldLink
from bench.link import Link
from bench.mounts import Kind, Mounted, Origin
from phfs.bench.floor import Floor, client
from phfs.bench.measure import FLOOR, Subject
from phfs.bench.place import StorePlace
from phfs.bench.process import Process
from tests.support.minio import REGION, MinioServer

PREFIX = "groups/bench/"
RUN = "run"
"""The directory below the prefix in which everything happens."""


class LinkSpeed(NamedTuple):
    """Seconds there and back, and bytes per second; None: as fast as it goes. ``held``: the kernel
    holds packets, instead of a proxy that passes them on."""

    round_trip: float
    bytes_per_second: float | None = None
    held: bool = False

    def to(self, target: str) -> Link | HeldLink:
        """A link of this speed before a server."""
        if self.held:
            return HeldLink(target, round_trip=self.round_trip)
        return Link(target, round_trip=self.round_trip, bytes_per_second=self.bytes_per_second)


LINKS: dict[str, LinkSpeed | None] = {
    "direct": None,
    "0ms": LinkSpeed(0.0),
    "10ms": LinkSpeed(0.010),
    "10ms-held": LinkSpeed(0.010, held=True),
    "40ms": LinkSpeed(0.040, 125e6),
}
"""By name; 125e6 bytes are 1 Gbit. The proxy costs CPU of its own: the one without a delay, and the
link without a proxy, tell how much of a difference is the proxy's, and how much the delay's."""


def held(links: Sequence[str]) -> list[str]:
    """Those of the links on which packets are held."""
    return [name for name in links if (speed := LINKS[name]) and speed.held]


class EmptiedPlace(StorePlace):
    """A place in a server on a tmpfs. What is removed is gone at once: the server would keep it in
    its trash until five minutes after its start, which for a bench is more than there is memory."""

    def __init__(self, floor: Floor, trash: Path) -> None:
        super().__init__(floor)
        self._trash = trash

    def below(self, name: str) -> EmptiedPlace:
        """See ``Place``."""
        return EmptiedPlace(self._floor.below(name), self._trash)

    def remove(self, name: str = "") -> None:
        """See ``Place``."""
        super().remove(name)
        for removed in self._trash.iterdir():
            shutil.rmtree(removed, ignore_errors=True)


@dataclass
class World:
    """``subjects`` in the order of links; ``mounts`` by a subject's root."""

    place: StorePlace
    subjects: list[Subject] = field(default_factory=list)
    mounts: dict[Path, Mounted] = field(default_factory=dict)


@contextmanager
def running(
    tmpfs: Path, links: Sequence[str], kinds: Sequence[Kind], *, floor: bool
) -> Iterator[World]:
    """A store with mounts of these kinds over these links, and the bare store if ``floor``.

    Links on which packets are held are for who has called ``own_network``.
    """
    directory = Path(tempfile.mkdtemp(prefix="phfs-bench-", dir=tmpfs))
    with ExitStack() as closing:
        closing.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        closing.callback(shutil.rmtree, directory, ignore_errors=True)
        server = MinioServer(directory, listens_on="0.0.0.0" if held(links) else "127.0.0.1")
        closing.callback(server.close)
        session = boto3.session.Session(server.access_key, server.secret_key, region_name=REGION)
        bare = _floor(session, server.endpoint_url, server.bucket)
        place = EmptiedPlace(bare, server.trash)
        place.make_directory()
        world = World(place)
        for name in links:
            speed = LINKS[name]
            endpoint = server.endpoint_url
            if speed is not None:
                target = endpoint.removeprefix("http://")
                link = speed.to(target)
                closing.callback(link.close)
                endpoint = link.endpoint_url
            keys = (server.access_key, server.secret_key)
            origin = Origin(endpoint, server.bucket, PREFIX, *keys)
            for kind in kinds:
                mounted = Mounted(kind, origin, directory / f"{kind.name}-{name}")
                closing.callback(mounted.close)
                root = mounted.path / RUN
                world.mounts[root] = mounted
                process = Process(mounted.pid)
                world.subjects.append(Subject(kind.name, name, root, process=process))
            if floor:
                store = _floor(session, endpoint, server.bucket)
                world.subjects.append(Subject(FLOOR, name, store=store))
        # Taking everything down is not interrupted a second time.
        closing.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
        yield world


def _floor(session: boto3.session.Session, endpoint_url: str, bucket: str) -> Floor:
    return Floor(client(session, endpoint_url), bucket, f"{PREFIX}{RUN}/")
