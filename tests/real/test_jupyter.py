"""What a JupyterLab user meets on a mount: a real Jupyter server, asked as JupyterLab asks it.

``plain`` is a server as it is installed, ``configured`` one with the lines of
``docs/how-to/notebook.md``; both have the same mount as their root.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.real.conftest import MountWith
from tests.support.console import run, sessions
from tests.support.effort import Effort
from tests.support.jupyter import PIECE, Jupyter, pieces
from tests.support.minio import MinioServer
from tests.support.mounted import Mounted
from tests.support.outside import s3_command
from tests.support.processes import poll_until

pytestmark = pytest.mark.real

DOCUMENT = (Path(__file__).parents[2] / "docs/how-to/notebook.md").read_text()
LINES = re.findall(r"^c\..*", DOCUMENT, re.MULTILINE)
TWO_LINES, ALWAYS_DELETE = LINES[:2], LINES[2:]

LARGE = os.urandom(2 * PIECE + PIECE // 2)
"""Three pieces."""

Start = Callable[..., Jupyter]

_numbers = itertools.count(1)


def starting(directory: Path) -> Iterator[Start]:
    """Starts servers, and stops them all at the end."""
    with ExitStack() as servers:

        def start(root: Path, *lines: str) -> Jupyter:
            own = directory / f"jupyter-{next(_numbers)}"
            own.mkdir()
            server = Jupyter(own, root, *lines)
            servers.callback(server.stop)
            return server

        yield start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Servers of the test's own: ``start(root, "c.…")``."""
    yield from starting(tmp_path)


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """The same for the servers that all tests share; they end before the mount does."""
    yield from starting(tmp_path_factory.mktemp("jupyter"))


@pytest.fixture(scope="module")
def plain(mounted: Mounted, start_shared: Start) -> Jupyter:
    """A server as it is installed."""
    return start_shared(mounted.path)


@pytest.fixture(scope="module")
def configured(mounted: Mounted, start_shared: Start) -> Jupyter:
    """A server with the document's two lines."""
    return start_shared(mounted.path, *TWO_LINES)


@pytest.fixture(params=["plain", "configured"])
def server(request: pytest.FixtureRequest) -> Jupyter:
    """Each of the two."""
    found: Jupyter = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def here(mounted: Mounted) -> str:
    """A directory of the test's own on the shared mount."""
    name = f"test-{next(_numbers)}"
    (mounted.path / name).mkdir()
    return name


def notebook(source: str) -> dict[str, Any]:
    """A notebook with one cell."""
    cell = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]
    made: dict[str, Any] = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
    return made


