"""``phfs cp`` and ``phfs mv`` as processes against a real MinIO: large files, killed in the middle,
interrupted, over a link that changes bytes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_s3 import S3Client

from phfs.files.local import PART_ENDING
from tests.real.conftest import MountWith
from tests.support.effort import Effort
from tests.support.fault_proxy import FaultProxy, faults
from tests.support.minio import MinioServer
from tests.support.processes import poll_until
from tests.support.shell import PHFS, Shell

pytestmark = pytest.mark.real

MEBIBYTE = 1024**2

PATIENCE = 120

PARTS = 12
LARGE = os.urandom(PARTS * 5 * MEBIBYTE - 1000)

STEP = "--part-size=5"


@pytest.fixture
def shell(minio: MinioServer, s3: S3Client, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(minio, s3, tmp_path)
    yield made
    made.close()


@pytest.fixture
def proxy(minio: MinioServer) -> Iterator[FaultProxy]:
    with FaultProxy(minio.endpoint_url) as running:
        yield running


@pytest.fixture
def linked(minio: MinioServer, s3: S3Client, tmp_path: Path, proxy: FaultProxy) -> Iterator[Shell]:
    """Over ``proxy``."""
    made = Shell(minio, s3, tmp_path, proxy.url)
    yield made
    proxy.heal()
    made.close()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- there and back ------------------------------------------------------------------------------


@pytest.mark.torture
def test_gigabytes_there_and_back(shell: Shell, tmp_path: Path, effort: Effort) -> None:
    size = effort.of(quick=256, long=8 * 1024) * MEBIBYTE
    with (tmp_path / "up").open("wb") as file:
        for start in range(0, size, 16 * MEBIBYTE):
            file.seek(start)
            file.write(os.urandom(1000))
        file.truncate(size)
    shell.good("cp", "up", "phfs:///a/big.bin")
    done = shell.json("cp", "phfs:///a/big.bin", "down")
    assert digest(tmp_path / "down") == digest(tmp_path / "up")
    assert [one["verified"] for one in done["files"]] == ["crc32c"]
    assert shell.uploads("a/big.bin") == 0
    effort.record("copies by phfs cp", bytes=size, wrong=0)


def test_a_tree_of_small_files_there_and_back(shell: Shell, tmp_path: Path) -> None:
    names = [f"t/{number % 7}/{number}.txt" for number in range(500)]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "t/empty").mkdir()
    told = shell.good("cp", "-r", "t", "phfs:///")
    assert told.startswith("phfs cp: 500 files copied")
    assert sorted(shell.keys()) == sorted([*names, "t/empty/"])
    shell.good("cp", "-r", "phfs:///t", "back")
    assert {p.relative_to(tmp_path / "back") for p in (tmp_path / "back").rglob("*")} == {
        p.relative_to(tmp_path / "t") for p in (tmp_path / "t").rglob("*")
    }
    assert all((tmp_path / name.replace("t/", "back/", 1)).read_text() == name for name in names)


def test_inside_the_group_and_moves(shell: Shell) -> None:
    shell.put("d/a", b"1", ContentType="x/y", Metadata={"who": "me"})
    shell.put("d/b", b"2")
    shell.good("cp", "-r", "phfs:///d", "phfs:///copy")
    shell.good("mv", "phfs:///d", "phfs:///moved")
    assert sorted(shell.keys()) == ["copy/a", "copy/b", "moved/a", "moved/b"]
    head = shell.s3.head_object(Bucket=shell.bucket, Key=f"{shell.prefix}moved/a")
    assert (head["ContentType"], head["Metadata"]) == ("x/y", {"who": "me"})
    shell.good("mv", "phfs:///moved", "here")
    assert (shell.directory / "here/a").read_bytes() == b"1"
    shell.good("mv", f"s3://{shell.bucket}/{shell.prefix}copy", "there")
    assert shell.keys() == []
    shell.good("mv", "there", "phfs:///")
    assert sorted(shell.keys()) == ["there/a", "there/b"]
    assert not (shell.directory / "there").exists()


def test_standard_input_and_output(shell: Shell) -> None:
    data = LARGE[: 11 * MEBIBYTE]
    done = shell.call("cp", STEP, "-", "phfs:///in", stdin=data)
    assert done.returncode == 0, done.stderr
    assert shell.get("in") == data
    out = shell.call("cp", "phfs:///in", "-")
    assert (out.returncode, out.stdout) == (0, data)
    told = shell.call("cp", "-v", "phfs:///in", "-")
    assert (told.returncode, told.stdout) == (0, data), "nothing but its bytes"
    assert b"download phfs:///in -> -\n" in told.stderr
    assert shell.call("cp", "-", "phfs:///empty").returncode == 0
    assert shell.get("empty") == b""


def test_json_and_what_fails_is_named(shell: Shell) -> None:
    shell.put("a", b"12")
    (shell.directory / "d").mkdir()
    document = shell.json("cp", "phfs:///a", "phfs:///none", "d")
    done, failed = sorted(document["files"], key=lambda one: one["action"])
    assert (done["action"], failed["action"]) == ("download", "fail")
    assert "phfs:///none" in failed["error"]
    assert (done["source"], done["target"], done["bytes"]) == ("phfs:///a", "d/a", 2)
    assert (document["copied"], document["failed"], document["interrupted"]) == (1, 1, False)
    plain = shell.call("cp", "phfs:///a", "phfs:///none", "d")
    assert plain.returncode == 1
    assert b"There is no file or directory phfs:///none." in plain.stderr
    assert plain.stdout == b""
    assert shell.call("cp", "a", "b").returncode == 2
    assert shell.call("cp", "a").returncode == 2


def test_a_dry_run_prints_and_does_nothing(shell: Shell) -> None:
    (shell.directory / "x").write_text("1")
    done = shell.call("cp", "--dry-run", "x", "phfs:///d/")
    assert (done.returncode, done.stdout) == (0, b"upload x -> phfs:///d/x\n")
    assert shell.keys() == []


def test_on_a_terminal_a_bar_is_drawn(shell: Shell) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [PHFS, "cp", "-", "phfs:///x"],
        env={**shell.environ, "TERM": "xterm", "COLUMNS": "120"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    try:
        assert process.stdin is not None
        process.stdin.write(b"slowly")
        process.stdin.flush()
        while b"0/1 files" not in shown:
            assert select.select([controller], [], [], PATIENCE)[0], shown
            shown += os.read(controller, 65536)
        process.stdin.close()
        with suppress(OSError):  # the other side is closed
            while True:
                assert select.select([controller], [], [], PATIENCE)[0], shown
                shown += os.read(controller, 65536)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    assert b"Copying" in shown
    assert b"1 file copied" in shown


def test_wrong_keys_and_a_missing_bucket_are_one_sentence(shell: Shell) -> None:
    (shell.directory / "x").write_text("1")
    for environ in ({"PHFS_SECRET_ACCESS_KEY": "wrong"}, {"PHFS_BUCKET": "no-such-bucket"}):
        done = shell.call("cp", "x", "phfs:///x", environ=environ)
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"\n") <= 2
        done = shell.call("cp", "x", "phfs:///x", "--json", environ=environ)
        document = json.loads(done.stdout)
        assert (done.returncode, document["files"], document["copied"]) == (1, [], 0)
        assert document["error"] in done.stderr.decode()


def test_a_document_is_whole_where_the_group_cannot_be_asked_at_all(shell: Shell) -> None:
    shell.put("d/x", b"1")
    (shell.directory / "here").mkdir()
    environ = {"PHFS_SECRET_ACCESS_KEY": "wrong"}
    for words in (
        ("cp", "phfs:///d/x", "phfs:///y", "nowhere"),
        ("sync", "missing", "phfs:///d"),
        ("sync", "phfs:///d", "here"),
        ("mv", "phfs:///d/x", "here"),
    ):
        done = shell.call(*words, "--json", environ=environ)
        document = json.loads(done.stdout)
        assert done.returncode == 1
        assert document.get("error") or document["failed"], words


# -- interrupted ---------------------------------------------------------------------------------


def parts_noted(state: Path) -> int:
    return sum(record.read_text().count('"part":') for record in state.glob("resume-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_upload_that_was_ended_goes_on(
    linked: Shell, proxy: FaultProxy, number: signal.Signals
) -> None:
    (linked.directory / "up").write_bytes(LARGE)
    proxy.fault(faults.stall_before, kind="put_part", nth=5, times=math.inf)
    process = linked.start("cp", STEP, "up", "phfs:///a")
    poll_until(lambda: parts_noted(linked.state) >= 4, PATIENCE, lambda: "no part was noted")
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    if number != signal.SIGKILL:
        assert b"the same command goes on with it" in said
    proxy.heal()
    listed = linked.json("uploads", "list", linked.bucket, "--older-than=0")
    assert [one["key"] for one in listed] == [f"{linked.prefix}a"]
    before = proxy.seen.count("put_part")
    told = linked.good("cp", STEP, "up", "phfs:///a")
    assert f"4 of its {PARTS} parts" in told
    assert proxy.seen.count("put_part") - before == PARTS - 4
    assert linked.get("a") == LARGE
    assert (linked.uploads("a"), list(linked.state.glob("resume-*"))) == (0, [])


def test_a_source_that_has_changed_is_sent_afresh(linked: Shell, proxy: FaultProxy) -> None:
    (linked.directory / "up").write_bytes(LARGE)
    proxy.fault(faults.stall_before, kind="put_part", nth=5, times=math.inf)
    process = linked.start("cp", STEP, "up", "phfs:///a")
    poll_until(lambda: parts_noted(linked.state) >= 4, PATIENCE, lambda: "no part was noted")
    process.kill()
    process.communicate(timeout=PATIENCE)
    proxy.heal()
    (linked.directory / "up").write_bytes(LARGE[::-1])
    told = linked.good("cp", STEP, "up", "phfs:///a")
    assert "sent afresh" in told
    assert linked.get("a") == LARGE[::-1]
    assert linked.uploads("a") == 0


def test_an_upload_that_is_kept_can_be_aborted(linked: Shell, proxy: FaultProxy) -> None:
    (linked.directory / "up").write_bytes(LARGE)
    proxy.fault(faults.stall_before, kind="put_part", nth=2, times=math.inf)
    process = linked.start("cp", STEP, "up", "phfs:///a")
    poll_until(lambda: parts_noted(linked.state) >= 1, PATIENCE, lambda: "no part was noted")
    process.kill()
    process.communicate(timeout=PATIENCE)
    proxy.heal()
    assert linked.call("uploads", "abort", linked.bucket, "a").returncode == 0
    assert (linked.uploads("a"), list(linked.state.glob("resume-*"))) == (0, [])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_download_that_was_ended_goes_on(
    linked: Shell, proxy: FaultProxy, number: signal.Signals
) -> None:
    linked.put("a", LARGE)
    proxy.fault(faults.stall_before, kind="get", nth=5, times=math.inf)
    process = linked.start("cp", STEP, "phfs:///a", "down")
    partial = linked.directory / f".down{PART_ENDING}"

    def ranges() -> int:
        return partial.read_bytes()[len(LARGE) :].count(b'"range"') if partial.exists() else 0

    poll_until(lambda: ranges() >= 4, PATIENCE, lambda: "no range was noted")
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    assert (b"the same command goes on with it" in said) == (number != signal.SIGKILL)
    assert not (linked.directory / "down").exists()
    proxy.heal()
    before = proxy.seen.count("get")
    assert "are here" in linked.good("cp", STEP, "phfs:///a", "down")
    assert proxy.seen.count("get") - before == PARTS - 4
    assert (linked.directory / "down").read_bytes() == LARGE
    assert not partial.exists()


# -- a link that changes bytes -------------------------------------------------------------------


@pytest.mark.parametrize("data", [LARGE[:100_000], LARGE])
def test_bytes_that_are_changed_on_the_way_here_are_never_saved(
    linked: Shell, proxy: FaultProxy, data: bytes
) -> None:
    """Stored by another program: all there is, is the ETag of one PUT."""
    linked.put("a", data)
    proxy.fault(faults.flipped_answer(), kind="get")
    told = linked.good("cp", STEP, "--retry-deadline=30", "phfs:///a", "down")
    assert (linked.directory / "down").read_bytes() == data
    if data == LARGE:
        assert "fetched again" in told
    (linked.directory / "down").unlink()
    proxy.fault(faults.flipped_answer(), kind="get", times=math.inf)
    done = linked.call("cp", STEP, "--retry-deadline=5", "phfs:///a", "down")
    assert done.returncode == 1
    assert [path.name for path in linked.directory.iterdir()] == [".state"]


@pytest.mark.parametrize(("data", "kind"), [(LARGE[:100_000], "put"), (LARGE, "put_part")])
def test_bytes_that_are_changed_on_the_way_there_are_never_saved(
    linked: Shell, proxy: FaultProxy, data: bytes, kind: str
) -> None:
    (linked.directory / "up").write_bytes(data)
    proxy.fault(faults.flipped_request(), kind=kind)
    linked.good("cp", STEP, "up", "phfs:///a")
    assert linked.get("a") == data
    proxy.fault(faults.flipped_request(), kind=kind, times=math.inf)
    done = linked.call("cp", STEP, "--retry-deadline=5", "up", "phfs:///b")
    assert done.returncode == 1
    assert linked.keys() == ["a"]


def test_what_it_has_stored_itself_is_verified_by_its_crc(linked: Shell, proxy: FaultProxy) -> None:
    (linked.directory / "up").write_bytes(LARGE)
    linked.good("cp", STEP, "up", "phfs:///a")
    proxy.fault(faults.flipped_answer(), kind="get", nth=3)
    done = linked.call("cp", STEP, "--json", "phfs:///a", "down")
    assert json.loads(done.stdout)["files"][0]["verified"] == "crc32c"
    assert b"fetched again" in done.stderr
    assert (linked.directory / "down").read_bytes() == LARGE


# -- into a mount ----------------------------------------------------------------------------------


def put_without_sums(shell: Shell, key: str, data: bytes) -> None:
    """Store an object of two parts as programs do that know of no checksums."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=shell.s3.meta.endpoint_url,
        region_name=shell.s3.meta.region_name,
        aws_access_key_id=shell.environ["PHFS_ACCESS_KEY_ID"],
        aws_secret_access_key=shell.environ["PHFS_SECRET_ACCESS_KEY"],
        config=Config(
            request_checksum_calculation="when_required", s3={"addressing_style": "path"}
        ),
    )
    bucket, key, cut = shell.bucket, shell.prefix + key, 5 * MEBIBYTE
    with closing(client):
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        tags = [
            client.upload_part(
                Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece
            )["ETag"]
            for number, piece in enumerate((data[:cut], data[cut:]), start=1)
        ]
        client.complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            MultipartUpload={
                "Parts": [
                    {"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)
                ]
            },
        )


