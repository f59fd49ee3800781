"""After a sync the target is like the source, and the next one does nothing."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
import trio
from hypothesis import given as example
from hypothesis import strategies as st

from phfs.core.objects import Attributes, ETag
from phfs.errors import (
    ConfigError,
    Invalid,
    NoSuchKey,
    NotDirectory,
    NotFound,
    OperationFailed,
    ServerFault,
    Stale,
)
from phfs.files.looking import Entry
from phfs.files.mounted import NOWHERE, Views
from phfs.files.outcome import Action
from phfs.files.pruning import Removal
from phfs.files.sides import Rules, Side, note
from phfs.files.sync import ONE_SECOND, alike, sync
from phfs.files.within import given
from phfs.s3.faults import FaultyStore
from phfs.s3.memory import MemoryStore
from phfs.s3.resumable import Source
from phfs.s3.store import Store
from tests.files.copies import CONFIG, LARGE, Copying, grown, held, memory, plant, shown_at

DELETE = Rules(delete=True)
STORED = 1e9
"""When everything in the stores of these tests was stored, unless they have a clock."""


class Asked:
    """A person who agrees, or not."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.about: list[Removal] = []

    async def __call__(self, gone: list[Removal], source_is_empty: bool) -> bool:
        """What is to go."""
        if source_is_empty:
            raise ConfigError("The source is empty.")
        self.about = gone
        return self.answer


async def run(
    store: Store,
    source: str | Path,
    target: str | Path,
    rules: Rules = DELETE,
    asked: Asked | None = None,
    *,
    dry: bool = False,
    views: Views = NOWHERE,
) -> list[str]:
    """Sync; what was done."""
    copying = Copying(store, views=views)
    await sync(
        copying.group,
        given(str(source), CONFIG),
        given(str(target), CONFIG),
        rules,
        asked or Asked(),
        dry=dry,
    )
    return copying.lines()


def aged(directory: Path, moment: float = STORED - 10) -> Path:
    """The directory, its files written at ``moment``."""
    for path in directory.rglob("*"):
        os.utime(path, (moment, moment))
    return directory


async def next_second() -> None:
    """A second of its own for what comes next."""
    now = int(time.time())
    while int(time.time()) == now:
        await trio.sleep(0.05)


async def test_up_and_down_and_across(tmp_path: Path) -> None:
    files = {"a": b"1", "d/b": LARGE, "d/e/c": b""}
    here = aged(plant(tmp_path / "here", files))
    store = await memory({"t/old": b"", "t/d/b": b"other", "ta": b"near"}, time.time)
    await next_second()
    assert len(await run(store, here, "phfs:///t")) == 4
    await next_second()
    up = {f"t/{name}": data for name, data in files.items()}
    assert held(store) == {**up, "ta": b"near"}
    assert await run(store, here, "phfs:///t") == []
    there = plant(tmp_path / "there", {"x/y": b"", "a": b"2"})
    assert len(await run(store, "phfs:///t", there)) == 4
    assert grown(there) == files
    assert await run(store, "phfs:///t", there) == []
    assert await run(store, there, "phfs:///t") == [], "what was fetched is not sent back"
    assert len(await run(store, "phfs:///t", "phfs:///u")) == 3
    assert await run(store, "phfs:///t", "phfs:///u") == []
    assert held(store) == {**up, "ta": b"near", **{f"u{key[1:]}": up[key] for key in up}}


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


def without_conflicts(names: list[str]) -> list[str]:
    """Those that can all be files in one tree."""
    kept: list[str] = []
    for name in names:
        if not any(f"{name}/".startswith(f"{one}/") or one.startswith(f"{name}/") for one in kept):
            kept.append(name)
    return kept


TREES = (
    st.lists(NAMES, unique=True, max_size=6)
    .map(without_conflicts)
    .flatmap(
        lambda names: st.fixed_dictionaries(
            {name: st.sampled_from([b"1", b"2", b"33"]) for name in names}
        )
    )
)