def source_of(text: bytes) -> str:
    """The source of a stored notebook's cell. Raises if it is not a whole, valid notebook."""
    found = nbformat.reads(text.decode(), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(found)
    return str(found.cells[0].source)


# -- what works either way -------------------------------------------------------------------------


def test_browsing(mounted: Mounted, server: Jupyter, here: str) -> None:
    mounted.put(f"{here}/data/a.csv", b"1,2\n")
    mounted.put(f"{here}/b.bin", bytes(range(256)))
    mounted.put(f"{here}/.hidden", b"")
    assert server.names(here) == {"data", "b.bin"}
    assert server.get(f"{here}/data/a.csv", content=1).body["content"] == "1,2\n"
    opened = server.get(f"{here}/b.bin", content=1).body
    assert (opened["format"], opened["size"]) == ("base64", 256)
    mounted.delete(f"{here}/b.bin")
    assert server.get(f"{here}/b.bin", content=1).status == 404
    assert server.names(here) == {"data"}


def test_the_explanations_do_not_disturb_browsing(server: Jupyter, here: str) -> None:
    names = server.names("")
    assert here in names
    assert ".phfs" not in names
    assert server.get(".phfs", content=1).status == 404
    assert server.save(".phfs", "text").status == 400
    assert server.contents("DELETE", ".phfs").status == 400


def test_text_files(mounted: Mounted, server: Jupyter, here: str) -> None:
    made = server.contents("POST", here, {"type": "file", "ext": ".txt"})
    assert (made.status, made.body["path"]) == (201, f"{here}/untitled.txt")
    assert mounted.get(f"{here}/untitled.txt") == b""
    for text in ("first\n", "a second, longer version\n", "3\n", ""):
        assert server.save(f"{here}/untitled.txt", text).status == 200
        assert mounted.get(f"{here}/untitled.txt") == text.encode()
        assert server.get(f"{here}/untitled.txt", content=1).body["content"] == text
    assert mounted.keys(here) == [f"{here}/", f"{here}/untitled.txt"]


def test_a_notebook_and_its_checkpoint(mounted: Mounted, server: Jupyter, here: str) -> None:
    made = server.contents("POST", here, {"type": "notebook"})
    path, checkpoints = f"{here}/Untitled.ipynb", f"{here}/Untitled.ipynb/checkpoints"
    assert (made.status, made.body["path"]) == (201, path)
    assert server.save_notebook(path, notebook("one")).status == 200
    assert server.contents("POST", checkpoints).status == 201
    assert server.save_notebook(path, notebook("two")).status == 200
    assert source_of(mounted.get(path)) == "two"
    assert server.get(path, content=1).body["content"]["cells"][0]["source"] == "two"
    (kept,) = server.contents("GET", checkpoints).body
    key = f"{here}/.ipynb_checkpoints/Untitled-checkpoint.ipynb"
    assert source_of(mounted.get(key)) == "one"
    assert server.contents("POST", f"{checkpoints}/{kept['id']}").status == 204
    assert source_of(mounted.get(path)) == "one"
    assert server.contents("DELETE", f"{checkpoints}/{kept['id']}").status == 204
    assert mounted.keys(here) == [f"{here}/", f"{here}/.ipynb_checkpoints/", path]


def test_a_notebook_that_cannot_be_written_leaves_the_version_before(
    mounted: Mounted, server: Jupyter, here: str
) -> None:
    path = f"{here}/a.ipynb"
    assert server.save_notebook(path, notebook("one")).status == 201
    assert server.save_notebook(path, notebook("half of a pair: \ud800")).status == 500
    assert source_of(mounted.get(path)) == "one"
    assert server.save_notebook(path, notebook("two")).status == 200
    assert source_of(mounted.get(path)) == "two"


def test_renaming_moving_and_copying(mounted: Mounted, server: Jupyter, here: str) -> None:
    assert server.contents("POST", here, {"type": "directory"}).status == 201
    assert server.rename(f"{here}/Untitled Folder", f"{here}/work").status == 200
    assert server.save_notebook(f"{here}/a.ipynb", notebook("one")).status == 201
    assert server.rename(f"{here}/a.ipynb", f"{here}/work/b.ipynb").status == 200
    assert server.rename(f"{here}/work/b.ipynb", f"{here}/work").status == 409
    copied = server.contents("POST", f"{here}/work", {"copy_from": f"{here}/work/b.ipynb"})
    assert (copied.status, copied.body["name"]) == (201, "b-Copy1.ipynb")
    assert server.rename(f"{here}/work", f"{here}/done").status == 200
    assert server.contents("POST", here, {"copy_from": f"{here}/done"}).status == 201
    for directory in ("done", "done-Copy1"):
        for name in ("b.ipynb", "b-Copy1.ipynb"):
            assert source_of(mounted.get(f"{here}/{directory}/{name}")) == "one"
    assert mounted.keys(f"{here}/work") == []
    assert server.names(here) == {"done", "done-Copy1"}


@pytest.mark.parametrize("size", [0, 1000, PIECE])
def test_an_upload_that_is_sent_whole(
    mounted: Mounted, server: Jupyter, here: str, size: int
) -> None:
    assert server.upload(f"{here}/a.bin", LARGE[:size]).ok
    assert mounted.get(f"{here}/a.bin") == LARGE[:size]


def test_a_reader_sees_whole_notebooks_while_it_is_saved(
    mounted: Mounted, server: Jupyter, here: str
) -> None:
    path = f"{here}/a.ipynb"
    sources = [f"{number} " + "x" * 100_000 for number in range(5)]
    assert server.save_notebook(path, notebook(sources[0])).status == 201
    stop, seen, refusals = threading.Event(), set[str](), set[str | None]()

    def read() -> None:
        ended = False
        while not ended:
            ended = stop.is_set()  # once more, when nobody writes
            try:
                seen.add(source_of((mounted.path / path).read_bytes()))
            except OSError as error:
                refusals.add(error.strerror)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            saved = [server.save_notebook(path, notebook(source)) for source in sources]
        finally:
            stop.set()
        reading.result()
    assert seen
    assert seen <= set(sources)
    assert refusals <= {"Device or resource busy", "Stale file handle"}
    refused = [answer for answer in saved if answer.status != 200]
    assert all("busy" in it.message or "is being read" in it.message for it in refused)
    assert server.save_notebook(path, notebook("last")).status == 200
    assert source_of(mounted.get(path)) == "last"


def test_a_notebook_that_a_program_has_written(
    mounted: Mounted, server: Jupyter, here: str
) -> None:
    path = f"{here}/a.ipynb"
    for source in ("one", "two"):
        nbformat.write(notebook(source), mounted.path / path)  # type: ignore[no-untyped-call]
        assert server.get(path, content=1).body["content"]["cells"][0]["source"] == source


def test_downloading(mounted: Mounted, server: Jupyter, here: str) -> None:
    mounted.put(f"{here}/a b.bin", LARGE)
    assert server.download(f"{here}/a b.bin") == LARGE


def test_a_directory_of_many_files_is_not_asked_for_file_by_file(
    mount_with: MountWith, start: Start
) -> None:
    mounted = mount_with()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: mounted.put(f"many/{number}", b"x"), range(1000)))
    server = start(mounted.path, *TWO_LINES)
    assert len(server.names("many")) == 1000
    requests = mounted.status()["requests"]
    assert requests["requests.list"] + requests["requests.head"] < 500, requests


