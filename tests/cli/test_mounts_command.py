"""``phfs mounts`` and ``phfs unmount`` as far as they need no mount: words, order, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from phfs.cli import standing
from phfs.cli.commands import unmount
from phfs.cli.lost import LostFiles
from phfs.cli.standing import DEAD, FOREIGN, HEALTHY, SILENT, Standing
from phfs.cli.unmounting import unmount as end
from phfs.commandline import UsageError
from phfs.core.unsaved import Unsaved, values_of
from phfs.errors import MountError
from phfs.system.asking import Answer, Question, ask
from phfs.system.holders import Ends, holders, resident, servers
from phfs.system.mounts import InUse, Mount, of_phfs
from phfs.system.mounts import unmount as take_away
from phfs.system.privileges import Identity

MIB = 1024**2

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:50 / /a\\040b rw,nosuid - fuse.phfs s3://b/groups/g/ rw,user_id=1000,group_id=100
31 22 0:51 / /c ro,nosuid - fuse.phfs s3://b/groups/h/ ro,user_id=0,group_id=0,allow_other
32 22 0:50 / /elsewhere rw,nosuid - fuse.phfs s3://b/groups/g/ rw,user_id=1000,group_id=100
33 22 0:52 / /other rw - fuse.sshfs host: rw,user_id=0,group_id=0
"""


def one(path: Path, state: str, **status: object) -> Standing:
    mount = Mount(50, "fuse.phfs", path, "s3://b/groups/g/", read_only=False, owner=Identity(7, 7))
    return Standing(mount, (path,), state, status, ())


# -- what is there -----------------------------------------------------------------------------


def test_a_mount_that_is_seen_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(TABLE)
    found = of_phfs(tmp_path / "mountinfo")
    assert [[str(mount.path) for mount in places] for places in found] == [
        ["/a b", "/elsewhere"],
        ["/c"],
    ]
    assert found[0][0].owner == Identity(1000, 100)
    assert found[1][0].read_only


