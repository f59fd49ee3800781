"""The unit of systemd: its own lines, run as systemd runs them, on a real mount."""

from __future__ import annotations

import configparser
import os
import shlex
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from phfs.system import mounts
from tests.real.conftest import new_place
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, end_mounts

pytestmark = pytest.mark.real

PATIENCE = 60.0

ROOT = Path(__file__).parents[2]


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((ROOT / "systemd" / "phfs@.service").read_text())
    return parser


class Service:
    """What ``systemctl start phfs@NAME`` starts, with a manager that listens."""

    def __init__(self, name: str, home: Path) -> None:
        self._unit = unit()["Service"]
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = f"phfs-test-{uuid.uuid4()}"
        self._manager.bind(f"\0{address}".encode())
        variable, _, value = self.line("Environment", name, home).partition("=")
        self.process = subprocess.Popen(
            shlex.split(self.line("ExecStart", name, home)),
            env={
                variable: value,
                "HOME": str(home),
                "PHFS_CONFIG": str(home / ".config" / "phfs" / "config.toml"),  # no other's
                "NOTIFY_SOCKET": f"@{address}",
            },
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self, key: str, name: str, home: Path) -> str:
        """A line, with its specifiers replaced; the program is in the user's own directory."""
        return self._unit[key].replace("%i", name).replace("%h", str(home))

    def message(self) -> bytes:
        """What the manager is told next."""
        self._manager.settimeout(PATIENCE)
        return self._manager.recv(1000)

    def was_told(self) -> bool:
        """Whether the manager has been told anything it has not read."""
        self._manager.settimeout(0)
        try:
            return bool(self._manager.recv(1000))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._manager.close()


@pytest.fixture
def home(minio: MinioServer, tmp_path: Path) -> Path:
    """Of a user who has installed PHFS with `pip install --user` and written three mounts down."""
    place = new_place(minio)
    programs = tmp_path / ".local" / "bin"
    programs.mkdir(parents=True)
    (programs / "phfs-mount").symlink_to(PHFS_MOUNT)
    (tmp_path / "research").mkdir()
    config = tmp_path / ".config" / "phfs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'endpoint_url = "{place.endpoint_url}"\nstate_dir = "~/state"\nretry_deadline = 1\n'
        f'bucket = "{place.bucket}"\ngroup = "{place.group}"\nmountpoint = "~/research"\n'
        f'access_key_id = "{place.keys.access_key}"\n'
        f'secret_access_key = "{place.keys.secret_key}"\n'
        '[mount.research]\n[mount.wrong]\nregion = ""\n'
        '[mount.gone]\nendpoint_url = "http://127.0.0.1:9"\n'
    )
    config.chmod(0o600)
    return tmp_path


@pytest.fixture
def services(home: Path) -> Iterator[list[Service]]:
    started: list[Service] = []
    yield started
    for service in started:
        service.close()
    end_mounts(home / "research")


def test_it_is_active_when_the_mount_answers_and_ends_in_order(
    home: Path, services: list[Service]
) -> None:
    service = Service("research", home)
    services.append(service)
    assert service.message() == b"READY=1"
    root = home / "research"
    assert (root / ".phfs" / "status.json").read_text()
    (root / "file").write_bytes(b"x" * 100)
    # KillMode=mixed: the first process alone is told.
    service.process.send_signal(signal.SIGTERM)
    _, log = service.process.communicate(timeout=PATIENCE)
    assert service.process.returncode == 0, log
    assert not mounts.is_mounted(root)


def test_a_process_that_dies_is_the_services_own_business(
    home: Path, services: list[Service]
) -> None:
    service = Service("research", home)
    services.append(service)
    assert service.message() == b"READY=1"
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    (serving,) = map(int, children.read_text().split())
    os.kill(serving, signal.SIGKILL)
    assert service.message() == b"READY=1"
    assert (home / "research" / ".phfs" / "status.json").read_text()
    service.process.send_signal(signal.SIGTERM)
    _, log = service.process.communicate(timeout=PATIENCE)
    assert service.process.returncode == 0, log


@pytest.mark.parametrize(("name", "words"), [("wrong", "region"), ("nobody", "[mount.nobody]")])
def test_a_wrong_configuration_is_not_tried_again(
    name: str, words: str, home: Path, services: list[Service]
) -> None:
    service = Service(name, home)
    services.append(service)
    _, told = service.process.communicate(timeout=PATIENCE)
    assert words in told
    assert str(service.process.returncode) == unit()["Service"]["RestartPreventExitStatus"]
    assert not service.was_told()


def test_without_the_store_it_never_was_active(home: Path, services: list[Service]) -> None:
    service = Service("gone", home)
    services.append(service)
    _, told = service.process.communicate(timeout=PATIENCE)
    assert "127.0.0.1:9" in told
    assert service.process.returncode == 1
    assert not service.was_told()


def test_the_page_shows_this_unit() -> None:
    page = (ROOT / "docs" / "how-to" / "laptop.md").read_text()
    assert (ROOT / "systemd" / "phfs@.service").read_text() in page


def test_what_systemd_is_told_of_the_end() -> None:
    """An end may take drain_seconds, by default 25, and five more."""
    service = unit()["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert (service["KillMode"], service["Restart"]) == ("mixed", "on-failure")
    assert int(service["TimeoutStopSec"]) > 30 < int(service["TimeoutStartSec"])
    assert unit()["Install"]["WantedBy"] == "default.target"