@example(
    source=TREES, target=TREES, delete=st.booleans(), way=st.sampled_from(["up", "down", "in"])
)
async def test_any_tree_is_made_like_any_other(
    source: dict[str, bytes],
    target: dict[str, bytes],
    delete: bool,
    way: str,
) -> None:
    rules = Rules(delete=delete, checksum=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        plant(directory / "s", source if way == "up" else {})
        plant(directory / "t", target if way == "down" else {})
        objects = {} if way == "up" else {f"s/{key}": data for key, data in source.items()}
        if way != "down":
            objects |= {f"t/{key}": data for key, data in target.items()}
        store = await memory({**objects, "tt": b"near"})
        left = str(directory / "s") if way == "up" else "phfs:///s"
        right = str(directory / "t") if way == "down" else "phfs:///t"
        if not source and way != "up":
            with pytest.raises(NotFound):
                await run(store, left, right, rules)
            return
        if not source and delete and target:
            with pytest.raises(ConfigError):
                await run(store, left, right, rules)
            return
        planned = await run(store, left, right, rules, dry=True)
        done = await run(store, left, right, rules)
        conflict = len(without_conflicts([*source, *target])) < len({*source, *target})
        assert planned == done or (conflict and not delete)
        if way == "down":
            now = {key: data for key, data in grown(directory / "t").items() if key[-1] != "/"}
        else:
            now = {key[2:]: data for key, data in held(store).items() if key[:2] == "t/"}
        if delete:
            assert now == source
        elif not conflict:
            assert now == {**target, **source}
        if delete or not conflict:
            assert await run(store, left, right, rules) == []
        assert held(store)["tt"] == b"near"


async def test_what_differs_is_told_by_size_and_time(tmp_path: Path) -> None:
    here = plant(tmp_path, {"a": b"1", "b": b"2", "c": b"3"})
    later = time.time() + 5
    store = await memory({"t/a": b"x", "t/b": b"y", "t/c": b"zz"}, lambda: later)
    os.utime(here / "b", (later + 5, later + 5))
    await run(store, here, "phfs:///t")
    assert held(store) == {"t/a": b"x", "t/b": b"2", "t/c": b"3"}
    await run(store, here, "phfs:///t", Rules(checksum=True))
    assert held(store) == {"t/a": b"1", "t/b": b"2", "t/c": b"3"}, "the same size, and older"


def written(modified: float, changed: float) -> Source:
    """A file of this machine with these times in seconds."""
    return Source("/f", 1, 1, 1, round(modified * ONE_SECOND), round(changed * ONE_SECOND))


def stored(modified: int, etag: str = "1") -> Entry:
    """A file of the group that was stored then."""
    return Entry("f", False, 1, modified, ETag(etag))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (written(10.5, 10.5), stored(11), True),
        (written(10.5, 10.5), stored(10), False),  # before or after, in one second
        (written(3.5, 10.5), stored(10), False),  # cp -p, mv, tar, git checkout
        (written(3.5, 10.5), stored(11), True),
        (written(10, 12), stored(10), True),  # fetched
        (written(10, 10.5), stored(10), False),
        (stored(10), written(10, 12), True),
        (stored(10), written(10, 10.5), False),  # it may be of what was replaced in that second
        (stored(10), written(9, 12), False),
        (stored(10), stored(11, "2"), True),
        (stored(10), stored(10, "2"), False),
        (stored(10), stored(10), True),
    ],
)
def test_what_may_be_newer_is_not_taken_for_the_same(
    one: Entry | Source, other: Entry | Source, same: bool
) -> None:
    assert alike(one, other) == same


async def test_down_any_other_time_is_a_difference(tmp_path: Path) -> None:
    store = await memory({"t/a": b"1", "t/b": b"2"})
    there = plant(tmp_path, {"a": b"x", "b": b"y"})
    os.utime(there / "a", (STORED + 9, STORED + 9))
    os.utime(there / "b", (STORED, STORED))
    await run(store, "phfs:///t", there)
    assert grown(there) == {"a": b"1", "b": b"y"}


async def test_globs_choose_what_takes_part_and_protect_what_does_not(tmp_path: Path) -> None:
    here = plant(tmp_path, {"a.tmp": b"", "keep.tmp": b"", "d/b": b"", "cache/x": b""})
    store = await memory({"t/old.tmp": b"", "t/cache/y": b"", "t/gone": b""})
    globs = (("*.tmp", False), ("cache", False), ("keep*", True))
    await run(store, here, "phfs:///t", Rules(delete=True, globs=globs))
    assert sorted(held(store)) == ["t/cache/y", "t/d/b", "t/keep.tmp", "t/old.tmp"]


async def test_nothing_is_removed_without_consent(tmp_path: Path) -> None:
    here = plant(tmp_path, {"a": b"1"})
    objects = {"t/x": b"12", "t/y": b"345"}
    store = await memory(objects)
    asked = Asked(answer=False)
    await run(store, here, "phfs:///t", DELETE, asked)
    assert [(one.path, one.size) for one in asked.about] == [("x", 2), ("y", 3)]
    assert held(store) == {**objects, "t/a": b"1"}


