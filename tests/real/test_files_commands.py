"""The commands that look at a group's files and remove them, as processes against a real MinIO."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from mypy_boto3_s3 import S3Client

from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from tests.real.conftest import MountWith, new_place
from tests.support.minio import REGION, Keys, MinioServer, s3_client

pytestmark = pytest.mark.real

PHFS = str(Path(sys.executable).parent / "phfs")
PATIENCE = 120

AS_A_PERSON = ["env", "--default-signal=INT"]
"""Before a command that gets a Ctrl-C: who runs tests in the background ignores it, for children
too."""


class Caller:
    """Somebody in front of a shell, with the keys of a group."""

    def __init__(self, minio: MinioServer, s3: S3Client, directory: Path) -> None:
        self.place = new_place(minio)
        self.s3 = s3
        self.prefix = self.place.prefix
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TZ": "UTC",
            "PHFS_ENDPOINT_URL": minio.endpoint_url,
            "PHFS_ACCESS_KEY_ID": self.place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": self.place.keys.secret_key,
            "PHFS_STATE_DIR": str(directory / "state"),
            "PHFS_BUCKET": self.place.bucket,
            "PHFS_GROUP": self.place.group,
        }

    def put(self, key: str, data: bytes = b"x", **more: Any) -> None:
        self.s3.put_object(Bucket=self.place.bucket, Key=self.prefix + key, Body=data, **more)

    def put_many(self, keys: list[str]) -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self.put, keys))

    def keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.place.bucket, Prefix=self.prefix
        )
        found = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return [key.removeprefix(self.prefix) for key in found]

    def call(
        self, *words: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [PHFS, *words],
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def out(self, *words: str) -> str:
        """What a call prints that succeeds and says nothing else."""
        done = self.call(*words)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        return done.stdout.decode()

    def json(self, *words: str) -> Any:
        return json.loads(self.out(*words, "--json"))

    def refused(self, *words: str, code: int = 1, environ: Mapping[str, str] | None = None) -> str:
        """What a call says that fails with one sentence, and prints nothing."""
        done = self.call(*words, environ=environ)
        said = done.stderr.decode()
        assert (done.returncode, done.stdout) == (code, b""), said
        assert "Traceback" not in said
        return said


@pytest.fixture
def caller(minio: MinioServer, s3: S3Client, tmp_path: Path) -> Caller:
    return Caller(minio, s3, tmp_path)


def test_a_directory_is_listed(caller: Caller) -> None:
    caller.put_many(["b.csv", "a/x", "a/y/z", "empty/", "ä b", "ab"])
    assert caller.out("ls") == "a/\nab\nb.csv\nempty/\nä b\n"
    assert caller.out("ls", "-1", "phfs:///") == caller.out("ls", "/")
    assert caller.out("ls", "-R", "a") == "x\ny/\ny/z\n"
    assert caller.out("ls", "empty") == ""
    assert caller.out("ls", "-d", "a", "ab") == "a/\nab\n"
    assert caller.out("ls", "a", "b.csv", "a/y") == "b.csv\n\na:\nx\ny/\n\na/y:\nz\n"
    assert caller.out("ls", f"s3://{caller.place.bucket}/{caller.prefix}a/y/") == "z\n"
    long = caller.out("ls", "-l", "b.csv", "a").splitlines()
    size, _, _, name = long[0].split()
    assert (size, name) == ("1", "b.csv")
    assert caller.out("ls", "-lh", "b.csv").startswith("           1 B  2")
    entries = caller.json("ls", "a")
    assert [(entry["name"], entry["type"]) for entry in entries] == [
        ("x", "file"),
        ("y", "directory"),
    ]
    assert entries[0]["path"] == "/a/x"
    assert entries[0]["uri"] == "phfs:///a/x"
    assert entries[0]["size"] == 1
    assert entries[0]["modified"].endswith("Z")
    assert entries[1]["size"] is None


def test_a_directory_of_thousands_streams_in_order(caller: Caller) -> None:
    names = [f"{number:05}.jpg" for number in range(5_000)]
    caller.put_many([f"many/{name}" for name in names])
    assert caller.out("ls", "many").split() == names
    assert len(caller.json("ls", "many")) == 5_000
    assert caller.json("du", "many")[-1]["objects"] == 5_000
    shell = f"set -o pipefail; {PHFS} ls many | head -n 2"
    done = subprocess.run(
        ["bash", "-c", shell],
        env=caller.environ,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"00000.jpg\n00001.jpg\n", b"")
    assert "5,000 objects (4.88 KiB)" in caller.refused("rm", "-r", "many", code=2)
    assert len(caller.keys()) == 5_000
    assert caller.json("rm", "-r", "--yes", "many") == {
        "dry_run": False,
        "objects": 5_000,
        "size": 5_000,
        "failed": [],
        "kept": [],
    }
    assert caller.keys() == []


def test_names_that_are_hostile(caller: Caller) -> None:
    names = ["-x", "a\u202eb", "*", "'q\" $(id) `id`", "%2F", "\U0001f600", "a ", " b", "#?&=+"]
    caller.put_many([f"d/{name}" for name in names])
    assert sorted(caller.out("ls", "d").splitlines()) == sorted(names)
    assert {entry["name"] for entry in caller.json("ls", "d")} == set(names)
    found = caller.out("find", "-0", "--type=f").rstrip("\0").split("\0")
    assert sorted(found) == sorted(f"phfs:///d/{name}" for name in names)
    for name in names:
        assert caller.out("cat", f"d/{name}") == "x"
        assert caller.json("stat", f"d/{name}")[0]["name"] == name
    caller.put("-y")
    assert caller.out("cat", "--", "-y") == "x"
    caller.out("rm", "--", "-y", *found)
    assert caller.keys() == []


def test_on_a_terminal_nothing_is_obeyed_and_sizes_are_for_people(caller: Caller) -> None:
    caller.put("a\u009b31mb", b"x" * 3_000)
    with Terminal(caller, "ls", "-l") as terminal:
        shown = terminal.until_the_end()
    assert "2.93 KiB" in shown
    assert r"a\x9b31mb" in shown
    assert "\u009b" not in shown


def test_what_a_mount_does_not_show_is_shown_on_request(caller: Caller) -> None:
    caller.put_many([".phfs/x", "a"])
    assert caller.out("ls") == "a\n"
    assert caller.out("ls", "-a") == "a\n.phfs/  (not shown in a mount)\n"
    assert caller.json("ls", "-a")[1] == {"key": ".phfs/", "type": "hidden"}
    assert caller.out("ls", "-aR") == "a\n.phfs/x  (not shown in a mount)\n"
    assert caller.out("ls", "-a", ".phfs") == ".phfs/x  (not shown in a mount)\n"
    for words in (("ls",), ("ls", "-R"), ("find",), ("files", "list")):
        assert "What is in phfs:///.phfs is not shown" in caller.refused(*words, ".phfs")


def test_files_are_printed(caller: Caller) -> None:
    data = os.urandom(11_000_003)
    caller.put("large", data)
    caller.put("empty", b"")
    caller.put("small", b"small\n")
    done = caller.call("cat", "large", "empty", "small")
    assert done.stderr == b""
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data + b"small\n").digest()
    shell = f"set -o pipefail; {PHFS} cat large | head -c 3 | wc -c"
    piped = subprocess.run(
        ["bash", "-c", shell],
        env=caller.environ,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, b"3\n", b"")
    some = caller.call("cat", "nothing", "small", "smal")
    assert (some.returncode, some.stdout) == (1, b"small\n")
    assert b"There is no file or directory phfs:///nothing.\n" in some.stderr
    assert b"Is phfs:///small meant?" in some.stderr


def test_everything_is_said_of_an_object(caller: Caller) -> None:
    caller.put(
        "a/ä.csv",
        b"12345",
        ContentType="text/csv",
        Metadata={"made-by": "me"},
        Tagging="team=blue&x=",
        CacheControl="no-store",
    )
    (said,) = caller.json("stat", "a/ä.csv")
    key = f"{caller.prefix}a/ä.csv"
    assert said["key"] == key
    assert said["s3_uri"] == f"s3://{caller.place.bucket}/{key}"
    assert (said["size"], said["content_type"], said["storage_class"]) == (
        5,
        "text/csv",
        "STANDARD",
    )
    assert said["metadata"] == {"made-by": "me"}
    assert said["headers"] == {"Cache-Control": "no-store"}
    assert said["tag_count"] == 2
    assert said["tags"] is None, "keys of a group may not read tags"
    text = caller.out("stat", "a/ä.csv")
    assert "metadata made-by:    me\n" in text
    assert "tags:                2, which these keys may not read" in text
    (said,) = caller.json("stat", "a")
    assert (said["type"], said["size"]) == ("directory", None)


def test_an_administrator_sees_tags(caller: Caller, minio: MinioServer) -> None:
    caller.put("a", Tagging="team=blue&x=")
    caller.environ |= {
        "PHFS_ACCESS_KEY_ID": minio.access_key,
        "PHFS_SECRET_ACCESS_KEY": minio.secret_key,
    }
    assert caller.json("stat", "a")[0]["tags"] == {"team": "blue", "x": ""}
    assert "tag team:            blue\n" in caller.out("stat", "a")


def test_sums_of_directories(caller: Caller) -> None:
    for key, size in (("a/b/c", 10), ("a/d", 5), ("e", 1)):
        caller.put(key, b"x" * size)
    lines = [line.split() for line in caller.out("du").splitlines()]
    assert lines == [["10", "1", "/a/b/"], ["15", "2", "/a/"], ["16", "3", "/"]]
    assert caller.out("du", "-s", "a", "e").split() == ["15", "2", "/a/", "1", "1", "/e"]
    assert caller.out("du", "-sh", "a").split() == ["15", "B", "2", "/a/"]
    found = caller.json("du", "--max-depth", "1")
    assert [(one["path"], one["objects"], one["size"]) for one in found] == [
        ("/a", 2, 15),
        ("/", 3, 16),
    ]


def test_files_are_found_by_what_they_are(caller: Caller) -> None:
    caller.put_many(["a/x.csv", "a/b/y.csv", "z.txt"])
    caller.put("a/b/large.bin", b"x" * 3_000)
    found = caller.out("find", "--name", "*.csv").splitlines()
    assert found == ["phfs:///a/b/y.csv", "phfs:///a/x.csv"]
    assert caller.out("find", "--type", "d").splitlines() == ["phfs:///a", "phfs:///a/b"]
    assert caller.out("find", "a", "--size", "+2K") == "phfs:///a/b/large.bin\n"
    assert len(caller.out("find", "--size=-2K").splitlines()) == 3
    assert caller.out("find", "--older", "1h") == ""
    assert len(caller.json("find", "--newer", "1h", "--type=f")) == 4
    assert caller.out("find", "z.txt", "--newer", "2020-01-01") == "phfs:///z.txt\n"
    assert caller.out("find", "--newer", "2999-01-01T00:00:00Z") == ""


def test_a_directory_goes_and_what_is_named_like_it_stays(caller: Caller) -> None:
    caller.put_many(["a/1", "a/b/2", "ab/3", "a.txt", "a-b"])
    assert "phfs:///a is a directory. Give -r" in caller.refused("rm", "a")
    dry = caller.call("rm", "-r", "--dry-run", "a")
    assert dry.stdout == b"phfs:///a/1\nphfs:///a/b/2\n"
    assert b"2 objects (2 B) would be removed." in dry.stderr
    assert len(caller.keys()) == 5
    assert caller.out("rm", "-r", "--yes", "a/") == ""
    assert sorted(caller.keys()) == ["a-b", "a.txt", "ab/3"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["-r", "--yes", "data", "/old"], 1, "There is no file or directory phfs:///old"),
        (["-r", "--yes", "/"], 2, "'/' is the root of the group"),
        (["-r", "--yes", ""], 2, "'' is the root of the group"),
        (["-r", "phfs:///"], 2, "everything the group has"),
        (["-r", "--yes", "data/*"], 1, "phfs find phfs:///data --name '*' shows"),
        (
            ["-r", "--yes", "data "],
            1,
            "There is no file or directory phfs:///data . Is phfs:///data",
        ),
        (["-r", "--yes", "data/.."], 2, "has '..' in it"),
        (["-r", "--yes", "data//"], 2, "two slashes"),
        (["-r", "data"], 2, "phfs:///data with 2 objects (2 B). Nobody can be asked"),
        (["data/a", "data/z"], 1, "There is no file or directory phfs:///data/z"),
        ([], 2, "PATH is missing"),
    ],
)
def test_slips_remove_nothing(caller: Caller, words: list[str], code: int, sentence: str) -> None:
    caller.put_many(["data/a", "data/b", "other"])
    assert sentence in caller.refused("rm", *words, code=code)
    assert sorted(caller.keys()) == ["data/a", "data/b", "other"]


def test_the_whole_group_goes_by_its_whole_address(caller: Caller) -> None:
    caller.put_many(["data/a", "b"])
    caller.put("", b"")
    assert caller.out("rm", "-r", "--yes", "phfs:///") == ""
    assert caller.keys() == [""], "the group's own marker stays"


def test_a_file_that_is_replaced_while_the_question_stands_stays(caller: Caller) -> None:
    """Like what is in the directory that was asked about."""
    caller.put_many(["d/x.csv", "top.txt"])
    with Terminal(caller, "rm", "-r", "d", "top.txt") as terminal:
        terminal.until("[y/N] ")
        caller.put("d/x.csv", b"new")
        caller.put("top.txt", b"new")
        terminal.type("y\n")
        said = terminal.until_the_end()
        assert terminal.code == 1, said
    assert sorted(caller.keys()) == ["d/x.csv", "top.txt"]
    for path in ("d/x.csv", "top.txt"):
        assert f"phfs:///{path} stays: it was written after this began." in said


def test_a_group_that_is_mistyped_is_no_empty_one(caller: Caller) -> None:
    for words in (("ls",), ("ls", "-R"), ("find",), ("du", "-s"), ("find", "--json")):
        done = caller.call(*words)
        assert done.returncode == 0
        assert done.stderr.startswith(b"phfs: The group has no objects: check"), words
    caller.put("a.txt")
    assert caller.out("find", "--name", "z") == ""
    caller.s3.delete_object(Bucket=caller.place.bucket, Key=f"{caller.prefix}a.txt")
    caller.put("")  # the marker of a group that is meant to be empty
    assert caller.out("ls") == ""


def test_other_names_of_the_root_are_explained(caller: Caller) -> None:
    caller.put_many(["top.txt", "d/x"])
    group = caller.prefix.rstrip("/")
    for text, root, meant in (
        ("/phfs/top.txt", "/phfs", "top.txt"),
        ("/phfs/tpo.txt", "/phfs", "top.txt"),
        (f"{group}/d", group, "d"),
        ("/phfs", "/phfs", ""),
    ):
        said = caller.refused("ls", text)
        assert said.endswith(f"{root} is the group's root: give phfs:///{meant}.\n"), said


def test_what_is_missing_may_be_no_failure(caller: Caller) -> None:
    caller.put("a")
    assert caller.out("rm", "-f", "a", "b", "c/d") == ""
    assert caller.keys() == []


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 2), ("", 2)])
def test_a_person_is_asked(caller: Caller, answer: str, left: int) -> None:
    caller.put_many(["data/a", "data/b"])
    with Terminal(caller, "rm", "-r", "data") as terminal:
        terminal.until("Remove phfs:///data with 2 objects (2 B)? [y/N] ")
        terminal.type(f"{answer}\n")
        said = terminal.until_the_end()
        assert terminal.code == (0 if answer == "y" else 1), said
    assert ("Nothing was removed." in said) == bool(left)
    assert len(caller.keys()) == left


def test_ctrl_c_is_no_yes(caller: Caller) -> None:
    caller.put("data/a")
    with Terminal(caller, "rm", "-r", "data") as terminal:
        terminal.until("? [y/N] ")
        terminal.interrupt()
        said = terminal.until_the_end()
        assert terminal.code == 130, said
    assert "Traceback" not in said
    assert caller.keys() == ["data/a"]


def test_keys_that_may_not_delete_are_named_for_each_object(
    caller: Caller, minio: MinioServer
) -> None:
    caller.put_many(["d/a", "d/b"])
    reader = reading_keys(minio, caller)
    environ = {
        "PHFS_ACCESS_KEY_ID": reader.access_key,
        "PHFS_SECRET_ACCESS_KEY": reader.secret_key,
    }
    done = caller.call("rm", "-r", "--yes", "d", environ=environ)
    assert done.returncode == 1
    lines = sorted(done.stderr.decode().splitlines())
    assert [line.partition(" stays: ")[0] for line in lines] == [
        "phfs: phfs:///d/a",
        "phfs: phfs:///d/b",
    ]
    assert "The keys may not remove phfs:///d/a. Ask whoever manages the bucket" in lines[0]
    assert "may not remove phfs:///d/b" in caller.refused("rm", "d/b", environ=environ)
    assert caller.keys() == ["d/a", "d/b"]


def reading_keys(minio: MinioServer, caller: Caller) -> Keys:
    """Keys of a temporary session that may only look at the group."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": ["arn:aws:s3:::*"],
            }
        ],
    }
    admin = MinioAdmin(
        endpoint=minio.endpoint_url.removeprefix("http://"),
        credentials=StaticProvider(minio.access_key, minio.secret_key),
        secure=False,
    )
    keys = Keys(f"reader-{caller.place.group}", "only-reading-1")
    admin.user_add(*keys)
    admin.policy_add(keys.access_key, policy=policy)
    admin.policy_set(keys.access_key, user=keys.access_key)
    return keys