def test_files_are_asked_for_within_a_time(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x" * MIB)
    os.mkfifo(tmp_path / "hangs")
    (tmp_path / "directory").mkdir()
    questions = [Question(tmp_path / name) for name in ("hangs", "there", "none", "directory")]
    hung, there, none, directory = ask(questions, 3.0)
    assert hung == Answer()
    assert there.content == b"x" * MIB
    assert none.content == b"", "whoever says that there is no such file is alive"
    assert (directory.content, directory.failure) == (None, "Is a directory")


def test_what_is_not_for_everybody_is_asked_for_as_its_owner(tmp_path: Path) -> None:
    """Root may read everything here; a mount of FUSE lets in its owner alone."""
    file = tmp_path / "mine"
    file.write_text("text")
    file.chmod(0o600)
    (answer,) = ask([Question(file, Identity(4321, 4321))], 20.0)
    assert (answer.content, answer.refused) == (None, True)


def test_a_status_says_how_a_mount_is() -> None:
    unsaved = [Unsaved("/a", sent=1, known=2, seconds=3.0, closing=True)]
    mount = Mount(50, "fuse.phfs", Path("/nowhere"), "s3://b/p/", read_only=False)
    told = {"pid": os.getpid(), "supervisor_pid": None, "unsaved": values_of(unsaved)}
    found = standing._judged([mount], Answer(json.dumps(told).encode()))
    assert (found.state, found.pids) == (HEALTHY, (os.getpid(),))
    assert found.unsaved == unsaved
    assert found.resident == resident(os.getpid()) or found.resident
    assert standing._judged([mount], Answer(b"no JSON")).state == HEALTHY
    assert standing._judged([mount], Answer(None, "gone")).state == DEAD
    assert standing._judged([mount], Answer(None, "Permission denied", True)).state == FOREIGN
    assert standing._judged([mount], Answer()).state == SILENT


def test_what_to_do_names_the_mount() -> None:
    assert "phfs unmount '/m'" in one(Path("/m"), DEAD).advice
    assert "kill its process" in one(Path("/m"), SILENT).advice
    assert "user 7" in one(Path("/m"), FOREIGN).advice
    assert one(Path("/m"), HEALTHY).advice == ""


# -- who is in the way -----------------------------------------------------------------------------


def test_who_holds_a_directory_is_found_with_what(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    (held / "file").write_bytes(bytes(4096))
    program = (
        "import mmap, sys; file = open(sys.argv[1], 'rb');"
        "mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); print(flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, held / "file"],
        cwd=held,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = holders(held)
        assert {(each.pid, each.file) for each in found} == {
            (process.pid, str(held)),
            (process.pid, str(held / "file")),
        }
        assert {each.how for each in found} == {"works in it", "has it open"}
        assert holders(tmp_path / "hel") == [], "a name that begins so is another"
        ends = Ends([process.pid])
        assert ends.left() == [process.pid]
        assert ends.wait(0) == [process.pid]
        process.kill()
        assert ends.wait(60) == []
        ends.close()


def test_who_serves_a_mount_is_found_by_its_command_line(tmp_path: Path) -> None:
    for pid, words, cwd in (
        ("10", "python\0/venv/bin/phfs-mount\0bucket\0/mnt/x\0", "/"),
        ("11", "/venv/bin/phfs-mount\0bucket\0x\0", "/mnt"),
        ("12", "/venv/bin/phfs-mount\0bucket\0/mnt/xy\0", "/"),
        ("13", "grep\0phfs-mount\0/mnt/x\0", "/"),
        ("14", "python3\0-P\0-m\0phfs.cli.mount\0bucket\0/mnt/x\0", "/"),
        ("self", "phfs-mount\0/mnt/x\0", "/"),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(words.encode())
        (tmp_path / pid / "cwd").symlink_to(cwd)
    assert servers(Path("/mnt/x"), tmp_path) == [10, 11, 14]


# -- what was lost -----------------------------------------------------------------------------


def test_the_log_names_what_was_lost_since_then(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = "2026-11-29T22:08:57+0000 ERROR phfs.mount: {} was not saved: the mount ended before it"
    log.write_text(line.format("/before") + "\n")
    lost = LostFiles(one(Path("/m"), HEALTHY, log=str(log)))
    with log.open("a") as file:
        file.write(line.format("/a: b") + "\n")
        file.write(json.dumps({"message": "/c was not saved: the mount was ended"}) + "\n")
        file.write("2026 INFO phfs.mount: not saved yet: /d: 1 of 2 MiB\n[1, 2]\n")
    assert lost.names() == ["/a: b", "/c"]
    log.write_text(line.format("/new") + "\n")
    assert lost.names() == ["/new"], "it was put aside meanwhile"


def test_without_a_log_the_last_word_of_the_mount_counts(tmp_path: Path) -> None:
    lost = LostFiles(one(Path("/m"), HEALTHY, log=str(tmp_path / "none")))
    assert lost.names() == []
    lost.saw([Unsaved("/a", sent=0, known=1, seconds=0.0, closing=False)])
    assert lost.names() == ["/a"]
    lost.saw([])
    assert lost.names() == []


# -- the commands --------------------------------------------------------------------------------


def test_what_cannot_be_ended_is_refused_with_a_reason() -> None:
    for state, said in ((FOREIGN, "is not yours"), (SILENT, "does not answer")):
        with pytest.raises(MountError, match=said) as caught:
            end(one(Path("/m"), state), seconds=1, lazy=False, show=lambda _: None)
        assert caught.value.advice


def test_all_are_ended_the_inner_ones_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [one(Path("/m"), HEALTHY), one(Path("/m/inner"), HEALTHY)]
    monkeypatch.setattr(unmount, "standing", lambda: found)
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    assert [str(each.path) for each in unmount._all()] == ["/m/inner", "/m"]
    monkeypatch.setattr(os, "geteuid", lambda: 8)
    assert unmount._all() == [], "those of others stay"


@pytest.mark.parametrize(("directory", "everything"), [(None, False), ("/m", True)])
def test_it_is_said_what_is_to_be_unmounted(directory: str | None, everything: bool) -> None:
    given = SimpleNamespace(directory=directory, all=everything, mount_name=None)
    with pytest.raises(UsageError, match="Say what to unmount"):
        unmount._run(given)  # type: ignore[arg-type]


def test_a_name_of_the_configuration_file_is_where_it_says(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[mount.research]\nbucket = "b"\nmountpoint = "{tmp_path / "x"}"\n')
    done = subprocess.run(
        [Path(sys.executable).parent / "phfs", "unmount", "@research", "--config", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"phfs: At {tmp_path / 'x'} nothing of PHFS is mounted.")


@pytest.mark.parametrize(
    ("said", "code", "kind"),
    [
        ("", 0, None),
        ("fusermount3: failed to unmount /m: Device or resource busy", 1, InUse),
        ("fusermount3: entry for /m not found in /etc/mtab", 1, OSError),
    ],
)
def test_who_is_not_root_is_helped_by_fusermount(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    code: int,
    kind: type[OSError] | None,
) -> None:
    program = tmp_path / "fusermount3"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "{said}" >&2\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if kind is None:
        take_away(Path("/m"))
    else:
        with pytest.raises(OSError) as caught:
            take_away(Path("/m"))
        assert type(caught.value) is kind
        assert caught.value.strerror == said
    assert (tmp_path / "asked").read_text() == "-u /m\n"
