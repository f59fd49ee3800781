"""Uploads in pieces: two are never mixed, and one that is given up leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.web import HTTPError

from phfs.jupyter.uploads import FORGOTTEN_SECONDS, LAST, Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    """Uploads into ``tmp_path``, of files ``a`` to ``c``; they may be begun anew after a minute."""
    made = Uploads(str(tmp_path), 60.0)
    yield made
    for name in "abc":
        made.drop(name)


def begin(uploads: Uploads, target: Path) -> None:
    uploads.begin(target.name, str(target))


def send(uploads: Uploads, target: Path, chunk: int, data: bytes) -> int:
    upload = uploads.expect(target.name, chunk)
    size = uploads.keep(target.name, upload, data)
    uploads.await_next(upload)
    return size


def test_the_file_is_there_with_the_last_piece(uploads: Uploads, tmp_path: Path) -> None:
    target = tmp_path / "a"
    begin(uploads, target)
    assert send(uploads, target, 1, b"one") == 3
    assert send(uploads, target, 2, b"two") == 6
    last = uploads.expect("a", LAST)
    assert uploads.keep("a", last, b"three") == 11
    assert list(tmp_path.iterdir()) == []
    uploads.publish(last, str(target))
    assert target.read_bytes() == b"onetwothree"


def test_one_that_is_busy_is_not_given_up_for_another(uploads: Uploads, tmp_path: Path) -> None:
    target = tmp_path / "a"
    begin(uploads, target)
    upload = uploads.expect("a", 1)
    upload.heard -= 2 * FORGOTTEN_SECONDS
    with pytest.raises(HTTPError, match="is being uploaded already"):
        begin(uploads, target)
    with pytest.raises(HTTPError, match="Upload the file again"):
        uploads.expect("a", 2)
    assert uploads.keep("a", upload, b"one") == 3
    uploads.await_next(upload)
    assert send(uploads, target, 2, b"two") == 6


def test_one_that_is_saved_is_saved_though_nobody_waits(uploads: Uploads, tmp_path: Path) -> None:
    target = tmp_path / "a"
    begin(uploads, target)
    send(uploads, target, 1, b"one")
    upload = uploads.expect("a", LAST)
    upload.saving = True
    uploads.drop("a")
    uploads.publish(upload, str(target))
    assert target.read_bytes() == b"one"
    assert upload.spool.closed


def test_the_same_name_may_be_begun_after_a_silence(uploads: Uploads, tmp_path: Path) -> None:
    target = tmp_path / "a"
    begin(uploads, target)
    old = uploads.expect("a", 1)
    uploads.await_next(old)
    with pytest.raises(HTTPError, match="try again in 60 seconds"):
        begin(uploads, target)
    assert old.spool.tell() == 0, "it is open"
    old.heard -= 60.0
    begin(uploads, target)
    assert old.spool.closed
    assert send(uploads, target, 1, b"new") == 3


def test_what_is_forgotten_is_given_up_when_another_begins(
    uploads: Uploads, tmp_path: Path
) -> None:
    begin(uploads, tmp_path / "a")
    begin(uploads, tmp_path / "b")
    old = uploads.expect("a", 1)
    uploads.await_next(old)
    old.heard -= FORGOTTEN_SECONDS + 1
    begin(uploads, tmp_path / "c")
    assert old.spool.closed
    with pytest.raises(HTTPError, match="not here any more"):
        uploads.expect("a", 2)
    assert not uploads.expect("b", 1).spool.closed
