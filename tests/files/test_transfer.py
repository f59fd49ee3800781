"""Files are copied whole and right, or not at all; what is interrupted is gone on with."""

from __future__ import annotations

import itertools
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
import trio.testing

from phfs.core.objects import ByteRange, ETag
from phfs.errors import (
    ConnectionFailed,
    Corrupted,
    Invalid,
    IsDirectory,
    NameNotText,
    NameTooLong,
    NotDirectory,
    NotPermitted,
    ServerFault,
    Stale,
    StoreError,
    Unsupported,
)
from phfs.files import partial
from phfs.files.group import Memory
from phfs.files.local import PART_ENDING
from phfs.files.moving import move
from phfs.files.outcome import Action
from phfs.files.partial import Wanted
from phfs.files.plan import Options
from phfs.files.within import given
from phfs.s3.faults import FaultyStore
from phfs.s3.journal import abort_leftovers
from phfs.s3.memory import MemoryStore
from phfs.s3.store import Kept, Sink
from tests.files.copies import (
    CONFIG,
    LARGE,
    ORIGIN,
    PART,
    PARTS,
    Copying,
    grown,
    held,
    memory,
    plant,
)

SMALL = b"a small file"
NOBODY = 65534
FAULT = ServerFault("the store is broken")


@pytest.mark.parametrize("data", [b"", SMALL, bytes(PART), bytes(PART + 1), LARGE])
async def test_there_and_back(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "up").write_bytes(data)
    store = await memory()
    copying = Copying(store)
    await copying.cp(tmp_path / "up", "phfs:///a.txt")
    assert held(store) == {"a.txt": data}
    assert store.objects["a.txt"].attributes.content_type == "text/plain"
    assert copying.told.outcomes[0].verified == "crc32c"
    await copying.cp("phfs:///a.txt", "phfs:///b")
    assert copying.told.outcomes[0].size == len(data)
    await copying.cp("phfs:///b", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data
    assert copying.told.outcomes[0].verified
    assert not store.uploads


async def test_a_download_has_the_objects_time_and_the_modes_of_a_new_file(tmp_path: Path) -> None:
    copying = Copying(await memory({"a": SMALL, "l": LARGE}))
    umask = os.umask(0o027)
    try:
        await copying.cp("phfs:///a", "phfs:///l", tmp_path)
    finally:
        os.umask(umask)
    for name in ("a", "l"):
        status = (tmp_path / name).stat()
        assert (status.st_mtime, stat.S_IMODE(status.st_mode)) == (1e9, 0o640)


async def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_its_place(tmp_path: Path) -> None:
    plant(tmp_path, {"real": b"old"}).joinpath("link").symlink_to("real")
    (tmp_path / "real").chmod(0o754)
    copying = Copying(await memory({"a": SMALL}))
    await copying.cp("phfs:///a", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == SMALL
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o754


def test_a_file_that_may_not_be_written_is_not_replaced() -> None:
    """As ``cp`` does it, although its directory would allow it."""
    wanted = Wanted("phfs:///a", "etag", 1, "crc32c")
    with TemporaryDirectory(dir="/tmp") as name:
        target = Path(name) / "kept"
        target.write_bytes(b"old")
        target.chmod(0o444)
        root = os.geteuid() == 0  # who may write everything
        if root:
            os.chown(name, NOBODY, NOBODY)
            os.chown(target, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            for begin in (partial.begin, partial.begin_lasting):
                with pytest.raises(NotPermitted, match="/kept may not be written by you"):
                    begin(target, wanted)
        finally:
            if root:
                os.seteuid(0)
        assert grown(Path(name)) == {"kept": b"old"}


# -- every call fails once -----------------------------------------------------------------------


CALLS = ("head", "kept", "get", "list_page", "put", "copy", "create_upload", "put_part",
         "complete_upload", "abort_upload")  # fmt: skip


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.expects_log
async def test_a_call_that_fails_leaves_nothing_by_halves(
    tmp_path: Path,
    data: bytes,
    kind: str,
    nth: int,
    after: bool,
    resumable: bool,
) -> None:
    plant(tmp_path, {"from/up": data, "state/": b""})
    for source, target in (
        (f"{tmp_path}/from/up", "phfs:///new"),
        ("phfs:///old", f"{tmp_path}/down"),
        ("phfs:///old", "phfs:///copy"),
    ):
        store = await memory({"old": data})
        faulty = FaultyStore(store)
        faulty.fail(FAULT, kind=kind, nth=nth, after=after)
        copying = Copying(faulty, tmp_path / "state" if resumable else None)
        failed = False
        try:
            await copying.cp(source, target)
        except StoreError:
            failed = True
        failed = failed or bool(copying.errors())
        for key, found in held(store).items():
            assert found == data, key
        if (tmp_path / "down").exists():
            assert (tmp_path / "down").read_bytes() == data
        records = list((tmp_path / "state").glob("resume-*"))
        uploads = [
            upload for upload in store.uploads if kind not in ("create_upload", "abort_upload")
        ]
        assert len(uploads) <= len(records), "an upload nobody ends"
        faulty.heal()
        again = Copying(faulty, tmp_path / "state" if resumable else None)
        await again.cp(source, target)
        assert not again.errors()
        if not failed:
            assert again.told.said == []
        assert len(store.uploads) <= (kind in ("create_upload", "abort_upload"))
        assert list(tmp_path.glob(f".*{PART_ENDING}*")) == []
        assert list((tmp_path / "state").glob("resume-*")) == []
        (tmp_path / "down").unlink(missing_ok=True)


# -- going on ------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return plant(tmp_path / "state", {})


async def test_an_upload_goes_on_where_it_was_interrupted(tmp_path: Path, state: Path) -> None:
    (tmp_path / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="put_part", nth=15)
    first = Copying(faulty, state)
    await first.cp(tmp_path / "up", "phfs:///a")
    assert [error.why for error in first.errors()] == ["the store is broken"]
    assert "the same command goes on" in first.told.said[0]
    taken = sum(len(one.parts) for one in store.uploads.values())
    assert taken
    assert await abort_leftovers(store, state, ORIGIN) == 0, "a mount leaves it alone"
    before = faulty.count("put_part")
    second = Copying(faulty, state)
    await second.cp(tmp_path / "up", "phfs:///a")
    assert f"{taken} of its {PARTS} parts" in second.told.said[0]
    assert faulty.count("put_part") - before == PARTS - taken
    assert held(store) == {"a": LARGE}
    assert (store.uploads, list(state.iterdir())) == ({}, [])


async def test_what_is_cancelled_is_kept(tmp_path: Path, state: Path) -> None:
    (tmp_path / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    gate = faulty.hold(kind="put_part", nth=15, times=math.inf)
    copying = Copying(faulty, state)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copying.cp, tmp_path / "up", "phfs:///a")
        await gate.reached.wait()
        await trio.testing.wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
    assert "the same command goes on" in copying.told.said[0]
    assert len(store.uploads) == len(list(state.glob("resume-*"))) == 1


async def test_a_file_that_has_changed_is_sent_afresh(tmp_path: Path, state: Path) -> None:
    (tmp_path / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="put_part", nth=15)
    await Copying(faulty, state).cp(tmp_path / "up", "phfs:///a")
    (tmp_path / "up").write_bytes(LARGE[::-1])
    os.utime(tmp_path / "up", (1, 1))
    second = Copying(faulty, state)
    await second.cp(tmp_path / "up", "phfs:///a")
    assert "sent afresh" in second.told.said[0]
    assert held(store) == {"a": LARGE[::-1]}
    assert not store.uploads


async def test_an_upload_the_store_has_thrown_away_is_sent_afresh(
    tmp_path: Path, state: Path
) -> None:
    (tmp_path / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="put_part", nth=15)
    await Copying(faulty, state).cp(tmp_path / "up", "phfs:///a")
    await store.abort_upload("a", next(iter(store.uploads)))
    second = Copying(faulty, state)
    await second.cp(tmp_path / "up", "phfs:///a")
    assert not second.errors()
    assert held(store) == {"a": LARGE}


async def test_two_commands_do_not_send_the_same_upload(tmp_path: Path, state: Path) -> None:
    (tmp_path / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    gate = faulty.hold(kind="put_part", nth=15, times=math.inf)
    first, second = Copying(faulty, state), Copying(faulty, state)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.cp, tmp_path / "up", "phfs:///a")
        await gate.reached.wait()
        await second.cp(tmp_path / "up", "phfs:///a")
        assert ["Another phfs" in error.why for error in second.errors()] == [True]
        gate.release()
    assert held(store) == {"a": LARGE}


async def test_an_old_upload_is_aborted_by_the_next_command(tmp_path: Path, state: Path) -> None:
    (tmp_path / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="put_part", nth=15)
    await Copying(faulty, state).cp(tmp_path / "up", "phfs:///a")
    (record,) = state.glob("resume-*")
    os.utime(record, (1, 1))
    (tmp_path / "other").write_bytes(SMALL)
    await Copying(faulty, state).cp(tmp_path / "other", "phfs:///b")
    assert (store.uploads, list(state.iterdir())) == ({}, [])


async def old_upload(directory: Path, state: Path) -> tuple[FaultyStore, MemoryStore]:
    """A store with an upload that nobody has gone on with for years."""
    (directory / "up").write_bytes(LARGE)
    store = await memory()
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="put_part", nth=15)
    await Copying(faulty, state).cp(directory / "up", "phfs:///a")
    (record,) = state.glob("resume-*")
    os.utime(record, (1, 1))
    (directory / "other").write_bytes(SMALL)
    return faulty, store


async def test_an_old_upload_stays_for_a_dry_run(tmp_path: Path, state: Path) -> None:
    faulty, store = await old_upload(tmp_path, state)
    copying = Copying(faulty, state)
    await copying.cp(tmp_path / "other", "phfs:///b", dry=True)
    target = given(str(tmp_path / "there"), CONFIG)
    await move(copying.group, [given("phfs:///a", CONFIG)], target, Options(), dry=True)
    assert faulty.count("abort_upload") == 0
    assert (len(store.uploads), len(list(state.glob("resume-*")))) == (1, 1)


@pytest.mark.expects_log
async def test_an_old_upload_that_cannot_be_aborted_is_not_forgotten(
    tmp_path: Path, state: Path
) -> None:
    faulty, store = await old_upload(tmp_path, state)
    faulty.fail(FAULT, kind="abort_upload")
    await Copying(faulty, state).cp(tmp_path / "other", "phfs:///b")
    assert (len(store.uploads), len(list(state.glob("resume-*")))) == (1, 1)
    await Copying(faulty, state).cp(tmp_path / "other", "phfs:///c")
    assert (store.uploads, list(state.iterdir())) == ({}, [])


async def interrupted_download(store: MemoryStore, target: Path) -> tuple[FaultyStore, Path]:
    """A download of ``a`` that has lost its fourth range; the partial file."""
    faulty = FaultyStore(store)
    faulty.fail(FAULT, kind="get", nth=15)
    copying = Copying(faulty)
    await copying.cp("phfs:///a", target)
    assert copying.errors()
    assert not target.exists()
    (partial,) = target.parent.glob(f".*{PART_ENDING}")
    assert str(partial) in copying.told.said[0]
    return faulty, partial


async def test_a_download_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    target = tmp_path / "down"
    faulty, partial = await interrupted_download(await memory({"a": LARGE}), target)
    before = faulty.count("get")
    copying = Copying(faulty)
    await copying.cp("phfs:///a", target)
    assert "are here" in copying.told.said[0]
    assert 0 < faulty.count("get") - before < PARTS
    assert target.read_bytes() == LARGE
    assert not partial.exists()


async def test_bytes_that_were_lost_with_the_power_are_fetched_again(tmp_path: Path) -> None:
    target = tmp_path / "down"
    faulty, partial = await interrupted_download(await memory({"a": LARGE}), target)
    with partial.open("r+b") as file:
        file.write(bytes(100))
    await Copying(faulty).cp("phfs:///a", target)
    assert target.read_bytes() == LARGE


async def test_an_object_that_has_changed_is_fetched_afresh(tmp_path: Path) -> None:
    target, store = tmp_path / "down", await memory({"a": LARGE})
    await interrupted_download(store, target)
    changed = await memory({"a": LARGE[::-1]})
    copying = Copying(changed)
    await copying.cp("phfs:///a", target)
    assert "fetched afresh" in copying.told.said[0]
    assert target.read_bytes() == LARGE[::-1]


async def test_two_commands_do_not_fetch_the_same_file(tmp_path: Path) -> None:
    faulty = FaultyStore(await memory({"a": LARGE}))
    gate = faulty.hold(kind="get", nth=3, times=math.inf)
    first, second = Copying(faulty), Copying(faulty)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.cp, "phfs:///a", tmp_path / "down")
        await gate.reached.wait()
        await second.cp("phfs:///a", tmp_path / "down")
        assert ["Another phfs" in error.why for error in second.errors()] == [True]
        gate.release()
    assert grown(tmp_path) == {"down": LARGE}


# -- bytes and versions that change --------------------------------------------------------------


class Flipping(MemoryStore):
    """Changes a byte of the first ``times`` answers; ``sums``: the store keeps checksums."""

    times: float = math.inf
    sums = True

    async def get(
        self, key: str, byte_range: ByteRange, sink: Sink, *, if_match: ETag, whole: bool = False
    ) -> None:
        """One bit is another."""
        await super().get(key, byte_range, sink, if_match=if_match, whole=whole)
        if self.times > 0:
            self.times -= 1
            sink.space(0, 1)[0] ^= 1

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """Parts are of one size, but for the last."""
        if part:
            size = len(self.objects[key].data)
            return Kept(self.objects[key].etag, min(PART, size - (part - 1) * PART))
        found = await super().kept(key)
        return found if self.sums else found._replace(sums={})


@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("times", [0, 1, math.inf])
@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_wrong_bytes_are_fetched_again_and_never_saved(
    tmp_path: Path,
    data: bytes,
    times: float,
    sums: bool,
) -> None:
    store = Flipping(lambda: 1e9, min_part=1)
    store.times, store.sums = 0, sums
    (tmp_path / "up").write_bytes(data)
    copying = Copying(store)
    await copying.cp(tmp_path / "up", "phfs:///a")
    store.times = times
    await copying.cp("phfs:///a", tmp_path / "down")
    if times == math.inf:
        assert [type(error) for error in copying.errors()] == [Corrupted]
        assert grown(tmp_path) == {"up": data}
        return
    assert (tmp_path / "down").read_bytes() == data
    assert len(copying.told.said) == times
    assert copying.told.outcomes[0].verified == ("crc32c" if sums and data == LARGE else "md5")


class Mistaken(Flipping):
    """Tells a sum that is not that of the bytes, as a server may for an object made of parts."""

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """Off by one."""
        found = await super().kept(key, part=part)
        return found._replace(sums={name: value ^ 1 for name, value in found.sums.items()})


@pytest.mark.parametrize("times", [0, math.inf])
async def test_the_etag_decides_where_the_sum_does_not_fit(tmp_path: Path, times: float) -> None:
    store = Mistaken(lambda: 1e9, min_part=1)
    store.times = 0
    (tmp_path / "up").write_bytes(LARGE)
    copying = Copying(store)
    await copying.cp(tmp_path / "up", "phfs:///a")
    store.times = times
    await copying.cp("phfs:///a", tmp_path / "down")
    assert (tmp_path / "down").exists() == (times == 0)
    assert [type(error) for error in copying.errors()] == ([Corrupted] if times else [])


class Odd(Flipping):
    """An object whose parts have sizes of their own: 2000, 1000, …"""

    times = 0
    sums = False

    async def kept(self, key: str, *, part: int = 0) -> Kept:
        """What each part has."""
        size = len(self.objects[key].data)
        sizes = [2000, 1000, 1000, size - 4000]
        return (await super().kept(key))._replace(size=sizes[part - 1] if part else size)


@pytest.mark.parametrize("flipped", [0, 1])
async def test_parts_of_any_sizes_are_verified(tmp_path: Path, flipped: int) -> None:
    store = Odd(lambda: 1e9, min_part=1)
    from phfs.core.objects import Attributes

    upload = await store.create_upload("a", Attributes())
    ends = [0, 2000, 3000, 4000, len(LARGE)]
    parts = [
        await store.put_part("a", upload, number, [LARGE[start:stop]])
        for number, (start, stop) in enumerate(itertools.pairwise(ends), start=1)
    ]
    await store.complete_upload("a", upload, parts)
    copying = Copying(store)
    store.times = flipped
    await copying.cp("phfs:///a", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == LARGE
    assert (copying.told.outcomes[0].verified, len(copying.told.said)) == ("md5", flipped)


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"x")])
async def test_a_source_that_changes_is_named_and_not_saved(
    tmp_path: Path, data: bytes, change: Callable[[Path], object]
) -> None:
    """It changes between the walk and the reading, or while parts are sent."""
    path = tmp_path / "up"
    path.write_bytes(data)
    store = await memory()
    faulty = FaultyStore(store)
    gate = faulty.hold(kind="put_part", nth=3) if data == LARGE else faulty.hold(kind="list_page")
    copying = Copying(faulty)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copying.cp, path, "phfs:///a")
        await gate.reached.wait()
        if data == LARGE:
            os.utime(path, (5, 5))
        else:
            change(path)
        gate.release()
    if data == LARGE:
        assert [type(error) for error in copying.errors()] == [Stale]
        assert str(path) in copying.errors()[0].why
    assert held(store) in ({}, {"a": b"x"})
    assert not store.uploads


