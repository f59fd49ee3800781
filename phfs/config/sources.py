"""Where an option's value may stand, in the order in which the places are asked.

Owns the precedence, and how a value is named in a sentence. Reads no file (``files`` does) and
judges no value (``load`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from phfs.config.option import Row, flag, option_of, variable


class Given(NamedTuple):
    """The text of an option and the place it stands in."""

    text: str
    name: str
    """As it is called there: ``--part-size``, ``PHFS_PART_SIZE``, ``part_size``."""
    where: str = ""
    """Which part of which file; empty for the command line and variables."""
    written: str = ""
    """As the file has it."""

    @property
    def named(self) -> str:
        """The option, for a sentence that does not repeat its value."""
        return f"{self.name} in {self.where}" if self.where else self.name

    @property
    def shown(self) -> str:
        """The option and its value, for a sentence."""
        if self.where:
            return f"{self.name} = {self.written} in {self.where}"
        return f"{self.name} {self.text!r}"


Texts = Mapping[str, str | Given]
"""The command line by the options' names; a ``Given`` is one that is written otherwise there."""

Source = Callable[[Row], Given | None]
"""What a place says of an option; None if it says nothing. Raises ``ConfigError``."""


class Files(NamedTuple):
    """What the configuration files say: ``part`` is of the mount chosen by its name, ``top`` is for
    every mount. ``paths`` are the files that were read, ``name`` the mount's without ``@``."""

    part: tuple[Source, ...] = ()
    top: tuple[Source, ...] = ()
    paths: tuple[Path, ...] = ()
    name: str | None = None


NO_FILES = Files()

PRECEDENCE = (
    "the command line",
    "the named mount of the configuration file, if `@NAME` chooses one",
    "the option's own variable, `PHFS_…`",
    "variables of AWS's tools, for the options that have any",
    "the top of your configuration file",
    "the top of the machine's configuration file, `/etc/phfs/config.toml`",
    "the default",
)
"""For the documents: the order of ``in_order``."""


def in_order(arguments: Texts, environ: Mapping[str, str], files: Files) -> tuple[Source, ...]:
    """The places, first the one that counts most."""
    return (_line(arguments), *files.part, _own(environ), _aws(environ), *files.top)


def first_of(sources: Iterable[Source], row: Row) -> Given | None:
    """What the first place that says something says; None if there is only the default."""
    return next((given for source in sources if (given := source(row)) is not None), None)


def _line(arguments: Texts) -> Source:
    def source(row: Row) -> Given | None:
        text = arguments.get(row.name)
        return Given(text, flag(row)) if isinstance(text, str) else text

    return source


def _own(environ: Mapping[str, str]) -> Source:
    return lambda row: _variable(variable(row), environ)


def _aws(environ: Mapping[str, str]) -> Source:
    return lambda row: next(
        (
            given
            for name in option_of(row).aws_variables
            if (given := _variable(name, environ)) is not None
        ),
        None,
    )


def _variable(name: str, environ: Mapping[str, str]) -> Given | None:
    # A variable that is set and empty counts as not set.
    return Given(environ[name], name) if environ.get(name) else None