def test_wrong_keys_buckets_and_places_are_one_sentence(caller: Caller, minio: MinioServer) -> None:
    root = {"PHFS_ACCESS_KEY_ID": minio.access_key, "PHFS_SECRET_ACCESS_KEY": minio.secret_key}
    nowhere = {"PHFS_ENDPOINT_URL": "http://127.0.0.1:1", "PHFS_RETRY_DEADLINE": "0.5"}
    for command in (
        ("ls",),
        ("cat", "a"),
        ("stat", "a"),
        ("du",),
        ("find",),
        ("rm", "a"),
        ("share", "a"),
    ):
        for environ, words in (
            ({"PHFS_SECRET_ACCESS_KEY": "wrong-wrong"}, "refuses the keys"),
            ({**root, "PHFS_BUCKET": "no-such-bucket"}, "There is no bucket 'no-such-bucket'"),
            ({"PHFS_GROUP": "of-others"}, "The keys may not "),
            (nowhere, "http://127.0.0.1:1 cannot be used"),
        ):
            said = caller.refused(*command, environ=environ)
            assert words in said
            assert said.count("\n") <= 2
            assert said.startswith("phfs: ")


def test_a_place_that_is_not_said(caller: Caller) -> None:
    said = caller.refused("ls", code=2, environ={"PHFS_BUCKET": ""})
    assert "Neither --bucket nor PHFS_BUCKET is given" in said
    assert "--type 'x' is wrong: give f for files" in caller.refused("find", "--type=x", code=2)
    assert "PATH is missing" in caller.refused("share", code=2)


