"""Removing places of the group for a person: looked at first, asked about, then done and told.

Owns the order and the words: nothing goes before every path has been found and whatever needs a
yes has got it. Called by ``commands.rm`` and ``commands.files``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from phfs.cli.explaining import Named, complain, explaining
from phfs.cli.progress import Bar
from phfs.cli.shown import counted, name_of, size_of
from phfs.commandline import sentence_of
from phfs.core.names import printable
from phfs.errors import ConfigError, FileError, IsDirectory, NotFound, StoreError
from phfs.files.paths import SCHEME, Remote
from phfs.files.removing import Counted, count, remove
from phfs.s3.opening import OF_THE_PLACE

if TYPE_CHECKING:
    from phfs.s3.store import Store

_LOOKS = 8
"""Paths that are looked at at once."""


@dataclass
class Wish:
    """What somebody wants removed, and what is agreed beforehand."""

    places: Sequence[Named]
    recursive: bool = False
    sure: bool = False
    missing_is_fine: bool = False
    dry_run: bool = False
    switch: str = "-r"


@dataclass
class Done:
    """What became of it. ``kept`` are objects that were not counted, ``uncovered`` files that were
    hidden by a directory that is gone now."""

    objects: int = 0
    size: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)

    def values(self, *, dry_run: bool) -> dict[str, object]:
        """As JSON."""
        return {
            "dry_run": dry_run,
            "objects": self.objects,
            "size": self.size,
            "failed": [{"path": f"/{path}", "why": why} for path, why in self.failed],
            "kept": [f"/{path}" for path, _ in self.kept],
        }


def check(wish: Wish) -> None:
    """Refuse what is more likely a slip than meant. Raises ``ConfigError``."""
    for text, place, _ in wish.places:
        if place.path == "" and text.lower() != f"{SCHEME}/":
            raise ConfigError(
                f"{text!r} is the root of the group, with everything in it: nothing was removed. "
                f"Give the whole address, {SCHEME}/, if that is what is meant."
            )
        if place.path == "" and not (wish.sure or wish.dry_run):
            raise ConfigError(
                f"{SCHEME}/ is everything the group has: nothing was removed. Give --yes if that "
                "is what is meant."
            )


async def look(store: Store, wish: Wish) -> list[Counted] | None:
    """What there is of it; None if a path cannot go, which has been said then.

    Raises ``StoreError`` for what is wrong with the place as a whole.
    """
    found: dict[int, Counted] = {}
    faults: dict[int, str] = {}
    room = trio.CapacityLimiter(_LOOKS)

    async def one(number: int, named: Named) -> None:
        async with room:
            try:
                async with explaining(store, named):
                    counted = await count(store, named.place)
                if counted.entry.is_dir and not wish.recursive:
                    raise IsDirectory(
                        f"{named.place} is a directory.",
                        f"Give {wish.switch} to remove it with all in it.",
                    )
            except OF_THE_PLACE:
                raise
            except (FileError, StoreError) as error:
                if not (wish.missing_is_fine and isinstance(error, NotFound)):
                    faults[number] = sentence_of(error)
            else:
                found[number] = counted

    async with trio.open_nursery() as nursery:
        for number, named in enumerate(wish.places):
            nursery.start_soon(one, number, named)
    for _, sentence in sorted(faults.items()):
        complain(sentence)
    if faults:
        complain("Nothing was removed.")
        return None
    return [counted for _, counted in sorted(found.items())]


def agree(wish: Wish, found: Sequence[Counted]) -> bool:
    """Whether it may go: directories only after a yes.

    Raises ``ConfigError`` if there is nobody to give it.
    """
    directories = [one for one in found if one.entry.is_dir]
    if wish.sure or wish.dry_run or not directories:
        return True
    what = "; ".join(f"{printable(str(one.place))} with {_amount(one)}" for one in directories)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(
            f"To be removed: {what}. Nobody can be asked, because there is no terminal: give --yes "
            "to remove it, --dry-run to see it."
        )
    print(f"Remove {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    complain("Nothing was removed.")
    return False


async def carry_out(store: Store, found: Sequence[Counted]) -> Done:
    """Remove it, telling how far it is, also where it ends early. Raises ``StoreError`` if a
    directory cannot be listed."""
    done = Done()
    total = sum(one.objects for one in found)
    gone_here = 0

    def gone(number: int) -> None:
        nonlocal gone_here
        bar.end(number - gone_here)
        gone_here = number

    try:
        with Bar("Removing", "objects", sized=False) as bar:
            bar.expect(total)
            for one in found:
                became = await remove(store, one, gone)
                gone_here = 0
                done.objects += became.objects
                done.size += became.size
                done.failed += [(each.key, sentence_of(each.error)) for each in became.failed]
                done.kept += [(key, _why_kept(key, one)) for key in became.newer]
                done.uncovered += [one.entry.path] if became.uncovered else []
    except BaseException:
        complain(f"It ended early: {done.objects + gone_here:,} of {total:,} objects were removed.")
        raise
    return done


def tell(done: Done) -> bool:
    """Name what was not removed; whether everything was."""
    for path, why in done.failed:
        complain(f"{Remote(path)} stays: {why}")
    for path, why in done.kept:
        complain(f"{Remote(path)} stays: {why}")
    for path in done.uncovered:
        complain(f"{Remote(path)} is a file now: the directory of the same name has hidden it.")
    return not (done.failed or done.kept)


async def show(store: Store, found: Sequence[Counted]) -> None:
    """Print each object that would go."""
    from phfs.files.looking import objects

    for one in found:
        if not one.entry.is_dir:
            print(name_of(str(one.place)))
            continue
        async for info in objects(store, one.place):
            if info.key:
                print(name_of(str(Remote(info.key))))


def summary(objects: int, size: int) -> str:
    """How much that is."""
    return f"{counted(objects, 'object')} ({size_of(size, human=True)})"


def _why_kept(key: str, one: Counted) -> str:
    why = "it was written after this began"
    # MinIO lists nothing below a file: what is there comes to light when the file is gone.
    if one.entry.is_dir and "/" in key[len(one.place.prefix) :]:
        why += ", or a file above it hid it until now"
    return f"{why}."


def _amount(one: Counted) -> str:
    return summary(one.objects, one.size)
