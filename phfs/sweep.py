"""Removes the artifacts of jobs whose time is over: ``phfs artifacts sweep``.

Owns what counts as expired. A job is a directory ``groups/GROUP/jobArtifacts/JOB/``; the file
``.metadata/expiredAt`` in it holds the Unix second from which it may go. Nothing outside a job's
directory can be deleted, because the store is seen from below it. What has no date stays; what has
a date that makes no sense stays and is reported. The date goes last, so that a sweep that was cut
short is finished by the next. Called by ``cli``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import trio

from phfs.core.objects import ByteRange, ObjectInfo
from phfs.errors import PhfsError, PreconditionFailed, StoreError
from phfs.s3 import control, looking
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from phfs.s3.prefix import PrefixedStore
from phfs.s3.refusals import place_of, refusal_of
from phfs.s3.retry import RetryingStore
from phfs.s3.sink import Bytes
from phfs.s3.store import Store

DATE = ".metadata/expiredAt"

AT_ONCE = 8
"""Jobs worked on at the same time."""

EARLIEST, LATEST = 10**9, 10**11
"""A date before 2001 or after 5138 is none: an empty variable in a sum, or milliseconds."""

_LONGEST_DATE = 32


class Found(NamedTuple):
    """A job, and what became of it: ``deleted``, ``expired`` (not deleted, for want of an order),
    ``kept`` (its time is not over), ``undated``, ``malformed`` or ``failed``, which have a ``why``.

    ``objects`` is how many are gone, or would be; ``expires`` the date in Unix seconds.
    """

    group: str
    job: str
    state: str
    objects: int = 0
    expires: int | None = None
    why: str = ""

    @property
    def directory(self) -> str:
        """Where its objects are."""
        return f"groups/{self.group}/jobArtifacts/{self.job}/"


async def sweep(
    store: Store, *, now: float, groups: Sequence[str] | None = None, dry_run: bool = False
) -> AsyncIterator[Found]:
    """Every job of the groups' directories (default: all), in the order of names.

    ``now`` is in Unix seconds. Raises ``StoreError`` if jobs cannot be listed.
    """
    if groups is None:
        groups = [name async for name in _directories(store, "groups/")]
    for group in groups:
        found: list[Found] = []
        async for job in _directories(store, f"groups/{group}/jobArtifacts/"):
            found.append(Found(group, job, "kept"))
            if len(found) == AT_ONCE:
                for result in await _judged(store, found, now, dry_run=dry_run):
                    yield result
                found = []
        for result in await _judged(store, found, now, dry_run=dry_run):
            yield result


async def _directories(store: Store, prefix: str) -> AsyncIterator[str]:
    """The names of what is below a prefix and is a directory with a name."""
    below = PrefixedStore(store, prefix)
    token = None
    while True:
        page = await below.list_page("", delimiter="/", token=token)
        for rolled in page.prefixes:
            name = rolled.removesuffix("/")
            if name not in ("", ".", ".."):
                yield name
        token = page.next_token
        if token is None:
            return


async def _judged(store: Store, jobs: Sequence[Found], now: float, *, dry_run: bool) -> list[Found]:
    results = list(jobs)

    async def judge(number: int, job: Found) -> None:
        try:
            results[number] = await _judge(store, job, now, dry_run=dry_run)
        except PhfsError as error:
            results[number] = job._replace(state="failed", why=error.why)

    async with trio.open_nursery() as nursery:
        for number, job in enumerate(jobs):
            nursery.start_soon(judge, number, job)
    return results


async def _judge(store: Store, job: Found, now: float, *, dry_run: bool) -> Found:
    own = PrefixedStore(store, job.directory)
    date = await looking.find(own, DATE)
    if date is None:
        return job._replace(state="undated")
    text = await _text(own, date)
    if text is None or not re.fullmatch(r"\s*[0-9]{1,15}\s*", text):
        shown = "too long" if text is None else repr(text)
        return job._replace(state="malformed", why=f"{DATE} is no number of seconds: {shown}")
    job = job._replace(expires=int(text))
    if not EARLIEST <= int(text) < LATEST:
        return job._replace(state="malformed", why=f"{DATE} is no date of our time: {int(text)}")
    if int(text) > now:
        return job._replace(state="kept")
    return await _delete(own, job, date, dry_run=dry_run)


async def _text(store: Store, info: ObjectInfo) -> str | None:
    """An object's text, None if it is longer than a date can be."""
    if info.size > _LONGEST_DATE:
        return None
    if info.size == 0:
        return ""
    sink = Bytes.of(info.size)
    await store.get(info.key, ByteRange(0, info.size), sink, if_match=info.etag, whole=True)
    return bytes(sink.buffer).decode(errors="replace")


async def _delete(store: Store, job: Found, date: ObjectInfo, *, dry_run: bool) -> Found:
    count, last, failures = 0, "", []
    while True:
        page = await store.list_page("", start_after=last)
        keys = [info.key for info in page.objects if info.key != DATE]
        if not dry_run:
            failures = await store.delete_many(keys)
        count += len(keys) - len(failures)
        if failures:
            first = failures[0]
            why = f"{len(failures)} objects could not be deleted, {first.key}: {first.error.why}"
            return job._replace(state="failed", objects=count, why=why)
        if page.next_token is None:
            break
        last = page.objects[-1].key
    if dry_run:
        return job._replace(state="expired", objects=count + 1)
    # A job that has run again meanwhile has a new date.
    if await looking.find(store, DATE) != date:
        raise PreconditionFailed(f"{DATE} was changed during the sweep")
    await store.delete(DATE)
    return job._replace(state="deleted", objects=count + 1)


def run(values: Mapping[str, Any], *, now: float, dry_run: bool) -> list[Found]:
    """Sweep with options named as those of a mount, ``group`` being several or none.

    Raises ``ConfigError`` if there are no keys, ``StoreError`` if jobs cannot be listed.
    """
    credentials = control.credentials_of(values)
    names = ("bucket", "endpoint_url", "path_style", "ca_bundle")
    options = S3Options(
        region=control.region(region=values.get("region"), profile=values.get("profile")),
        **{name: values[name] for name in names if name in values},
    )

    async def everything() -> list[Found]:
        with closing(S3Store(options, credentials)) as client:
            lasting = RetryingStore(client, options.deadline)
            groups = values.get("groups")
            found = sweep(lasting, now=now, groups=groups, dry_run=dry_run)
            return [job async for job in found if job.state not in ("kept", "undated")]

    try:
        return trio.run(everything)
    except StoreError as error:
        told = refusal_of(
            error,
            bucket=options.bucket,
            place=place_of(options.endpoint_url),
            source=f"s3://{options.bucket}/groups/",
        )
        raise type(error)(told.why, told.advice) from None
