"""A file is recognised again as the version it was, whatever its times say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from phfs.core.objects import UploadId
from phfs.errors import Stale
from phfs.files import local
from phfs.s3.faults import FaultyStore
from phfs.s3.journal import UploadJournal
from phfs.s3.resumable import Records
from tests.files.copies import LARGE, ORIGIN, Copying, held, memory, plant
from tests.files.test_transfer import FAULT


def rewritten(path: Path, data: bytes) -> None:
    """Write to a file in its place and set its time back."""
    before = path.stat()
    # Some kernels' clocks of files tick every 4 ms.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_is_another_one_when_its_time_was_set_back(tmp_path: Path) -> None:
    path = plant(tmp_path, {"a": b"1"}) / "a"
    mark = local.mark_of(path, path.stat())
    rewritten(path, b"2")
    assert path.stat().st_mtime_ns == mark.modified
    with pytest.raises(Stale), local.opened(path, mark):
        pass


async def test_an_upload_is_not_gone_on_with_from_another_version(tmp_path: Path) -> None:
    state = plant(tmp_path / "state", {})
    path = tmp_path / "up"
    path.write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="put_part", nth=15)
    await Copying(faulty, state).cp(path, "phfs:///a")
    assert store.uploads
    rewritten(path, LARGE[::-1])
    second = Copying(faulty, state)
    await second.cp(path, "phfs:///a")
    assert "sent afresh" in second.told.said[0]
    assert held(store) == {"a": LARGE[::-1]}


def test_what_an_older_release_has_noted_is_another_version(tmp_path: Path) -> None:
    path = plant(tmp_path / "files", {"a": b"1"}) / "a"
    mark = local.mark_of(path, path.stat())
    state = plant(tmp_path / "state", {})
    journal = UploadJournal(state, ORIGIN)
    records = Records(state, ORIGIN, "", journal)
    record = records.begin("a", UploadId("u"), 1000, mark)
    assert record is not None
    record.close()
    (written,) = state.glob("resume-*")
    head = json.loads(written.read_text())
    head["source"] = head["source"][:5]
    written.write_text(json.dumps(head) + "\n")
    found = records.find("a", mark.path)
    journal.close()
    assert found is not None
    found.close()
    assert found.source != mark