@pytest.mark.parametrize("command", ["cp", "mv"])
def test_out_of_the_group_into_a_mount(shell: Shell, mount_with: MountWith, command: str) -> None:
    mount = mount_with("--part-size=5")
    files = {"empty": b"", "small": LARGE[:1000], "large": LARGE[: 20 * MEBIBYTE + 1]}
    for name, data in files.items():
        shell.put(f"d/{name}", data)
    # Its only sum is its ETag's, for which the bytes have to be read back.
    files["sumless"] = LARGE[: 12 * MEBIBYTE]
    put_without_sums(shell, "d/sumless", files["sumless"])
    if command == "cp":
        mount.put("d/large", b"old")
    told = shell.good(command, *["-r"][: command == "cp"], STEP, "phfs:///d", str(mount.path))
    assert told.startswith(f"phfs {command}: 4 files ")
    assert {name: mount.get(f"d/{name}") for name in files} == files
    assert set(mount.keys()) - {"d/"} == {f"d/{name}" for name in files}
    assert (bool(shell.keys()), mount.errors()) == (command == "cp", [])
    if command == "cp":
        again = ("phfs:///d/small", "phfs:///d/large", f"{mount.path}/d")
        assert "4 files copied" in shell.good(
            "cp", "-n", STEP, "-r", "phfs:///d", f"{mount.path}/e"
        )
        assert "2 left" in shell.good("cp", "-n", *again)
        assert mount.get("e/large") == files["large"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_copy_into_a_mount_that_was_ended_leaves_nothing(
    linked: Shell, proxy: FaultProxy, mount_with: MountWith, number: signal.Signals
) -> None:
    mount = mount_with()
    linked.put("a", LARGE)
    proxy.fault(faults.stall_before, kind="get", nth=3, times=math.inf)
    process = linked.start("cp", STEP, "phfs:///a", f"{mount.path}/down")
    poll_until(lambda: proxy.seen.count("get") >= 3, PATIENCE, lambda: "no third range")
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    assert (list(mount.path.iterdir()), mount.keys(), mount.errors()) == ([], [], [])


def test_wrong_bytes_are_not_saved_in_a_mount_either(
    linked: Shell, proxy: FaultProxy, mount_with: MountWith
) -> None:
    mount = mount_with()
    linked.put("a", LARGE)
    proxy.fault(faults.flipped_answer(), kind="get")
    assert "fetched again" in linked.good("cp", STEP, "phfs:///a", f"{mount.path}/down")
    assert mount.get("down") == LARGE
    assert mount.keys() == ["down"]