# -- "file changed on disk" ------------------------------------------------------------------------


def test_the_time_of_a_file_changes_when_the_file_does(
    mounted: Mounted, server: Jupyter, here: str
) -> None:
    path = f"{here}/a.txt"
    saved = server.save(path, "one").body["last_modified"]
    model = server.get(path, content=0, hash=1).body
    # This mount asks the store each time: what it says and what the save's answer said agree.
    for _ in range(10):
        assert server.get(path, content=0).body["last_modified"] == saved
        assert server.get(here, content=1).body["content"][0]["last_modified"] == saved
    mounted.put(path, b"two")
    assert server.get(path, content=0, hash=1).body["hash"] != model["hash"]


def test_a_mount_made_anew_makes_no_file_look_changed(mount_with: MountWith, start: Start) -> None:
    mounted = mount_with()
    server = start(mounted.path, *TWO_LINES)
    saved = server.save("a.txt", "one").body
    known = server.get("a.txt", content=0, hash=1).body
    server.stop()
    mounted.stop()
    again = start(mount_with(place=mounted.place).path, *TWO_LINES)
    found = again.get("a.txt", content=0, hash=1).body
    # JupyterLab asks when the time on disk is the later one.
    assert found["last_modified"] <= saved["last_modified"]
    assert found["hash"] == known["hash"]


def test_what_is_saved_on_another_mount_is_a_change(mount_with: MountWith, start: Start) -> None:
    mine, theirs = mount_with("--metadata-ttl=0"), mount_with()
    theirs.stop()
    theirs = mount_with(place=mine.place)
    server, other = start(mine.path, *TWO_LINES), start(theirs.path)
    assert server.save("a.txt", "mine").status == 201
    known = server.get("a.txt", content=0, hash=1).body
    assert other.get("a.txt", content=1).body["content"] == "mine"
    assert other.save("a.txt", "theirs").status == 200
    found = server.get("a.txt", content=1, hash=1).body
    assert found["content"] == "theirs"
    assert found["hash"] != known["hash"]


# -- large uploads ---------------------------------------------------------------------------------


def test_without_the_lines_a_large_upload_fails_and_leaves_its_first_piece(
    mounted: Mounted, plain: Jupyter, here: str
) -> None:
    answer = plain.upload(f"{here}/a.bin", LARGE)
    assert answer.status == 500
    assert "Operation not supported" in answer.message
    assert mounted.get(f"{here}/a.bin") == LARGE[:PIECE]
    failure = mounted.errors()[0]
    assert failure["path"] == f"/{here}/a.bin"
    assert "cannot be appended to" in failure["why"]