async def test_a_file_the_kernel_makes_up_is_named_and_not_stored_empty() -> None:
    store = await memory()
    copying = Copying(store)
    await copying.cp("/proc/self/status", "phfs:///s t")
    (error,) = copying.errors()
    assert error.why.startswith("/proc/self/status has more in it than its size says, 0 bytes")
    assert error.advice.endswith("cat /proc/self/status | phfs cp - 'phfs:///s t'")
    assert held(store) == {}


async def test_an_object_that_is_replaced_meanwhile_is_named(tmp_path: Path) -> None:
    store = await memory({"a": LARGE})
    faulty = FaultyStore(store)
    gate = faulty.hold(kind="get", nth=3)
    copying = Copying(faulty)
    from phfs.core.objects import Attributes

    async with trio.open_nursery() as nursery:
        nursery.start_soon(copying.cp, "phfs:///a", tmp_path / "down")
        await gate.reached.wait()
        await store.put("a", [b"new"], Attributes())
        gate.release()
    assert [type(error) for error in copying.errors()] == [Stale]
    assert list(tmp_path.iterdir()) == []


# -- what is refused, and what goes on -----------------------------------------------------------


async def test_what_the_group_cannot_hold_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    tree = plant(tmp_path / "t", {"good": b"1", "line\nbreak": b"2", "d/deep": b"3", "e/": b""})
    (tree / "link").symlink_to("good")
    os.mkfifo(tree / "pipe")
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff")).write_bytes(b"4")
    long = tree.joinpath(*["x" * 200] * 6)
    long.mkdir(parents=True)
    (long / "y").write_bytes(b"5")
    store = await memory()
    copying = Copying(store)
    await copying.cp(tree, "phfs:///t", recursive=True)
    kinds = sorted(type(error).__name__ for error in copying.errors())
    wanted = [Invalid, NameNotText, NameTooLong, Unsupported, Unsupported]
    assert kinds == sorted(kind.__name__ for kind in wanted)
    assert all(error.why.endswith(".") for error in copying.errors())
    assert held(store) == {"t/good": b"1", "t/d/deep": b"3", "t/e/": b""}


