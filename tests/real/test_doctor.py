"""``phfs doctor`` in worlds that are broken on purpose, and what it leaves behind: nothing."""

from __future__ import annotations

import email.utils
import json
import math
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from mypy_boto3_s3 import S3Client

from tests.real.conftest import MountWith, new_place, root_place
from tests.support.fault_proxy import FaultProxy, faults
from tests.support.minio import Keys, MinioServer, find_minio, free_port
from tests.support.mounted import Place
from tests.support.provisioned import provisioned_place

pytestmark = pytest.mark.real

PATIENCE = 180.0

PHFS = str(Path(sys.executable).parent / "phfs")


class Report(NamedTuple):
    """What a run said: the document, and the checks by name."""

    code: int
    document: dict[str, Any]
    text: str

    @property
    def checks(self) -> dict[str, dict[str, Any]]:
        return {check["check"]: check for check in self.document["checks"]}

    def results(self, result: str) -> list[str]:
        """The checks that ended so."""
        return [name for name, check in self.checks.items() if check["result"] == result]


class Doctor:
    """Runs the command for a place; ``nothing_left`` says whether it cleaned up."""

    def __init__(self, minio: MinioServer, directory: Path, s3: S3Client) -> None:
        self.s3 = s3
        self.state = directory / "state"
        self._tmp = directory / "tmp"
        self._home = directory
        self._tmp.mkdir()

    def environ(self, place: Place, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "TMPDIR": str(self._tmp),
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
            "PHFS_STATE_DIR": str(self.state),
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }

    def words(self, place: Place, *words: str) -> list[str]:
        return [PHFS, "doctor", "--bucket", place.bucket, "--group", place.group, *words]

    def run(self, place: Place, *words: str, **more: str) -> Report:
        return self.report(self.words(place, "--json", *words), self.environ(place, **more))

    def report(self, words: list[str], environ: Mapping[str, str]) -> Report:
        done = subprocess.run(
            words, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.stderr == "", done.stderr
        return Report(done.returncode, json.loads(done.stdout), done.stdout)

    def left(self, place: Place) -> list[str]:
        """Objects, uploads, mounts, files and processes of the doctor's."""
        objects = self.s3.list_objects_v2(Bucket=place.bucket).get("Contents", ())
        found = [item["Key"] for item in objects if ".phfs-doctor-" in item["Key"]]
        uploads = self.s3.list_multipart_uploads(Bucket=place.bucket).get("Uploads", ())
        found += [item["Key"] for item in uploads if "phfs-doctor" in item["Key"]]
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [line for line in table if str(self._tmp) in line]
        found += [str(path) for path in self._tmp.iterdir()]
        found += [str(path) for path in self.state.glob("*") if path.suffix != ".log"]
        return found + [str(pid) for pid in processes_in(self._tmp)]


def processes_in(directory: Path) -> list[int]:
    """Processes whose command line names something below a directory."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(directory) in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:  # ended meanwhile
            continue
    return found


@pytest.fixture
def doctor(minio: MinioServer, tmp_path: Path, s3: S3Client) -> Doctor:
    return Doctor(minio, tmp_path, s3)


def wait_until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


# -- a good world ----------------------------------------------------------------------------------


def test_where_all_is_well_everything_is_tried_and_nothing_is_left(
    minio: MinioServer, doctor: Doctor
) -> None:
    place = new_place(minio)
    doctor.s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}mine", Body=b"mine")
    report = doctor.run(place)
    assert (report.code, report.results("fail"), report.results("skip")) == (0, [], [])
    assert report.document["result"] == "ok"
    assert report.checks["keys"]["text"] == "from PHFS_ACCESS_KEY_ID"
    assert report.checks["store"]["text"] == "MinIO (HTTP 403)"
    assert report.checks["outside"]["text"] == f"nothing but s3://{place.bucket}/{place.prefix}"
    for word in ("mounted in", "written in", "read in", "renamed in", "removed in"):
        assert word in report.checks["trial mount"]["text"]
    assert report.checks["read-ahead"]["result"] in ("ok", "warn")
    assert report.checks["clean-up"]["text"] == "nothing is left"
    assert doctor.left(place) == []
    assert doctor.s3.get_object(Bucket=place.bucket, Key=f"{place.prefix}mine")


def test_the_document_is_whole_and_has_no_secrets(minio: MinioServer, doctor: Doctor) -> None:
    place = new_place(minio)
    report = doctor.run(place, "--read-only", PHFS_SESSION_TOKEN="a-token-that-is-secret")
    versions = report.document["versions"]
    assert versions["store"] == "MinIO"
    assert all(versions[name] for name in ("phfs", "python", "kernel", "pyfuse3", "botocore"))
    assert report.document["prefix"] == place.prefix
    for check in report.document["checks"]:
        assert set(check) == {"check", "result", "text", "advice", "seconds"}
        assert bool(check["advice"]) == (check["result"] in ("warn", "fail"))
    for secret in (*place.keys, "a-token-that-is-secret", "Signature="):
        assert secret not in report.text


def test_without_json_there_is_a_line_for_each_check(minio: MinioServer, doctor: Doctor) -> None:
    place = new_place(minio)
    done = subprocess.run(
        doctor.words(place, "--read-only"),
        env=doctor.environ(place),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "ok    keys: from PHFS_ACCESS_KEY_ID" in lines
    assert lines[-1] == "All is well."
    assert not doctor.state.exists(), "read-only means nowhere"


# -- broken worlds -----------------------------------------------------------------------------


@contextmanager
def with_console(directory: Path) -> Iterator[str]:
    """A MinIO whose console is on; the console's URL."""
    ports = free_port(), free_port()
    with subprocess.Popen(
        [
            *(str(find_minio()), "server", "--quiet", f"--address=127.0.0.1:{ports[0]}"),
            *(f"--console-address=127.0.0.1:{ports[1]}", str(directory / "console-data")),
        ],
        env={"HOME": str(directory), "MINIO_UPDATE": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield f"http://127.0.0.1:{ports[1]}"
        finally:
            process.kill()


def test_the_port_of_the_console_is_known(
    minio: MinioServer, doctor: Doctor, tmp_path: Path
) -> None:
    with with_console(tmp_path) as url:
        place = new_place(minio)._replace(endpoint_url=url)
        wait_until(lambda: doctor.run(place, "--read-only").checks["port"]["result"] == "ok")
        report = doctor.run(place)
    assert report.code == 1
    assert "is MinIO's console" in report.checks["store"]["text"]
    assert "usually that is 9000" in report.checks["store"]["advice"]
    assert report.results("fail") == ["store"], "what follows makes no sense"
    assert "trial mount" not in report.results("ok")


@pytest.mark.parametrize("wrong", ["access key", "secret key"])
def test_wrong_keys(minio: MinioServer, doctor: Doctor, wrong: str) -> None:
    place = new_place(minio)
    keys = Keys("nobody", "x" * 16) if wrong == "access key" else Keys(place.keys[0], "y" * 16)
    report = doctor.run(place._replace(keys=keys))
    assert report.code == 1
    assert report.results("fail") == ["keys accepted"]
    assert "refuses the keys" in report.checks["keys accepted"]["text"]
    assert {"bucket", "list", "trial mount"} <= set(report.results("skip"))
    assert doctor.left(place) == []


def test_no_keys_at_all(minio: MinioServer, doctor: Doctor) -> None:
    report = doctor.run(new_place(minio), PHFS_ACCESS_KEY_ID="", PHFS_SECRET_ACCESS_KEY="")
    assert (report.code, report.results("fail")) == (1, ["keys"])
    assert "There are no keys" in report.checks["keys"]["text"]


def test_keys_of_aws_tools_are_told_with_their_place(minio: MinioServer, doctor: Doctor) -> None:
    place = new_place(minio)
    directory = doctor.state.parent / ".aws"
    directory.mkdir()
    (directory / "credentials").write_text(
        f"[default]\naws_access_key_id = {place.keys[0]}\naws_secret_access_key = {place.keys[1]}\n"
    )
    report = doctor.run(place, "--read-only", PHFS_ACCESS_KEY_ID="", PHFS_SECRET_ACCESS_KEY="")
    assert report.code == 0, report.text
    assert report.checks["keys"]["text"] == f"from [default] of {directory / 'credentials'}"


def test_a_bucket_that_is_not_there(minio: MinioServer, doctor: Doctor) -> None:
    place = root_place(minio)
    report = doctor.run(place._replace(bucket="no-such-bucket"))
    assert (report.code, report.results("fail")) == (1, ["bucket"])
    assert "There is no bucket 'no-such-bucket'" in report.checks["bucket"]["text"]


def test_keys_of_another_group(minio: MinioServer, doctor: Doctor) -> None:
    place = new_place(minio)
    report = doctor.run(place._replace(group="somebody-elses"))
    assert (report.code, report.results("fail")) == (1, ["list"])
    assert "may not list" in report.checks["list"]["text"]
    assert "is not told to these keys" in report.checks["bucket"]["text"]
    assert "trial mount" in report.results("skip")


def test_keys_that_may_only_read(minio: MinioServer, doctor: Doctor) -> None:
    place = provisioned_place(minio, minio.new_bucket(), "readers", "--read-only")
    doctor.s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}a", Body=b"text")
    report = doctor.run(place)
    assert report.code == 1
    assert report.results("fail") == ["delete", "write"]
    assert "--read-only" in report.checks["write"]["advice"]
    assert report.checks["read"]["result"] == "ok"
    assert "trial mount" in report.results("skip")
    assert doctor.left(place) == []
    for reading in (doctor.run(place, "--read-only"), doctor.run(place, PHFS_READ_ONLY="on")):
        assert (reading.code, reading.results("fail")) == (0, [])
        assert reading.checks["read"]["text"] == "allowed"


def test_a_mount_that_is_read_only_is_well(
    mount_with: MountWith, minio: MinioServer, doctor: Doctor
) -> None:
    place = provisioned_place(minio, minio.new_bucket(), "readers", "--read-only")
    doctor.s3.put_object(Bucket=place.bucket, Key=f"{place.prefix}a", Body=b"text")
    mount = mount_with("--read-only", place=place)
    report = doctor.report([PHFS, "doctor", "--json", str(mount.path)], doctor.environ(place))
    assert (report.code, report.results("fail")) == (0, [])
    assert "is served since" in report.checks["mount"]["text"]
    assert doctor.left(place) == []


def special_keys(minio: MinioServer, place: Place, *actions: str) -> Place:
    """Keys of one's own that may list the group and do these things in it."""
    keys = Keys(f"special-{secrets.token_hex(4)}", secrets.token_hex(16))
    host = minio.endpoint_url.partition("//")[2]
    admin = MinioAdmin(
        endpoint=host,
        credentials=StaticProvider(minio.access_key, minio.secret_key),
        secure=False,
    )
    admin.user_add(*keys)
    admin.policy_add(
        keys.access_key,
        policy={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket"],
                    "Resource": [f"arn:aws:s3:::{place.bucket}"],
                    "Condition": {"StringLike": {"s3:prefix": [f"{place.prefix}*"]}},
                },
                {
                    "Effect": "Allow",
                    "Action": list(actions),
                    "Resource": [f"arn:aws:s3:::{place.bucket}/{place.prefix}*"],
                },
            ],
        },
    )
    admin.policy_set(keys.access_key, user=keys.access_key)
    return place._replace(keys=keys)


