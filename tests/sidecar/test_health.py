"""The health port: what it answers when, and that a mount which hangs keeps nobody waiting."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from phfs.errors import MountError
from phfs.sidecar import health, state
from phfs.sidecar.health import Mount, answer
from phfs.system.privileges import Identity
from tests.support.processes import poll_until


def write(private: Path, *waited_for: str, is_ending: bool = False) -> None:
    state.write(private, [], waited_for, 1, is_ending=is_ending)


def asked(path: str, private: Path) -> tuple[int, str]:
    code, _, content = answer(path, private, Mount(None))
    return code, content.decode()


def test_before_anything_is_known(tmp_path: Path) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        code, content = asked(path, tmp_path)
        assert code == 503
        assert "There is no state" in content
    assert asked("/", tmp_path)[0] == 404


def test_alive_is_not_yet_ready(tmp_path: Path) -> None:
    write(tmp_path, "phfs", "home")
    assert asked("/healthz", tmp_path) == (200, "ok\n")
    assert asked("/readyz", tmp_path) == (503, "Waited for: phfs, home.\n")
    write(tmp_path)
    assert asked("/readyz", tmp_path) == (200, "ok\n")
    write(tmp_path, is_ending=True)
    assert asked("/readyz", tmp_path)[0] == 503
    assert asked("/healthz", tmp_path)[0] == 200


def test_a_loop_that_stands_still_is_not_alive(tmp_path: Path) -> None:
    write(tmp_path)
    past = time.time() - 2 * state.SILENT_SECONDS
    os.utime(tmp_path / "state.json", (past, past))
    for path in ("/healthz", "/readyz"):
        code, content = asked(path, tmp_path)
        assert code == 503
        assert "silent for" in content
    assert asked("/metrics", tmp_path)[0] == 200


def test_a_mount_is_asked_and_a_hanging_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 60.0)
    status = tmp_path / ".phfs/status.json"
    status.parent.mkdir()
    status.write_text(json.dumps({"failures": 3}))
    assert Mount(tmp_path).status() == {"failures": 3}
    status.write_text("half of")
    assert Mount(tmp_path).status() is None
    status.unlink()
    assert Mount(tmp_path).status() is None
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.5)
    os.mkfifo(status)  # whoever opens it waits until somebody writes
    hanging = Mount(tmp_path)
    assert hanging.status() is None
    assert hanging.status() is None  # at once: the one that hangs is not joined by another
    with status.open("w") as file:
        file.write("{}")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # Nobody is sent away for being slow, on a busy machine.
    monkeypatch.setattr(health._Handler, "timeout", 600.0)
    write(tmp_path)
    listening = health.listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    process = health.start(listening, tmp_path, None, Identity(os.getuid(), os.getgid()))
    listening.close()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


@pytest.fixture
def private() -> Iterator[Path]:
    """A directory that everybody may get to, as that of a sidecar."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        yield Path(directory)


@pytest.mark.real
def test_it_is_served_by_a_process_without_rights(private: Path) -> None:
    write(private)
    listening = health.listen("127.0.0.1", 0)
    process = health.start(listening, private, None, Identity(65532, 100))
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/healthz"
        with urllib.request.urlopen(url, timeout=60) as found:
            assert found.read() == b"ok\n"
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        said = dict(line.split(":", 1) for line in lines)
        assert said["Uid"].split() == ["65532"] * 4
        assert int(said["CapEff"], 16) == int(said["CapBnd"], 16) == 0
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        listening.close()


def test_nonsense_ends_a_connection_and_nothing_else(served: str) -> None:
    host, _, port = served.partition(":")
    for words in (
        b"\0\xff\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(words)
            assert b"root:" not in connection.recv(65536)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://{served}/etc/passwd", timeout=60)
    with urllib.request.urlopen(f"http://{served}/readyz?x=1", timeout=60) as found:
        assert found.status == 200


def test_silent_clients_do_not_use_it_up(served: str) -> None:
    host, _, port = served.partition(":")
    silent = [
        socket.create_connection((host, int(port)), timeout=60)
        for _ in range(2 * health.MOST_REQUESTS)
    ]
    # Those that are there longest make room.
    assert silent[0].recv(1) == b""
    with urllib.request.urlopen(f"http://{served}/healthz", timeout=60) as found:
        assert found.status == 200
    for connection in silent:
        connection.close()


@pytest.mark.expects_log
def test_a_process_that_died_is_started_again(tmp_path: Path) -> None:
    write(tmp_path)
    listening = health.listen("127.0.0.1", 0)
    port = health.Port(listening, tmp_path, None, Identity(os.getuid(), os.getgid()))
    try:
        port.keep()
        first = port.process
        assert first is not None
        port.keep()
        assert port.process == first
        os.kill(first, signal.SIGKILL)

        def is_another() -> bool:
            port.keep()
            return port.process != first

        poll_until(is_another, 60, lambda: "it is not started again")
        url = f"http://127.0.0.1:{port.number}/healthz"
        with urllib.request.urlopen(url, timeout=60) as found:
            assert found.read() == b"ok\n"
    finally:
        port.close()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MountError, match=f"port {port} of 127.0.0.1"):
            health.listen("127.0.0.1", port)