def test_a_large_upload_is_there_when_it_is_whole(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    path = f"{here}/a.csv"
    (*first, last) = pieces(LARGE)
    for number, piece in first:
        answer = configured.piece(path, piece, number)
        assert (answer.ok, answer.body["size"]) == (True, number * PIECE)
        assert mounted.keys(here) == [f"{here}/"]
        assert configured.names(here) == set()
    answer = configured.piece(path, last[1], last[0])
    assert answer.ok
    assert answer.body["size"] == len(LARGE)
    assert mounted.get(path) == LARGE
    head = mounted.s3.head_object(Bucket=mounted.bucket, Key=mounted.prefix + path)
    assert head["ContentType"] == "text/csv"


def test_a_large_notebook_is_uploaded(mounted: Mounted, configured: Jupyter, here: str) -> None:
    path, text = f"{here}/a.ipynb", json.dumps(notebook("x" * 2 * PIECE))
    assert configured.upload(path, text.encode()).ok
    assert source_of(mounted.get(path)) == "x" * 2 * PIECE
    assert configured.get(path, content=1).body["type"] == "notebook"


def test_the_version_before_is_read_until_the_upload_is_whole(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    path = f"{here}/a.bin"
    assert configured.upload(path, b"before").ok
    (*first, last) = pieces(LARGE)
    for number, piece in first:
        assert configured.piece(path, piece, number).ok
        assert (mounted.path / path).read_bytes() == b"before"
    assert configured.piece(path, last[1], last[0]).ok
    assert (mounted.path / path).read_bytes() == LARGE


def test_an_upload_over_a_file_that_is_read_is_refused_with_the_reason(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    path = f"{here}/a.bin"
    mounted.put(path, b"before" * 50_000)
    with (mounted.path / path).open("rb") as reader:
        reader.read(1)
        answer = configured.upload(path, LARGE)
        assert answer.status == 500
        assert answer.message == (
            f"/{path} is being read by another program and cannot be overwritten now. "
            "Wait until the other program has closed the file, then try again."
        )
    assert mounted.get(path) == b"before" * 50_000
    assert configured.upload(path, LARGE).ok
    assert mounted.get(path) == LARGE


def test_an_upload_that_is_broken_off_leaves_nothing(
    mounted: Mounted, start: Start, here: str, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    lines = (*TWO_LINES, f"c.PhfsContentsManager.spool_dir = {str(spool)!r}")
    server = start(mounted.path, *lines)
    path = f"{here}/a.bin"
    (*first, last) = pieces(LARGE)
    for number, piece in first:
        assert server.piece(path, piece, number).ok
    server.stop(signal.SIGKILL)
    assert list(spool.iterdir()) == []
    assert mounted.keys(here) == [f"{here}/"]
    server = start(mounted.path, *lines)
    answer = server.piece(path, last[1], last[0])
    assert answer.status == 400
    assert "Upload the file again" in answer.message
    assert mounted.keys(here) == [f"{here}/"]
    assert server.upload(path, LARGE).ok
    assert mounted.get(path) == LARGE


@pytest.mark.torture
def test_a_server_that_is_stopped_at_the_last_piece_leaves_all_or_nothing(
    mounted: Mounted, start: Start, here: str, effort: Effort
) -> None:
    data = LARGE * effort.of(quick=8, long=32)
    stops, whole = effort.of(quick=1, long=10), 0
    for stop in range(stops):
        server, path = start(mounted.path, *TWO_LINES), f"{here}/{stop}.bin"
        (*first, last) = pieces(data)
        for number, piece in first:
            assert server.piece(path, piece, number).ok
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(server.piece, path, last[1], last[0])
            time.sleep(0.02 * stop)  # a moment for each, all of them right
            server.stop()
            sent.exception()
        if path in mounted.keys(here):
            assert mounted.get(path) == data
            whole += 1
    effort.record("Jupyter stopped at the last piece", stops=stops, whole=whole, truncated=0)


def test_two_uploads_of_one_name_do_not_mix(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    path, others = f"{here}/a.bin", LARGE[::-1]
    (*first, last) = pieces(LARGE)
    for number, piece in first:
        assert configured.piece(path, piece, number).ok
        answer = configured.upload(path, others)
        assert answer.status == 409
        assert answer.message.startswith(f"{path} is being uploaded already")
    assert configured.piece(path, last[1], last[0]).ok
    assert mounted.get(path) == LARGE
    assert configured.upload(path, others).ok
    assert mounted.get(path) == others


def test_a_silent_upload_may_be_begun_anew(mounted: Mounted, start: Start, here: str) -> None:
    server = start(mounted.path, *TWO_LINES, "c.PhfsContentsManager.silent_seconds = 0")
    path = f"{here}/a.bin"
    assert server.piece(path, LARGE[:PIECE], 1).ok
    assert server.piece(path, LARGE[PIECE : 2 * PIECE], 2).ok
    assert server.upload(path, LARGE[::-1]).ok
    assert mounted.get(path) == LARGE[::-1]


@pytest.mark.parametrize("numbers", [(1, 3), (1, 2, 2), (1, 0), (2,), (-1,)], ids=str)
def test_a_piece_that_is_missed_or_sent_twice_saves_nothing(
    mounted: Mounted, configured: Jupyter, here: str, numbers: tuple[int, ...]
) -> None:
    path = f"{here}/a.bin"
    (*right, wrong) = numbers
    for number in right:
        assert configured.piece(path, b"x" * 10, number).ok
    answer = configured.piece(path, b"x" * 10, wrong)
    assert answer.status in (400, 409)
    assert "Upload the file again" in answer.message
    assert configured.piece(path, b"x" * 10, -1).status == 400
    assert mounted.keys(here) == [f"{here}/"]


def test_a_piece_that_is_no_file_saves_nothing(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    right = {"type": "file", "format": "base64", "content": "dGV4dA==", "chunk": 1}
    for wrong in (
        {"type": "notebook"},
        {"format": "json"},
        {"content": 7},
        {"content": "dGV4"[:3]},
    ):
        answer = configured.contents("PUT", f"{here}/a.bin", {**right, **wrong})
        assert answer.status == 400
        assert f"{here}/a.bin" in answer.message
    assert mounted.keys(here) == [f"{here}/"]


def test_where_an_upload_cannot_go_it_is_refused_at_the_first_piece(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    (mounted.path / here / "directory").mkdir()
    answer = configured.upload(f"{here}/directory", LARGE)
    assert (answer.status, "is a directory" in answer.message) == (400, True)
    answer = configured.upload(f"{here}/missing/a.bin", LARGE)
    assert (answer.status, "is not there" in answer.message) == (404, True)


def test_a_full_local_disk_is_named(
    mounted: Mounted, start: Start, here: str, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        line = f"c.PhfsContentsManager.spool_dir = {str(small)!r}"
        server = start(mounted.path, *TWO_LINES, line)
        answer = server.upload(f"{here}/a.bin", LARGE)
        assert answer.status == 500
        assert f"{small} of the Jupyter server" in answer.message
        assert "No space left on device" in answer.message
        assert mounted.keys(here) == [f"{here}/"]
        assert server.upload(f"{here}/a.bin", LARGE[: PIECE + 1]).ok, "room again"
        server.stop()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_what_is_on_no_mount_is_as_jupyter_has_it(
    mounted: Mounted, start: Start, here: str, tmp_path: Path
) -> None:
    root = tmp_path / "home"
    root.mkdir()
    (root / "phfs").symlink_to(mounted.path)
    (root / "mine").symlink_to(mounted.path / here)
    server = start(root, *TWO_LINES)
    assert server.piece("a.bin", LARGE[:PIECE], 1).ok
    assert (root / "a.bin").read_bytes() == LARGE[:PIECE]
    for number, piece in list(pieces(LARGE))[1:]:
        assert server.piece("a.bin", piece, number).ok
    assert (root / "a.bin").read_bytes() == LARGE
    assert server.save("a.txt", "text").status == 201
    for path in (f"phfs/{here}/a.bin", "mine/b.bin"):
        assert server.upload(path, LARGE).ok
    assert mounted.get(f"{here}/a.bin") == mounted.get(f"{here}/b.bin") == LARGE
    mounted.put(f"{here}/c.txt", b"before" * 50_000)
    with (mounted.path / here / "c.txt").open("rb") as reader:
        reader.read(1)
        answer = server.save("mine/c.txt", "after")
    assert answer.message.startswith(f"/{here}/c.txt is being read by another program")


# -- errors ----------------------------------------------------------------------------------------


def test_a_refused_save_says_why_and_leaves_nothing(
    mounted: Mounted, configured: Jupyter, here: str
) -> None:
    path = f"{here}/a.txt"
    mounted.put(path, b"before" * 50_000)
    with (mounted.path / path).open("rb") as reader:
        reader.read(1)
        answer = configured.save(path, "after")
    assert answer.status == 500
    assert answer.message.startswith(f"/{path} is being read by another program")
    assert mounted.keys(here) == [f"{here}/", path]
    assert mounted.get(path) == b"before" * 50_000


def test_without_the_lines_a_refused_save_leaves_a_copy(
    mounted: Mounted, plain: Jupyter, here: str
) -> None:
    path = f"{here}/a.txt"
    mounted.put(path, b"before" * 50_000)
    with (mounted.path / path).open("rb") as reader:
        reader.read(1)
        answer = plain.save(path, "after")
    assert (answer.status, "Device or resource busy" in answer.message) == (500, True)
    assert mounted.keys(here) == [f"{here}/", f"{here}/.~a.txt", path]
    assert mounted.get(path) == b"before" * 50_000


def test_a_name_that_is_too_long_is_named(configured: Jupyter, here: str) -> None:
    answer = configured.save(f"{here}/{'x' * 300}", "text")
    assert answer.status == 500
    assert "longer than" in answer.message
    assert "Choose a shorter name." in answer.message


@pytest.mark.parametrize("path", ["a\0b", "../outside", "../../etc/passwd"])
def test_what_is_no_path_is_as_jupyter_has_it(
    plain: Jupyter, configured: Jupyter, path: str
) -> None:
    of_both = [(it.get(path, content=1), it.save(path, "x")) for it in (plain, configured)]
    assert of_both[0] == of_both[1]
    assert all(answer.status >= 400 for answer in of_both[0])


def test_a_read_only_mount(mount_with: MountWith, start: Start) -> None:
    mounted = mount_with("--read-only")
    mounted.put("a.txt", b"text")
    server = start(mounted.path, *TWO_LINES)
    assert server.get("a.txt", content=1).body["writable"] is False
    answers = {
        "save": server.save("a.txt", "other"),
        "upload": server.upload("b.bin", LARGE),
        "delete": server.contents("DELETE", "a.txt"),
        "rename": server.rename("a.txt", "c.txt"),
        "mkdir": server.contents("POST", "", {"type": "directory"}),
    }
    assert all(answer.status >= 400 for answer in answers.values()), answers
    said = {what: answer.message.lower() for what, answer in answers.items()}
    assert {what for what, words in said.items() if "read-only" in words} == set(said), said
    assert mounted.keys() == ["a.txt"]


def test_a_store_that_is_gone_is_no_missing_file(
    own_minio: MinioServer, mount_own: MountWith, start: Start
) -> None:
    mounted = mount_own("--retry-deadline=1", "--metadata-ttl=0")
    mounted.put("a.txt", b"text")
    server = start(mounted.path, *TWO_LINES)
    address = own_minio.endpoint_url.removeprefix("http://")
    own_minio.stop()
    answers = [
        server.get("", content=1),
        server.get("a.txt", content=1),
        server.save("a.txt", "other"),
    ]
    for answer in answers:
        assert answer.status == 500, answer
        assert address in answer.message, answer
    own_minio.start()
    poll_until(lambda: server.get("a.txt", content=1).status == 200, 60, lambda: server.log)
    assert mounted.get("a.txt") == b"text"
    assert server.save("a.txt", "other").ok
    assert mounted.get("a.txt") == b"other"


@pytest.mark.parametrize("ttl", [0, 60])
def test_others_are_served_while_a_save_waits_for_the_store(
    own_minio: MinioServer, mount_own: MountWith, start: Start, ttl: int
) -> None:
    """It waits for an answer about the name or, where that is known, for its bytes to be stored."""
    mounted = mount_own("--retry-deadline=300", "--timeout=300", f"--metadata-ttl={ttl}")
    server = start(mounted.path, *TWO_LINES)
    assert server.save("a.txt", "one").ok
    with ThreadPoolExecutor(2) as pool:
        own_minio.freeze()
        try:
            waiting = [
                pool.submit(server.save, "a.txt", "two"),
                pool.submit(server.save_notebook, "b.ipynb", notebook("three")),
            ]
            for _ in range(50):
                assert server.ask("GET", "/api/status").status == 200
            assert not any(future.done() for future in waiting)
        finally:
            own_minio.thaw()
        assert [future.result().status for future in waiting] == [200, 201]
    assert mounted.get("a.txt") == b"two"


def test_a_mount_that_has_died_is_no_missing_file(mount_with: MountWith, start: Start) -> None:
    mounted = mount_with()
    mounted.put("a.txt", b"text")
    server = start(mounted.path, *TWO_LINES)
    assert server.get("a.txt", content=1).status == 200
    mounted.process.kill()
    mounted.process.wait()
    answer = server.get("a.txt", content=1)
    assert answer.status == 500
    assert answer.message.startswith(f"The mount at {mounted.path} does not answer: Transport")
    server.stop()
    mounted.kill()
    mounted.stop(code=-signal.SIGKILL)


# -- deleting --------------------------------------------------------------------------------------


def test_without_the_lines_what_is_deleted_stays_in_the_bucket(
    mounted: Mounted, plain: Jupyter, here: str
) -> None:
    mounted.put(f"{here}/a.txt", b"text")
    mounted.put(f"{here}/b/c.txt", b"text")
    assert plain.contents("DELETE", f"{here}/a.txt").status == 204
    assert plain.contents("DELETE", f"{here}/b").status == 204
    assert plain.names(here) == set()
    trash = f".Trash-{os.getuid()}/files"
    assert {f"{trash}/a.txt", f"{trash}/b/c.txt"} <= set(mounted.keys(trash))


def test_without_the_lines_a_large_directory_is_fetched_to_the_home(
    mount_with: MountWith, start: Start
) -> None:
    mounted = mount_with("--rename-limit=2", "--metadata-ttl=0")
    for number in range(3):
        mounted.put(f"big/{number}", b"text")
    server = start(mounted.path)
    assert server.contents("DELETE", "big").status == 204
    kept = server.home / ".local/share/Trash/files/big"
    assert {path.name for path in kept.iterdir()} == {"0", "1", "2"}
    assert mounted.keys("big") == []


def test_with_the_lines_it_is_gone(mounted: Mounted, configured: Jupyter, here: str) -> None:
    path = f"{here}/a.ipynb"
    assert configured.save_notebook(path, notebook("one")).status == 201
    mounted.put(f"{here}/b/c.txt", b"text")
    assert configured.contents("DELETE", path).status == 204
    answer = configured.contents("DELETE", f"{here}/b")
    assert (answer.status, "not empty" in answer.message) == (400, True)
    assert configured.contents("DELETE", f"{here}/b/c.txt").status == 204
    assert configured.contents("DELETE", f"{here}/b").status == 204
    assert mounted.keys(here) == [f"{here}/", f"{here}/.ipynb_checkpoints/"]


def test_with_the_third_line_a_full_directory_is_deleted(
    mounted: Mounted, start: Start, here: str
) -> None:
    server = start(mounted.path, *TWO_LINES, *ALWAYS_DELETE)
    assert server.contents("PUT", f"{here}/b", {"type": "directory"}).status == 201
    assert server.save_notebook(f"{here}/b/a.ipynb", notebook("one")).status == 201
    assert server.contents("DELETE", f"{here}/b").status == 204
    assert mounted.keys(f"{here}/b") == []


# -- the document and the module -------------------------------------------------------------------


def test_the_documents_commands(mounted: Mounted, tmp_path: Path) -> None:
    blocks = re.findall(r"^(?:## .*|```console\n[\s\S]*?```)$", DOCUMENT, re.MULTILINE)
    (session,) = sessions("\n".join(blocks))
    mounted.put(f"{session.directory}/", b"")
    (tmp_path / "tmp").mkdir()
    with s3_command(mounted, tmp_path) as commands:
        assert run(session, mounted.path, commands, tmp_path / "tmp") == []


def test_the_documents_blocks_are_all_run() -> None:
    kinds = re.findall(r"^```(\w+)", DOCUMENT, re.MULTILINE)
    assert set(kinds) == {"python", "console"}
    assert len(LINES) == 3
    assert (
        sum(len(it.splitlines()) for it in re.findall(r"```python\n(.*?)```", DOCUMENT, re.S)) == 3
    )


def test_a_jupyter_server_needs_nothing_of_a_mount() -> None:
    script = (
        "import sys, phfs.jupyter; "
        "print({'pyfuse3', 'trio', 'boto3', 'awscrt'} & {it.split('.')[0] for it in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