def test_keys_that_may_not_delete_leave_nothing_behind(minio: MinioServer, doctor: Doctor) -> None:
    place = special_keys(minio, new_place(minio), "s3:GetObject", "s3:PutObject")
    report = doctor.run(place)
    assert report.code == 1
    assert report.results("fail") == ["delete"]
    assert report.checks["write"]["text"] == "allowed; nothing was written, as it would stay"
    assert "trial mount" in report.results("skip")
    assert doctor.left(place) == []


def test_keys_that_may_write_and_not_read(minio: MinioServer, doctor: Doctor) -> None:
    place = special_keys(minio, new_place(minio), "s3:PutObject", "s3:DeleteObject")
    report = doctor.run(place)
    assert "read" in report.results("fail")
    assert "s3:GetObject" in report.checks["read"]["text"]
    assert doctor.left(place) == []


def test_keys_that_reach_further(minio: MinioServer, doctor: Doctor) -> None:
    place = root_place(minio)
    report = doctor.run(place)
    assert (report.code, report.results("fail")) == (0, [])
    outside = report.checks["outside"]
    assert outside["result"] == "warn"
    assert "may list, read and write beside it" in outside["text"]
    assert f"phfs provision {place.bucket} --group {place.group}" in outside["advice"]
    assert doctor.left(place) == []


