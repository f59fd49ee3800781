"""What the manager of services hears."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import pytest

from phfs.system.service import tell_ready


def heard(address: str | bytes, told: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(30)
        tell_ready({"NOTIFY_SOCKET": told})
        return manager.recv(100)


def test_it_hears_that_the_service_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has 107 bytes
    assert heard("manager", str(Path("/proc/self/cwd/manager"))) == b"READY=1"


def test_at_an_address_in_no_directory() -> None:
    name = f"phfs-test-{uuid.uuid4()}"
    assert heard(f"\0{name}".encode(), f"@{name}") == b"READY=1"


def test_nobody_listens(tmp_path: Path) -> None:
    tell_ready({})
    tell_ready({"NOTIFY_SOCKET": ""})
    with pytest.raises(OSError, match="No such file"):
        tell_ready({"NOTIFY_SOCKET": "/nowhere/manager"})