def test_a_whole_bucket_is_the_empty_prefix(caller: Caller, minio: MinioServer) -> None:
    bucket = minio.new_bucket()
    caller.s3.put_object(Bucket=bucket, Key="groups/x/a", Body=b"x")
    caller.environ |= {
        "PHFS_ACCESS_KEY_ID": minio.access_key,
        "PHFS_SECRET_ACCESS_KEY": minio.secret_key,
        "PHFS_GROUP": "",
    }
    place = [f"--bucket={bucket}", "--prefix="]
    assert caller.out("ls", *place) == "groups/\n"
    assert caller.out("uri", "--as=s3", "groups/x", *place) == f"s3://{bucket}/groups/x\n"


def test_ctrl_c_ends_a_command(caller: Caller, minio: MinioServer) -> None:
    caller.put("a")
    minio_pid = minio._process
    assert minio_pid is not None
    minio.freeze()
    try:
        process = subprocess.Popen(
            [*AS_A_PERSON, PHFS, "ls"],
            env=caller.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            # It is connected, and waits for an answer.
            give_up = time.monotonic() + PATIENCE
            while not any("socket:" in link for link in links(process.pid)):
                assert time.monotonic() < give_up
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
    finally:
        minio.thaw()
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_ctrl_c_ends_cat_while_nobody_reads(caller: Caller) -> None:
    caller.put("large", bytes(20_000_000))
    process = subprocess.Popen(
        [*AS_A_PERSON, PHFS, "cat", "large"],
        env=caller.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(1)) == 1  # it writes, and the pipe is full soon
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.communicate()


def links(pid: int) -> list[str]:
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(file))
        except OSError:
            continue
    return found


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, caller: Caller, *words: str) -> None:
        self._main, worker = pty.openpty()
        environ = {**caller.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            [*AS_A_PERSON, PHFS, *words], env=environ, stdin=worker, stdout=worker, stderr=worker
        )
        os.close(worker)
        self._shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    @property
    def code(self) -> int:
        return self._process.wait(PATIENCE)

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def until(self, words: str) -> None:
        while words not in self._shown:
            assert self._read(), self._shown

    def until_the_end(self) -> str:
        while self._read():
            pass
        return self._shown

    def _read(self) -> bool:
        ready, _, _ = select.select([self._main], [], [], PATIENCE)
        assert ready, f"nothing came for {PATIENCE} s after: {self._shown}"
        try:
            data = os.read(self._main, 65_536)
        except OSError:  # the terminal's other side is closed
            return False
        self._shown += data.decode(errors="replace")
        return bool(data)