def test_a_clock_that_is_wrong(minio: MinioServer, doctor: Doctor) -> None:
    place = new_place(minio)
    date = email.utils.formatdate(time.time() - 20 * 60, usegmt=True)
    with FaultProxy(minio.endpoint_url) as proxy:
        proxy.fault(faults.header("Date", lambda _: date), times=math.inf)
        report = doctor.run(place._replace(endpoint_url=proxy.url), "--read-only")
    assert (report.code, report.results("fail")) == (1, ["clock"])
    assert re.search(r"2\d minutes ahead of the store's", report.checks["clock"]["text"])
    assert "RequestTimeTooSkewed" in report.checks["clock"]["text"]
    assert "Set the clock" in report.checks["clock"]["advice"]


def test_without_fuse_the_store_is_examined_all_the_same(
    minio: MinioServer, doctor: Doctor
) -> None:
    """In a mount namespace of its own, whose /dev is empty."""
    place = new_place(minio)
    script = 'mount -t tmpfs none /dev && exec "$@"'
    report = doctor.report(
        ["unshare", "-m", "sh", "-c", script, "sh", *doctor.words(place, "--json")],
        doctor.environ(place),
    )
    assert report.code == 1
    assert report.results("fail") == ["fuse"]
    assert report.checks["fuse"]["text"] == "there is no /dev/fuse"
    assert "modprobe fuse" in report.checks["fuse"]["advice"]
    assert report.results("skip") == ["trial mount", "read-ahead"]
    assert report.checks["trial mount"]["text"] == "makes no sense before 'fuse' is well"
    assert {"write", "copy", "delete many"} <= set(report.results("ok"))
    assert doctor.left(place) == []


