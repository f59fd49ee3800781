"""Keys and tokens are planted as markers, and looked for everywhere else."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from phfs.config import load
from tests.real.conftest import MountWith
from tests.support.minio import REGION, Keys, MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, is_mounted
from tests.support.provisioned import provision, provisioned_place

pytestmark = pytest.mark.real

PATIENCE = 60.0
NO_KEYS = {"PHFS_ACCESS_KEY_ID": "", "PHFS_SECRET_ACCESS_KEY": ""}
SIGNATURES = ("AWS4-HMAC-SHA256", "Signature=", "X-Amz-Security-Token")
"""What the headers of a signed request are known by."""


class Planted:
    """Keys of a group that can be recognised, with a session's beside them.

    ``marks`` are the texts to look for: a secret key, a token and an access key, no part of which
    is anything else.
    """

    def __init__(self, minio: MinioServer) -> None:
        name = f"KEYMARK{secrets.token_hex(8)}"
        self.place = provisioned_place(minio, minio.new_bucket(), "g", f"--access-key={name}")
        sts = boto3.session.Session().client(
            "sts",
            endpoint_url=minio.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.place.keys.access_key,
            aws_secret_access_key=self.place.keys.secret_key,
        )
        made = sts.assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="marked")
        sts.close()
        found = made["Credentials"]
        self.session = Keys(found["AccessKeyId"], found["SecretAccessKey"])
        self.token = found["SessionToken"]
        self.keys = (*self.place.keys, *self.session, self.token)
        self.marks = (*self.keys, *SIGNATURES)

    def in_variables(self) -> dict[str, str]:
        return {
            "PHFS_ACCESS_KEY_ID": self.session.access_key,
            "PHFS_SECRET_ACCESS_KEY": self.session.secret_key,
            "PHFS_SESSION_TOKEN": self.token,
        }

    def in_file(self, directory: Path) -> dict[str, str]:
        file = directory / "keys"
        file.write_text(
            f"[default]\naws_access_key_id = {self.session.access_key}\n"
            f"aws_secret_access_key = {self.session.secret_key}\n"
            f"aws_session_token = {self.token}\n"
        )
        return {**NO_KEYS, "PHFS_CREDENTIALS_FILE": str(file)}

    def in_profile(self, directory: Path) -> dict[str, str]:
        variables = self.in_file(directory)
        return {**NO_KEYS, "AWS_SHARED_CREDENTIALS_FILE": variables["PHFS_CREDENTIALS_FILE"]}

    def environ(self, source: str, directory: Path) -> dict[str, str]:
        """The keys in ``variables``, a ``file`` or a ``profile``."""
        if source == "variables":
            return self.in_variables()
        return self.in_file(directory) if source == "file" else self.in_profile(directory)

    def assert_hidden(self, text: str | bytes, where: object) -> None:
        """Fail if a mark is in a text, without showing more than where."""
        data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        for number, mark in enumerate(self.marks):
            assert mark.encode() not in data, f"mark {number} is in {where}"

    def assert_hidden_in_processes(self, ours: bytes) -> None:
        """Fail if a command line on this machine has a key of these, or one of ours a signature.

        ``ours`` is what a process of this mount has in its command line; the words of a signature
        may well stand in somebody else's.
        """
        looked_at = 0
        for where, text in command_lines():
            looked_at += ours in text
            assert not any(key.encode() in text for key in self.keys), f"a key is in {where}"
            if ours in text:
                self.assert_hidden(text, where)
        assert looked_at, "its processes are looked at"

    def assert_hidden_below(self, directory: Path, *, but: Sequence[Path] = ()) -> int:
        """Look into every file of a directory; how many there were."""
        files = [path for path in directory.rglob("*") if path.is_file() and path not in but]
        for file in files:
            self.assert_hidden(file.read_bytes(), file)
            self.assert_hidden(str(file), "a name")
        return len(files)


@pytest.fixture(scope="module")
def planted(minio: MinioServer) -> Planted:
    return Planted(minio)


def command_lines() -> Iterator[tuple[str, bytes]]:
    """What ``ps`` shows of every process."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield str(file), file.read_bytes()
        except OSError:  # ended meanwhile
            continue


