"""What is told of files that are not saved yet, and read back from another process's status."""

from __future__ import annotations

import json

import pytest

from phfs.core.unsaved import MOST_TOLD, Unsaved, line_of, read, values_of

MIB = 1024**2

ONE = Unsaved("/a\nb", sent=12 * MIB, known=40 * MIB, seconds=3.25, closing=True)


def test_what_is_told_is_read_back() -> None:
    told = json.loads(json.dumps(values_of([ONE])))
    assert read(told) == [ONE._replace(seconds=3.2)]


def test_not_more_is_told_than_anybody_reads() -> None:
    assert len(values_of([ONE] * (MOST_TOLD + 1))) == MOST_TOLD


@pytest.mark.parametrize(
    "told", [None, "text", {}, [None], [{}], [{"path": "/a", "sent_bytes": "x"}], ["/a"]]
)
def test_what_is_no_such_thing_is_left_out(told: object) -> None:
    assert read(told) == []


def test_the_words_are_one_printable_line() -> None:
    assert line_of(ONE) == r"/a\nb: 12 MiB of 40 MiB are sent, being saved"
    assert line_of(ONE._replace(closing=False)).endswith("a program has it open")
