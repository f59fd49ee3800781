"""What is moved is removed when its copy is whole, and only in the version that was copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from phfs.core.objects import Attributes
from phfs.errors import Exists, Invalid, NotDirectory, NotEmpty, ServerFault, Stale, Unsupported
from phfs.files.mounted import NOWHERE, Views
from phfs.files.moving import move
from phfs.files.plan import Options
from phfs.files.transfer import Tally
from phfs.files.within import given
from phfs.s3.faults import FaultyStore
from phfs.s3.store import Store
from tests.files.copies import CONFIG, LARGE, Copying, grown, held, memory, plant, shown_at

TREE = {"t/a": b"1", "t/d/b": LARGE, "t/d/e/c": b"3"}
MOVED = {name.replace("t/", "new/"): data for name, data in TREE.items()}


async def mv(
    store: Store,
    *places: str | Path,
    dry: bool = False,
    overwrite: bool = True,
    views: Views = NOWHERE,
) -> tuple[Copying, Tally]:
    copying = Copying(store, overwrite=overwrite, views=views)
    *sources, target = [given(str(place), CONFIG) for place in places]
    tally = await move(copying.group, sources, target, Options(), dry=dry)
    assert tally.failed == len(copying.errors())
    return copying, tally


async def test_a_directory_is_moved_on_every_way(tmp_path: Path) -> None:
    store = await memory({**TREE, "t/empty/": b"", "ta": b"near", "t.txt": b"near"})
    near = {"ta": b"near", "t.txt": b"near"}
    await mv(store, "phfs:///t", "phfs:///new")
    assert held(store) == {**near, **MOVED, "new/empty/": b""}
    await mv(store, "phfs:///new", tmp_path / "t")
    assert held(store) == near
    assert grown(tmp_path) == {**TREE, "t/empty/": b""}
    await mv(store, tmp_path / "t", "phfs:///new")
    assert held(store) == {**near, **MOVED, "new/empty/": b""}
    assert grown(tmp_path) == {}


@pytest.mark.parametrize("data", [b"", b"small", LARGE])
async def test_a_file_is_moved_on_every_way(tmp_path: Path, data: bytes) -> None:
    store = await memory({"a": data, "d/x": b"near"})
    await mv(store, "phfs:///a", "phfs:///d/")
    assert held(store) == {"d/a": data, "d/x": b"near"}
    await mv(store, "phfs:///d/a", tmp_path)
    assert held(store) == {"d/x": b"near"}
    assert grown(tmp_path) == {"a": data}
    await mv(store, tmp_path / "a", "phfs:///b")
    assert held(store) == {"b": data, "d/x": b"near"}
    assert grown(tmp_path) == {}


async def test_several_go_into_a_directory_that_is_made(tmp_path: Path) -> None:
    plant(tmp_path, {"a": b"1", "b": b"2", "same/a": b"3"})
    store = await memory()
    copying, _ = await mv(
        store, tmp_path / "a", tmp_path / "b", tmp_path / "same/a", "phfs:///new/"
    )
    assert len(copying.errors()) == 1
    assert held(store) == {"new/a": b"1", "new/b": b"2"}
    assert grown(tmp_path) == {"same/a": b"3"}


@pytest.mark.parametrize("kind", ["copy", "get", "put", "put_part"])
async def test_nothing_is_removed_of_what_was_not_copied_whole(tmp_path: Path, kind: str) -> None:
    ways: dict[str, tuple[str | Path, str | Path]] = {
        "copy": ("phfs:///t", "phfs:///new"),
        "get": ("phfs:///t", tmp_path / "new"),
    }
    source, target = ways.get(kind, (plant(tmp_path / "up", TREE) / "t", "phfs:///new"))
    store = await memory({} if kind.startswith("put") else TREE)
    faulty = FaultyStore(store)
    faulty.fail(ServerFault("broken"), kind=kind)
    copying, _ = await mv(faulty, source, target)
    assert len(copying.errors()) == 1
    assert any("was removed" in said for said in copying.told.said)
    if kind.startswith("put"):
        assert grown(tmp_path / "up") == TREE
    else:
        assert {key: data for key, data in held(store).items() if key in TREE} == TREE


async def test_a_newer_version_stays() -> None:
    store = await memory(TREE)
    faulty = FaultyStore(store)
    gate = faulty.hold(kind="copy", nth=3)
    async with trio.open_nursery() as nursery:

        async def moving() -> None:
            copying, _ = await mv(faulty, "phfs:///t", "phfs:///new")
            assert [type(error) for error in copying.errors()] == [Stale, Stale]
            assert all("it stays" in error.why for error in copying.errors())

        nursery.start_soon(moving)
        await gate.reached.wait()
        await trio.testing.wait_all_tasks_blocked()
        await store.put("t/a", [b"newer"], Attributes())
        await store.put("t/made", [b"meanwhile"], Attributes())
        gate.release()
    assert held(store) == {**MOVED, "t/a": b"newer", "t/made": b"meanwhile"}


async def test_a_local_file_that_changes_stays(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    store = await memory()
    faulty = FaultyStore(store)
    gate = faulty.hold(kind="complete_upload")

    async def moving() -> None:
        copying, _ = await mv(faulty, tmp_path / "t", "phfs:///new")
        assert [type(error) for error in copying.errors()] == [Stale]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(moving)
        await gate.reached.wait()
        await trio.testing.wait_all_tasks_blocked()
        (tmp_path / "t/a").write_bytes(b"newer")
        os.utime(tmp_path / "t/a", (7, 7))
        gate.release()
    assert grown(tmp_path) == {"t/a": b"newer"}


async def test_a_directory_that_has_something_in_it_is_not_moved_over() -> None:
    objects = {**TREE, "d/t/old": b"old"}
    store = await memory(objects)
    copying, _ = await mv(store, "phfs:///t", "phfs:///d")
    assert [type(error) for error in copying.errors()] == [NotEmpty]
    assert held(store) == objects


async def test_what_stays_because_the_name_is_taken_is_not_removed() -> None:
    objects = {"a": b"1", "b": b"2"}
    store = await memory(objects)
    copying, tally = await mv(store, "phfs:///a", "phfs:///b", overwrite=False)
    assert (held(store), tally.skipped, copying.errors()) == (objects, 1, [])


@pytest.mark.parametrize("source", ["phfs:///", "phfs:///t/."])
async def test_what_has_no_name_is_not_moved(source: str, tmp_path: Path) -> None:
    store = await memory(TREE)
    copying, _ = await mv(store, source, tmp_path)
    assert [type(error) for error in copying.errors()] == [Invalid]
    assert held(store) == TREE


async def test_a_dry_run_of_mv_does_nothing(tmp_path: Path) -> None:
    store = await memory(TREE)
    copying, tally = await mv(store, "phfs:///t", tmp_path, dry=True)
    assert (held(store), grown(tmp_path), tally.files) == (TREE, {}, 3)
    planned = copying.lines()
    copying, _ = await mv(store, "phfs:///t", tmp_path)
    assert (copying.lines(), held(store)) == (planned, {})


SAME = [
    ("m/z", "phfs:///z"),
    ("m/z", "phfs:///"),
    ("link", "phfs:///z"),
    ("phfs:///z", "m/z"),
    ("phfs:///z", "m"),
    ("phfs:///z", "link"),
    ("m/d", "phfs:///d/in"),
    ("phfs:///d", "m"),
]


@pytest.mark.parametrize(("source", "target"), SAME)
async def test_nothing_is_moved_onto_itself_through_a_mount(
    tmp_path: Path, source: str, target: str
) -> None:
    objects = {"z": b"1", "d/x": b"2"}
    there = plant(tmp_path / "m", objects)
    (tmp_path / "link").symlink_to("m/z")
    store = await memory(objects)
    places = [text if ":" in text else tmp_path / text for text in (source, target)]
    copying, _ = await mv(store, *places, views=shown_at(there))
    assert [type(error) in (Exists, Invalid) for error in copying.errors()] == [True]
    assert (held(store), grown(there)) == (objects, objects)


@pytest.mark.parametrize(
    ("shown", "path", "place"),
    [
        ("s3://bucket/groups/g/", "m/a", "a"),
        ("s3://bucket/groups/g/sub/", "m", "sub"),
        ("s3://bucket/groups/", "m/g/a", "a"),
        ("s3://bucket/groups/", "m", ""),
        ("s3://bucket/", "m/other", None),
        ("s3://bucket/groups/g2/", "m/a", None),
        ("s3://elsewhere/groups/g/", "m/a", None),
        ("s3://bucket/groups/g/", "beside/a", None),
    ],
)
def test_where_a_path_is_in_the_group(
    tmp_path: Path, shown: str, path: str, place: str | None
) -> None:
    found = shown_at(tmp_path / "m", shown).place_of(tmp_path / path)
    assert (None if found is None else found.path) == place


async def test_nothing_is_moved_below_a_file(tmp_path: Path) -> None:
    plant(tmp_path, {"v": b"1"})
    store = await memory({"a": b"2"})
    with pytest.raises(NotDirectory):
        await mv(store, tmp_path / "v", "phfs:///a/b")
    assert (held(store), grown(tmp_path)) == ({"a": b"2"}, {"v": b"1"})


async def test_a_link_to_a_directory_is_not_moved(tmp_path: Path) -> None:
    there = plant(tmp_path / "there", {"x": b"1"})
    (tmp_path / "link").symlink_to(there)
    store = await memory()
    for text in (f"{tmp_path}/link", f"{tmp_path}/link/"):
        copying, _ = await mv(store, text, "phfs:///new")
        assert [str(there) in error.advice for error in copying.errors()] == [True]
    assert (held(store), grown(there)) == ({}, {"x": b"1"})


async def test_what_cannot_come_is_said_and_nothing_is_removed(tmp_path: Path) -> None:
    objects = {"t/a": b"hidden", "t/a/x": b"1"}
    store = await memory(objects)
    copying, _ = await mv(store, "phfs:///t", tmp_path)
    assert [type(error) for error in copying.errors()] == [Unsupported]
    assert held(store) == objects


async def test_only_our_own_parts_stay_behind(tmp_path: Path) -> None:
    part = ".x.phfs-part-0123456789ab"
    notes = {"t/.x.phfs-part-notes.txt": b"1", "t/.y.phfs-parts": b"2"}
    plant(tmp_path, {**notes, f"t/{part}": b"3"})
    store = await memory()
    copying, _ = await mv(store, tmp_path / "t", "phfs:///t")
    assert held(store) == notes
    assert ["copy that was interrupted" in error.why for error in copying.errors()] == [True]
    assert grown(tmp_path) == {f"t/{part}": b"3"}
