"""``phfs sync`` as a process against a real MinIO."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from tests.real.conftest import MountWith
from tests.support.minio import Keys, MinioServer
from tests.support.mounted import Place
from tests.support.shell import PHFS, Shell
from tests.support.terminal import Terminal

pytestmark = pytest.mark.real


@pytest.fixture
def shell(minio: MinioServer, s3: S3Client, tmp_path: Path) -> Iterator[Shell]:
    made = Shell(minio, s3, tmp_path)
    yield made
    made.close()


def on_terminal(shell: Shell, answer: bytes, *words: str) -> tuple[str, int]:
    """What a call shows on a terminal of its own, where the answer is given when it asks; and its
    exit code."""
    with Terminal([PHFS, *words], shell.environ) as terminal:
        terminal.wait_for(r"\[y/N\]")
        terminal.type(answer)
        code = terminal.wait()
        return terminal.screen, code


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files on this machine, written a while ago."""
    directory = tmp_path / "t"
    for name in ("a", "d/b", "d/e/c"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
        os.utime(directory / name, (1e9, 1e9))
    return directory


def next_second() -> None:
    """A second of its own for what comes next: what is written and stored in one second is copied
    once more."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.05)


def test_up_and_down_and_the_second_time_nothing(shell: Shell, tree: Path) -> None:
    next_second()
    assert "3 files copied" in shell.good("sync", "t", "phfs:///t")
    assert "0 files copied" in shell.good("sync", "t", "phfs:///t")
    next_second()
    assert "3 files copied" in shell.good("sync", "phfs:///t", "back")
    assert "0 files copied" in shell.good("sync", "phfs:///t", "back")
    assert "0 files copied" in shell.good("sync", "back", "phfs:///t")
    assert "0 files copied" in shell.good("sync", "--checksum", "back", "phfs:///t")
    next_second()
    (tree / "a").write_text("z")
    os.utime(tree / "a", (1e9, 1e9))
    assert "1 file copied" in shell.good("sync", "t", "phfs:///t"), "its time was set back"
    assert shell.get("t/a") == b"z"


def test_the_documented_hole(shell: Shell, tree: Path) -> None:
    shell.good("sync", str(tree), "phfs:///t")
    next_second()
    shell.good("sync", "phfs:///t", "back")
    path = shell.directory / "back/a"
    kept = path.stat()
    path.write_text("y")
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert "0 files copied" in shell.good("sync", "back", "phfs:///t")
    assert "1 file copied" in shell.good("sync", "--checksum", "back", "phfs:///t")
    assert shell.get("t/a") == b"y"


def test_nothing_is_moved_or_synced_onto_itself_through_a_mount(
    shell: Shell, mount_with: MountWith
) -> None:
    keys = Keys(shell.environ["PHFS_ACCESS_KEY_ID"], shell.environ["PHFS_SECRET_ACCESS_KEY"])
    url, group = shell.environ["PHFS_ENDPOINT_URL"], shell.environ["PHFS_GROUP"]
    here = mount_with(place=Place(url, shell.bucket, group, keys)).path
    shell.put("z", b"1")
    shell.put("d/x", b"2")
    for words in (
        ("mv", f"{here}/z", "phfs:///z"),
        ("mv", "phfs:///z", f"{here}/z"),
        ("mv", "phfs:///d", str(here)),
        ("sync", str(here), "phfs:///d", "--delete", "--yes"),
        ("sync", "phfs:///d", f"{here}/d", "--delete", "--yes"),
    ):
        done = shell.call(*words)
        assert done.returncode == 1, done.stderr
        assert shell.keys() == ["d/x", "z"]
    shell.good("mv", f"{here}/z", "phfs:///new")
    assert (shell.keys(), shell.get("new")) == (["d/x", "new"], b"1")


def test_delete_asks_or_is_refused_and_does_what_a_dry_run_says(shell: Shell, tree: Path) -> None:
    shell.put("t/old", b"1")
    shell.put("told", b"near")
    refused = shell.call("sync", "--delete", "t", "phfs:///t")
    assert refused.returncode == 2
    assert b"1 file (1 B) of phfs:///t would be removed" in refused.stderr
    assert b"--yes" in refused.stderr
    assert sorted(shell.keys()) == ["t/old", "told"], "nothing was done before it was refused"
    planned = shell.call("sync", "--delete", "--dry-run", "t", "phfs:///t")
    next_second()
    done = shell.call("sync", "--delete", "--yes", "-v", "t", "phfs:///t")
    assert (planned.returncode, done.returncode) == (0, 0)
    assert sorted(planned.stdout.splitlines()) == sorted(done.stdout.splitlines())
    assert b"remove phfs:///t/old" in done.stdout
    assert sorted(shell.keys()) == ["t/a", "t/d/b", "t/d/e/c", "told"]
    document = shell.json("sync", "--delete", "t", "phfs:///t")
    assert (document["files"], document["copied"], document["failed"]) == ([], 0, 0)
    assert tree.is_dir()


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", True), (b"y\n", False), (b"\x03", True)])
def test_on_a_terminal_it_asks(shell: Shell, tree: Path, answer: bytes, left: bool) -> None:
    shell.put("t/old", b"1")
    shown, code = on_terminal(shell, answer, "sync", "--delete", str(tree), "phfs:///t")
    assert "will be removed. Go on? [y/N]" in shown
    assert (shell.keys().count("t/old") == 1) == left
    assert code == (130 if answer == b"\x03" else 0)


def test_an_empty_or_missing_source_removes_nothing(shell: Shell) -> None:
    shell.put("t/x", b"1")
    (shell.directory / "empty").mkdir()
    for words in (("sync", "--delete", "missing", "phfs:///t"), ("sync", "phfs:///none", "here")):
        done = shell.call(*words)
        assert done.returncode == 1
        assert b"There is no directory" in done.stderr
    done = shell.call("sync", "--delete", "empty", "phfs:///t")
    assert done.returncode == 2
    assert b"has no files" in done.stderr
    assert shell.keys() == ["t/x"]
    shell.good("sync", "--delete", "--yes", "empty", "phfs:///t")
    assert shell.keys() == []


def test_globs_in_the_order_they_are_given(shell: Shell, tree: Path) -> None:
    shell.good("sync", "--exclude", "*", "--include", "d/*", "--exclude=*/c", str(tree), "phfs:///")
    assert shell.keys() == ["d/b"]
