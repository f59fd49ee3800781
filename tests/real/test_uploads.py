"""``phfs uploads``: what nobody has ended is found and ended, with the rights there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from phfs.core.objects import UploadId
from phfs.s3.journal import UploadJournal
from tests.real.conftest import new_place
from tests.support.minio import Keys, MinioServer

pytestmark = pytest.mark.real

PHFS = str(Path(sys.executable).parent / "phfs")


class Caller:
    """Somebody in front of a shell, with keys for a group or for everything."""

    def __init__(
        self, minio: MinioServer, s3: S3Client, state: Path, *, administrator: bool
    ) -> None:
        self._place = new_place(minio)
        self._s3 = s3
        self.state = state
        root = Keys(minio.access_key, minio.secret_key)
        keys = root if administrator else self._place.keys
        self._environ = {
            "PHFS_ENDPOINT_URL": minio.endpoint_url,
            "PHFS_ACCESS_KEY_ID": keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": keys.secret_key,
            "PHFS_STATE_DIR": str(state),
        }
        self.prefix = self._place.prefix
        self.journal = UploadJournal(
            state, f"{minio.endpoint_url} s3://{self._place.bucket}/{self.prefix}"
        )

    def begin(self, key: str, prefix: str | None = None) -> str:
        whole = (self.prefix if prefix is None else prefix) + key
        return self._s3.create_multipart_upload(Bucket=self._place.bucket, Key=whole)["UploadId"]

    def under_way(self, key: str) -> int:
        answer = self._s3.list_multipart_uploads(
            Bucket=self._place.bucket, Prefix=self.prefix + key
        )
        return len(answer.get("Uploads", ()))

    def call(self, action: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PHFS, "uploads", action, self._place.bucket, f"--group={self._place.group}", *words],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def listed(self, *words: str) -> list[dict[str, Any]]:
        done = self.call("list", "--json", "--older-than=0", *words)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


@pytest.fixture
def administrator(minio: MinioServer, s3: S3Client, tmp_path: Path) -> Caller:
    return Caller(minio, s3, tmp_path, administrator=True)


@pytest.fixture
def member(minio: MinioServer, s3: S3Client, tmp_path: Path) -> Caller:
    return Caller(minio, s3, tmp_path, administrator=False)


def test_an_administrator_sees_those_of_the_group(administrator: Caller) -> None:
    first, second = administrator.begin("a"), administrator.begin("d/b")
    administrator.begin("c", prefix="groups/of-others/")
    found = administrator.listed()
    assert [(one["key"], one["upload"]) for one in found] == [
        (administrator.prefix + "a", first),
        (administrator.prefix + "d/b", second),
    ]
    table = administrator.call("list", "--older-than=0").stdout.splitlines()
    assert table[0].split() == ["BEGUN", "STATE", "KEY", "ID"]
    assert table[1].split()[1:] == ["left", administrator.prefix + "a", first]


def test_young_ones_are_left_out(administrator: Caller) -> None:
    administrator.begin("a")
    assert administrator.call("list").stdout == "There are no such uploads.\n"
    assert administrator.call("abort", "--all").stdout == "No upload was aborted.\n"
    assert administrator.under_way("a") == 1


def test_which_are_aborted_is_said(administrator: Caller) -> None:
    one, _, _ = (administrator.begin(key) for key in ("a", "b", "c"))
    unsaid = administrator.call("abort")
    assert unsaid.returncode == 2
    assert "by KEY or ID, or --all" in unsaid.stderr
    done = administrator.call("abort", one, "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert [administrator.under_way(key) for key in "abc"] == [0, 0, 1]
    unknown = administrator.call("abort", "x")
    assert unknown.returncode == 2
    assert "There is no upload 'x'" in unknown.stderr
    assert administrator.call("abort", "--all", "--older-than=0").returncode == 0
    assert administrator.under_way("c") == 0


def test_what_a_mount_writes_is_not_aborted_with_all(administrator: Caller) -> None:
    under_way, left = administrator.begin("living"), administrator.begin("left")
    administrator.journal.begun(administrator.prefix + "living", UploadId(under_way))
    states = {one["upload"]: one["living"] for one in administrator.listed()}
    assert states == {under_way: True, left: False}
    administrator.call("abort", "--all", "--older-than=0")
    assert [administrator.under_way(key) for key in ("living", "left")] == [1, 0]
    administrator.journal.ended(UploadId(under_way))
    administrator.journal.close()


def test_keys_of_a_group_see_what_stands_in_the_journals(member: Caller) -> None:
    known = member.begin("known")
    member.begin("unknown")
    member.journal.begun(member.prefix + "known", UploadId(known))
    member.journal.close()  # its process has died
    done = member.call("list", "--json", "--older-than=0")
    assert done.returncode == 0
    assert "may not list uploads" in done.stderr
    assert [one["upload"] for one in json.loads(done.stdout)] == [known]
    assert member.call("abort", "known").returncode == 0
    assert [member.under_way(key) for key in ("known", "unknown")] == [0, 1]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["show", "b"], 2, "Neither list nor abort is given"),
        (["list"], 2, "BUCKET is missing"),
        (["list", "b"], 2, "Neither --group nor --prefix is given"),
        (["list", "b", "--group=g", "--all"], 2, "leave KEY, ID and --all to abort"),
        (
            ["list", "b", "--group=g", "--older-than=soon"],
            2,
            "--older-than 'soon' is wrong: give a number",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(words: list[str], code: int, sentence: str) -> None:
    done = subprocess.run(
        [PHFS, "uploads", *words], env={}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bucket_that_is_not_there(administrator: Caller, minio: MinioServer) -> None:
    administrator._place = administrator._place._replace(bucket="no-such-bucket")
    done = administrator.call("list")
    assert done.returncode == 1
    assert "There is no bucket 'no-such-bucket' at http://" in done.stderr
    assert "--endpoint-url" in done.stderr


def test_wrong_keys_and_places_are_refused_as_by_a_mount(administrator: Caller) -> None:
    for name, value, words in (
        ("PHFS_SECRET_ACCESS_KEY", "wrong-wrong", ("refuses the keys", "Check the access key")),
        ("PHFS_ENDPOINT_URL", "http://127.0.0.1:1", ("the connection failed", "--endpoint-url")),
    ):
        right = administrator._environ
        administrator._environ = {**right, name: value}
        done = administrator.call("list")
        administrator._environ = right
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        for word in words:
            assert word in done.stderr
