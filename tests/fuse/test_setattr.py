from __future__ import annotations

from typing import NamedTuple, cast

import pyfuse3
import pytest

from tests.fuse.conftest import NOBODY, Boundary
from tests.fuse.fake import HANDLE

A = pyfuse3.InodeT(2)
FH = pyfuse3.FileHandleT(HANDLE)


class Fields(NamedTuple):
    """What pyfuse3.SetattrFields says, which only pyfuse3 can fill in."""

    update_atime: bool = False
    update_mtime: bool = False
    update_ctime: bool = False
    update_mode: bool = False
    update_uid: bool = False
    update_gid: bool = False
    update_size: bool = False


async def setattr_(
    boundary: Boundary, fields: Fields, fh: pyfuse3.FileHandleT | None
) -> pyfuse3.EntryAttributes:
    wanted = pyfuse3.EntryAttributes()
    wanted.st_size = 100
    wanted.st_mode = pyfuse3.ModeT(0o100777)
    wanted.st_uid = 5
    wanted.st_mtime_ns = 1
    known = cast(pyfuse3.SetattrFields, fields)
    return await boundary.operations.setattr(A, wanted, known, fh, NOBODY)


@pytest.mark.parametrize(
    "fields",
    [
        Fields(update_mode=True),
        Fields(update_uid=True, update_gid=True),
        Fields(update_atime=True, update_mtime=True, update_ctime=True),
    ],
    ids=["chmod", "chown", "utimens"],
)
async def test_what_an_object_has_not_is_accepted_and_changes_nothing(
    boundary: Boundary, fields: Fields
) -> None:
    entry = await setattr_(boundary, fields, None)
    assert boundary.volume.calls == [("getattr", 2, None)]
    assert (entry.st_mode, entry.st_uid, entry.st_size) == (0o100640, 1000, 1_025)
    assert entry.st_mtime_ns == 1_700_000_001_000_000_000


@pytest.mark.parametrize("fh", [None, FH])
async def test_a_size_truncates(boundary: Boundary, fh: pyfuse3.FileHandleT | None) -> None:
    entry = await setattr_(boundary, Fields(update_size=True, update_mode=True), fh)
    assert boundary.volume.calls == [("truncate", 2, 100, fh)]
    assert (entry.st_size, entry.st_mode) == (100, 0o100640)
