"""What a terminal would obey stands in keys and names, and never raw in what the mount says."""

from __future__ import annotations

import errno
import json
import unicodedata
from collections.abc import Awaitable

import pyfuse3
import pytest

from phfs.core.inodes import ROOT
from phfs.errors import OperationFailed
from phfs.fuse.convert import decode_name, readable_name
from phfs.fuse.explain import _json, _lines
from phfs.fuse.failures import Failures
from tests.fuse.conftest import NOBODY, Boundary

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "line\r\nbreak",
    "\x9b31m",
    "right-to-left \u202egpj.exe",
    "\u2066isolated\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "\u2028separator\u2029",
    "not UTF-8 \udce9\udcff",
    "\ufffe\uffff\U0010ffff\ue000",
    "\x00",
    "'quotes' \"double\" \\back",
]
HARMLESS = ["数据", "שלום", "🚀", "é", "plain"]


def documents(*keys: str) -> dict[str, str]:
    """What the mount shows of failures with these keys, by document."""
    failures = Failures(lambda: 1_700_000_000.0)
    for key in keys:
        failures.report(f"/{key}", "open", OperationFailed(f"/{key} failed.", f"Look at {key}."))
    status = {"ignored_keys": list(keys), "limits": {"prefix": keys[0]}, "fsname": keys[-1]}
    return {
        "errors": failures.text(),
        "errors.json": _json([failure.values() for failure in failures.newest_first()]).decode(),
        "status": "".join(line + "\n" for line in _lines(status, "")),
        "status.json": _json(status).decode(),
    }


async def refused(request: Awaitable[object]) -> int:
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await request
    return caught.value.errno


@pytest.mark.expects_log
@pytest.mark.parametrize("document", ["errors", "errors.json", "status", "status.json"])
def test_no_document_has_what_a_terminal_obeys(document: str) -> None:
    text = documents(*HOSTILE, *HARMLESS)[document]
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
    assert text.encode().decode() == text
    for key in HARMLESS:
        assert key in text
    bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")} - {"\n"}
    assert not bad


@pytest.mark.expects_log
def test_json_gives_the_keys_back() -> None:
    found = documents(*HOSTILE, *HARMLESS)
    assert json.loads(found["status.json"])["ignored_keys"] == [*HOSTILE, *HARMLESS]
    paths = [failure["path"] for failure in json.loads(found["errors.json"])]
    assert paths == [f"/{key}" for key in reversed([*HOSTILE, *HARMLESS])]


@pytest.mark.parametrize("place", ["%c", "%cx", "x%cx", "x%c"])
def test_every_byte_is_a_name_or_refused(place: str) -> None:
    for byte in range(256):
        name = place.encode().replace(b"%c", bytes([byte]))
        if byte < 0x80:
            assert decode_name(name).encode() == name
        else:
            with pytest.raises(Exception, match="is not UTF-8"):
                decode_name(name)
        assert readable_name(name).encode()


async def test_names_that_are_no_text_are_refused_everywhere(boundary: Boundary) -> None:
    ops, name = boundary.operations, pyfuse3.FileNameT(b"caf\xe9\x1b[2J")
    attempts = (
        ops.lookup(ROOT, name, NOBODY),
        ops.mkdir(ROOT, name, pyfuse3.ModeT(0o755), NOBODY),
        ops.mknod(ROOT, name, pyfuse3.ModeT(0o100644), 0, NOBODY),
        ops.create(ROOT, name, pyfuse3.ModeT(0o644), pyfuse3.FlagT(0), NOBODY),
        ops.unlink(ROOT, name, NOBODY),
        ops.rmdir(ROOT, name, NOBODY),
        ops.rename(ROOT, pyfuse3.FileNameT(b"f"), ROOT, name, pyfuse3.FlagT(0), NOBODY),
        ops.rename(ROOT, name, ROOT, pyfuse3.FileNameT(b"f"), pyfuse3.FlagT(0), NOBODY),
    )
    for attempt in attempts:
        assert await refused(attempt) == errno.EILSEQ
    assert boundary.volume.calls == []
    assert all(line.isprintable() for line in boundary.failures.text().split("\n"))
