"""A volume of kind nfs on a kernel that has NFS: there, dead from the start, dying, hanging."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.nfs_guest import Guest, Network, NfsServer

pytestmark = pytest.mark.real


class Stage(NamedTuple):
    guest: Guest
    server: NfsServer


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        server = NfsServer(network, tmp_path / "nfs")
        stack.callback(server.close)
        guest = Guest(network, tmp_path)
        stack.callback(guest.close)
        yield Stage(guest, server)


def test_a_server_comes_goes_returns_and_hangs(stage: Stage) -> None:
    guest, server = stage
    (server.exported / "from-host").write_text("written on the host")

    # Dead from the start: the failure comes within the bound, and it is tried again.
    for _ in range(2):
        report = guest.hear("report")
        assert not report["in_place"]
        assert report["error"].startswith("10.0.2.2:/export cannot be mounted: the server ")

    # It comes: the volume appears in the container that was started before.
    server.start()
    guest.say("the server is there")
    mounted = guest.hear("mounted")
    assert mounted["read"] == "written on the host"
    assert (server.exported / "from-guest").read_text() == "written in the guest"
    assert {"rw", "nosuid", "nodev", "hard"} <= set(mounted["options"][0].split(","))

    read_only = guest.hear("read only")
    assert read_only["read"] == "written on the host"
    assert read_only["write"] == "Read-only file system"
    assert {"ro", "nosuid", "nodev", "softerr"} <= set(read_only["options"][0].split(","))
    assert "exports no such path" in guest.hear("no export")["error"]

    # It dies while somebody writes: nothing is lost, and the silence is told.
    server.signal(signal.SIGKILL)
    guest.say("the server is dead")
    guest.hear("writing")
    while not (report := guest.hear("report"))["silent"]:
        pass
    assert report["in_place"]
    assert "has not been answering since" in report["error"]
    server.start()
    assert guest.hear("written")["code"] == 0
    expected = "".join(f"{number}\n" for number in range(20))
    assert (server.exported / "over-the-gap").read_text() == expected

    # It hangs: a new volume fails in its bound, and all are taken away without it.
    server.signal(signal.SIGSTOP)
    guest.say("the server hangs")
    hangs = guest.hear("hangs")
    assert "does not answer within 5 seconds" in hangs["error"]
    unmounted = guest.hear("unmounted")
    assert unmounted["left"] == []
    assert unmounted["seconds"] < 60
    assert unmounted["inside"] == 1  # what the container had bound before
