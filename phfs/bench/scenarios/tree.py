"""Whole trees: unpacked, copied, removed."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from phfs.bench.floor import Floor
from phfs.bench.place import BLOCK, Place
from phfs.bench.scenario import FILES_PER_SECOND, KIB, Scenario, Size, Theme, nothing
from phfs.bench.scenarios.programs import run
from phfs.bench.turn import Turn
from phfs.bench.wrong import expect

CONTENT = BLOCK[: 4 * KIB]


def theme(size: Size) -> Theme:
    """The scenarios."""
    count, directories = size.pick((200, 20), (40, 4))
    names = [f"{number % directories:02}/{number:04}.txt" for number in range(count)]
    scenarios = (_unpacked(names, size), _copied(names, size), _removed(names, size))
    return Theme("tree", "Trees of files", scenarios)


def _files(names: list[str], below: str = "") -> Iterator[tuple[str, bytes]]:
    return ((f"{below}{name}", CONTENT) for name in names)


def _count(directory: Path) -> int:
    return sum(1 for path in directory.rglob("*.txt") if path.stat().st_size == len(CONTENT))


def _unpacked(names: list[str], size: Size) -> Scenario:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(CONTENT)
            archive.addfile(entry, io.BytesIO(CONTENT))

    def mount(turn: Turn, root: Path) -> None:
        directory = turn.fresh(root)
        with tempfile.NamedTemporaryFile(prefix="phfs-bench-", suffix=".tar") as archive:
            archive.write(packed.getvalue())
            archive.flush()
            with turn.timed():
                run("tar", "-x", "-f", archive.name, "-C", directory)
        expect("files unpacked", len(names), _count(directory))

    def floor(turn: Turn, store: Floor) -> None:
        own = turn.own
        turn.paced(names, lambda name: store.put(f"{own}/{name}", CONTENT), size.pace)

    return Scenario(
        "tar-x",
        f"tar x of {len(names)} files of 4 KiB, the archive on a local disk",
        FILES_PER_SECOND,
        len(names),
        "the files are new",
        nothing,
        mount,
        floor,
        "one PUT after the other",
    )


def _copied(names: list[str], size: Size) -> Scenario:
    def prepare(place: Place) -> None:
        for turn in range(size.turns):
            place.put_all(_files(names, f"source-{turn}/"))

    def mount(turn: Turn, root: Path) -> None:
        copy = turn.fresh(root) / "copy"
        with turn.timed():
            run("cp", "-r", root / f"source-{turn.number}", copy)
        expect("files copied", len(names), _count(copy))

    def floor(turn: Turn, store: Floor) -> None:
        own = turn.own

        def copy(name: str) -> None:
            source = f"source-{turn.number}/{name}"
            expect(f"bytes of {source}", len(CONTENT), store.get(source))
            store.put(f"{own}/{name}", CONTENT)

        turn.paced(names, copy, size.pace)

    return Scenario(
        "cp-r",
        f"cp -r of {len(names)} files of 4 KiB inside the mount",
        FILES_PER_SECOND,
        len(names),
        "the files: nobody has read them before, the directories have not been listed",
        prepare,
        mount,
        floor,
        "a GET and a PUT of each file, one after the other",
    )


def _removed(names: list[str], size: Size) -> Scenario:
    def mount(turn: Turn, root: Path) -> None:
        turn.stale()
        turn.place.put_all(_files(names, f"{turn.own}/"))
        with turn.timed():
            run("rm", "-r", root / turn.own)
        expect("files left", 0, len(list((root / turn.own).glob("*"))))

    def floor(turn: Turn, store: Floor) -> None:
        own = turn.own
        turn.place.put_all(_files(names, f"{own}/"))
        turn.paced(names, lambda name: store.delete(f"{own}/{name}"), size.pace)

    return Scenario(
        "rm-r",
        f"rm -r of {len(names)} files of 4 KiB",
        FILES_PER_SECOND,
        len(names),
        "the directories have not been listed",
        nothing,
        mount,
        floor,
        "one DELETE after the other",
    )
