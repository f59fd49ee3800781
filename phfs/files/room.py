"""What is at a place, and whether the group can hold a file there beside what it has.

Owns the refusals of names, of keys that are too long, and of a file where a directory is, or below
another file, be it there or made by the same command. Called by ``refusing``, ``plan``, ``sync``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import trio

from phfs.core.names import EXPLANATIONS, MAX_KEY, MAX_NAME, is_name, is_path
from phfs.errors import (
    Exists,
    Invalid,
    IsDirectory,
    NameNotText,
    NameTooLong,
    NotDirectory,
    NotFound,
    NotPermitted,
    Unsupported,
)
from phfs.files import local
from phfs.files.group import Group
from phfs.files.looking import find, tree
from phfs.files.outcome import STREAM, Place, shown
from phfs.files.paths import Remote
from phfs.files.within import There


async def what_is(group: Group, place: Place) -> There:
    """What is at a place. Raises ``StoreError``, ``OperationFailed``."""
    if place == STREAM:
        return There.FILE
    if isinstance(place, Path):
        try:
            status = await trio.to_thread.run_sync(os.path.isdir, place)
            there = await trio.to_thread.run_sync(os.path.lexists, place)
        except OSError as error:
            raise local.failed(place, "found", error) from None
        return There.DIRECTORY if status else There.FILE if there else There.NOTHING
    try:
        entry = await find(group.store, Remote(place.path))
    except NotFound:
        return There.NOTHING
    return There.DIRECTORY if entry.is_dir else There.FILE


class Existing:
    """What is in a directory of the group before something is put into it."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.directories: set[str] = set()

    async def read(self, group: Group, place: Remote) -> None:
        """List it."""
        async for entry in tree(group.store, place):
            (self.directories if entry.is_dir else self.files).add(entry.path)

    def check(self, path: str, *, is_directory: bool = False) -> None:
        """Refuse a file, or a directory, at ``path`` if there is no room for it."""
        if is_directory and path in self.files:
            raise NotDirectory(f"{Remote(path)} is a file, and a directory cannot take its place.")
        if not is_directory and path in self.directories:
            raise IsDirectory(f"{Remote(path)} is a directory, and a file cannot take its place.")
        for above in directories_above(path):
            if above in self.files:
                raise needed(Remote(above))


class Taken:
    """The places that one command has written to, so that none of its sources hides another."""

    def __init__(self) -> None:
        self.sources: set[Place] = set()
        self._files: set[str] = set()
        self._directories: set[str] = set()

    def add(self, place: Place, source: str, *, is_directory: bool) -> None:
        """Take a place for what ``source`` becomes. Raises ``Exists``, ``IsDirectory``,
        ``NotDirectory`` if another one has it."""
        path = place.path if isinstance(place, Remote) else os.fspath(place)
        why = "in the same command."
        if path in self._files:
            raise Exists(f"{place} would be overwritten by {source} {why}")
        if not is_directory and path in self._directories:
            raise IsDirectory(f"{place} is a directory of another source {why}")
        above = list(directories_above(path))
        if not self._files.isdisjoint(above):
            raise NotDirectory(f"{place} would be below a file of another source {why}")
        (self._directories if is_directory else self._files).add(path)
        self._directories.update(above)


def directories_above(path: str) -> Iterator[str]:
    """The directories that a path leads through, the nearest first, without the root."""
    while path := path.rpartition("/")[0]:
        yield path


def needed(place: Place, advice: str = "") -> NotDirectory:
    """There is a file where a directory has to be."""
    return NotDirectory(f"{place} is a file, and a directory is needed there.", advice)


async def check_above(group: Group, place: Place) -> None:
    """Refuse a place in the group that is below a file. On this machine the system does.

    Raises ``NotDirectory``, ``StoreError``.
    """
    if isinstance(place, Remote):
        for above in directories_above(place.path):
            there = await what_is(group, Remote(above))
            if there is There.FILE:
                raise needed(Remote(above), "Choose another target.")
            if there is There.DIRECTORY:
                return


async def in_group(group: Group, place: Place) -> Place:
    """The place in the group that a path on this machine is, where a mount shows it; else as it
    is."""
    if isinstance(place, Remote) or place == STREAM:
        return place
    return await trio.to_thread.run_sync(group.views.place_of, place) or place


def unseen(key: str) -> Unsupported:
    """Why an object becomes no file on this machine, and is in no mount."""
    if key.partition("/")[0] == EXPLANATIONS:
        why = "a mount has that directory to explain its errors"
    elif is_path(key):
        why = "there is a directory of the same name"
    else:
        why = "its key has control characters, or an empty, overlong or dotted name"
    return Unsupported(
        f"{Remote(key)} cannot be a file on this machine: {why}.",
        "Store it under another key with another tool for S3.",
    )


def check_key(group: Group, path: str) -> None:
    """Refuse a path that the group cannot hold. Raises ``NameNotText``, ``NameTooLong``,
    ``Invalid``, ``NotPermitted``."""
    for name in path.split("/"):
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            raise NameNotText(f"The name {shown(name)!r} is not UTF-8.") from None
        if length > MAX_NAME:
            raise NameTooLong(f"The name {name!r} has {length} bytes; it may have {MAX_NAME}.")
        if not is_name(name):
            raise Invalid(
                f"The name {name!r} has control characters, which S3 tools cannot show.",
                "Choose a name without them.",
            )
    if path == EXPLANATIONS or path.startswith(f"{EXPLANATIONS}/"):
        raise NotPermitted(
            f"{Remote(EXPLANATIONS)} is reserved: a mount explains its errors there.",
            "Choose another name.",
        )
    check_length(group, path)


def check_length(group: Group, path: str) -> None:
    """Refuse a path whose key S3 cannot hold. Raises ``NameTooLong``."""
    if len(f"{group.prefix}{path}/".encode(errors="surrogateescape")) > MAX_KEY:
        raise NameTooLong(
            f"{Remote(path)} makes a key of more than {MAX_KEY} bytes, which is S3's limit.",
            "Choose shorter names, or fewer directories.",
        )
