"""What a mount is doing at this moment: files on their way to the store, requests, the slowest.

Owns how it is put into plain values for ``.phfs/status``, and how many are named. Reads what is
there and waits for nothing. Called by ``mount``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from phfs.core.unsaved import Unsaved, values_of
from phfs.s3.client import S3Store
from phfs.s3.requests import SENDING
from phfs.s3.underway import Ended, Running

MOST_REQUESTS = 10
"""Requests that are named; all are counted."""


def activity(prefix: str, unsaved: Sequence[Unsaved], store: S3Store) -> dict[str, object]:
    """The files that are ``unsaved``, the requests under way and the slowest; ``prefix`` is that of
    the keys, which are shown as paths."""
    record = store.under_way
    running, now = record.running(), record.now()
    moving: Counter[str] = Counter()
    for one in running:
        if one.kind in SENDING:
            moving[one.watch.subject] += one.moved
    return {
        "unsaved_files": len(unsaved),
        "unsaved": values_of(_with_what_moves(prefix, file, moving) for file in unsaved),
        "requests_under_way": {
            "count": len(running),
            "waiting": store.waiting,
            "sent_bytes": moving.total(),
            "fetched_bytes": sum(one.moved for one in running if one.kind == "get"),
            "oldest": [_running(prefix, one, now) for one in running[:MOST_REQUESTS]],
        },
        "slowest_requests": [_ended(prefix, one, now) for one in record.slowest()],
    }


def _with_what_moves(prefix: str, file: Unsaved, moving: Mapping[str, int]) -> Unsaved:
    """The file, with the bytes that have gone out of parts the store has not confirmed."""
    # A part that is sent again after a failure has moved bytes twice.
    return file._replace(sent=min(file.stored + moving[prefix + file.key], file.known))


def _running(prefix: str, one: Running, now: float) -> dict[str, object]:
    return {
        "operation": one.kind,
        "subject": _shown(prefix, one.watch.subject),
        "seconds": round(now - one.began, 3),
        "moved_bytes": one.moved,
    }


def _ended(prefix: str, one: Ended, now: float) -> dict[str, object]:
    return {
        "operation": one.kind,
        "subject": _shown(prefix, one.subject),
        "seconds": round(one.seconds, 3),
        "ago_seconds": round(now - one.at, 1),
        "failure": one.failure,
    }


def _shown(prefix: str, subject: str) -> str:
    """What a request is about, with paths in the place of keys: where one begins, the ``prefix`` is
    the root."""
    if not prefix:
        return subject
    return re.sub(rf"(^|, copied to |')(?:{re.escape(prefix)})", r"\1/", subject)
