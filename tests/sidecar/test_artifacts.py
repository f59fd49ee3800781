"""``phfs-artifacts`` in the shells that images have: what is copied, when nothing is, and how the
job ends. A plain directory stands for PHFS here; ``tests/real/test_sweep.py`` has the real one."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from phfs.sidecar import artifacts

pytestmark = pytest.mark.real

PATIENCE = 60.0
JOB = "job-202611291830-ab12cd"

SHELLS = [
    pytest.param(command, id=command[0])
    for command in (["dash"], ["bash"], ["busybox", "sh"])
    if shutil.which(command[0])
]


class Job:
    """A job's working directory, and a directory that looks like PHFS."""

    def __init__(self, directory: Path, shell: Sequence[str]) -> None:
        self.shell = list(shell)
        self.place = directory / "job"
        self.phfs = directory / "phfs"
        self.kept = self.phfs / "jobArtifacts" / JOB
        self.programs = directory / "programs"
        for made in (self.place, self.phfs / ".phfs", self.programs):
            made.mkdir(parents=True)
        self.environ = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PRIMEHUB_PHFS_PATH": str(self.phfs),
            "PHJOB_NAME": JOB,
            "PHJOB_ARTIFACT_ENABLED": "true",
        }

    def make(self, name: str, content: bytes = b"x") -> None:
        path = self.place / "artifacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def call(self, *command: str) -> list[str]:
        return [*self.shell, str(artifacts.SCRIPT), *command]

    def run(
        self, *command: str, code: int = 0, text: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            self.call(*(command or ("true",))),
            cwd=self.place,
            env={**self.environ, **environ},
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        return ended

    def nothing_kept(self, reason: str, **environ: str) -> None:
        ended = self.run("sh", "-c", "exit 3", code=3, **environ)
        assert f"phfs-artifacts: No artifacts are kept: {reason}" in ended.stderr
        assert self.files() == {}
        assert not self.kept.exists()

    def files(self) -> dict[str, bytes]:
        """What was copied, without the platform's own files."""
        found = {
            str(path.relative_to(self.kept)): path.read_bytes()
            for path in self.kept.rglob("*")
            if path.is_file()
        }
        return {name: data for name, data in found.items() if not name.startswith(".metadata/")}

    def expires(self) -> int:
        return int((self.kept / ".metadata/expiredAt").read_text())


@pytest.fixture(params=SHELLS)
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    return Job(tmp_path, request.param)


def test_a_shell_is_there() -> None:
    assert SHELLS


def test_everything_is_copied_and_dated(job: Job) -> None:
    job.make("model.pt", b"\0weights\n")
    job.make("logs/.hidden/run.txt")
    job.make("empty", b"")
    before = int(time.time())
    ended = job.run("sh", "-c", "cat >artifacts/late; echo told", text="said")
    assert ended.stdout == "told\n"
    assert job.files() == {
        "model.pt": b"\0weights\n",
        "logs/.hidden/run.txt": b"x",
        "empty": b"",
        "late": b"said",
    }
    assert before + 604_800 <= job.expires() <= time.time() + 604_800
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"phfs-artifacts: 4 files, 1 KiB, are in {job.kept} for 604800 seconds")


def test_names_of_every_kind(job: Job) -> None:
    names = [
        "-rf",
        "--",
        "a b",
        " ",
        "new\nline",
        "*",
        "[a",
        "$(id)",
        "`id`",
        "'\"\\",
        "...",
        "..a",
    ]
    names += ["é", "-d/-e", "new\n/\n", "~", "!x", ".metadatas", "a/.metadata/b", "%s%n"]
    for name in names:
        job.make(name, name.encode())
    job.run()
    assert job.files() == {name: name.encode() for name in names}


def test_the_platforms_own_files_are_left_alone(job: Job) -> None:
    (job.kept / ".metadata").mkdir(parents=True)
    (job.kept / ".metadata/monitoring").write_text("cpu")
    job.make("a")
    job.make(".metadata/monitoring", b"not mine")
    job.make(".metadata/expiredAt", b"1")
    job.run(PHJOB_ARTIFACT_RETENTION_SECONDS="0100")
    assert (job.kept / ".metadata/monitoring").read_text() == "cpu"
    assert 0 <= job.expires() - time.time() + PATIENCE <= 100 + PATIENCE
    assert job.files() == {"a": b"x"}