# -- interrupted -------------------------------------------------------------------------------


def interrupted(
    doctor: Doctor, place: Place, proxy: FaultProxy, number: signal.Signals
) -> tuple[int, str]:
    """Send a signal once the proxy's fault was met; the exit code, and what was said of it."""
    slow = place._replace(endpoint_url=proxy.url)
    with subprocess.Popen(
        doctor.words(slow),
        env=doctor.environ(slow),
        stderr=subprocess.PIPE,
        text=True,
        stdout=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: proxy.hit or process.poll() is not None)
        assert proxy.hit, "it has ended before"
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("put", signal.SIGINT),
        ("put", signal.SIGTERM),
        ("complete_upload", signal.SIGHUP),
        ("copy", signal.SIGINT),
    ],
)
def test_interrupted_it_removes_what_it_wrote(
    minio: MinioServer, doctor: Doctor, kind: str, number: signal.Signals
) -> None:
    place = new_place(minio)
    with FaultProxy(minio.endpoint_url) as proxy:
        proxy.fault(faults.stall_after, kind=kind)
        code, said = interrupted(doctor, place, proxy, number)
    assert code == 130
    assert said == "phfs doctor: Interrupted; what was written is removed.\n"
    assert doctor.left(place) == []


def test_interrupted_while_it_mounts_nothing_stays_mounted(
    minio: MinioServer, doctor: Doctor
) -> None:
    place = new_place(minio)
    with FaultProxy(minio.endpoint_url) as proxy:
        proxy.fault(faults.stall_before, key="/mount/written", times=math.inf)
        code, _ = interrupted(doctor, place, proxy, signal.SIGINT)
    assert code == 130
    wait_until(lambda: doctor.left(place) == [])