# -- links ------------------------------------------------------------------------------------


def fetched(url: str, *options: str) -> tuple[int, bytes, str]:
    """What curl gets by a link: status, bytes, Content-Disposition."""
    words = ["curl", "-s", "-D", "/dev/stderr", *options, url]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
    head = done.stderr.decode()
    lines = [line for line in head.splitlines() if line.lower().startswith("content-disposition:")]
    return int(head.split()[1]), done.stdout, (lines or [""])[0]


def test_a_link_works_without_keys(caller: Caller) -> None:
    for number, key in enumerate(["a.csv", "d/ä b/+&=?#%41'.csv", 'e/\U0001f600 "q"']):
        caller.put(key, f"bytes {number}".encode())
        made = caller.json("share", key)
        assert fetched(made["url"])[:2] == (200, f"bytes {number}".encode())
        assert made["path"] == f"/{key}"
        assert made["temporary_keys"] is False
    named = caller.call("share", "a.csv", "--download-name", 'ä "b".csv', "--expires", "5m")
    assert named.returncode == 0
    url = named.stdout.decode().strip()
    status, data, disposition = fetched(url)
    assert (status, data) == (200, b"bytes 0")
    assert "filename*=UTF-8''%C3%A4%20%22b%22.csv" in disposition
    assert "X-Amz-Expires=300" in url
    assert b" gets the file until 20" in named.stderr
    assert fetched(url.replace("X-Amz-Expires=300", "X-Amz-Expires=900"))[0] == 403
    assert fetched(url.partition("?")[0])[0] == 403