async def test_links_are_followed_when_asked_for_and_circles_are_not(tmp_path: Path) -> None:
    tree = plant(tmp_path / "t", {"good": b"1", "d/x": b"2"})
    (tree / "link").symlink_to("good")
    (tree / "d/up").symlink_to("..")
    (tree / "broken").symlink_to("nowhere")
    store = await memory()
    copying = Copying(store)
    await copying.cp(tree, "phfs:///t", recursive=True, follow=True)
    assert held(store) == {"t/good": b"1", "t/d/x": b"2", "t/link": b"1"}
    assert ["leads back" in e.why or "broken" in e.why for e in copying.errors()] == [True, True]


async def test_the_name_of_the_explanations_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, {".phfs/x": b"1"})
    store = await memory()
    copying = Copying(store)
    await copying.cp(tmp_path / ".phfs", "phfs:///", recursive=True)
    assert [type(error) for error in copying.errors()] == [NotPermitted]
    assert held(store) == {}


async def test_files_and_directories_do_not_hide_each_other(tmp_path: Path) -> None:
    plant(tmp_path, {"t/a/x": b"1", "t/b": b"2", "t/c": b"3"})
    objects = {"t/a": b"file", "t/b/y": b"in a directory"}
    store = await memory(objects)
    copying = Copying(store)
    await copying.cp(tmp_path / "t", "phfs:///", recursive=True)
    assert {type(error) for error in copying.errors()} == {NotDirectory, IsDirectory}
    assert held(store) == {**objects, "t/c": b"3"}
    plant(tmp_path, {"down/t/a/x": b"local", "down/t/b": b"local"})
    copying = Copying(store)
    await copying.cp("phfs:///t", tmp_path / "down", recursive=True)
    assert {type(error) for error in copying.errors()} == {NotDirectory, IsDirectory}
    assert grown(tmp_path / "down/t") == {"a/x": b"local", "b": b"local", "c": b"3"}


