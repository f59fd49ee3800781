"""The benchmark, in the repository and as a command: it measures, and leaves nothing behind.

How fast anything is, is not tested here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from phfs.bench.cold import dropped_afterwards, open_cold
from phfs.bench.floor import Floor, Span, client
from phfs.bench.place import StorePlace
from phfs.bench.wrong import WrongResult
from tests.real.conftest import MountWith, new_place, root_place
from tests.support.minio import MinioServer, find_minio
from tests.support.mounted import Mounted, Place

pytestmark = pytest.mark.real

PATIENCE = 120.0

BENCH = [sys.executable, "-m", "bench"]
PHFS_BENCH = [str(Path(sys.executable).with_name("phfs")), "bench"]
QUICK = ["--quick", "--rounds=1"]


def environment(place: Place | None = None) -> dict[str, str]:
    """That of a user who has the keys of a place, and no other."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    kept |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": "/nonexistent",
        "PHFS_MINIO": str(find_minio()),
    }
    if place is not None:
        kept |= {
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
        }
    return kept


def call(
    command: Sequence[str], *arguments: str, place: Place | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *arguments],
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def results(directory: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """By scenario, link and subject."""
    found = json.loads((directory / "results.json").read_text())["results"]
    return {(one["scenario"], one["link"], one["subject"]): one for one in found}


def mounts_below(directory: Path) -> list[str]:
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in table if str(directory) in line]


def processes_below(directory: Path) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = file.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:  # ended meanwhile
            continue
        if str(directory) in text:
            found.append(text)
    return found


