"""Who may do what on a mount: owner, group, modes, ``--allow-other``; and chmod without effect.

Other users are children of the test with another uid, by setpriv(1).
"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import MountWith, mounting
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted

pytestmark = pytest.mark.real

PATIENCE = 60.0
OWNER, GROUP, STRANGER = 4242, 4343, 4999


@pytest.fixture
def mount_with(minio: MinioServer) -> Iterator[MountWith]:
    """Mounts in a directory that everybody reaches, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="phfs-permissions-") as directory:
        Path(directory).chmod(0o711)
        yield from mounting(minio, Path(directory))


def as_user(uid: int, gid: int, script: str, mounted: Mounted) -> tuple[int, str]:
    """Run a shell script in the mount's root as somebody else; status and what it prints."""
    done = subprocess.run(
        [
            *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"),
            *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"),
            *("bash", "-c", f'cd "$0" && {script}', str(mounted.path)),
        ],
        cwd="/",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def mount_for_others(mount_with: MountWith, *options: str) -> Mounted:
    return mount_with(f"--uid={OWNER}", f"--gid={GROUP}", "--metadata-ttl=0", *options)


def test_without_allow_other_nobody_else_enters(mount_with: MountWith) -> None:
    mounted = mount_for_others(mount_with)
    (mounted.path / "file").write_bytes(b"root's")
    for uid in (OWNER, STRANGER):
        status, said = as_user(uid, GROUP, "cat file", mounted)
        assert status != 0
        assert "Permission denied" in said
        assert "root's" not in said
    assert mounted.errors() == [], "the kernel refused them, not the mount"


def test_with_allow_other_the_modes_decide(mount_with: MountWith) -> None:
    mounted = mount_for_others(mount_with, "--allow-other", "--file-mode=0640", "--dir-mode=0750")
    (mounted.path / "file").write_bytes(b"read me")
    assert as_user(OWNER, OWNER, "cat file", mounted) == (0, "read me")
    assert as_user(STRANGER, GROUP, "cat file", mounted) == (0, "read me")
    status, said = as_user(STRANGER, STRANGER, "cat file", mounted)
    assert (status != 0, "Permission denied" in said) == (True, True)
    # The owner writes, the group only reads.
    assert as_user(OWNER, OWNER, "echo new > mine && mkdir dir && rm file", mounted) == (0, "")
    assert mounted.get("mine") == b"new\n"
    assert mounted.keys() == ["dir/", "mine"]
    for script in ("echo x > theirs", "echo x > mine", "rm mine", "mkdir d", "mv mine other"):
        status, said = as_user(STRANGER, GROUP, script, mounted)
        assert status != 0, script
        assert "ermission denied" in said, script
    assert mounted.keys() == ["dir/", "mine"]
    assert mounted.get("mine") == b"new\n"


def test_others_may_enter_where_the_modes_let_them(mount_with: MountWith) -> None:
    mounted = mount_for_others(mount_with, "--allow-other", "--file-mode=0666", "--dir-mode=0777")
    script = "echo x > theirs && cat theirs && mkdir d && mv theirs d/moved && ls d"
    assert as_user(STRANGER, STRANGER, script, mounted) == (0, "x\nmoved\n")
    assert mounted.keys() == ["d/", "d/moved"]


@pytest.mark.parametrize(
    ("file_mode", "dir_mode"), [(0o644, 0o755), (0o600, 0o700), (0o755, 0o555), (0, 0)]
)
def test_owner_group_and_modes_are_as_told(
    mount_with: MountWith, file_mode: int, dir_mode: int
) -> None:
    mounted = mount_with(
        f"--uid={OWNER}",
        f"--gid={GROUP}",
        f"--file-mode={file_mode:04o}",
        f"--dir-mode={dir_mode:04o}",
    )
    mounted.put("outside/file", b"x")
    (mounted.path / "own").write_bytes(b"x")
    (mounted.path / "made").mkdir(mode=0o711)
    for name, kind, mode in (
        (".", stat.S_IFDIR, dir_mode),
        ("outside", stat.S_IFDIR, dir_mode),
        ("outside/file", stat.S_IFREG, file_mode),
        ("own", stat.S_IFREG, file_mode),
        ("made", stat.S_IFDIR, dir_mode),
    ):
        found = (mounted.path / name).stat()
        assert (found.st_uid, found.st_gid) == (OWNER, GROUP), name
        assert found.st_mode == kind | mode, f"{name}: {found.st_mode:o}"


def test_without_options_everything_is_the_caller_s(mount_with: MountWith) -> None:
    mounted = mount_with()
    (mounted.path / "own").write_bytes(b"x")
    found = (mounted.path / "own").stat()
    assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())
    assert stat.S_IMODE(found.st_mode) == 0o644
    assert stat.S_IMODE(mounted.path.stat().st_mode) == 0o755


def test_chmod_chown_and_times_succeed_and_change_nothing(mount_with: MountWith) -> None:
    mounted = mount_for_others(mount_with, "--allow-other")
    file, directory = mounted.path / "file", mounted.path / "dir"
    file.write_bytes(b"x")
    directory.mkdir()
    for path in (file, directory):
        before = path.stat()
        path.chmod(0o777)
        os.chown(path, STRANGER, STRANGER)
        os.utime(path, (1, 1))
        after = path.stat()
        assert after.st_mode == before.st_mode
        assert (after.st_uid, after.st_gid) == (OWNER, GROUP)
        assert after.st_mtime_ns == before.st_mtime_ns
    # The owner, too; others may not, as everywhere.
    assert as_user(
        OWNER, GROUP, "chmod 600 file && touch -d @1 file && cp -p file f2", mounted
    ) == (
        0,
        "",
    )
    status, said = as_user(STRANGER, STRANGER, "chmod 777 file", mounted)
    assert (status != 0, "not permitted" in said) == (True, True)
    assert mounted.errors() == []


def test_root_is_bound_by_no_mode_and_the_daemon_s_own_uid_by_nothing_else(
    mount_with: MountWith,
) -> None:
    """Objects have no owners: what a user may do is decided by the kernel, from what the mount
    says, so files made by different users look alike."""
    mounted = mount_for_others(mount_with, "--allow-other", "--file-mode=0600", "--dir-mode=0777")
    assert as_user(STRANGER, STRANGER, "echo theirs > file", mounted) == (0, "")
    status, said = as_user(STRANGER, STRANGER, "cat file", mounted)
    assert (status != 0, "Permission denied" in said) == (True, True), "it is the owner's now"
    assert as_user(OWNER, OWNER, "cat file", mounted) == (0, "theirs\n")
    assert (mounted.path / "file").read_bytes() == b"theirs\n"


def test_the_explanations_can_be_read_by_all_who_may_enter(mount_with: MountWith) -> None:
    mounted = mount_for_others(mount_with, "--allow-other", "--file-mode=0666", "--dir-mode=0777")
    script = "truncate -s 7 file; cat .phfs/errors"
    mounted.put("file", b"xxx")
    status, said = as_user(STRANGER, STRANGER, script, mounted)
    assert status == 0
    assert "/file" in said
    assert "EOPNOTSUPP" in said
    status, said = as_user(STRANGER, STRANGER, "echo x > .phfs/errors", mounted)
    assert status != 0
