"""The object store stops and comes back: errors in time, explained, and nothing to mount again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.real.conftest import MountWith
from tests.support.minio import MinioServer

pytestmark = pytest.mark.real

DEADLINE = 2.0
SLACK = 40.0
"""Beyond the deadline: the last request's own end and a look at what it did, on a loaded machine;
less than what ``--retry-deadline`` is without the option."""


def test_it_is_an_error_in_time_and_over_when_the_store_is_back(
    own_minio: MinioServer, mount_own: MountWith
) -> None:
    mounted = mount_own(f"--retry-deadline={DEADLINE:g}", "--timeout=1", "--metadata-ttl=0")
    path = mounted.path
    mounted.put("there", b"text")
    (path / "half").write_bytes(b"version 1")
    half = (path / "half").open("wb", buffering=0)
    half.write(b"version 2")
    own_minio.stop()
    attempts = {
        "stat": lambda: (path / "there").stat(),
        "list": lambda: list(path.iterdir()),
        "mkdir": lambda: (path / "directory").mkdir(),
        "close": half.close,
    }
    for name, attempt in attempts.items():
        begun = time.monotonic()
        with pytest.raises(OSError, match="Input/output error"):
            attempt()
        assert time.monotonic() - begun < DEADLINE + SLACK, name
    noted = mounted.errors()
    assert {entry["errno"] for entry in noted} == {"EIO"}
    assert {"lookup", "readdir", "close"} <= {entry["operation"] for entry in noted}
    assert all(entry["why"] and entry["advice"] for entry in noted)
    own_minio.start()
    assert mounted.get("half") == b"version 1"

    def works() -> None:
        assert (path / "there").read_bytes() == b"text"
        (path / "half").write_bytes(b"version 3")
        assert mounted.get("half") == b"version 3"
        (path / "directory").mkdir(exist_ok=True)
        assert sorted(it.name for it in path.iterdir()) == ["directory", "half", "there"]

    in_the_end(works)


def in_the_end(works: Callable[[], None]) -> None:
    """Wait until it works: on a busy machine the mount's deadline here is short."""
    give_up = time.monotonic() + SLACK
    while True:
        try:
            return works()
        except OSError:
            assert time.monotonic() < give_up


def test_a_short_absence_is_not_noticed(own_minio: MinioServer, mount_own: MountWith) -> None:
    mounted = mount_own("--retry-deadline=120", "--metadata-ttl=0")
    mounted.put("there", b"text")
    own_minio.stop()
    results: list[bytes] = []
    reader = threading.Thread(target=lambda: results.append((mounted.path / "there").read_bytes()))
    reader.start()
    reader.join(1.0)
    assert reader.is_alive(), "it waits"
    assert (mounted.path / ".phfs" / "status").read_text(), "what explains needs no store"
    own_minio.start()
    reader.join(120.0)
    assert results == [b"text"]
    assert mounted.errors() == []