def interrupted(
    command: Sequence[str], directory: Path, sign: str, number: int, place: Place | None = None
) -> tuple[int, str]:
    """Start a command, send a signal once a path below ``directory`` fits; code and output."""
    with subprocess.Popen(
        command,
        env=environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        give_up = time.monotonic() + PATIENCE
        while not list(directory.glob(sign)):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < give_up
            time.sleep(0.02)
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def test_peers_and_floor_are_measured_over_links_and_taken_down(tmp_path: Path) -> None:
    output, tmpfs = tmp_path / "results", tmp_path / "tmpfs"
    tmpfs.mkdir()
    wanted = ["--scenario=tar-x", "--scenario=mount-ready", "--link=direct", "--link=10ms"]
    subjects = [f"--subject={name}" for name in ("phfs", "rclone", "floor")]
    places = [f"--output={output}", f"--tmpfs={tmpfs}", f"--baseline={tmp_path / 'none'}"]
    ran = call(BENCH, *QUICK, *wanted, *subjects, *places)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = results(output)
    assert set(found) == {
        *(("tar-x", link, name) for link in ("direct", "10ms") for name in ("phfs", "rclone")),
        *(("tar-x", link, "floor") for link in ("direct", "10ms")),
        *(
            ("mount-ready", link, name)
            for link in ("direct", "10ms")
            for name in ("phfs", "rclone")
        ),
    }
    assert {one["error"] for one in found.values()} == {""}
    mount = found["tar-x", "10ms", "phfs"]
    # One round trip per file, at least: the link is really in between.
    assert mount["median"] < 100 < found["tar-x", "direct", "phfs"]["median"]
    assert mount["daemon_cpu_seconds"] > 0
    assert mount["daemon_peak_mib"] > 20
    assert (output / "index.html").read_text().startswith("<!doctype html>")
    assert "mount-ready" in ran.stdout
    assert list(tmpfs.iterdir()) == []
    assert (mounts_below(tmpfs), processes_below(tmpfs)) == ([], [])


def test_a_fall_is_measured_again_and_named(tmp_path: Path) -> None:
    kept = tmp_path / "baseline.json"
    kept.write_text(json.dumps({"ratios": {"direct": {"rm-r": 1000.0, "tar-x": 0.001}}}))
    wanted = ["--scenario=rm-r", "--scenario=tar-x", "--link=direct", f"--baseline={kept}"]
    ran = call(BENCH, *QUICK, *wanted, f"--output={tmp_path / 'out'}", f"--tmpfs={tmp_path}")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Measured once more, with more rounds: rm-r\n" in ran.stdout
    assert "rm-r, direct: " in ran.stdout
    assert " of the floor, 1000.00 before: 100% less." in ran.stdout
    assert "tar-x, direct: " not in ran.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_unmounts_and_removes_everything(tmp_path: Path, number: int) -> None:
    command = [*BENCH, *QUICK, "--scenario=small-write-8", f"--tmpfs={tmp_path}"]
    command += [f"--output={tmp_path / 'out'}", "--rounds=50"]
    code, output = interrupted(command, tmp_path, "phfs-bench-*/phfs-direct/mount/run/*/*", number)
    assert code == 130, output
    assert "Interrupted: everything is unmounted, stopped and removed." in output
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (mounts_below(tmp_path), processes_below(tmp_path)) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ("--scenario read-sek-1", 2, "There is no scenario 'read-sek-1'; is read-seq-1 meant?"),
        ("--link 20ms", 2, "--link '20ms' is wrong: give direct, 0ms, 10ms, 10ms-held or 40ms."),
        ("--subject nfs", 2, "--subject 'nfs' is wrong: give phfs, rclone, s3fs or floor."),
        ("--tmpfs /proc/none", 1, "The directory /proc/none cannot be made"),
        ("--output /dev/null/x", 1, "The directory /dev/null/x cannot be made (Not a directory)"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    arguments: str, code: int, sentence: str, tmp_path: Path
) -> None:
    ran = call(BENCH, f"--output={tmp_path}", *arguments.split())
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith(f"python -m bench: {sentence}")
    assert ran.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_users_mount_is_measured_beside_its_store(
    minio: MinioServer, mount_with: MountWith, tmp_path: Path
) -> None:
    place = new_place(minio)
    mounted = mount_with(place=place)
    (mounted.path / "sub").mkdir()
    wanted = ["--scenario=small-write-1", "--scenario=ls-lR-tree", f"--output={tmp_path / 'out'}"]
    ran = call(PHFS_BENCH, *QUICK, *wanted, str(mounted.path / "sub"), place=place)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = results(tmp_path / "out")
    assert {key[0::2] for key in found} == {
        (name, who) for name in ("small-write-1", "ls-lR-tree") for who in ("phfs", "floor")
    }
    assert {one["error"] for one in found.values()} == {""}
    own = found["small-write-1", str(mounted.path), "phfs"]
    assert own["ratio_to_floor"] > 0
    assert own["daemon_peak_mib"] > 20
    assert mounted.keys() == ["sub/"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_users_mount_is_left_as_it_was(
    minio: MinioServer, mount_with: MountWith, number: int
) -> None:
    place = new_place(minio)
    mounted = mount_with(place=place)
    command = [*PHFS_BENCH, "--quick", "--scenario=small-write-8", "--rounds=50"]
    code, output = interrupted(
        [*command, str(mounted.path)], mounted.path, "phfs-bench-*/*/*/*.bin", number, place
    )
    assert code == 130, output
    assert "Interrupted: what was written is removed." in output
    assert mounted.keys() == []
    assert list(mounted.path.iterdir()) == []


def test_where_nothing_can_be_written_nothing_is_measured(mounted: Mounted) -> None:
    ran = call(PHFS_BENCH, *QUICK, str(mounted.path / ".phfs"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"Nothing can be written in {mounted.path}/.phfs" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_dropped_pages_are_asked_of_the_store_again(mounted: Mounted) -> None:
    mounted.put("cold.bin", bytes(300_000))

    def requests() -> int:
        counted: dict[str, int] = mounted.status()["requests"]
        return sum(counted.values())

    def read(descriptor: int) -> None:
        assert len(os.pread(descriptor, 300_000, 0)) == 300_000

    path = mounted.path / "cold.bin"
    with dropped_afterwards() as open_file:
        read(open_file(path))
    first = open_cold(path)
    before = requests()
    read(first)
    assert requests() > before
    before = requests()
    read(first)
    assert requests() == before, "the kernel has the pages"
    os.close(first)


def test_the_floor_does_what_it_says(minio: MinioServer) -> None:
    place = root_place(minio)
    session = boto3.session.Session(*place.keys, region_name="us-east-1")
    made = client(session, place.endpoint_url)
    floor = Floor(made, place.bucket, place.prefix)
    below = floor.below("dir")
    laid = StorePlace(floor).below("dir")
    laid.make_directory()
    laid.put_all([("a", b"12345"), ("sub/b", b"1")])
    laid.put_large("large", 20 * 1024**2 + 7)
    assert below.list() == 2
    assert below.get("a") == 5
    assert below.get("a", Span(1, 3)) == 3
    assert below.head("large") == 20 * 1024**2 + 7
    below.read("large", 20 * 1024**2 + 7)
    with pytest.raises(WrongResult, match="bytes of a: 5 instead of 9"):
        below.read("a", 9)
    below.delete("a")
    assert below.list() == 1
    laid.remove("sub")
    StorePlace(floor).remove()
    assert floor.list() == below.list() == 0
    made.close()