def work_and_fail(mounted: Mounted) -> None:
    """Operations that succeed, and one for each way to be refused."""
    root = mounted.path
    (root / "a").write_bytes(b"a")
    assert (root / "a").read_bytes() == b"a"
    os.rename(root / "a", root / "b")
    with pytest.raises(FileNotFoundError):
        (root / "nothing").read_bytes()
    with pytest.raises(OSError, match="not supported"):
        os.truncate(root / "b", 7)
    with pytest.raises(OSError, match="File name too long"):
        (root / ("n" * 300)).touch()


@pytest.mark.parametrize("source", ["variables", "file", "profile"])
def test_neither_ps_nor_the_log_nor_phfs_nor_the_state_shows_them(
    mount_with: MountWith, planted: Planted, tmp_path: Path, source: str
) -> None:
    environ = planted.environ(source, tmp_path)
    mounted = mount_with(
        "--log-level=debug",
        "--part-size=5",
        "--memory-limit=64",
        place=planted.place,
        environ=environ,
    )
    work_and_fail(mounted)
    with (mounted.path / "large").open("wb") as file:
        file.write(bytes(11 * 1024**2))  # an upload under way is in the journal
        planted.assert_hidden_in_processes(os.fsencode(mounted.path))
        shown = mounted.path / ".phfs"
        names = os.listdir(shown)
        assert {"errors", "errors.json", "status", "status.json"} <= set(names)
        for name in names:
            planted.assert_hidden((shown / name).read_bytes(), name)
        assert planted.assert_hidden_below(mounted.state_dir) > 0
    planted.assert_hidden(Path("/proc/self/mountinfo").read_text(), "the mount table")
    mounted.stop()
    planted.assert_hidden(mounted.log, "the log")
    assert "is mounted" in mounted.log
    for library in ("botocore", "urllib3", "boto3"):
        assert library not in mounted.log, "libraries are not heard below warnings"
    planted.assert_hidden_below(mounted.state_dir)