async def test_nothing_is_removed_when_something_failed(tmp_path: Path) -> None:
    objects = {"t/x": b"", "t/y": b""}
    here = plant(tmp_path, {"a": b"1", "b": b"2"})
    faulty = FaultyStore(await memory(objects))
    faulty.fail(ServerFault("broken"), kind="put")
    lines = await run(faulty, here, "phfs:///t")
    assert [line.split()[0] for line in lines] == ["fail", "upload"]
    assert faulty.count("delete_many") == 0


async def test_what_takes_no_part_is_said_and_its_name_is_not_removed(tmp_path: Path) -> None:
    here = plant(tmp_path, {"a": b"1"})
    (here / "link").symlink_to("a")
    os.mkfifo(here / "pipe")
    store = await memory({"t/link": b"", "t/pipe/x": b"", "t/linked": b""})
    lines = await run(store, here, "phfs:///t")
    assert [line.split()[0] for line in lines] == ["remove", "skip", "skip", "upload"]
    assert sorted(held(store)) == ["t/a", "t/link", "t/pipe/x"]


async def test_a_listing_that_fails_removes_nothing(tmp_path: Path) -> None:
    for nth in (1, 2, 3, 4):
        faulty = FaultyStore(await memory({"s/a": b"", "t/b": b""}))
        faulty.fail(ServerFault("broken"), kind="list_page", nth=nth)
        with pytest.raises(ServerFault):
            await run(faulty, "phfs:///s", "phfs:///t")
        assert faulty.count("delete_many") == faulty.count("copy") == 0
    del tmp_path


async def test_what_goes_and_cannot_is_named() -> None:
    store = await memory({"s/a": b"", "t/b": b""})
    faulty = FaultyStore(store)
    faulty.fail(ServerFault("broken"), kind="delete_many")
    copying = Copying(faulty)
    source, target = given("phfs:///s", CONFIG), given("phfs:///t", CONFIG)
    tally = await sync(copying.group, source, target, DELETE, Asked())
    assert (tally.files, tally.failed) == (1, 1)
    assert [o.source for o in copying.told.outcomes if o.action is Action.FAIL] == ["phfs:///t/b"]


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("phfs:///none", "phfs:///t", NotFound),
        ("phfs:///f", "phfs:///t", NotDirectory),
        ("phfs:///s", "phfs:///f", NotDirectory),
        ("phfs:///s", "phfs:///s/in", Invalid),
        ("phfs:///s", "phfs:///s", Invalid),
        ("phfs:///s/d", "phfs:///s", Invalid),
        ("here", "there", ConfigError),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    source: str, target: str, error: type[Exception]
) -> None:
    objects = {"s/d/x": b"", "t/y": b"", "f": b""}
    store = await memory(objects)
    with pytest.raises(error):
        await run(store, source, target)
    assert held(store) == objects


async def test_an_object_of_the_same_bytes_stored_in_another_way_is_the_same() -> None:
    store: MemoryStore = await memory({"s/a": LARGE})
    await store.put("t/a", [LARGE], Attributes())
    assert store.objects["s/a"].etag != store.objects["t/a"].etag
    assert await run(store, "phfs:///s", "phfs:///t", Rules(checksum=True)) == []


async def test_a_mount_of_the_group_is_not_synced_with_itself(tmp_path: Path) -> None:
    there = plant(tmp_path / "m", {"d/x": b"1"})
    (tmp_path / "link").symlink_to("m/d")
    store = await memory({"d/x": b"1", "e/y": b"2"})
    for source, target in (
        (there, "phfs:///d"),
        (there / "d", "phfs:///"),
        (tmp_path / "link", "phfs:///d"),
        ("phfs:///d", there / "d"),
    ):
        with pytest.raises(Invalid):
            await run(store, source, target, views=shown_at(there))
    await run(store, there / "d", "phfs:///e", views=shown_at(there))
    assert held(store) == {"d/x": b"1", "e/x": b"1"}


async def test_no_link_of_the_target_is_followed(tmp_path: Path) -> None:
    precious = plant(tmp_path / "precious", {"only": b"1", "x": b"2"})
    there = plant(tmp_path / "there", {})
    (there / "out").symlink_to(precious)
    (there / "f").symlink_to(precious / "x")
    store = await memory({"t/out/x": b"new", "t/f": b"new", "t/g": b"new"})
    lines = await run(store, "phfs:///t", there, Rules(delete=True, follow=True))
    assert [line.split()[0] for line in lines] == ["download", "fail", "fail"]
    assert grown(precious) == {"only": b"1", "x": b"2"}
    assert (there / "g").read_bytes() == b"new"


