"""Ctrl-C at a mount in the foreground: what is still on its way is shown, awaited or given up."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.link import Link
from tests.real.conftest import MountWith, new_place
from tests.support.minio import MinioServer, s3_client
from tests.support.mounted import PHFS_MOUNT, end_mounts, is_mounted
from tests.support.terminal import Terminal

pytestmark = pytest.mark.real

MIB = 1024**2
PATIENCE = 60.0
CTRL_C = b"\x03"

WATCHED = pytest.mark.parametrize("watch", ["--supervise", "--no-supervise"])


class OnTerminal(NamedTuple):
    """A mount that a person has started on a terminal."""

    terminal: Terminal
    path: Path
    get: Callable[[str], bytes]
    keys: Callable[[], list[str]]


@contextmanager
def on_terminal(
    minio: MinioServer, directory: Path, *options: str, rate: float
) -> Iterator[OnTerminal]:
    """``rate`` in bytes per second, of the link to the store."""
    place, path = new_place(minio), directory / "mount"
    path.mkdir()
    outside = s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)
    words = [PHFS_MOUNT, place.bucket, path, f"--group={place.group}", "--foreground", *options]
    with Link(minio.endpoint_url.partition("//")[2], bytes_per_second=rate) as link:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PHFS_ENDPOINT_URL": link.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
            "PHFS_STATE_DIR": str(directory / "state"),
        }
        try:
            with Terminal([str(word) for word in words], environ) as terminal:
                terminal.wait_for("is mounted")
                yield OnTerminal(
                    terminal,
                    path,
                    lambda key: outside.get_object(Bucket=place.bucket, Key=place.prefix + key)[
                        "Body"
                    ].read(),
                    lambda: [
                        item["Key"].removeprefix(place.prefix)
                        for item in outside.list_objects_v2(
                            Bucket=place.bucket, Prefix=place.prefix
                        ).get("Contents", ())
                    ],
                )
        finally:
            end_mounts(path)
            outside.close()


@contextmanager
def written(path: Path, data: bytes) -> Iterator[list[OSError]]:
    """A program writes the file meanwhile; what it was refused."""
    failures: list[OSError] = []

    def write() -> None:
        try:
            path.write_bytes(data)
        except OSError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        give_up = time.monotonic() + PATIENCE
        status = path.parent / ".phfs/status.json"
        while f'"path": "/{path.name}"' not in status.read_text():
            assert time.monotonic() < give_up, "it is not begun"
            time.sleep(0.01)
        yield failures
    finally:
        writer.join(PATIENCE)
        assert not writer.is_alive()


@WATCHED
def test_what_is_on_its_way_is_shown_and_awaited(
    minio: MinioServer, tmp_path: Path, watch: str
) -> None:
    # Slow enough that a loaded machine draws before it is over.
    data = os.urandom(8 * MIB)
    with on_terminal(minio, tmp_path, watch, "--drain-seconds=120", rate=1.5e6) as mount:
        terminal = mount.terminal
        with written(mount.path / "large", data) as failures:
            terminal.type(CTRL_C)
            terminal.wait_for(r"Ctrl-C again gives them up")
            terminal.wait_for(r"/large .*[1-9][0-9.]*/[0-9.]+ MiB")
        assert terminal.wait() == 0, terminal.screen
        assert failures == [], terminal.screen
        assert mount.get("large") == data
        assert not is_mounted(mount.path)
    assert "was not saved" not in terminal.screen
    assert terminal.screen.count("\x1b[?25l") == terminal.screen.count("\x1b[?25h"), "the cursor"


@WATCHED
def test_another_one_gives_it_up_and_names_it(
    minio: MinioServer, tmp_path: Path, watch: str
) -> None:
    with on_terminal(minio, tmp_path, watch, "--drain-seconds=600", rate=5e5) as mount:
        terminal = mount.terminal
        with written(mount.path / "large", bytes(30 * MIB)) as failures:
            terminal.type(CTRL_C)
            terminal.wait_for(r"/large ")
            terminal.type(CTRL_C)
            assert terminal.wait() == 3, terminal.screen
        assert len(failures) == 1, "the program was told"
        last = re.sub(r"\s+", " ", terminal.screen.rpartition("phfs-mount: ")[2])
        assert last.startswith("1 file was not saved")
        assert "/large" in last
        assert mount.keys() == []
        assert not is_mounted(mount.path)


def test_without_a_terminal_a_line_names_each_file(mount_with: MountWith) -> None:
    mount = mount_with("--drain-seconds=60")
    with (
        (mount.path / "one").open("wb", buffering=0) as one,
        (mount.path / "two").open("wb", buffering=0) as two,
    ):
        one.write(bytes(3 * MIB))
        two.write(b"text")
        mount.process.send_signal(signal.SIGINT)
        for name, size in (("one", "3 MiB"), ("two", "4 B")):
            mount.wait_for_log(
                f"not saved yet: /{name}: 0 B of {size} are sent, a program has it open"
            )
    mount.process.wait(PATIENCE)
    mount.stop()
    assert mount.get("two") == b"text"
    assert "\x1b" not in mount.log


def test_where_nothing_is_on_its_way_nothing_is_said(minio: MinioServer, tmp_path: Path) -> None:
    with on_terminal(minio, tmp_path, rate=1e8) as mount:
        (mount.path / "small").write_bytes(b"text")
        mount.terminal.type(CTRL_C)
        assert mount.terminal.wait() == 0, mount.terminal.screen
        assert mount.get("small") == b"text"
    assert "not saved" not in mount.terminal.screen
