"""Root mounts, somebody without any privilege serves; a descriptor that was mounted elsewhere."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from phfs.system import mounts
from tests.real.conftest import MountWith, new_place
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, is_mounted

pytestmark = pytest.mark.real

UID, GID = 12_345, 12_346

PATIENCE = 60.0

GONE = {errno.ENOTCONN, errno.ECONNABORTED}


@pytest.fixture
def state() -> Iterator[Path]:
    """A directory of the unprivileged user's own, which he can get to."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o711)
        own = Path(directory, "state")
        own.mkdir(mode=0o700)
        os.chown(own, UID, GID)
        yield own


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: line.partition(":")[2].strip() for line in lines}


def as_other(mount: Mounted, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside the mount as the user who serves it; he needs no right on the way."""
    mount.path.parent.chmod(0o755)
    return subprocess.run(
        words,
        cwd=mount.path.parent,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        user=UID,
        group=GID,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_process_has_no_privilege_left(mount_with: MountWith, state: Path) -> None:
    mount = mount_with(f"--run-as={UID}:{GID}", f"--state-dir={state}")
    pid = int(mount.status()["pid"])
    found = status_of(pid)
    assert found["Uid"].split() == [str(UID)] * 4
    assert found["Gid"].split() == [str(GID)] * 4
    assert found["Groups"] == ""
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(found[f"Cap{kind}"], 16) == 0, kind
    assert found["NoNewPrivs"] == "1"
    assert status_of(mount.process.pid)["Uid"].split() == ["0"] * 4
    held = [os.readlink(link) for link in Path(f"/proc/{mount.process.pid}/fd").iterdir()]
    assert "/dev/fuse" not in held, "its death would not be noticed"
    served = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert served.count("/dev/fuse") == 1


def test_it_works_as_any_other_and_is_unmounted(mount_with: MountWith, state: Path) -> None:
    mount = mount_with(f"--run-as={UID}:{GID}", f"--state-dir={state}", "--metadata-ttl=0")
    (mount.path / "a").write_bytes(b"text")
    (mount.path / "large").write_bytes(bytes(20 * 1024**2))
    assert mount.get("a") == b"text"
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    (line,) = [line for line in table if line.split(" ")[4] == str(mount.path)]
    assert f"fuse.phfs s3://{mount.bucket}/{mount.prefix} " in line
    assert {"nosuid", "nodev"} <= set(line.split(" ")[5].split(","))
    assert "default_permissions" in line
    device = os.stat(mount.path).st_dev
    figure = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    assert int(figure.read_text()) == 4096, "what needs root is tuned by root"
    mount.stop()


def test_others_are_let_in_only_if_told(mount_with: MountWith, state: Path) -> None:
    """Owner, group and modes are those of the options, whoever serves."""
    closed = mount_with(f"--run-as={UID}:{GID}", f"--state-dir={state}")
    assert "Permission denied" in as_other(closed, "ls", "mount/").stderr
    closed.stop()
    opened = mount_with(
        f"--run-as={UID}:{GID}",
        f"--state-dir={state}",
        "--allow-other",
        "--uid=1000",
        "--gid=1001",
        "--file-mode=0640",
        "--dir-mode=0755",
    )
    opened.put("a", b"text")
    assert as_other(opened, "ls", "mount").stdout == "a\n"
    told = as_other(opened, "stat", "-c", "%u %g %a", "mount/a").stdout
    assert told == "1000 1001 640\n"
    assert "Permission denied" in as_other(opened, "cat", "mount/a").stderr
    assert "Permission denied" in as_other(opened, "touch", "mount/new").stderr


def test_a_crash_is_an_error_and_it_is_served_again(mount_with: MountWith, state: Path) -> None:
    mount = mount_with(f"--run-as={UID}:{GID}", f"--state-dir={state}", "--supervise")
    mount.put("a", b"text")
    pid = int(mount.status()["pid"])
    reader = (mount.path / "a").open("rb", buffering=0)
    os.kill(pid, signal.SIGKILL)
    give_up = time.monotonic() + PATIENCE
    again = pid
    while again == pid:
        assert time.monotonic() < give_up, mount.log
        with suppress(OSError, ValueError):
            again = int(mount.status()["pid"])
    for use in (lambda: reader.read(1), reader.close):
        with pytest.raises(OSError) as caught:
            use()
        assert caught.value.errno in GONE
    assert status_of(again)["Uid"].split() == [str(UID)] * 4
    assert (mount.path / "a").read_bytes() == b"text"
    assert "signal 9" in mount.errors()[0]["why"]


def test_unwatched_a_crash_is_the_end_and_nothing_stays_mounted(
    mount_with: MountWith, state: Path
) -> None:
    mount = mount_with(f"--run-as={UID}:{GID}", f"--state-dir={state}", "--no-supervise")
    os.kill(int(mount.status()["pid"]), signal.SIGKILL)
    mount.process.wait(PATIENCE)
    assert "was killed by signal 9 (SIGKILL)" in mount.log
    mount.stop(code=1)


def test_a_state_directory_he_may_not_write(
    minio: MinioServer, tmp_path: Path, state: Path
) -> None:
    os.chown(state, 0, 0)
    (tmp_path / "mount").mkdir()
    words: list[str | Path] = [PHFS_MOUNT, minio.bucket, tmp_path / "mount", "--group=g"]
    done = subprocess.run(
        [*words, "--run-as", str(UID), "--state-dir", state],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert f"it may not be written by user {UID}, as whom --run-as serves" in done.stderr


# -- a descriptor ----------------------------------------------------------------------------------


@pytest.fixture
def handed_over(minio: MinioServer, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A mount made here and served by ``phfs-mount … /dev/fd/N``; its path and that process."""
    path = tmp_path / "mount"
    path.mkdir()
    place = new_place(minio)
    device = mounts.attach(path, "s3://here/", read_only=False, allow_other=False)
    try:
        words: list[str | Path] = [PHFS_MOUNT, place.bucket, f"/dev/fd/{device}", "--foreground"]
        with subprocess.Popen(
            [*words, f"--group={place.group}", f"--state-dir={tmp_path}"],
            env={
                "PATH": os.environ["PATH"],
                "PHFS_ENDPOINT_URL": place.endpoint_url,
                "PHFS_ACCESS_KEY_ID": place.keys.access_key,
                "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
            },
            pass_fds=[device],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            os.close(device)
            try:
                yield path, process
            finally:
                process.kill()
    finally:
        if is_mounted(path):
            mounts.detach(path)


def test_a_mount_made_elsewhere_is_served(
    handed_over: tuple[Path, subprocess.Popen[str]],
) -> None:
    path, process = handed_over
    (path / "a").write_bytes(b"text")  # waits until it is served
    assert (path / "a").read_bytes() == b"text"
    assert os.listdir(path) == ["a"]
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert is_mounted(path), "who mounts unmounts"
    with pytest.raises(OSError) as caught:
        os.listdir(path)
    assert caught.value.errno in GONE


def test_its_death_is_noticed(handed_over: tuple[Path, subprocess.Popen[str]]) -> None:
    path, process = handed_over
    assert os.listdir(path) == []
    handle = os.pidfd_open(process.pid)
    process.kill()
    assert select.select([handle], [], [], PATIENCE)[0]
    os.close(handle)
    with pytest.raises(OSError) as caught:
        os.listdir(path)
    assert caught.value.errno in GONE


@pytest.mark.parametrize("number", [0, 999])
def test_a_descriptor_that_is_none(minio: MinioServer, tmp_path: Path, number: int) -> None:
    words: list[str | Path] = [PHFS_MOUNT, minio.bucket, f"/dev/fd/{number}", "--foreground"]
    done = subprocess.run(
        [*words, "--group=g", f"--state-dir={tmp_path}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert f"/dev/fd/{number} is no descriptor of /dev/fuse" in done.stderr


def test_a_mount_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """What is dead and not PHFS's, or PHFS's and alive, is not detached."""
    table = tmp_path / "mountinfo"
    table.write_text(f"99 22 0:50 / {tmp_path} rw - fuse.sshfs host:/ rw\n")
    assert mounts.clear(tmp_path, table) == 0
    table.write_text(f"99 22 0:50 / {tmp_path} rw - fuse.phfs s3://b/ rw\n")
    assert mounts.clear(tmp_path, table) == 0