@contextmanager
def in_background(planted: Planted, directory: Path) -> Iterator[Path]:
    """A mount as a user makes it, ended as one ends it."""
    mountpoint, state = directory / "m", directory / "state"
    mountpoint.mkdir()
    place = planted.place
    done = subprocess.run(
        [
            *(PHFS_MOUNT, place.bucket, mountpoint, f"--group={place.group}"),
            *(f"--state-dir={state}", "--log-level=debug"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            **planted.in_variables(),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    try:
        planted.assert_hidden(done.stdout, "the terminal")
        assert done.returncode == 0, done.stdout
        yield mountpoint
    finally:
        subprocess.run(["umount", mountpoint], check=False, capture_output=True)
        give_up = time.monotonic() + PATIENCE
        while any(str(mountpoint).encode() in line for _, line in command_lines()):
            assert time.monotonic() < give_up, "the mount's processes do not end"
            time.sleep(0.05)


def test_a_mount_in_the_background_and_its_supervisor(planted: Planted, tmp_path: Path) -> None:
    with in_background(planted, tmp_path) as mountpoint:
        (mountpoint / "background").write_bytes(b"x")
        planted.assert_hidden_in_processes(os.fsencode(mountpoint))
    assert planted.assert_hidden_below(tmp_path) > 0, "its log is there"


def test_wrong_keys_are_not_repeated_when_they_are_refused(
    planted: Planted, tmp_path: Path
) -> None:
    """The right secret with the wrong token, and the other way round."""
    (tmp_path / "m").mkdir()
    place, right = planted.place, planted.in_variables()
    for wrong in (
        {**right, "PHFS_SESSION_TOKEN": "nonsense"},
        {**right, "PHFS_SECRET_ACCESS_KEY": planted.place.keys.secret_key},
        {**right, "PHFS_SECRET_ACCESS_KEY": f"{planted.token}\n"},
        {**right, "PHFS_SECRET_ACCESS_KEY": ""},
        {**right, "PHFS_ACCESS_KEY_ID": "", "PHFS_SECRET_ACCESS_KEY": ""},
        {**NO_KEYS, "PHFS_SECRET_ACCESS_KEYS": planted.session.secret_key},
    ):
        in_sight = ["--foreground", "--log-level=debug"]
        for more in ([], in_sight) if wrong["PHFS_SECRET_ACCESS_KEY"] else ([],):
            done = subprocess.run(
                [
                    *(PHFS_MOUNT, place.bucket, tmp_path / "m", f"--group={place.group}"),
                    *(f"--state-dir={tmp_path}/state", *more),
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "PHFS_ENDPOINT_URL": place.endpoint_url,
                    **wrong,
                },
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert done.returncode in (1, 2), done.stderr
            assert not is_mounted(tmp_path / "m")
            planted.assert_hidden(done.stdout + done.stderr, "what is said")
    planted.assert_hidden_below(tmp_path)


@pytest.mark.parametrize("wrong", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("command", ["phfs-mount", "phfs provision"])
def test_aws_s_variables_that_no_header_can_hold(
    planted: Planted, tmp_path: Path, command: str, wrong: str
) -> None:
    """Copied with a byte that is no text: the error of whoever encodes it would have all of it."""
    (tmp_path / "m").mkdir()
    words = [
        str(PHFS_MOUNT.parent / command.split()[0]),
        *command.split()[1:],
        planted.place.bucket,
    ]
    if command == "phfs-mount":
        words += [str(tmp_path / "m"), f"--state-dir={tmp_path}/state", "--foreground"]
    environ = {
        "AWS_ACCESS_KEY_ID": planted.session.access_key,
        "AWS_SECRET_ACCESS_KEY": planted.session.secret_key,
        "AWS_SESSION_TOKEN": planted.token,
    }
    environ[wrong] += "\udc80"
    done = subprocess.run(
        [*words, "--group=g"],
        env={
            "PATH": os.environ["PATH"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "PHFS_ENDPOINT_URL": planted.place.endpoint_url,
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "AWS's variables cannot be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    planted.assert_hidden(done.stdout + done.stderr, "what is said")


@pytest.mark.parametrize("command", ["phfs-mount", "phfs provision"])
def test_keys_on_the_command_line_are_refused_and_not_repeated(
    planted: Planted, command: str
) -> None:
    secret = planted.session.secret_key
    words = [str(PHFS_MOUNT.parent / command.split()[0]), *command.split()[1:], "b"]
    for given in ([f"--secret-access-key={secret}"], [f"--session-token={planted.token}"]):
        done = subprocess.run(
            [*words, *given, "--group=g"],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 2
        planted.assert_hidden(done.stdout + done.stderr, "what is said")


REPEATING = """
import sys
from phfs.cli import mount
from phfs.s3.sign import Signer

def fail(self, method, url, headers):
    frozen = self._credentials.get_frozen_credentials()
    (frozen.secret_key + frozen.token + chr(0xdc80)).encode()

Signer.sign = fail
sys.exit(mount.main(sys.argv[1:]))
"""
"""A defect whose error has the keys in it, though not in its sentence."""

DEFECT = """
import os, sys
from phfs.cli import mount
from phfs.s3.sign import Signer

sign = Signer.sign

def fail(self, method, url, headers):
    used = sign(self, method, url, headers)
    if os.path.exists({trigger!r}):
        raise RuntimeError("a defect that the test provokes")
    return used

Signer.sign = fail
sys.exit(mount.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        (DEFECT.format(trigger="/"), "a defect that the test provokes"),
        (REPEATING, "surrogates not allowed"),
    ],
    ids=["plain", "with the keys inside"],
)
def test_a_defect_s_traceback_has_no_values(
    planted: Planted, tmp_path: Path, defect: str, said: str
) -> None:
    (tmp_path / "m").mkdir()
    place = planted.place
    done = subprocess.run(
        [
            *(sys.executable, "-c", defect, place.bucket, tmp_path / "m"),
            *(f"--group={place.group}", f"--state-dir={tmp_path}/state", "--foreground"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            **planted.in_variables(),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" in done.stderr
    planted.assert_hidden(done.stdout + done.stderr, "the traceback")


def test_a_defect_in_a_running_mount(planted: Planted, tmp_path: Path) -> None:
    """The log and ``.phfs/errors`` tell of it, and of nothing that is secret."""
    mountpoint, log, trigger = tmp_path / "m", tmp_path / "log", tmp_path / "trigger"
    mountpoint.mkdir()
    place = planted.place
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-c",
                    DEFECT.format(trigger=str(trigger)),
                    place.bucket,
                    mountpoint,
                ),
                *(f"--group={place.group}", f"--state-dir={tmp_path}/state", "--foreground"),
            ],
            env={
                "PATH": os.environ["PATH"],
                "PHFS_ENDPOINT_URL": place.endpoint_url,
                **planted.in_variables(),
            },
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            give_up = time.monotonic() + PATIENCE
            while not is_mounted(mountpoint):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < give_up, log.read_text()
                time.sleep(0.05)
            (mountpoint / ".phfs").stat()
            trigger.touch()
            with pytest.raises(OSError, match="Input/output error"):
                (mountpoint / "f").write_bytes(b"x")
            shown = (mountpoint / ".phfs/errors").read_text()
            assert "a defect that the test provokes" in shown
            planted.assert_hidden(shown, "errors")
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        finally:
            process.kill()
            subprocess.run(["umount", "-l", mountpoint], check=False, capture_output=True)
    assert "Traceback" in log.read_text()
    planted.assert_hidden(log.read_text(), "the log")
    planted.assert_hidden_below(tmp_path)


def test_the_configuration_can_be_printed(planted: Planted, tmp_path: Path) -> None:
    config = load(
        {"bucket": "b", "mountpoint": str(tmp_path), "group": "g"}, planted.in_variables()
    )
    assert config.secret_access_key == planted.session.secret_key
    planted.assert_hidden(repr(config), "repr")
    planted.assert_hidden(str(config), "str")


def test_a_benchmark_s_results(mount_with: MountWith, planted: Planted, tmp_path: Path) -> None:
    mounted = mount_with(place=planted.place, environ=planted.in_variables())
    output = tmp_path / "results"
    done = subprocess.run(
        [
            *(PHFS_MOUNT.parent / "phfs", "bench", mounted.path, "--quick", "--rounds=1"),
            *("--scenario=small-write-1", f"--output={output}"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **planted.in_variables()},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    planted.assert_hidden(done.stdout + done.stderr, "the screen")
    assert (output / "results.json").exists()
    assert planted.assert_hidden_below(output) > 0


def test_provision_shows_the_secret_once_and_only_where_it_is_meant_to(
    minio: MinioServer, planted: Planted, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    words = [planted.place.bucket, "--group=shown", f"--output={file}", "--format=aws"]
    done = provision(minio, *words)
    secret = file.read_text().rpartition(" = ")[2].strip()
    assert len(secret) == 40
    for text in (done.stdout, done.stderr):
        assert secret not in text
        assert minio.secret_key not in text
    assert minio.secret_key not in file.read_text()


def test_keys_are_in_no_variable_that_a_mount_makes(
    mount_with: MountWith, planted: Planted, tmp_path: Path
) -> None:
    """Those of a file stay in the file: no process gets them as a variable."""
    mounted = mount_with(place=planted.place, environ=planted.in_file(tmp_path))
    (mounted.path / "used").write_bytes(b"x")
    environ = Path(f"/proc/{mounted.process.pid}/environ").read_bytes()
    planted.assert_hidden(environ, "the environment")
