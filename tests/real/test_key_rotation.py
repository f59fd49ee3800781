"""Keys that change while a mount is used: from a file, a link, a profile, a program, a session."""

from __future__ import annotations

import datetime
import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.real.conftest import MountWith
from tests.support.effort import Effort
from tests.support.minio import REGION, Keys, MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, Place, is_mounted
from tests.support.provisioned import provisioned_place

pytestmark = pytest.mark.real

PATIENCE = 60.0
NO_KEYS = {"PHFS_ACCESS_KEY_ID": "", "PHFS_SECRET_ACCESS_KEY": ""}
"""A variable that is set and empty counts as not set."""


def keys_text(keys: Keys, token: str = "", section: str = "default") -> str:
    last = f"aws_session_token = {token}\n" if token else ""
    return (
        f"[{section}]\naws_access_key_id = {keys.access_key}\n"
        f"aws_secret_access_key = {keys.secret_key}\n{last}"
    )


def replace_with(file: Path, text: str) -> None:
    other = file.with_name("new")
    other.write_text(text)
    other.replace(file)


def rotated(minio: MinioServer, place: Place, *words: str) -> Keys:
    """Another secret key for the group; the one of before is refused from now on."""
    return provisioned_place(minio, place.bucket, place.group, "--rotate", *words).keys


def use(mounted: Mounted, name: str) -> None:
    """A write, a listing and a read that no cache answers."""
    (mounted.path / name).write_bytes(name.encode())
    assert name in os.listdir(mounted.path)
    assert (mounted.path / name).read_bytes() == name.encode()
    mounted.put(f"{name}-from-outside", b"x")
    assert (mounted.path / f"{name}-from-outside").read_bytes() == b"x"


@pytest.fixture
def place(minio: MinioServer) -> Place:
    return provisioned_place(minio, minio.new_bucket(), "rotating")


@pytest.fixture
def file(tmp_path: Path, place: Place) -> Path:
    (tmp_path / "keys").write_text(keys_text(place.keys))
    return tmp_path / "keys"


def test_a_file_that_is_replaced(
    minio: MinioServer, mount_with: MountWith, place: Place, file: Path
) -> None:
    mounted = mount_with(
        f"--credentials-file={file}", "--metadata-ttl=0", place=place, environ=NO_KEYS
    )
    use(mounted, "before")
    body = os.urandom(20 * 1024**2)
    with (mounted.path / "long").open("wb") as upload:
        upload.write(body)  # parts leave under one pair of keys, the last and the end under another
        for number in range(3):
            replace_with(file, keys_text(rotated(minio, place)))
            use(mounted, f"after-{number}")
        upload.write(body)
    assert mounted.get("long") == 2 * body
    assert mounted.errors() == []
    assert "renewed" in mounted.log
    assert "WARNING" not in mounted.log


