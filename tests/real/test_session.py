"""The mount as the kernel and its users see it: beginning, figures, refusals, end."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import MountWith, new_place
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, is_mounted

pytestmark = pytest.mark.real


def command(*words: str | Path) -> str:
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout


def start_fails(*words: str | Path, minio: MinioServer, **environ: str) -> tuple[int, str]:
    """Exit code and last line of a mount that does not come about."""
    done = subprocess.run(
        [PHFS_MOUNT, *words],
        env={
            "PATH": os.environ["PATH"],
            "PHFS_CONFIG": os.devnull,
            "PHFS_STATE_DIR": str(Path(words[1]).parent / "refused"),
            "PHFS_ENDPOINT_URL": minio.endpoint_url,
            "PHFS_ACCESS_KEY_ID": minio.access_key,
            "PHFS_SECRET_ACCESS_KEY": minio.secret_key,
            **environ,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip().splitlines()[-1]


def wait_in_kernel(process: subprocess.Popen[bytes]) -> None:
    """Until the process waits for an answer of the mount."""
    give_up = time.monotonic() + 10
    while "request_wait_answer" not in Path(f"/proc/{process.pid}/wchan").read_text():
        assert time.monotonic() < give_up
        time.sleep(0.01)


# -- what is there -----------------------------------------------------------------------------


def test_it_answers(mounted: Mounted) -> None:
    mounted.put("answers/a.txt", b"hello")
    assert (mounted.path / "answers/a.txt").read_bytes() == b"hello"
    listing = command("ls", "-la", mounted.path)
    assert "answers" in listing
    assert ".phfs" not in listing


def test_what_the_mount_table_says(mounted: Mounted) -> None:
    source, kind = command("findmnt", "-no", "SOURCE,FSTYPE", mounted.path).split()
    assert (source, kind) == (f"s3://{mounted.bucket}/{mounted.prefix}", "fuse.phfs")


def test_figures_of_the_file_system(mounted: Mounted) -> None:
    figures = os.statvfs(mounted.path)
    assert figures.f_bavail * figures.f_frsize == 2**50
    assert figures.f_namemax == 255
    assert "1.0P" in command("df", "-h", mounted.path)


def test_figures_of_a_file(mounted: Mounted) -> None:
    mounted.put("figures/a", bytes(1_025))
    info = (mounted.path / "figures/a").stat()
    assert (info.st_size, info.st_blocks, info.st_nlink) == (1_025, 3, 1)
    assert (info.st_mode & 0o7777, info.st_uid, info.st_gid) == (0o644, os.getuid(), os.getgid())
    parent = (mounted.path / "figures").stat()
    assert (parent.st_mode & 0o7777, parent.st_nlink) == (0o755, 2)


def test_owner_and_modes_are_those_of_the_options(mount_with: MountWith) -> None:
    mount = mount_with("--uid=1000", "--gid=100", "--file-mode=0640", "--dir-mode=0750")
    mount.put("d/a", b"x")
    file, directory = (mount.path / "d/a").stat(), (mount.path / "d").stat()
    assert (file.st_uid, file.st_gid, file.st_mode & 0o7777) == (1000, 100, 0o640)
    assert (directory.st_uid, directory.st_gid, directory.st_mode & 0o7777) == (1000, 100, 0o750)


# -- what has no effect, and what is refused -----------------------------------------------------


def test_modes_owners_and_times_are_accepted_and_stay(mounted: Mounted) -> None:
    mounted.put("noop/a", b"hello")
    file = mounted.path / "noop/a"
    before = file.stat()
    command("chmod", "600", file)
    command("chown", "1000:100", file)
    command("touch", "-d", "2001-01-01", file)
    command("chown", "-R", "1000:100", file.parent)
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime) == (
        before.st_mode,
        before.st_uid,
        before.st_mtime,
    )
    assert mounted.get("noop/a") == b"hello"


def test_links_pipes_and_devices_are_refused_and_explained(mounted: Mounted) -> None:
    mounted.put("links/a", b"hello")
    directory = mounted.path / "links"
    listener = socket.socket(socket.AF_UNIX)
    refused: dict[str, Callable[[], None]] = {
        "symlink": lambda: os.symlink("a", directory / "b"),
        "link": lambda: os.link(directory / "a", directory / "c"),
        "mkfifo": lambda: os.mkfifo(directory / "d"),
        "socket": lambda: listener.bind(str(directory / "e")),
    }
    with listener:
        for name, act in refused.items():
            with pytest.raises(OSError) as caught:
                act()
            assert caught.value.errno == errno.EOPNOTSUPP, name
    shown = {failure["path"]: failure for failure in mounted.errors()}
    for name in "bcde":
        failure = shown[f"/links/{name}"]
        assert failure["errno"] == "EOPNOTSUPP"
        assert failure["why"]
        assert failure["advice"]
    assert mounted.keys("links/") == ["links/a"]


def test_a_regular_file_by_mknod(mounted: Mounted) -> None:
    os.mknod(mounted.path / "by-mknod", 0o100644)
    assert (mounted.path / "by-mknod").read_bytes() == b""


def test_extended_attributes_are_refused_by_the_kernel(mounted: Mounted) -> None:
    mounted.put("xattr/a", b"hello")
    file = mounted.path / "xattr/a"
    shown = len(mounted.errors())
    for act in (
        lambda: os.getxattr(file, "user.x"),
        lambda: os.setxattr(file, "user.x", b"1"),
        lambda: os.listxattr(file),
        lambda: os.removexattr(file, "user.x"),
    ):
        for _ in range(2):
            with pytest.raises(OSError) as caught:
                act()
            assert caught.value.errno == errno.EOPNOTSUPP
    assert len(mounted.errors()) == shown


def test_a_name_that_is_no_text(mounted: Mounted) -> None:
    with pytest.raises(OSError) as caught:
        os.mkdir(os.fsencode(mounted.path) + b"/gr\xf6\xdfe")
    assert caught.value.errno == errno.EILSEQ
    assert mounted.errors()[0]["path"] == r"/gr\xf6\xdfe"


def test_exchanging_two_names(mounted: Mounted) -> None:
    mounted.put("exchange/a", b"a")
    mounted.put("exchange/b", b"b")
    program = (
        "import ctypes, sys; libc = ctypes.CDLL(None, use_errno=True);"
        "libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2);"
        "print(ctypes.get_errno())"
    )
    a, b = mounted.path / "exchange/a", mounted.path / "exchange/b"
    assert int(command(sys.executable, "-c", program, a, b)) == errno.EINVAL


# -- the mount explains itself -------------------------------------------------------------------


def test_explanations_are_plain_text(mounted: Mounted) -> None:
    directory = mounted.path / ".phfs"
    assert sorted(os.listdir(directory)) == ["errors", "errors.json", "status", "status.json"]
    with pytest.raises(OSError):
        os.symlink("a", mounted.path / "no-link")
    text = command("cat", directory / "errors")
    assert "/no-link" in text
    assert "EOPNOTSUPP: Operation not supported" in text
    assert "What to do: " in text
    assert command("tail", "-n", "1", directory / "errors") == text.splitlines()[-1] + "\n"
    state = command("cat", directory / "status")
    assert mounted.bucket in state
    assert mounted.prefix in state


def test_the_status_tells_no_secret(mounted: Mounted, minio: MinioServer) -> None:
    secret = minio.group_keys(mounted.bucket, mounted.status()["prefix"].split("/")[1]).secret_key
    for document in ("status", "status.json", "errors", "errors.json"):
        assert secret not in (mounted.path / ".phfs" / document).read_text()
    assert secret not in mounted.log


def test_explanations_cannot_be_changed(mounted: Mounted) -> None:
    explanations = mounted.path / ".phfs"
    for act in (
        lambda: (explanations / "errors").write_text("x"),
        lambda: (explanations / "new").write_text("x"),
        lambda: (explanations / "errors").unlink(),
        lambda: explanations.rmdir(),
        lambda: explanations.rename(mounted.path / "elsewhere"),
        lambda: os.truncate(explanations / "status", 0),
    ):
        with pytest.raises(PermissionError) as caught:
            act()
        assert caught.value.errno == errno.EPERM
    assert "belongs to the mount" in mounted.errors()[0]["why"]


def test_explanations_need_no_store(mount_with: MountWith, minio: MinioServer) -> None:
    mount = mount_with("--metadata-ttl=0", "--retry-deadline=5", "--timeout=5")
    minio.stop()
    try:
        with pytest.raises(OSError) as caught:
            (mount.path / "a").read_bytes()
        assert caught.value.errno == errno.EIO
        failure = mount.errors()[0]
        assert (failure["path"], failure["errno"]) == ("/a", "EIO")
        assert mount.status()["failures"] >= 1
    finally:
        minio.start()
    mount.put("a", b"back")
    assert (mount.path / "a").read_bytes() == b"back"


# -- its end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it(mount_with: MountWith, number: signal.Signals) -> None:
    mount = mount_with()
    mount.process.send_signal(number)
    assert mount.wait() == 0
    assert not is_mounted(mount.path)


def test_umount_ends_it(mount_with: MountWith) -> None:
    mount = mount_with()
    command("umount", mount.path)
    assert mount.wait() == 0


def test_fusermount_ends_it(mount_with: MountWith) -> None:
    mount = mount_with()
    command("fusermount3", "-u", mount.path)
    assert mount.wait() == 0


def test_a_mount_in_use_is_not_unmounted_but_a_signal_ends_it(mount_with: MountWith) -> None:
    mount = mount_with()
    mount.put("a", b"hello")
    file = os.open(mount.path / "a", os.O_RDONLY)
    try:
        done = subprocess.run(["umount", mount.path], check=False, capture_output=True)
        assert done.returncode != 0
        assert os.read(file, 10) == b"hello"
        mount.process.send_signal(signal.SIGTERM)
        assert mount.wait() == 0
        assert not is_mounted(mount.path)
    finally:
        with pytest.raises(OSError) as caught:
            os.close(file)
    assert caught.value.errno == errno.ENOTCONN


def test_a_second_signal_does_not_wait_for_the_store(
    mount_with: MountWith, minio: MinioServer
) -> None:
    mount = mount_with("--retry-deadline=60")
    minio.stop()
    try:
        with subprocess.Popen(["cat", mount.path / "a"], stderr=subprocess.DEVNULL) as reader:
            wait_in_kernel(reader)
            mount.process.send_signal(signal.SIGTERM)
            mount.wait_for_log("unmounting once")
            assert reader.poll() is None
            mount.stop(code=3)  # by another SIGTERM
            assert reader.wait(10) == 1
    finally:
        minio.start()


def test_what_was_closed_before_a_signal_is_stored(mount_with: MountWith) -> None:
    mount = mount_with()
    data = os.urandom(20 * 1024**2)
    (mount.path / "large").write_bytes(data)
    mount.process.send_signal(signal.SIGTERM)
    assert mount.wait() == 0
    assert mount.get("large") == data


def test_nothing_is_left_in_the_state_directory(mount_with: MountWith) -> None:
    mount = mount_with()
    (mount.path / "large").write_bytes(bytes(20 * 1024**2))
    mount.stop()
    assert list(mount.state_dir.rglob("*.jsonl")) == []


# -- it does not begin -----------------------------------------------------------------------------


def test_a_mount_point_that_is_taken(mount_with: MountWith, minio: MinioServer) -> None:
    mount = mount_with()
    code, sentence = start_fails(minio.bucket, mount.path, "--group=g", minio=minio)
    assert code == 1
    assert str(mount.path) in sentence
    assert (mount.path / ".phfs/status").exists()


@pytest.mark.parametrize(
    ("environ", "bucket", "said"),
    [
        ({"PHFS_ENDPOINT_URL": "http://127.0.0.1:9"}, "", "http://127.0.0.1:9"),
        ({"PHFS_SECRET_ACCESS_KEY": "wrong"}, "", "refuses the keys"),
        ({"PHFS_ACCESS_KEY_ID": "nobody"}, "", "refuses the keys"),
        ({}, "no-such-bucket", "no-such-bucket"),
    ],
    ids=["endpoint", "secret", "key", "bucket"],
)
def test_a_store_that_cannot_be_used(
    minio: MinioServer, tmp_path: Path, environ: dict[str, str], bucket: str, said: str
) -> None:
    mountpoint = tmp_path / "mount"
    mountpoint.mkdir()
    code, sentence = start_fails(
        bucket or minio.bucket,
        mountpoint,
        "--group=g",
        "--foreground",
        "--retry-deadline=1",
        f"--state-dir={tmp_path}",
        minio=minio,
        **environ,
    )
    assert code == 1
    assert said in sentence
    assert not is_mounted(mountpoint)


def test_keys_of_another_group(minio: MinioServer, tmp_path: Path) -> None:
    place = new_place(minio)
    mountpoint = tmp_path / "mount"
    mountpoint.mkdir()
    code, sentence = start_fails(
        place.bucket,
        mountpoint,
        "--group=somebody-elses",
        "--foreground",
        f"--state-dir={tmp_path}",
        minio=minio,
        PHFS_ACCESS_KEY_ID=place.keys.access_key,
        PHFS_SECRET_ACCESS_KEY=place.keys.secret_key,
    )
    assert code == 1
    assert f"may not list s3://{place.bucket}/groups/somebody-elses/" in sentence
