"""What a mount is doing, as it stands in its status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.credentials import Credentials

from phfs.core.unsaved import Unsaved
from phfs.fuse.activity import activity
from phfs.fuse.explain import _lines
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from phfs.s3.watch import Limits, Watch

PREFIX = "groups/g/"


@pytest.fixture
def store() -> Iterator[S3Store]:
    options = S3Options(bucket="b", region="r", endpoint_url="http://127.0.0.1:1")
    with closing(S3Store(options, Credentials("key", "secret"))) as made:
        yield made


def begin(store: S3Store, kind: str, subject: str, size: int, moved: int) -> int:
    watch = Watch(subject, Limits(20, 60))
    watch.moved(moved)
    return store.under_way.begin(kind, watch, size)


def unsaved(path: str, stored: int, known: int, **more: Any) -> Unsaved:
    key = more.pop("key", path[1:])
    return Unsaved(path, stored, known, 2.0, closing=False, stored=stored, key=key, **more)


def test_bytes_on_their_way_count_as_sent(store: S3Store) -> None:
    begin(store, "put_part", "groups/g/a", 50, 30)
    begin(store, "put_part", "groups/g/a", 50, 20)
    begin(store, "get", "groups/g/a", 90, 80)
    begin(store, "put", "groups/g/old", 10, 9)
    files = [unsaved("/a", 100, 180), unsaved("/new", 0, 10, key="old"), unsaved("/c", 5, 5)]
    shown: Any = activity(PREFIX, files, store)
    assert [
        (one["path"], one["stored_bytes"], one["sent_bytes"], one["known_bytes"])
        for one in shown["unsaved"]
    ] == [("/a", 100, 150, 180), ("/new", 0, 9, 10), ("/c", 5, 5, 5)]
    assert shown["requests_under_way"]["sent_bytes"] == 59
    assert shown["requests_under_way"]["fetched_bytes"] == 80
    assert shown["requests_under_way"]["count"] == 4
    assert shown["requests_under_way"]["waiting"] == 0


def test_never_more_is_sent_than_there_is(store: S3Store) -> None:
    begin(store, "put_part", "groups/g/a", 50, 50)
    begin(store, "put_part", "groups/g/a", 50, 50)  # a second try
    shown: Any = activity(PREFIX, [unsaved("/a", 100, 150)], store)
    assert shown["unsaved"][0]["sent_bytes"] == 150


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("groups/g/a/groups/g/b", "/a/groups/g/b"),
        ("groups/g/a, copied to groups/g/b", "/a, copied to /b"),
        ("bucket b, keys with 'groups/g/a/'", "bucket b, keys with '/a/'"),
        ("bucket b", "bucket b"),
    ],
)
def test_keys_are_shown_as_paths(store: S3Store, subject: str, shown: str) -> None:
    store.under_way.end(begin(store, "get", subject, 1, 1), "TimedOut")
    begin(store, "get", subject, 1, 1)
    told: Any = activity(PREFIX, [], store)
    (slow,), (running,) = told["slowest_requests"], told["requests_under_way"]["oldest"]
    assert slow["subject"] == running["subject"] == shown
    assert (slow["operation"], slow["failure"]) == ("get", "TimedOut")
    without: Any = activity("", [], store)
    assert without["slowest_requests"][0]["subject"] == subject


def test_for_people_each_is_a_line(store: S3Store) -> None:
    store.under_way.end(begin(store, "head", "groups/g/a", 0, 0))
    files = [unsaved("/\x1b[2J", 1 << 20, 3 << 20, waits_for="memory")]
    lines = list(_lines(activity(PREFIX, files, store), ""))
    assert lines[:3] == [
        "unsaved files       1",
        "unsaved:",
        "  path /\\x1b[2J, sent 1 MiB, stored 1 MiB, known 3 MiB, seconds 2.0, waits for memory",
    ]
    (slow,) = [line for line in lines if line.startswith("  operation head")]
    assert ", subject /a, seconds 0.0" in slow
