"""What the sweep of job artifacts deletes, and above all what it does not."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from phfs.core.objects import Attributes
from phfs.errors import AccessDenied, ServerFault
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.sweep import AT_ONCE, DATE, Found, sweep

NOW = 1_800_000_000
OVER = str(NOW - 1)


async def filled(objects: dict[str, str]) -> MemoryStore:
    store = MemoryStore(lambda: 0.0)
    for key, text in objects.items():
        await store.put(key, [text.encode()] if text else [], Attributes())
    return store


async def swept(
    store: MemoryStore | FaultyStore, *groups: str, dry_run: bool = False
) -> dict[str, Found]:
    found = sweep(store, now=NOW, groups=groups or None, dry_run=dry_run)
    return {job.directory: job async for job in found}


def job(name: str, group: str = "lab") -> str:
    return f"groups/{group}/jobArtifacts/{name}/"


async def test_an_expired_job_goes_whole_and_everything_else_stays() -> None:
    others = {
        job("later") + DATE: str(NOW + 1),
        job("later") + "a": "x",
        job("undated") + "a": "x",
        job("old-") + "a": "x",
        job("olds") + "a": "x",
        "groups/lab/jobArtifacts/old": "a file beside it",
        "groups/lab/jobArtifacts/.metadata/expiredAt": OVER,
        "groups/lab/.metadata/expiredAt": OVER,
        "groups/lab/old/.metadata/expiredAt": OVER,
        "groups/lab/data": "x",
        "jobArtifacts/old/.metadata/expiredAt": OVER,
        "groups/jobArtifacts/old/.metadata/expiredAt": OVER,
    }
    own = {
        job("old"): "",
        job("old") + DATE: f" {OVER}\n",
        job("old") + ".metadata/monitoring": "x",
        job("old") + "a/b": "x",
        job("old") + "/hostile//../\x01": "x",
    }
    store = await filled(others | own)
    found = await swept(store)
    assert set(store.objects) == set(others)
    assert found.pop(job("old")) == Found("lab", "old", "deleted", 5, int(OVER))
    # jobArtifacts/.metadata/ looks like a job, but has no date of its own at its place.
    assert {name: found[name].state for name in found} == {
        job(".metadata"): "undated",
        job("later"): "kept",
        job("old-"): "undated",
        job("olds"): "undated",
        job("undated"): "undated",
    }


async def test_a_name_that_is_none_is_no_job() -> None:
    names = ("", ".", "..")
    objects = {f"groups/lab/jobArtifacts/{name}/{DATE}": OVER for name in names}
    objects |= {f"groups/{name}/jobArtifacts/job/{DATE}": OVER for name in names}
    store = await filled(objects)
    assert await swept(store) == {}
    assert set(store.objects) == set(objects)


async def test_the_groups_named_only() -> None:
    store = await filled({job("j", group) + DATE: OVER for group in ("a", "b", "c")})
    assert set(await swept(store, "a", "c", "none")) == {job("j", "a"), job("j", "c")}
    assert set(store.objects) == {job("j", "b") + DATE}


async def test_a_dry_run_says_what_it_would_do() -> None:
    store = await filled({job("old") + DATE: OVER, job("old") + "a": "x"})
    before = dict(store.objects)
    assert await swept(store, dry_run=True) == {
        job("old"): Found("lab", "old", "expired", 2, int(OVER))
    }
    assert store.objects == before


@pytest.mark.parametrize(
    "text",
    ["", " ", "soon", "-1", "1e9", "1_700_000_000", "\uff11\uff17", "0", "604800", f"{NOW}000",
     OVER + " x", " " * 40 + OVER, "9" * 15, "\0", "1799999999.5"],
)  # fmt: skip
async def test_a_date_that_makes_no_sense_is_reported_and_left(text: str) -> None:
    store = await filled({job("odd") + DATE: text, job("odd") + "a": "x"})
    before = dict(store.objects)
    (found,) = (await swept(store)).values()
    assert found.state == "malformed"
    assert DATE in found.why
    assert store.objects == before


@given(st.text(max_size=40))
async def test_nothing_but_a_past_date_deletes(text: str) -> None:
    store = await filled({job("any") + DATE: text, job("any") + "a": "x"})
    await swept(store)
    past = text.strip().isascii() and text.strip().isdigit() and 10**9 <= int(text) <= NOW
    if not past:
        assert len(store.objects) == 2


async def test_more_than_a_page_of_jobs_and_of_objects() -> None:
    objects = {job(f"job-{number:04}") + DATE: OVER for number in range(1005)}
    objects |= {job("large") + f"{number:04}": "x" for number in range(2500)}
    objects[job("large") + DATE] = OVER
    store = await filled(objects)
    found = await swept(store)
    assert len(found) == 1006
    assert found[job("large")].objects == 2501
    assert store.objects == {}


async def test_a_few_jobs_at_once() -> None:
    store = FaultyStore(await filled({job(f"{n:02}") + DATE: OVER for n in range(3 * AT_ONCE)}))
    gate = store.hold(kind="head", times=math.inf)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(swept, store)
        await trio.testing.wait_all_tasks_blocked()
        assert store.count("head") == AT_ONCE
        gate.release()
    assert len([call for call in store.calls if call.kind == "delete"]) == 3 * AT_ONCE


@pytest.mark.parametrize("nth", range(1, 7))
async def test_a_failure_at_any_call_leaves_the_date_for_the_next_sweep(nth: int) -> None:
    inner = await filled(
        {job("a") + DATE: OVER, job("a") + "x": "x", job("b") + DATE: OVER, job("b") + "x": "x"}
    )
    store = FaultyStore(inner)
    store.fail(ServerFault("ill"), nth=nth + 1)  # the first lists groups
    try:
        found = await swept(store)
    except ServerFault:
        found = {}
    for name in (job("a"), job("b")):
        left = {key for key in inner.objects if key.startswith(name)}
        assert not left or name + DATE in left
        assert bool(left) == (name not in found or found[name].state == "failed")
    store.heal()
    await swept(store)
    assert inner.objects == {}


async def test_what_may_not_be_deleted_is_said() -> None:
    store = FaultyStore(await filled({job("a") + DATE: OVER, job("a") + "x": "x"}))
    store.fail(AccessDenied("no right to delete"), kind="delete_many")
    (found,) = (await swept(store)).values()
    assert (found.state, found.why) == ("failed", "no right to delete")


async def test_a_job_that_runs_again_meanwhile_keeps_its_date() -> None:
    inner = await filled({job("a") + DATE: OVER, job("a") + "x": "x"})
    store = FaultyStore(inner)
    gate = store.hold(kind="delete_many")
    results: list[Found] = []

    async def run() -> None:
        results.extend((await swept(store)).values())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await gate.reached.wait()
        await inner.put(job("a") + DATE, [str(NOW + 5).encode()], Attributes())
        gate.release()
    assert results[0].state == "failed"
    assert f"{DATE} was changed" in results[0].why
    assert set(inner.objects) == {job("a") + DATE}