async def test_globs_do_not_hide_that_a_directory_cannot_be_looked_at(tmp_path: Path) -> None:
    here = plant(tmp_path / "here", {"b.py": b"1"})
    (here / "sub").symlink_to(plant(tmp_path / "else", {}))
    objects = {"t/sub/a.py": b"", "t/gone.py": b""}
    globs = (("*", False), ("*.py", True))
    store = await memory(objects)
    await run(store, here, "phfs:///t", Rules(delete=True, globs=globs))
    assert sorted(held(store)) == ["t/b.py", "t/sub/a.py"]

    def side() -> Side:
        return Side({}, [], {}, [])

    for excluded, noticed in ((globs, 1), ((("sub", False),), 0), ((("/sub/", False),), 0)):
        noted, problem = side(), OperationFailed("cannot be listed")
        note("sub", here / "sub", problem, Rules(globs=excluded), noted)
        assert len(noted.problems) == noticed
    noted = side()
    note(".", here, OperationFailed("cannot be listed"), Rules(globs=(("?", False),)), noted)
    assert noted.problems, "a pattern is for what is in the directory"


async def test_nothing_is_put_below_a_file_of_the_group(tmp_path: Path) -> None:
    here = plant(tmp_path, {"x": b"1"})
    store = await memory({"a": b"1"})
    with pytest.raises(NotDirectory):
        await run(store, here, "phfs:///a/b/c")
    assert held(store) == {"a": b"1"}


async def test_without_delete_no_file_is_put_where_a_directory_is(tmp_path: Path) -> None:
    here = plant(tmp_path, {"x": b"1"})
    store = await memory({"t/x/y": b"1"})
    assert [line.split()[0] for line in await run(store, here, "phfs:///t", Rules())] == ["fail"]
    assert held(store) == {"t/x/y": b"1"}


async def test_a_version_nobody_was_asked_about_is_not_removed(tmp_path: Path) -> None:
    store = await memory({"s/a": b"1", "t/old": b"1", "t/newer": b"1"})
    there = plant(tmp_path, {"old": b"1", "newer": b"1"})

    async def confirm(gone: list[Removal], _: bool) -> bool:
        await store.put("t/newer", [b"2"], Attributes())
        (there / "newer").write_bytes(b"2")
        return len(gone) == 2

    for target in ("phfs:///t", str(there)):
        copying = Copying(store)
        source = given("phfs:///s", CONFIG)
        tally = await sync(copying.group, source, given(target, CONFIG), DELETE, confirm)
        assert (tally.failed, [type(error) for error in copying.errors()]) == (1, [Stale])
    assert held(store) == {"s/a": b"1", "t/a": b"1", "t/newer": b"2"}
    assert grown(there) == {"a": b"1", "newer": b"2"}


@pytest.mark.parametrize("pattern", ["keep", "/keep", "./keep/", "/keep/*"])
async def test_a_pattern_may_begin_with_a_slash(tmp_path: Path, pattern: str) -> None:
    here = plant(tmp_path, {"a": b"1"})
    store = await memory({"t/keep/b": b"", "t/gone": b""})
    await run(store, here, "phfs:///t", Rules(delete=True, globs=((pattern, False),)))
    assert sorted(held(store)) == ["t/a", "t/keep/b"]


async def test_what_no_file_can_stand_for_is_said(tmp_path: Path) -> None:
    store = await memory({"s/a": b"", "s/a/x": b"", "s/b\x01": b"", "s/c": b""})
    lines = await run(store, "phfs:///s", tmp_path)
    assert [line.split()[:2] for line in lines if line.startswith("skip")] == [
        ["skip", "phfs:///s/a"],
        ["skip", "phfs:///s/b\x01"],
    ]
    assert grown(tmp_path) == {"a/x": b"", "c": b""}


async def test_what_is_in_the_way_stays_when_nothing_comes_for_it(tmp_path: Path) -> None:
    objects = {"t/a": b"old", "t/b/x": b"old"}
    store = await memory(objects)
    here = plant(tmp_path / "here", {"a/1": b"new", "b": b"new"})

    async def confirm(_: list[Removal], __: bool) -> bool:
        (here / "a/1").unlink()
        (here / "b").write_bytes(b"newer")
        return True

    copying = Copying(store)
    target = given("phfs:///t", CONFIG)
    tally = await sync(copying.group, given(str(here), CONFIG), target, DELETE, confirm)
    assert (tally.files, tally.failed) == (0, 2)
    assert held(store) == objects
    store = await memory({**objects, "s/a/1": b"new", "s/b": b"new"})
    faulty = FaultyStore(store)
    faulty.fail(NoSuchKey("gone"), kind="head")
    await run(faulty, "phfs:///s", "phfs:///t")
    assert held(store)["t/a"] == b"old"
