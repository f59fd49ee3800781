"""Where ``cp -R`` would put something: the rule of the trailing slash.

Owns that rule, which is GNU's, and its one exception: a directory of the group that is not there
and is written with a slash behind it is made, because directories there are made in no other way.
Pure. Called by ``plan``.

    target       a file as source              a directory as source
    missing      is the target                 is the target
    missing/     refused (group: into it)      is the target
    file         replaces it                   refused
    file/        refused                       refused
    directory    goes into it, by its name     goes into it, by its name; ``source/.``: what is in
                                               it goes into the target
"""

from __future__ import annotations

import os
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from phfs.config import MountConfig
from phfs.errors import ConfigError, NotDirectory, NotFound
from phfs.files.outcome import STREAM, Place
from phfs.files.paths import Remote, place_of


class There(Enum):
    """What is at a place."""

    NOTHING = auto()
    FILE = auto()
    DIRECTORY = auto()


class Given(NamedTuple):
    """A place as it was written. ``slash``: with one at its end; ``inside``: with ``/.`` there, so
    that what is in the directory is meant."""

    text: str
    place: Place
    slash: bool = False
    inside: bool = False

    @property
    def is_stream(self) -> bool:
        """Standard input or output."""
        return self.place == STREAM

    @property
    def name(self) -> str:
        """The name it has in the directory it is put into; empty if it has none of its own."""
        if isinstance(self.place, Remote):
            return "" if self.inside else self.place.path.rpartition("/")[2]
        return "" if self.inside else os.path.basename(os.path.normpath(self.text))

    def child(self, name: str) -> Place:
        """What is called ``name`` in it."""
        if isinstance(self.place, Remote):
            return self.place.child(name) if name else self.place
        return self.place / name


def given(text: str, config: MountConfig) -> Given:
    """An argument. Raises ``ConfigError``."""
    if text == "-":
        return Given(text, STREAM)
    bare, inside = text, False
    while bare.endswith(("/.", "/./")):
        bare, inside = bare.removesuffix("/").removesuffix("."), True
    place = place_of(bare, config)
    if isinstance(place, Remote):
        return Given(text, place, place.slash, inside or not place.path)
    last = text.rstrip("/").rpartition("/")[2]
    return Given(text, place, text.endswith("/"), inside or last in (".", "..", ""))


def goes_to(
    source: Given, target: Given, there: There, *, is_directory: bool, several: bool
) -> Place:
    """What ``source`` becomes, which ``is_directory`` or a file; ``there`` is what is at
    ``target``; ``several``: other sources go there as well.

    Raises ``NotDirectory``, ``NotFound``.
    """
    if (source.slash or source.inside) and not is_directory:
        raise NotDirectory(f"{source.text} is a file: leave out what is behind its name.")
    makes = isinstance(target.place, Remote) and target.slash
    if there is There.DIRECTORY or (there is There.NOTHING and makes and not is_directory):
        return target.child(source.name)
    if there is There.NOTHING and several:
        if makes:
            return target.child(source.name)
        hint = f": make it with a slash behind it, {target.text}/." if _remote(target) else "."
        raise NotFound(f"{target.text} is no directory, which several sources need{hint}")
    if there is There.FILE and (several or is_directory or target.slash):
        raise NotDirectory(f"{target.text} is a file, and a directory is needed there.")
    if not is_directory and target.slash:
        raise NotFound(
            f"There is no directory {target.text}: make it with mkdir, or leave the slash out."
        )
    return target.place


def check_sides(sources: list[Given], target: Given) -> None:
    """Refuse what has no side in the group. Raises ``ConfigError``."""
    for source in sources:
        if not (_remote(source) or _remote(target)):
            raise ConfigError(
                f"Neither {source.text!r} nor {target.text!r} is in the group: what is, begins "
                "with phfs:///, as in phfs:///data."
            )
    streams = sum(source.is_stream for source in sources)
    if streams and len(sources) > 1:
        raise ConfigError("Standard input (-) is one of several sources: give it alone.")
    if target.is_stream and len(sources) > 1:
        raise ConfigError("Standard output (-) takes one file: use phfs cat for several.")


def _remote(one: Given) -> bool:
    return isinstance(one.place, Remote)


def inside_itself(source: Place, target: Place) -> bool:
    """Whether ``target`` is the directory ``source`` or below it."""
    if isinstance(source, Remote):
        return isinstance(target, Remote) and f"{target.path}/".startswith(source.prefix)
    return isinstance(target, Path) and source in (target, *target.parents)