def test_what_has_no_link(caller: Caller) -> None:
    caller.put("d/a")
    assert "phfs:///d is a directory, and a link leads to one file." in caller.refused("share", "d")
    assert "Is phfs:///d/a meant?" in caller.refused("share", "d/A")
    said = caller.refused("share", "d/a", "--expires", "8d", code=2)
    assert "--expires '8d' is wrong: give a time from 1s to 7d" in said


def test_links_by_keys_of_every_source(caller: Caller, minio: MinioServer, tmp_path: Path) -> None:
    caller.put("a", b"bytes")
    keys = caller.place.keys
    file = tmp_path / "keys"
    file.write_text(
        f"[default]\naws_access_key_id = {keys.access_key}\n"
        f"aws_secret_access_key = {keys.secret_key}\n"
    )
    file.chmod(0o600)
    sources: list[tuple[dict[str, str], list[str], bool]] = [
        ({}, [f"--credentials-file={file}"], False),
        ({"AWS_SHARED_CREDENTIALS_FILE": str(file)}, ["--profile=default"], False),
        (
            {
                "AWS_ACCESS_KEY_ID": keys.access_key,
                "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            },
            [],
            False,
        ),
    ]
    client = boto3.session.Session().client(
        "sts",
        endpoint_url=minio.endpoint_url,
        region_name=REGION,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
    )
    with closing(client):
        role = client.assume_role(RoleArn="arn:aws:iam::1:role/x", RoleSessionName="tests")
    temporary = role["Credentials"]
    token = {
        "AWS_ACCESS_KEY_ID": temporary["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": temporary["SecretAccessKey"],
        "AWS_SESSION_TOKEN": temporary["SessionToken"],
    }
    sources.append((token, [], True))
    for environ, options, is_temporary in sources:
        given = {"PHFS_ACCESS_KEY_ID": "", "PHFS_SECRET_ACCESS_KEY": "", **environ}
        done = caller.call("share", "a", "--json", *options, environ=given)
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        assert fetched(made["url"])[:2] == (200, b"bytes")
        assert made["temporary_keys"] is is_temporary
    told = caller.call(
        "share", "a", environ={"PHFS_ACCESS_KEY_ID": "", "PHFS_SECRET_ACCESS_KEY": "", **token}
    )
    assert b"or until the keys end that made it: they are temporary." in told.stderr


def test_a_link_with_the_bucket_in_the_host_s_name(tmp_path: Path) -> None:
    with closing(MinioServer(tmp_path, domain="localhost")) as server:
        port = server.endpoint_url.rpartition(":")[2]
        options = S3Options(
            bucket=server.bucket,
            region=REGION,
            endpoint_url=f"http://localhost:{port}",
            path_style="off",
        )
        store = S3Store(options, Credentials(server.access_key, server.secret_key))
        with (
            closing(store),
            closing(
                s3_client(server.endpoint_url, server.access_key, server.secret_key)
            ) as outside,
        ):
            outside.put_object(Bucket=server.bucket, Key="d/ä b", Body=b"bytes")
            url = store.link("d/ä b", 60).url
        assert url.startswith(f"http://{server.bucket}.localhost:{port}/d/%C3%A4%20b?")
        # No name server knows it: curl is told where it is.
        where = f"{server.bucket}.localhost:{port}:127.0.0.1:{port}"
        assert fetched(url, "--connect-to", where)[:2] == (200, b"bytes")
        wrong = url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")
        assert fetched(wrong, "--connect-to", where)[0] == 403


# -- the same file by other names ---------------------------------------------------------------


def test_a_path_in_a_mount_and_its_addresses(
    caller: Caller, mount_with: MountWith, tmp_path: Path
) -> None:
    mounted = mount_with(place=caller.place)
    (mounted.path / "d").mkdir()
    (mounted.path / "d" / "ä b").write_bytes(b"x")
    key = f"{caller.prefix}d/ä b"
    expected = ["phfs:///d/ä b", str(mounted.path / "d/ä b"), f"s3://{mounted.bucket}/{key}"]
    for text in (*expected, "d/ä b", "/phfs/d/ä b"):
        assert caller.out("uri", text).splitlines() == expected
    # Whoever stands in a mount needs to say nothing else.
    bare = {name: caller.environ[name] for name in ("PATH", "HOME")}
    link = tmp_path / "link"
    link.symlink_to(mounted.path / "d")
    for directory, text in ((mounted.path / "d", "ä b"), (tmp_path, "link/ä b")):
        done = subprocess.run(
            [PHFS, "uri", "--json", text],
            env=bare,
            cwd=directory,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (said,) = json.loads(done.stdout)
        assert [said["phfs"], said["path"], said["s3"]] == expected
        assert said["mounted"] is True
        assert said["https"].startswith(f"{caller.place.endpoint_url}/{mounted.bucket}/groups/")
        assert said["https"].endswith("/d/%C3%A4%20b")
    assert caller.json("stat", "d/ä b")[0]["local_path"] == str(mounted.path / "d/ä b")
    assert "is in a mount on this machine: give phfs:///d." in caller.refused(
        "ls", str(mounted.path / "d")
    )
    assert "two slashes" in caller.refused("uri", f"{mounted.path}/d//x", code=2)
    assert "'..' in it" in caller.refused("uri", f"{mounted.path}/d/../x", code=2)


def test_an_address_needs_no_store(caller: Caller) -> None:
    caller.environ["PHFS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    assert caller.out("uri", "a/").splitlines() == [
        "phfs:///a/",
        "/phfs/a/",
        f"s3://{caller.place.bucket}/{caller.prefix}a/",
    ]
    assert (
        caller.out("uri", "--as=s3", "/phfs/a") == f"s3://{caller.place.bucket}/{caller.prefix}a\n"
    )


# -- the verbs of primehub ------------------------------------------------------------------------


def test_the_rows_of_primehub(caller: Caller) -> None:
    caller.put("jobArtifacts/x")
    assert caller.out("files", "list", "/") == (
        "name             size  lastModified    phfsUri\n"
        "-------------  ------  --------------  ---------------------\n"
        "jobArtifacts/       0                  phfs:///jobArtifacts/\n"
    )
    (row,) = caller.json("files", "list", "./jobArtifacts/")
    assert (row["name"], row["size"], row["phfsUri"]) == ("x", 1, "phfs:///jobArtifacts/x")
    assert row["lastModified"].endswith("Z")
    assert caller.json("files", "list", "/jobArtifacts/x") == [row]
    assert caller.out("files", "get-phfs-uri", "jobArtifacts/") == "phfs:///jobArtifacts\n"
    assert "There is no file or directory" in caller.refused("files", "get-phfs-uri", "/nothing")
    assert "Give --recursive" in caller.refused("files", "delete", "jobArtifacts")
    assert caller.json("files", "delete", "jobArtifacts", "--recursive") == {"deleteFiles": 1}
    assert caller.keys() == []


def test_a_slash_behind_what_is_not_there_makes_no_file(caller: Caller, tmp_path: Path) -> None:
    caller.put("up/one")
    target = f"{tmp_path}/nosuchdir/"
    said = caller.refused("files", "download", "/up/one", target)
    assert f"There is no directory {target}" in said
    assert not Path(target).exists()
    (tmp_path / "one").write_text("x")
    done = caller.call("files", "upload", f"{tmp_path}/one/", "/up/two")
    assert (done.returncode, b"is a file" in done.stderr) == (1, True)
    assert caller.keys() == ["up/one"]


def test_files_go_where_primehub_puts_them(caller: Caller, tmp_path: Path) -> None:
    source = tmp_path / "src" / "d"
    (source / "inner").mkdir(parents=True)
    (source / "a").write_bytes(b"a")
    (source / "inner" / "b").write_bytes(b"b")
    file = str(source / "a")
    done = caller.call("files", "upload", file, "/one/exactly")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"[Uploading] {file} -> phfs:///one/exactly\n".encode()
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["success", "phfs", "file"]
    assert lines[2].split() == ["True", "/one/exactly", file]
    done = caller.call("files", "upload", file, "/one/", "--json")
    assert json.loads(done.stdout) == [{"success": True, "phfs": "/one/a", "file": file}]
    assert caller.keys() == ["one/a", "one/exactly"]
    for path in ("up", "/up/"):
        assert caller.call("files", "upload", str(source), path, "--recursive").returncode == 0
        assert caller.keys() == ["one/a", "one/exactly", "up/d/a", "up/d/inner/b"]
    said = caller.refused("files", "upload", str(source), "/up")
    assert "is a directory" in said
    assert "SRC and PATH are needed" in caller.refused("files", "upload", "x", code=2)

    target = tmp_path / "to"
    for _ in range(2):
        assert caller.out("files", "download", "/up/d", str(target), "--recursive") == ""
        fetched_files = sorted(p for p in target.rglob("*") if p.is_file())
        assert fetched_files == [target / "d/a", target / "d/inner/b"]
    assert (target / "d/inner/b").read_bytes() == b"b"
    assert caller.out("files", "download", "one/a", str(target)) == ""
    assert (target / "a").read_bytes() == b"a"
    assert caller.json("files", "download", "./one/a", str(tmp_path / "named")) == [
        {"success": True, "phfs": "/one/a", "file": str(tmp_path / "named")}
    ]
    assert (tmp_path / "named").read_bytes() == b"a"
    assert "is a directory" in caller.refused("files", "download", "/up", str(target))
    assert "phfs:///nothing" in caller.refused("files", "download", "/nothing", str(target))
