"""``phfs top`` on real mounts: its figures are true, and it says when a mount goes and comes."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.link import Link
from phfs.system.mounts import detach, is_mounted
from tests.real.conftest import MountWith, new_place
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

PHFS = PHFS_MOUNT.parent / "phfs"
MIB = 1024**2
PATIENCE = 60.0


def environ(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", **more}


def top(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [PHFS, "top", *words],
        env=environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stderr
    return done


class Documents:
    """``phfs top --json`` under way, and the documents it prints."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [PHFS, "top", str(root), "--json", "--interval=0.2"],
            env=environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.all: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.all.extend(json.loads(line) for line in self.process.stdout)

    def __enter__(self) -> Documents:
        poll_until(lambda: bool(self.all), PATIENCE, lambda: "it prints nothing")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(PATIENCE) == 0
        finally:
            self.process.kill()
            self._reader.join(PATIENCE)
            assert self.process.stdout is not None
            self.process.stdout.close()

    def wait_for(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first document from now on of which ``true`` is."""
        since = len(self.all)

        def found() -> list[dict[str, Any]]:
            return [one for one in self.all[since:] if true(one)]

        poll_until(lambda: bool(found()), PATIENCE, lambda: json.dumps(self.all[-3:], indent=1))
        return found()[0]


class Screen:
    """``phfs top`` on a terminal, and all it has written there."""

    def __init__(self, words: Sequence[str], columns: int, **environment: str) -> None:
        self.end, far = os.openpty()
        termios.tcsetwinsize(far, (40, columns))
        self.before = termios.tcgetattr(far)
        self._far = far
        self.process = subprocess.Popen(
            [PHFS, "top", *words],
            env=environ(**environment),
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        self.shown = ""

    def wait_for(self, pattern: str) -> None:
        give_up, since = time.monotonic() + PATIENCE, len(self.shown)
        while not re.search(pattern, self.shown[since:], re.DOTALL):
            assert time.monotonic() < give_up, f"{pattern}:\n{self.shown[-4000:]}"
            if select.select([self.end], [], [], 1.0)[0]:
                self.shown += os.read(self.end, 65536).decode(errors="replace")

    def resize(self, columns: int) -> None:
        termios.tcsetwinsize(self._far, (40, columns))
        self.process.send_signal(signal.SIGWINCH)

    def leave(self, how: Callable[[], object]) -> None:
        how()
        assert self.process.wait(PATIENCE) == 0
        assert termios.tcgetattr(self._far) == self.before, "the terminal is not as before"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._far)
        os.close(self.end)


@contextmanager
def screen(*words: str, columns: int = 100, **environment: str) -> Iterator[Screen]:
    with closing(Screen(words, columns, **environment)) as shown:
        yield shown


def drawn(text: str) -> list[str]:
    """The lines of a screen without what moves the cursor or colours."""
    text = text.replace("\x1b[H", "\n").replace("\r", "")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).split("\n")


def counted(document: dict[str, Any], operation: str) -> int:
    return int(document["status"]["operations"].get(operation, {}).get("count", 0))


def test_what_is_counted_is_what_was_done(mount_with: MountWith) -> None:
    mount = mount_with("--metadata-ttl=0")
    for number in range(5):
        mount.put(f"old-{number}", b"o" * 300_000)
    with Documents(mount.path) as documents:
        before = documents.all[-1]
        for number in range(7):
            (mount.path / f"new-{number}").write_bytes(b"n" * 100_000)
        for number in range(5):
            assert len((mount.path / f"old-{number}").read_bytes()) == 300_000
        with pytest.raises(FileNotFoundError):
            (mount.path / "none").read_bytes()
        after = documents.wait_for(
            lambda one: (
                one["status"]["programs"]["written_bytes"] >= 700_000
                and counted(one, "open") >= counted(before, "open") + 5
            )
        )
        # The kernel asks for the root's attributes on the way to .phfs.
        idle = documents.wait_for(
            lambda one: (
                {name for name, rate in one["per_second"]["operations"].items() if rate} <= {"stat"}
            )
        )
    was, now = before["status"]["programs"], after["status"]["programs"]
    assert now["written_bytes"] - was["written_bytes"] == 700_000
    assert now["read_bytes"] - was["read_bytes"] == 1_500_000
    assert counted(after, "create") - counted(before, "create") == 7
    assert counted(before, "lookup") == 0, "looking is counted"
    assert {idle["per_second"][name] for name in ("read_bytes", "written_bytes")} == {0}
    assert after["status"]["requests"]["requests.put"] == 7
    assert after["status"]["requests"]["bytes.out"] == 700_000
    # Speeds are differences: over all intervals they give what was written.
    first, last = documents.all.index(before), documents.all.index(after)
    during = documents.all[first + 1 : last + 1]
    written = sum(one["per_second"]["written_bytes"] * one["seconds"] for one in during)
    assert written == pytest.approx(700_000, rel=0.02)
    creates = sum(
        one["per_second"]["operations"].get("create", 0) * one["seconds"] for one in during
    )
    assert creates == pytest.approx(7, rel=0.02)
    slowest = after["status"]["slowest_requests"]
    assert {one["subject"] for one in slowest if one["operation"] == "put"} <= {
        f"/new-{number}" for number in range(7)
    }
    assert slowest == sorted(slowest, key=lambda one: -one["seconds"])
    assert after["status"]["process"]["resident_bytes"] > 10 * MIB
    assert after["status"]["process"]["cpu_seconds"] > 0


@contextmanager
def over_slow_link(minio: MinioServer, mount_with: MountWith, *options: str) -> Iterator[Mounted]:
    with Link(minio.endpoint_url.removeprefix("http://"), bytes_per_second=2e6) as link:
        place = new_place(minio)._replace(endpoint_url=link.endpoint_url)
        mount = mount_with(*options, place=place)
        yield mount
        mount.stop()


def test_an_upload_shows_progress_that_grows(minio: MinioServer, mount_with: MountWith) -> None:
    size = 12 * MIB
    with over_slow_link(minio, mount_with) as mount:
        failed: list[BaseException] = []

        def write() -> None:
            try:
                (mount.path / "large.bin").write_bytes(bytes(size))
            except BaseException as error:
                failed.append(error)

        writer = threading.Thread(target=write)
        with Documents(mount.path) as documents:
            writer.start()
            documents.wait_for(lambda one: bool(one["status"]["unsaved"]))
            documents.wait_for(lambda one: not one["status"]["unsaved"])
            writer.join(PATIENCE)
            assert not failed, failed
            assert mount.keys() == ["large.bin"]
        files = [one for document in documents.all for one in document["status"]["unsaved"]]
        assert {one["path"] for one in files} == {"/large.bin"}
        seen = [(one["stored_bytes"], one["sent_bytes"], one["known_bytes"]) for one in files]
        for stored, sent, known in seen:
            assert 0 <= stored <= sent <= known <= size
        steps = [sent for _, sent, _ in seen]
        assert steps == sorted(steps)
        assert len({sent for sent in steps if 0 < sent < size}) >= 3, steps
        assert any(known == size and sent < size for _, sent, known in seen)
        sending = [one["per_second"]["sent_bytes"] * one["seconds"] for one in documents.all]
        assert sum(sending) == pytest.approx(size, rel=0.05)


def test_a_view_of_an_upload_on_a_narrow_terminal(
    minio: MinioServer, mount_with: MountWith
) -> None:
    with over_slow_link(minio, mount_with, "--part-size=5") as mount:
        writer = threading.Thread(
            target=lambda: (mount.path / "a-file-with-a-long-name.bin").write_bytes(bytes(20 * MIB))
        )
        with screen(str(mount.path), "--interval=0.2", columns=60, NO_COLOR="1") as shown:
            shown.wait_for("Programs")
            writer.start()
            shown.wait_for(r"On their way to the store.*of 20 MiB.*[KM]iB/s")
            shown.leave(lambda: os.write(shown.end, b"q"))
        writer.join(PATIENCE)
        lines = drawn(shown.shown)
        assert max(map(len, lines)) <= 60
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown.shown), "a colour"


def test_it_follows_the_terminals_size(mount_with: MountWith) -> None:
    mount = mount_with()
    with screen(str(mount.path), "--interval=60", columns=120) as shown:
        shown.wait_for("went to the store")
        shown.resize(60)
        shown.wait_for("went to the store")
        assert max(map(len, drawn(shown.shown.rpartition("\x1b[H")[2]))) <= 60
        shown.leave(lambda: shown.process.send_signal(signal.SIGINT))


def test_a_pipe_gets_one_view(mount_with: MountWith) -> None:
    mount = mount_with()
    with pytest.raises(OSError, match="not supported"):
        os.symlink("a", mount.path / "link")
    for words in ((str(mount.path),), (str(mount.path / ""), "--once")):
        told = top(*words, "--interval=0.1").stdout
        assert str(mount.path)[-60:] in told, "of a long path the end is shown"
        assert f"s3://{mount.bucket}/{mount.prefix}" in told
        assert "\x1b" not in told
        assert "symlink /link: EOPNOTSUPP" in told
        assert "Copy the file" in told
        assert re.search(r"^buffers .* of 512 MiB", told, re.MULTILINE)
    (document,) = map(json.loads, top(str(mount.path), "--json", "--once").stdout.splitlines())
    assert document["errors"][0]["path"] == "/link"
    assert document["mount"] == str(mount.path)


def test_a_mount_that_goes_is_said_and_comes_back(mount_with: MountWith) -> None:
    mount = mount_with("--supervise")
    with screen(str(mount.path), "--interval=0.2") as shown, Documents(mount.path) as documents:
        shown.wait_for("Programs")
        first = mount.status()["pid"]
        os.kill(first, signal.SIGKILL)
        again = documents.wait_for(
            lambda one: one.get("status", {}).get("pid") not in (None, first)
        )
        assert again["per_second"]["written_bytes"] == 0
        shown.wait_for("mounted anew once")
        mount.process.send_signal(signal.SIGTERM)
        shown.wait_for("PHFS is not mounted at ")
        gone = documents.wait_for(lambda one: "gone" in one)
        assert gone["gone"] == f"PHFS is not mounted at {mount.path}."
        mount.wait()
        mount.stop()
        again_mounted = Mounted(mount.place, mount.s3, _directory(mount), (), None)
        try:
            shown.wait_for("Programs")
            documents.wait_for(lambda one: "status" in one)
            shown.leave(lambda: os.write(shown.end, b"q"))
        finally:
            again_mounted.stop()
    top(str(mount.path), code=2)


def _directory(mount: Mounted) -> Path:
    """Where another mount has the same mount point."""
    mount.path.rmdir()
    return mount.path.parent


def test_a_mount_that_hangs_is_said(mount_with: MountWith) -> None:
    mount = mount_with()
    os.kill(mount.process.pid, signal.SIGSTOP)
    try:
        told = top(str(mount.path), "--once", code=1).stderr
    finally:
        os.kill(mount.process.pid, signal.SIGCONT)
    assert f"The mount at {mount.path} does not answer." in told


def test_a_dead_mount_is_said(mount_with: MountWith) -> None:
    mount = mount_with()
    mount.process.kill()
    mount.process.wait()
    told = top(str(mount.path), code=1).stderr
    assert f"The mount at {mount.path} cannot be asked" in told
    detach(mount.path)
    assert not is_mounted(mount.path)
    mount.stop(code=-signal.SIGKILL)


PAGE = Path(__file__).parents[2] / "docs/status.md"


def test_the_status_is_what_the_page_says(mount_with: MountWith) -> None:
    """Every name is on the page, and every name on the page is there."""
    mount = mount_with()
    with (mount.path / "open.bin").open("wb") as file:
        file.write(b"x")
        file.flush()
        told = mount.status()
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text(), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {name.partition(".")[0] for name in documented} == set(told)
    for topic in ("memory", "open", "process", "programs", "uploads"):
        named = {name.partition(".")[2] for name in documented if name.startswith(f"{topic}.")}
        assert named == set(told[topic]), topic
    inner = set(re.findall(r"`([^`]+)`", PAGE.read_text()))
    for values in (
        told["unsaved"][0],
        told["requests_under_way"],
        told["slowest_requests"][0],
        told["operations"]["lookup"],
    ):
        assert set(values) <= inner, set(values) - inner
