"""The boundary over a fake file system, without a kernel."""

from __future__ import annotations

from typing import NamedTuple, cast

import pyfuse3
import pytest

from phfs.fuse.convert import Attributes, Ownership
from phfs.fuse.counts import Counts
from phfs.fuse.explain import Explanations
from phfs.fuse.failures import Failures
from phfs.fuse.operations import Operations
from tests.fuse.fake import FakeVolume, Taker

NOBODY = cast(pyfuse3.RequestContext, None)
"""A request's context, which no handler looks at."""


class Clock:
    """Wall time that stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Boundary(NamedTuple):
    operations: Operations
    volume: FakeVolume
    failures: Failures
    clock: Clock
    taker: Taker


@pytest.fixture
def boundary() -> Boundary:
    clock, volume, taker = Clock(), FakeVolume(), Taker()
    failures, counts = Failures(clock), Counts()
    explanations = Explanations(
        failures,
        counts,
        lambda: {
            "mount_point": "/phfs",
            "limits": {"part_size_bytes": 8 << 20},
            "ignored_keys": [],
        },
    )
    ownership = Ownership(uid=1000, gid=100, file_mode=0o640, dir_mode=0o750)
    operations = Operations(
        volume, explanations, failures, counts, Attributes(ownership), taker.reply
    )
    return Boundary(operations, volume, failures, clock, taker)
