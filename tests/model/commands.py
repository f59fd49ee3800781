"""Sequences of operations for the model and a file system, and how one of them is carried out.

Owns the commands hypothesis draws. A command names paths from a small set and open files by their
position, so that a sequence stays meaningful when it is shortened.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from phfs.vfs.values import OpenFlags

PATHS = ("a", "a", "b", "d", "d", "d/a", "d/d", "d/d/a", "x", "x/y")
FILES = ("a", "a", "a", "b", "d/a", "d/a", "d/d/a", "x", "x/y")
"""Few paths, some more often than others: operations have to meet to be worth anything."""

FLAGS = (
    OpenFlags(),
    OpenFlags(read=False, write=True),
    OpenFlags(read=False, write=True, truncate=True),
    OpenFlags(write=True),
    OpenFlags(write=True, truncate=True),
    OpenFlags(read=False, write=True, append=True),
)
EXCLUSIVE = OpenFlags(read=False, write=True, exclusive=True)


class Command(NamedTuple):
    """One step. ``slot`` picks an open file; what a field means depends on ``kind``."""

    kind: str
    path: str = ""
    other: str = ""
    slot: int = 0
    size: int = 0
    flags: OpenFlags = OpenFlags()

    def __repr__(self) -> str:
        """Only what differs from the defaults: sequences are long."""
        defaults = self._field_defaults
        shown = [f"{k}={v!r}" for k, v in self._asdict().items() if v != defaults.get(k)]
        return f"Command({', '.join(shown)})"


FIRST = [Command("outside_put", "a"), Command("outside_put", "d/a"), Command("mkdir", "d/d")]
"""What is there when a sequence begins."""


def commands(*, part_size: int) -> st.SearchStrategy[list[Command]]:
    """Lists of steps; sizes of writes lie around ``part_size`` bytes."""
    path, file, slot = st.sampled_from(PATHS), st.sampled_from(FILES), st.integers(0, 2)
    size = st.sampled_from([1, 10, part_size - 1, part_size, 3 * part_size])
    return st.lists(
        st.one_of(
            st.builds(Command, st.just("create"), path, flags=st.sampled_from([*FLAGS, EXCLUSIVE])),
            st.builds(Command, st.just("create"), file, flags=st.sampled_from(FLAGS[2:5])),
            st.builds(Command, st.just("open"), path, flags=st.sampled_from(FLAGS)),
            st.builds(Command, st.just("open"), file, flags=st.just(FLAGS[0])),
            st.builds(Command, st.just("write"), slot=slot, size=size),
            st.builds(Command, st.just("write"), slot=slot, size=size),
            st.builds(Command, st.just("write_elsewhere"), slot=slot, size=st.just(5)),
            st.builds(Command, st.just("read"), slot=slot, size=size),
            st.builds(Command, st.sampled_from(["flush", "fsync", "close", "close"]), slot=slot),
            st.builds(Command, st.just("ftruncate"), slot=slot, size=st.sampled_from([0, 0, 7])),
            st.builds(Command, st.just("truncate"), path, size=st.sampled_from([0, 0, 7])),
            st.builds(Command, st.sampled_from(["mkdir", "rmdir", "unlink", "make_file"]), path),
            st.builds(Command, st.sampled_from(["stat", "listdir"]), st.sampled_from(["", *PATHS])),
            st.builds(Command, st.sampled_from(["rename", "rename_new"]), path, path),
            st.builds(Command, st.just("rename"), file, file),
            st.builds(Command, st.sampled_from(["outside_put", "outside_delete"]), file),
            st.builds(Command, st.just("outside_mkdir"), st.sampled_from(["d", "d/d", "x"])),
        ),
        min_size=8,
        max_size=30,
    )


WEIGHTS = {
    "create": 8,
    "open": 12,
    "write": 22,
    "write_elsewhere": 1,
    "read": 8,
    "flush": 8,
    "fsync": 3,
    "close": 10,
    "ftruncate": 3,
    "truncate": 5,
    "rename": 6,
    "rename_new": 1,
    "unlink": 3,
    "make_file": 1,
    "mkdir": 2,
    "rmdir": 2,
    "stat": 2,
    "listdir": 2,
    "outside_put": 3,
    "outside_delete": 1,
    "outside_mkdir": 1,
}
"""How often each kind of step comes when programs are at work on a few files."""


def walk(random: Random, steps: int, *, part_size: int) -> list[Command]:
    """A sequence in which most steps meet an earlier one, which uniform drawing rarely gives."""
    found = []
    for kind in random.choices([*WEIGHTS], [*WEIGHTS.values()], k=steps):
        named = FILES if kind in ("create", "open", "outside_put", "outside_delete") else PATHS
        path = random.choice(("d", "d/d", "x")) if kind == "outside_mkdir" else random.choice(named)
        sizes = (0, 0, 7) if "truncate" in kind else (1, 10, part_size - 1, 3 * part_size)
        flags = random.choice((*FLAGS, *FLAGS, EXCLUSIVE)) if kind == "create" else None
        found.append(
            Command(
                kind,
                path,
                random.choice(PATHS),
                random.randrange(4),
                random.choice(sizes),
                flags or random.choice(FLAGS),
            )
        )
    return found


def content(serial: int, size: int) -> bytes:
    """``size`` bytes (at least 1) that no other serial number gives, as far as they reach."""
    mark = b"%d:" % serial
    return (mark * (size // len(mark) + 1))[:size] if size > len(mark) else mark