def test_what_a_crash_leaves_is_removed_by_the_next_run(minio: MinioServer, doctor: Doctor) -> None:
    place = new_place(minio)
    with FaultProxy(minio.endpoint_url) as proxy:
        proxy.fault(faults.stall_before, key="/mount/written", times=math.inf)
        slow = place._replace(endpoint_url=proxy.url)
        with subprocess.Popen(
            doctor.words(slow),
            env=doctor.environ(slow),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            wait_until(lambda: proxy.hit or process.poll() is not None)
            assert proxy.hit, "it has ended before"
            process.kill()
        assert doctor.left(place) != []
        proxy.heal()
        # Its mount is told by the kernel, and ends by itself.
        wait_until(lambda: not processes_in(doctor._tmp))
        report = doctor.run(slow)
    assert report.code == 0, report.text
    assert report.checks["leftovers"]["text"].startswith("removed those of 1 earlier run")
    assert doctor.left(place) == []


# -- a mount that is there -----------------------------------------------------------------------


def test_a_mount_that_is_there(mount_with: MountWith, doctor: Doctor) -> None:
    mount = mount_with()
    mount.put("old", b"text")
    with pytest.raises(OSError), (mount.path / "old").open("ab") as file:
        file.write(b"more")
    environ = doctor.environ(mount.place)
    report = doctor.report([PHFS, "doctor", "--json", str(mount.path)], environ)
    assert report.code == 0, report.text
    assert report.document["mount_point"] == str(mount.path)
    assert "is served since" in report.checks["mount"]["text"]
    assert "/old (EOPNOTSUPP)" in report.checks["failures"]["text"]
    assert report.checks["a file"]["text"].startswith("1 MiB written in")
    assert report.checks["list"]["result"] == "ok"
    assert mount.keys() == ["old"]
    without = {name: text for name, text in environ.items() if not name.endswith("KEY_ID")}
    del without["PHFS_SECRET_ACCESS_KEY"]
    report = doctor.report([PHFS, "doctor", "--json", str(mount.path)], without)
    assert report.results("fail") == ["keys"], "the mount has keys of its own"
    assert report.checks["a file"]["result"] == "ok"
    assert mount.keys() == ["old"]


def test_a_mount_that_is_dead(mount_with: MountWith, doctor: Doctor) -> None:
    mount = mount_with()
    mount.process.kill()
    mount.process.wait()
    try:
        report = doctor.report(
            [PHFS, "doctor", "--json", "--read-only", str(mount.path)],
            doctor.environ(mount.place),
        )
        assert report.code == 1
        assert report.checks["mount"]["text"] == f"{mount.path} is dead"
        assert f"phfs unmount '{mount.path}'" in report.checks["mount"]["advice"]
        assert report.checks["list"]["result"] == "ok", "its store is well"
    finally:
        mount.kill()
        mount.stop(code=-signal.SIGKILL)


def test_what_is_no_mount(tmp_path: Path) -> None:
    done = subprocess.run(
        [PHFS, "doctor", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{tmp_path} is not in a mount of PHFS." in done.stderr
