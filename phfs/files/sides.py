"""What of a directory takes part in a sync, on either side.

Owns which files the globs let through, that no link is followed in what is written to, and the
notice of what can take no part. Changes nothing. Called by ``sync``.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import trio

from phfs.errors import PhfsError, Unsupported
from phfs.files import local
from phfs.files.group import Group
from phfs.files.looking import Entry, tree
from phfs.files.outcome import Action, Outcome, Place, shown
from phfs.files.paths import Remote
from phfs.files.room import unseen
from phfs.s3.resumable import Source

HERE = "."
"""The directory itself, as a path in it, which no glob is for."""


class Rules(NamedTuple):
    """What is compared and done. ``globs``: pattern and whether what fits it is let through; the
    last that fits decides, and what fits none is let through. A pattern is for whole paths, so
    that a slash or ``./`` before it changes nothing."""

    delete: bool = False
    checksum: bool = False
    follow: bool = False
    globs: tuple[tuple[str, bool], ...] = ()

    def lets_through(self, path: str) -> bool:
        """Whether a file, by its path in the directory, takes part."""
        through = True
        for pattern, lets in self.globs:
            if _fits(path, pattern):
                through = lets
        return through

    def lets_nothing_through(self, directory: str) -> bool:
        """Whether no file below a directory, by its path, takes part."""
        nothing = False
        for pattern, lets in self.globs:
            nothing = not lets and (nothing or _fits(directory, pattern))
        return nothing


def _fits(path: str, pattern: str) -> bool:
    pattern = pattern.removeprefix("./").strip("/")
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")


class Side(NamedTuple):
    """The files of one side by their paths in the directory; ``problems``: what could not be
    looked at there; ``odd``: links, devices and the like, which take no part, and at or below whose
    paths nothing is touched; ``left_out``: what is told of that takes no part."""

    files: dict[str, Entry | Source]
    problems: list[Outcome]
    odd: dict[str, Outcome]
    left_out: list[Outcome]


async def side_of(group: Group, place: Place, rules: Rules) -> Side:
    """What is at a place that is a directory, or nothing. Raises ``StoreError``."""
    side = Side({}, [], {}, [])
    if isinstance(place, Path):
        if place.is_dir():
            await trio.to_thread.run_sync(_walk, place, rules, side)
        return side
    unseen_keys: list[str] = []
    async for entry in tree(group.store, Remote(place.path), unseen_keys):
        path = entry.path[len(place.prefix) :]
        if not entry.is_dir and rules.lets_through(path):
            side.files[path] = entry
    for key in unseen_keys:
        if rules.lets_through(key[len(place.prefix) :]):
            note = unseen(key).why
            side.left_out.append(Outcome(Action.SKIP, str(Remote(key)), note=note))
    return side


def _walk(place: Path, rules: Rules, side: Side) -> None:
    for found in local.walk(place, follow=rules.follow):
        path = found.path.relative_to(place).as_posix()
        if found.problem is not None:
            note(path, found.path, found.problem, rules, side)
        elif found.mark is not None and rules.lets_through(path):
            side.files[path] = found.mark


def note(path: str, found: Path, problem: PhfsError, rules: Rules, side: Side) -> None:
    """Keep in mind what cannot be looked at. The files below it are not known: that its own name is
    excluded says nothing of them."""
    name = shown(found)
    if isinstance(problem, Unsupported):
        side.odd[path] = Outcome(Action.SKIP, name, note=problem.why)
        if rules.lets_through(path):
            side.left_out.append(side.odd[path])
    elif path == HERE or not rules.lets_nothing_through(path):
        side.problems.append(Outcome(Action.FAIL, name, error=problem))