async def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    copying = Copying(await memory({"a": SMALL}))
    await copying.cp("phfs:///a", tmp_path / "pipe")
    assert [type(error) for error in copying.errors()] == [Unsupported]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


async def test_one_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    objects = {f"d/{number}": str(number).encode() for number in range(100)}
    faulty = FaultyStore(await memory(objects))
    faulty.fail(FAULT, kind="get", nth=50)
    copying = Copying(faulty)
    await copying.cp("phfs:///d", tmp_path / "d", recursive=True)
    assert len(copying.errors()) == 1
    assert len(grown(tmp_path / "d")) == 99


async def test_a_store_that_is_gone_ends_everything(tmp_path: Path) -> None:
    objects = {f"d/{number}": b"1" for number in range(500)}
    faulty = FaultyStore(await memory(objects))
    faulty.fail(ConnectionFailed("gone"), kind="get", nth=10, times=math.inf)
    copying = Copying(faulty)
    with pytest.raises(ConnectionFailed):
        await copying.cp("phfs:///d", tmp_path / "d", recursive=True)
    assert faulty.count("get") < 100


async def test_nothing_is_overwritten_if_that_is_not_wanted(tmp_path: Path) -> None:
    plant(tmp_path, {"t/a": b"new", "t/b": b"new"})
    store = await memory({"t/a": b"old"})
    copying = Copying(store, overwrite=False)
    await copying.cp(tmp_path / "t", "phfs:///", recursive=True)
    assert held(store) == {"t/a": b"old", "t/b": b"new"}
    assert [o.action for o in copying.told.outcomes].count(Action.SKIP) == 1
    await copying.cp("phfs:///t/a", tmp_path / "t")
    assert (tmp_path / "t/a").read_bytes() == b"new"
    await copying.cp("phfs:///t/b", "phfs:///t/a")
    assert held(store)["t/a"] == b"old"


