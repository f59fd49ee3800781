"""/etc/fstab and ``mount -t fuse.phfs``: the real mount(8) and umount(8), as root.

Each script runs in namespaces of its own, in which /sbin holds what the test puts there, and which
take every process and mount with them when they end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from mypy_boto3_s3 import S3Client

from tests.real.conftest import new_place
from tests.support.minio import MinioServer
from tests.support.mounted import Place

pytestmark = pytest.mark.real

PATIENCE = 180.0


class Machine:
    """A directory to mount at, an fstab, and a /sbin."""

    def __init__(self, directory: Path, place: Place) -> None:
        self.place = place
        self.mountpoint = directory / "research"
        self.mountpoint.mkdir()
        self.fstab = directory / "fstab"
        self.keys = directory / "keys"
        self.keys.write_text(
            f"[default]\naws_access_key_id = {place.keys.access_key}\n"
            f"aws_secret_access_key = {place.keys.secret_key}\n"
        )
        self.keys.chmod(0o600)
        self.sbin = directory / "sbin"
        self.sbin.mkdir()
        self.options = (
            f"_netdev,group={place.group},endpoint_url={place.endpoint_url},"
            f"credentials_file={self.keys},state_dir={directory}/state,metadata_ttl=0"
        )

    def install(self, name: str, module: str) -> None:
        """What pip makes of an entry point, in /sbin."""
        program = self.sbin / name
        program.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)

    def run(
        self, *lines: str, script: str, environ: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script where ``lines`` are the fstab; $M is the mount point, $T the fstab."""
        self.fstab.write_text("".join(f"{line}\n" for line in lines))
        prelude = (
            f"mount --bind {self.sbin} /sbin\nM={self.mountpoint}\nT={self.fstab}\n"
            # The real machine's own configuration is not this one's.
            "if test -d /etc/phfs; then mount -t tmpfs none /etc/phfs; fi\n"
        )
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return subprocess.run(
            [*command, "sh", "-e", "-c", prelude + dedent(script)],
            env={"PATH": os.environ["PATH"], **(environ or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture
def machine(minio: MinioServer, tmp_path: Path) -> Machine:
    made = Machine(tmp_path, new_place(minio))
    made.install("mount.fuse.phfs", "phfs.cli.fstab")
    return made


def test_a_line_is_mounted_used_and_unmounted(machine: Machine, s3: S3Client) -> None:
    place = machine.place
    source = f"s3://{place.bucket}/groups/{place.group}/"
    done = machine.run(
        f"{source} {machine.mountpoint} fuse.phfs {machine.options},user,nofail,x-gvfs-hide 0 0",
        script="""
            mount -T $T $M
            grep " $M " /proc/mounts
            mount -T $T -a      # there already: nothing to do
            echo hello > $M/greeting
            umount $M
            ! grep " $M " /proc/mounts
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown, _, kind, options, *_ = done.stdout.split()
    assert (shown, kind) == (source, "fuse.phfs")
    # What `user` means for mount(8) holds.
    assert {"rw", "nosuid", "nodev", "noexec"} <= set(options.split(","))
    stored = s3.get_object(Bucket=place.bucket, Key=f"{place.prefix}greeting")["Body"].read()
    assert stored == b"hello\n"


def test_a_bucket_by_its_name_read_only(machine: Machine) -> None:
    done = machine.run(
        f"{machine.place.bucket} {machine.mountpoint} fuse.phfs ro,noauto,{machine.options} 0 0",
        script="""
            mount -T $T $M
            grep -o ' ro,' /proc/mounts
            ! touch $M/new
            umount $M
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "Read-only file system" in done.stderr


def test_a_named_mount_of_a_configuration_file(machine: Machine, tmp_path: Path) -> None:
    place = machine.place
    config = tmp_path / "config.toml"
    config.write_text(
        f'endpoint_url = "{place.endpoint_url}"\nstate_dir = "{tmp_path}/state"\n'
        f'[mount.research]\nbucket = "{place.bucket}"\ngroup = "{place.group}"\n'
        f'foreground = true\ncredentials_file = "{machine.keys}"\n'
    )
    done = machine.run(
        f"@research {machine.mountpoint} fuse.phfs _netdev,config={config} 0 0",
        script="""
            mount -T $T $M
            mount -T $T -a
            cat $M/.phfs/status.json > /dev/null
            umount $M
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_program_of_its_own_mount_fuse3_calls_phfs(
    minio: MinioServer, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, new_place(minio))
    machine.install("phfs", "phfs.cli.main")
    for name in ("mount.fuse", "mount.fuse3"):
        shutil.copy(Path("/sbin", name), machine.sbin / name)
    done = machine.run(
        f"{machine.place.bucket} {machine.mountpoint} fuse.phfs defaults,{machine.options} 0 0",
        script="""
            mount -T $T $M
            cat $M/.phfs/status.json > /dev/null
            umount $M
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ("metadata-ttl=1", 1, "There is no mount option metadata-ttl; is metadata_ttl meant?"),
        ("secret_access_key=hunter2", 1, "everybody on the machine can read it"),
        ("foreground", 1, "foreground is no option behind -o"),
        ("memory_limit=lots", 1, "-o memory_limit 'lots' is wrong"),
        ("endpoint_url=http://127.0.0.1:9,retry_deadline=1", 32, "127.0.0.1:9"),
    ],
)
def test_what_is_wrong_is_told_as_mount_tells_it(
    machine: Machine, options: str, code: int, sentence: str
) -> None:
    done = machine.run(
        f"my-bucket {machine.mountpoint} fuse.phfs {machine.options},{options} 0 0",
        script="mount -T $T $M",
    )
    assert done.returncode == code
    assert sentence in done.stderr
    assert "hunter2" not in done.stderr


def test_another_mount_that_is_there_is_not_taken_for_this_one(machine: Machine) -> None:
    done = machine.run(
        f"{machine.place.bucket} {machine.mountpoint} fuse.phfs {machine.options} 0 0",
        script="""
            mount -T $T $M
            code=0
            mount -t fuse.phfs -o group=other other-bucket $M || code=$?
            umount $M
            exit $code
        """,
    )
    assert done.returncode == 32
    assert "something is mounted already" in done.stderr


def test_variables_of_whoever_mounts_do_not_count(machine: Machine) -> None:
    done = machine.run(
        f"{machine.place.bucket} {machine.mountpoint} fuse.phfs {machine.options} 0 0",
        script="mount -T $T $M; touch $M/new; umount $M",
        environ={"PHFS_READ_ONLY": "on", "PHFS_CONFIG": "/nope", "HOME": "/nope"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_mounted_when_mount_only_pretends(machine: Machine) -> None:
    done = machine.run(
        f"my-bucket {machine.mountpoint} fuse.phfs {machine.options} 0 0",
        script='mount -f -v -T $T $M; ! grep " $M " /proc/mounts',
    )
    assert done.returncode == 0, done.stderr


def test_a_mount_is_not_changed_while_it_is_there(machine: Machine) -> None:
    done = machine.run(script="mount -t fuse.phfs -o remount,ro my-bucket $M")
    assert done.returncode == 1
    assert "cannot be changed while it is there" in done.stderr