def test_a_secret_of_kubernetes_is_followed_through_its_links(
    minio: MinioServer, mount_with: MountWith, place: Place, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"

    def publish(version: str, keys: Keys) -> None:
        """As a kubelet does: a new directory, and one link that is turned to it."""
        (secret / version).mkdir(parents=True)
        (secret / version / "credentials").write_text(keys_text(keys))
        (secret / "..data_tmp").symlink_to(version)
        (secret / "..data_tmp").replace(secret / "..data")

    publish("..first", place.keys)
    (secret / "credentials").symlink_to("..data/credentials")
    mounted = mount_with(
        "--metadata-ttl=0",
        place=place,
        environ={**NO_KEYS, "PHFS_CREDENTIALS_FILE": str(secret / "credentials")},
    )
    use(mounted, "before")
    publish("..second", rotated(minio, place))
    (secret / "..first/credentials").unlink()
    use(mounted, "after")
    assert mounted.errors() == []


@pytest.mark.parametrize("named", ["home", "variable", "profile"])
def test_the_files_of_aws_s_tools_are_followed_as_well(
    minio: MinioServer, mount_with: MountWith, place: Place, tmp_path: Path, named: str
) -> None:
    home = tmp_path / "home"
    file = home / ".aws/credentials" if named == "home" else tmp_path / "elsewhere"
    file.parent.mkdir(parents=True, exist_ok=True)
    section = "lab" if named == "profile" else "default"
    file.write_text(keys_text(place.keys, section=section))
    environ = {**NO_KEYS, "HOME": str(home)}
    if named != "home":
        environ["AWS_SHARED_CREDENTIALS_FILE"] = str(file)
    words = ["--profile=lab"] if named == "profile" else []
    mounted = mount_with("--metadata-ttl=0", *words, place=place, environ=environ)
    use(mounted, "before")
    replace_with(file, keys_text(rotated(minio, place), section=section))
    use(mounted, "after")
    assert mounted.errors() == []


@pytest.mark.torture
def test_a_change_from_one_user_to_another_fails_no_operation_of_a_busy_mount(
    minio: MinioServer, mount_with: MountWith, place: Place, file: Path, effort: Effort
) -> None:
    """The way to rotate without a gap: both pairs are good while the file changes."""
    mounted = mount_with(
        f"--credentials-file={file}", "--metadata-ttl=0", place=place, environ=NO_KEYS
    )
    failures: list[BaseException] = []
    done, changes = [0, 0, 0], effort.of(quick=2, long=40)
    over = threading.Event()

    def work(number: int) -> None:
        try:
            while not over.is_set():
                use(mounted, f"{number}-{done[number]}")
                done[number] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(done))]
    for thread in threads:
        thread.start()
    try:
        for number in range(changes):
            name, before = (f"--access-key=busy-{(number + more) % 2}" for more in (0, 1))
            wait_for_work(done, failures)
            other = provisioned_place(minio, place.bucket, place.group, name, "--rotate")
            replace_with(file, keys_text(other.keys))
            # The pair of before ends at once, whatever of it is still under way.
            ended = [before] if number else []
            rotated(minio, place, *ended)
            wait_for_work(done, failures)
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert failures == [], mounted.errors()
    assert mounted.errors() == []
    # Each is a write, a listing and two reads.
    effort.record("keys changed under a busy mount", changes=changes, operations=4 * sum(done))


def wait_for_work(done: list[int], failures: list[BaseException]) -> None:
    """Until every worker has done some more."""
    before, give_up = list(done), time.monotonic() + PATIENCE
    while any(now < then + 2 for now, then in zip(done, before, strict=True)):
        assert failures == []
        assert time.monotonic() < give_up, "the workers stand still"
        time.sleep(0.05)


def test_half_a_file_and_keys_that_were_revoked_end_without_a_new_mount(
    minio: MinioServer, mount_with: MountWith, place: Place, file: Path
) -> None:
    mounted = mount_with(
        f"--credentials-file={file}", "--metadata-ttl=0", place=place, environ=NO_KEYS
    )
    use(mounted, "before")
    file.write_text("[default]\naws_access_key_id = half-")
    give_up = time.monotonic() + PATIENCE
    while "are used on" not in mounted.log:
        use(mounted, "half")
        assert time.monotonic() < give_up
    new = rotated(minio, place)
    with pytest.raises(OSError, match="Permission denied") as refused:
        (mounted.path / "refused").write_bytes(b"x")
    assert refused.value.errno == errno.EACCES
    failure = mounted.errors()[0]
    assert "SignatureDoesNotMatch" in failure["why"]
    assert "secret key" in failure["advice"]
    assert mounted.log.count("are used on") == 1, "told once"
    file.write_text(keys_text(new))
    use(mounted, "after")


def write_until(mounted: Mounted, give_up: float) -> None:
    """Write until it fails: within a second the keys of before are still believed in."""
    while time.monotonic() < give_up:
        (mounted.path / "refused").write_bytes(b"x")


