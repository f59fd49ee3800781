"""Uploads under way are written down, and those of the dead are thrown away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from phfs.core.objects import Attributes, UploadId
from phfs.errors import ConfigError, NoSuchUpload, ServerFault
from phfs.s3.faults import FaultyStore
from phfs.s3.journal import (
    COMPACT_BYTES,
    JournaledStore,
    UploadJournal,
    abort_leftovers,
    noted,
)
from phfs.s3.leftovers import WAIT_SECONDS, end_leftovers
from phfs.s3.memory import MemoryStore

PLAIN = Attributes()
ORIGIN = "http://localhost:9000/bucket/groups/lab/"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[UploadJournal]:
    opened = UploadJournal(tmp_path, ORIGIN)
    yield opened
    opened.close()


@pytest.fixture
def store(memory: MemoryStore, journal: UploadJournal) -> JournaledStore:
    return JournaledStore(memory, journal)


def entries(journal: UploadJournal) -> list[dict[str, object]]:
    return [json.loads(line) for line in journal.path.read_text().splitlines()]


def die(directory: Path, memory: MemoryStore, uploads: dict[UploadId, str]) -> Path:
    """Leaves behind what a process that was killed with ``uploads`` under way leaves behind."""
    journal = UploadJournal(directory, ORIGIN)
    for upload, key in uploads.items():
        journal.begun(key, upload)
    journal.close()
    assert journal.path.exists()
    return journal.path


async def test_an_upload_stands_in_the_journal_from_begin_to_end(
    store: JournaledStore, journal: UploadJournal
) -> None:
    assert entries(journal) == [{"origin": ORIGIN, "pid": os.getpid()}]
    upload = await store.create_upload("d/é", PLAIN)
    assert entries(journal)[1:] == [{"begun": upload, "key": "d/é"}]
    part = await store.put_part("d/é", upload, 1, [b"x"])
    await store.complete_upload("d/é", upload, [part])
    aborted = await store.create_upload("b", PLAIN)
    await store.abort_upload("b", aborted)
    assert entries(journal)[2:] == [
        {"ended": upload},
        {"begun": aborted, "key": "b"},
        {"ended": aborted},
    ]


async def test_an_upload_the_store_does_not_know_has_ended(
    store: JournaledStore, journal: UploadJournal, memory: MemoryStore
) -> None:
    upload = await store.create_upload("a", PLAIN)
    part = await store.put_part("a", upload, 1, [b"x"])
    await memory.abort_upload("a", upload)
    with pytest.raises(NoSuchUpload):
        await store.complete_upload("a", upload, [part])
    assert entries(journal)[-1] == {"ended": upload}


async def test_a_failed_abort_is_not_an_end(memory: MemoryStore, journal: UploadJournal) -> None:
    faulty = FaultyStore(memory)
    store = JournaledStore(faulty, journal)
    upload = await store.create_upload("a", PLAIN)
    faulty.fail(ServerFault("broken"), kind="abort_upload")
    with pytest.raises(ServerFault):
        await store.abort_upload("a", upload)
    assert entries(journal)[-1] == {"begun": upload, "key": "a"}


def test_nothing_under_way_leaves_no_file(tmp_path: Path) -> None:
    journal = UploadJournal(tmp_path, ORIGIN)
    journal.begun("a", UploadId("1"))
    journal.ended(UploadId("1"))
    journal.close()
    assert list(tmp_path.iterdir()) == []


async def test_uploads_of_the_dead_are_aborted_and_the_file_removed(
    tmp_path: Path, memory: MemoryStore
) -> None:
    uploads = {await memory.create_upload(key, PLAIN): key for key in ("a", "b")}
    kept = await memory.create_upload("c", PLAIN)
    die(tmp_path, memory, uploads)
    assert await abort_leftovers(memory, tmp_path, ORIGIN) == 2
    assert list(memory.uploads) == [kept]
    assert list(tmp_path.iterdir()) == []
    assert await abort_leftovers(memory, tmp_path, ORIGIN) == 0


async def test_uploads_of_the_living_are_left_alone(
    store: JournaledStore, journal: UploadJournal, memory: MemoryStore, tmp_path: Path
) -> None:
    upload = await store.create_upload("a", PLAIN)
    assert await abort_leftovers(memory, tmp_path, ORIGIN) == 0
    assert list(memory.uploads) == [upload]
    assert journal.path.exists()


async def test_other_places_are_left_alone(tmp_path: Path, memory: MemoryStore) -> None:
    upload = await memory.create_upload("a", PLAIN)
    path = die(tmp_path, memory, {upload: "a"})
    assert await abort_leftovers(memory, tmp_path, ORIGIN + "other/") == 0
    assert path.exists()
    assert upload in memory.uploads


@pytest.mark.expects_log
async def test_what_cannot_be_aborted_is_left_for_the_next_start(
    tmp_path: Path, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    uploads = {await memory.create_upload(key, PLAIN): key for key in ("a", "b")}
    path = die(tmp_path, memory, uploads)
    faulty = FaultyStore(memory)
    faulty.fail(ServerFault("broken"), kind="abort_upload")
    assert await abort_leftovers(faulty, tmp_path, ORIGIN) == 1
    assert path.exists()
    assert "unfinished upload of a stays for now: broken" in caplog.text
    assert await abort_leftovers(memory, tmp_path, ORIGIN) == 2
    assert dict(memory.uploads) == {}
    assert not path.exists()


@pytest.mark.parametrize("torn", [b'{"begun": "x', b'{"ended": "', b"\xff", b"7", b"{}"])
async def test_a_torn_last_line_is_tolerated(
    tmp_path: Path, memory: MemoryStore, torn: bytes
) -> None:
    upload = await memory.create_upload("a", PLAIN)
    path = die(tmp_path, memory, {upload: "a"})
    with path.open("ab") as file:
        file.write(torn)
    assert await abort_leftovers(memory, tmp_path, ORIGIN) == 1
    assert dict(memory.uploads) == {}
    assert not path.exists()


KILLED = """
import sys
from pathlib import Path
from phfs.s3.journal import UploadJournal
journal = UploadJournal(Path(sys.argv[1]), sys.argv[2])
journal.begun("a", sys.argv[3])
print("written", flush=True)
sys.stdin.read()
"""


async def test_the_lock_ends_with_the_process(tmp_path: Path, memory: MemoryStore) -> None:
    upload = await memory.create_upload("a", PLAIN)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), ORIGIN, upload],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        assert await abort_leftovers(memory, tmp_path, ORIGIN) == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert await abort_leftovers(memory, tmp_path, ORIGIN) == 1
    assert dict(memory.uploads) == {}


def test_a_long_life_does_not_fill_the_disk(journal: UploadJournal) -> None:
    key = "k" * 1000
    for number in range(2 * COMPACT_BYTES // len(key)):
        journal.begun(key, UploadId(str(number)))
        journal.ended(UploadId(str(number)))
    assert journal.path.stat().st_size < COMPACT_BYTES + 2 * len(key)
    assert entries(journal)[0]["origin"] == ORIGIN


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_directory_that_cannot_be_used_is_a_config_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=f"{tmp_path}/{name} cannot be used") as caught:
        UploadJournal(tmp_path / name, ORIGIN)
    assert "--state-dir" in caught.value.advice


@pytest.mark.expects_log
async def test_it_is_tried_until_the_store_is_there(
    tmp_path: Path, memory: MemoryStore, autojump_clock: MockClock
) -> None:
    path = die(tmp_path, memory, {await memory.create_upload("a", PLAIN): "a"})
    faulty = FaultyStore(memory)
    faulty.fail(ServerFault("broken"), kind="abort_upload", times=3)
    begun = trio.current_time()
    await end_leftovers(faulty, tmp_path, ORIGIN)
    assert trio.current_time() - begun == WAIT_SECONDS * (1 + 2 + 4)
    assert dict(memory.uploads) == {}
    assert not path.exists()


async def test_what_the_living_have_under_way_is_not_waited_for(
    store: JournaledStore, memory: MemoryStore, tmp_path: Path
) -> None:
    upload = await store.create_upload("a", PLAIN)
    await end_leftovers(memory, tmp_path, ORIGIN)
    (known,) = noted(tmp_path, ORIGIN)
    assert (known.key, known.upload, known.living) == ("a", upload, True)