def test_links_are_followed_and_end(job: Job, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/file").write_text("far")
    job.make("own/file", b"near")
    tree = job.place / "artifacts"
    (tree / "file").symlink_to("own/file")
    (tree / "out").symlink_to(outside)
    (tree / "own/up").symlink_to(tree)
    (tree / "self").symlink_to("self")
    (tree / "gone").symlink_to("/nowhere/at/all")
    (outside / "deep/back").symlink_to(tree / "own")
    (tree / "own/out").symlink_to(outside)
    os.mkfifo(tree / "pipe")
    ended = job.run()
    assert job.files() == {
        "file": b"near",
        "own/file": b"near",
        "own/out/deep/file": b"far",
        "out/deep/file": b"far",
        "out/deep/back/file": b"near",
    }
    assert "(without 3 that lead nowhere or are no files)" in ended.stderr


def test_a_file_without_end_is_not_read(job: Job) -> None:
    job.make("a")
    (job.place / "artifacts/messages").symlink_to("/proc/kmsg")
    job.run()
    assert job.files() == {"a": b"x", "messages": b""}


def test_artifacts_may_be_a_link(job: Job, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a").write_text("x")
    (job.place / "artifacts").symlink_to(tmp_path / "elsewhere")
    job.run()
    assert job.files() == {"a": b"x"}


def test_what_is_there_already_is_not_copied_onto_itself(job: Job) -> None:
    job.kept.mkdir(parents=True)
    (job.kept / "a").write_text("precious")
    (job.place / "artifacts").symlink_to(job.kept)
    assert "./artifacts has no files" in job.run().stderr
    (job.place / "artifacts").unlink()
    job.make("b")
    (job.place / "artifacts/all").symlink_to(job.phfs)
    job.run()
    assert job.files() == {"a": b"precious", "b": b"x"}


@pytest.mark.parametrize("code", [0, 1, 42, 127, 255])
def test_the_exit_code_is_the_commands(job: Job, code: int) -> None:
    job.make("a")
    job.run("sh", "-c", f"exit {code}", code=code)
    assert job.files() == {"a": b"x"}


def test_a_command_that_is_killed(job: Job) -> None:
    job.make("a")
    job.run("sh", "-c", "kill -KILL $$", code=128 + signal.SIGKILL)
    assert job.files() == {"a": b"x"}


def test_a_command_that_is_not_there(job: Job) -> None:
    job.make("a")
    job.run("/nowhere/program", code=127)
    assert job.files() == {"a": b"x"}


WAITS = """
import signal, sys
def end(number, frame):
    open("artifacts/last", "w").write(signal.Signals(number).name)
    sys.exit(9)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, end)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (signal.SIGTERM, "SIGTERM"),
        (signal.SIGUSR1, "SIGUSR1"),
        (signal.SIGHUP, "SIGHUP"),
        (signal.SIGINT, "SIGTERM"),
    ],
)
def test_signals_reach_the_command_which_ends_in_its_own_way(
    job: Job, sent: signal.Signals, got: str
) -> None:
    job.make("a")
    with subprocess.Popen(
        job.call(sys.executable, "-ISc", WAITS),
        cwd=job.place,
        env=job.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(sent)
            assert process.wait(PATIENCE) == 9
        finally:
            process.kill()
    assert job.files() == {"a": b"x", "last": got.encode()}


def test_a_command_that_a_signal_ends(job: Job) -> None:
    job.make("a")
    with subprocess.Popen(
        job.call("sh", "-c", "echo ready; exec sleep 1000"),
        cwd=job.place,
        env=job.environ,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert job.files() == {"a": b"x"}


def test_at_most_a_thousand_files(job: Job) -> None:
    for number in range(1000):
        job.make(f"{number % 7}/{number}", b"")
    job.make("one more", b"")
    job.nothing_kept("./artifacts has more than 1000 files.")
    (job.place / "artifacts/one more").unlink()
    job.run()
    assert len(job.files()) == 1000


def test_at_most_100_mib(job: Job) -> None:
    job.make("a")
    with (job.place / "artifacts/large").open("wb") as file:
        file.truncate(100 * 2**20)
    job.nothing_kept("./artifacts is larger than 100 MiB.")
    os.truncate(job.place / "artifacts/large", 100 * 2**20 - 1)
    assert "2 files, 102400 KiB," in job.run().stderr


def test_other_limits(job: Job) -> None:
    job.make("a", b"x" * 2**20)
    job.make("b", b"")
    job.nothing_kept("./artifacts has more than 1 files.", PHJOB_ARTIFACT_LIMIT_FILES="1")
    job.nothing_kept("./artifacts is larger than 0 MiB.", PHJOB_ARTIFACT_LIMIT_SIZE_MB="0")
    ended = job.run(PHJOB_ARTIFACT_LIMIT_SIZE_MB="010", PHJOB_ARTIFACT_LIMIT_FILES="many; exit")
    assert "PHJOB_ARTIFACT_LIMIT_FILES is 'many; exit', which is no number" in ended.stderr
    assert len(job.files()) == 2


def test_a_tree_without_end_is_refused(job: Job) -> None:
    job.make("/".join(["d"] * 102) + "/file")
    job.nothing_kept("./artifacts is deeper than 100 directories.")


def test_many_directories_are_refused(job: Job) -> None:
    for number in range(1001):
        (job.place / "artifacts" / str(number)).mkdir(parents=True)
    reason = "./artifacts has 1001 files and directories or more."
    job.nothing_kept(reason, PHJOB_ARTIFACT_LIMIT_FILES="1")


def test_nothing_to_copy(job: Job) -> None:
    job.nothing_kept("there is no directory ./artifacts.")
    (job.place / "artifacts").write_text("")
    job.nothing_kept("./artifacts is no directory.")
    (job.place / "artifacts").unlink()
    (job.place / "artifacts").symlink_to("nowhere")
    job.nothing_kept("./artifacts is a link that leads to no directory.")
    (job.place / "artifacts").unlink()
    (job.place / "artifacts/empty").mkdir(parents=True)
    job.nothing_kept("./artifacts has no files.")


def test_phfs_is_not_there(job: Job) -> None:
    job.make("a")
    (job.phfs / ".phfs").rmdir()
    job.nothing_kept(f"PHFS does not answer at {job.phfs}.")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/"])
def test_a_name_that_leads_elsewhere(job: Job, name: str) -> None:
    job.make("a")
    job.nothing_kept(f"'{name}' cannot be a job's name.", PHJOB_NAME=name)


def test_without_the_feature_the_command_takes_the_shells_place(job: Job) -> None:
    job.make("a")
    for environ in ({"PHJOB_ARTIFACT_ENABLED": "false"}, {"PHJOB_NAME": ""}):
        ended = job.run("sh", "-c", "echo $PPID; exit 5", code=5, **environ)
        assert ended.stdout == f"{os.getpid()}\n"
        assert ended.stderr == ""
    assert not job.kept.exists()


def test_no_command(job: Job) -> None:
    for command in ([], ["--"]):
        ended = subprocess.run(
            job.call(*command), env=job.environ, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert "No command is given" in ended.stderr


def test_a_store_that_fails_half_way_leaves_nothing(job: Job) -> None:
    for name in ("a", "b/c", "f"):
        job.make(name)
    job.make("b/d/e", b"x" * 8192)
    job.shell = ["prlimit", "--fsize=4096", *job.shell]
    job.nothing_kept("a file could not be written (")


def test_a_failure_spares_what_was_there_before(job: Job) -> None:
    (job.kept / ".metadata").mkdir(parents=True)
    (job.kept / ".metadata/monitoring").write_text("cpu")
    (job.kept / "z").write_text("earlier")
    for name in ("a", "b", "z"):
        job.make(name)
    # A real file system, too, leaves the old version of what it cannot write.
    (job.kept / "b").mkdir()
    ended = job.run()
    assert "No artifacts are kept: a file could not be written" in ended.stderr
    assert job.files() == {"z": b"earlier"}
    assert (job.kept / ".metadata/monitoring").read_text() == "cpu"
    assert not (job.kept / ".metadata/expiredAt").exists()


@pytest.mark.parametrize("shell", ["dash", "bash"])  # busybox has an rm of its own
def test_what_cannot_be_removed_again_is_said_and_dated(tmp_path: Path, shell: str) -> None:
    job = Job(tmp_path, [shell])
    job.make("a")
    job.make("b", b"x" * 8192)
    job.shell = ["prlimit", "--fsize=4096", shell]
    rm = job.programs / "rm"
    rm.write_text("#!/bin/sh\nexit 1\n")
    rm.chmod(0o755)
    assert "some copies could not be removed again" in job.run().stderr
    assert job.files()["a"] == b"x"
    assert job.expires() > 0


def test_the_program_is_put_where_others_find_it(tmp_path: Path) -> None:
    first = artifacts.install(tmp_path)
    assert artifacts.install(tmp_path) == first == tmp_path / "phfs-artifacts"
    assert list(tmp_path.iterdir()) == [first]
    assert first.read_bytes() == artifacts.SCRIPT.read_bytes()
    assert stat.S_IMODE(first.stat().st_mode) == 0o755
    with pytest.raises(OSError, match="No such file"):
        artifacts.install(tmp_path / "missing")


def sidecar(place: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).parent / "phfs-sidecar")
    return subprocess.run(
        [program, "artifacts", *words],
        cwd=place,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_subcommand_becomes_it(tmp_path: Path) -> None:
    job = Job(tmp_path, ["sh"])
    job.make("a")
    command = ["sh", "-c", 'echo "$@"; exit 6', "sh", "--install", "--", "-x"]
    ended = sidecar(job.place, "--", *command, **job.environ)
    assert (ended.returncode, ended.stdout) == (6, "--install -- -x\n")
    assert job.files() == {"a": b"x"}


def test_the_subcommand_puts_the_program_somewhere(tmp_path: Path) -> None:
    assert sidecar(tmp_path, "--install", ".").stdout == "phfs-artifacts\n"
    assert os.access(tmp_path / "phfs-artifacts", os.X_OK)
    refused = sidecar(tmp_path, "--install", "missing")
    assert refused.returncode == 2
    assert "cannot be put into missing: No such file or directory" in refused.stderr
    for words in ([], ["--"], ["--install", ".", "--", "true"]):
        ended = sidecar(tmp_path, *words)
        assert ended.returncode == 2
        assert "Give a command after --" in ended.stderr