async def test_a_file_made_meanwhile_is_not_overwritten_either(tmp_path: Path) -> None:
    faulty = FaultyStore(await memory({"a": SMALL}))
    gate = faulty.hold(kind="get")
    copying = Copying(faulty, overwrite=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copying.cp, "phfs:///a", tmp_path / "a")
        await gate.reached.wait()
        (tmp_path / "a").write_bytes(b"made meanwhile")
        gate.release()
    assert grown(tmp_path) == {"a": b"made meanwhile"}
    assert [o.action for o in copying.told.outcomes] == [Action.SKIP]


async def test_a_dry_run_says_exactly_what_is_done_after_it(tmp_path: Path) -> None:
    plant(tmp_path / "t", {"a": SMALL, "d/b": LARGE, "line\n": b""}).joinpath("l").symlink_to("a")
    store = await memory({"x/y": b"1", "x/z/w": b"2"})
    copying = Copying(store)
    for words in (
        (tmp_path / "t", "phfs:///new"),
        ("phfs:///x", tmp_path),
        ("phfs:///x", "phfs:///copy"),
    ):
        before = held(store), grown(tmp_path)
        planned = await copying.cp(*words, recursive=True, dry=True)
        assert (held(store), grown(tmp_path)) == before
        assert planned == await copying.cp(*words, recursive=True)
        assert (held(store), grown(tmp_path)) != before


async def test_memory_is_bounded_and_first_come_first_served() -> None:
    lent = Memory(100)
    order: list[int] = []
    most = now = 0

    async def use(number: int, size: int) -> None:
        nonlocal most, now
        async with lent.lent(size) as buffer:
            order.append(number)
            now += len(buffer)
            most = max(most, now if size <= 100 else 0)
            await trio.testing.wait_all_tasks_blocked()
            now -= len(buffer)

    async with trio.open_nursery() as nursery:
        for number, size in enumerate([60, 60, 30, 300, 100, 1]):
            nursery.start_soon(use, number, size)
            await trio.testing.wait_all_tasks_blocked()
    assert order == sorted(order)
    assert most <= 100