class Sessions:
    """Tokens of MinIO's STS for a group's keys, and the program that hands them out."""

    def __init__(self, place: Place, directory: Path) -> None:
        self._sts = boto3.session.Session().client(
            "sts",
            endpoint_url=place.endpoint_url,
            region_name=REGION,
            aws_access_key_id=place.keys.access_key,
            aws_secret_access_key=place.keys.secret_key,
        )
        self._answer = directory / "answer.json"
        self._count = directory / "count"
        program = directory / "program.py"
        program.write_text(
            "import pathlib\n"
            f"with open({str(self._count)!r}, 'a') as count: count.write('x')\n"
            f"print(pathlib.Path({str(self._answer)!r}).read_text())\n"
        )
        self.config = directory / "config"
        self.config.write_text(f"[default]\ncredential_process = {sys.executable} -IS {program}\n")

    def close(self) -> None:
        self._sts.close()

    def new(self) -> tuple[Keys, str]:
        """Keys and their token; MinIO's shortest life is a quarter of an hour."""
        made = self._sts.assume_role(
            RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="mount", DurationSeconds=900
        )["Credentials"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"]), made["SessionToken"]

    def hand_out(self, seconds: float | None) -> str:
        """What the program says from now on: new keys, said to end so soon. Their access key."""
        keys, token = self.new()
        said: dict[str, object] = {
            "Version": 1,
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret_key,
            "SessionToken": token,
        }
        if seconds is not None:
            end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
            said["Expiration"] = end.isoformat()
        other = self._answer.with_suffix(".new")
        other.write_text(json.dumps(said))
        other.replace(self._answer)
        return keys.access_key

    @property
    def asked(self) -> int:
        """How often the program was started."""
        return len(self._count.read_text()) if self._count.exists() else 0


@pytest.fixture
def sessions(place: Place, tmp_path: Path) -> Iterator[Sessions]:
    made = Sessions(place, tmp_path)
    yield made
    made.close()


def test_session_tokens_in_a_file(
    minio: MinioServer, mount_with: MountWith, place: Place, file: Path, sessions: Sessions
) -> None:
    file.write_text(keys_text(*sessions.new()))
    mounted = mount_with(
        f"--credentials-file={file}", "--metadata-ttl=0", place=place, environ=NO_KEYS
    )
    use(mounted, "before")
    following = keys_text(*sessions.new())
    # A token whose time is over is refused as one that never was.
    file.write_text(keys_text(Keys("nobody-s", "nobody-s"), "no token"))
    with pytest.raises(PermissionError):
        write_until(mounted, time.monotonic() + PATIENCE)
    replace_with(file, following)
    use(mounted, "after")


def test_a_program_is_asked_again_before_its_token_ends(
    mount_with: MountWith, place: Place, sessions: Sessions
) -> None:
    sessions.hand_out(40)  # not so near its end that a slow machine mounts too late
    mounted = mount_with(
        "--metadata-ttl=0",
        place=place,
        environ={**NO_KEYS, "AWS_CONFIG_FILE": str(sessions.config)},
    )
    begun, give_up = sessions.asked, time.monotonic() + PATIENCE
    sessions.hand_out(3600)
    number = 0
    while "renewed" not in mounted.log:
        use(mounted, str(number := number + 1))
        time.sleep(0.1)
        assert time.monotonic() < give_up
    for more in range(20):
        use(mounted, f"more-{more}")
    assert mounted.errors() == []
    assert sessions.asked - begun <= 20, "not for every request, nor many times a second"


def test_a_program_is_asked_again_when_its_keys_are_refused(
    minio: MinioServer, mount_with: MountWith, place: Place, tmp_path: Path, sessions: Sessions
) -> None:
    """A program that does not say when its keys end, which botocore asks only once."""
    answer = tmp_path / "answer.json"

    def hand_out(keys: Keys) -> None:
        said = {"AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
        answer.write_text(json.dumps({"Version": 1, **said}))

    hand_out(place.keys)
    mounted = mount_with(
        "--metadata-ttl=0",
        place=place,
        environ={**NO_KEYS, "AWS_CONFIG_FILE": str(sessions.config)},
    )
    use(mounted, "before")
    hand_out(rotated(minio, place))
    use(mounted, "after")
    assert mounted.errors() == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "--credentials-file '{file}' is wrong: give a file that exists and can be read."),
        ("", "There are no keys in {file} under [default]."),
        ("[other]\n", "There are no keys in {file} under [default]."),
        ("no ini file", "The keys in {file} cannot be used"),
        ("[default]\naws_access_key_id = a\n", "The keys in {file} cannot be used"),
    ],
)
def test_a_file_without_keys_is_refused_before_mounting(
    place: Place, tmp_path: Path, content: str | None, reason: str
) -> None:
    file, mountpoint = tmp_path / "keys", tmp_path / "m"
    mountpoint.mkdir()
    if content is not None:
        file.write_text(content)
    done = subprocess.run(
        [
            *(PHFS_MOUNT, place.bucket, mountpoint, "--group=rotating"),
            *(f"--credentials-file={file}", f"--state-dir={tmp_path}/state"),
        ],
        env={"PATH": os.environ["PATH"], "PHFS_ENDPOINT_URL": place.endpoint_url},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"phfs-mount: {reason.format(file=file)}")
    assert done.stderr.count("\n") == 1
    assert not is_mounted(mountpoint)
