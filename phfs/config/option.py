"""What an option is: a row of the table, and how it is written in each place it may stand in.

Owns the spelling: ``--part-size`` on the command line, ``PHFS_PART_SIZE`` as a variable,
``part_size`` in a file. Knows no option. Used by the table in ``mount`` and by all who read it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, field
from typing import Any, NamedTuple

from phfs.config.kinds import Kind

Row = Field[Any]
"""A field of the table's dataclass; its name is the key in a file."""


class Option(NamedTuple):
    """What the table says about an option, beside its name and its default."""

    kind: Kind
    help: str
    default_text: str
    """What the default is in a reader's words; empty if there is none."""
    positional: bool
    switch: bool
    """Given without a value on the command line; ``on`` or ``off`` as a variable."""
    secret: bool
    """Never on the command line, where ``ps`` shows it to everybody; never shown."""
    negated: bool
    """A switch whose ``--no-NAME`` is in the help, because it may be on by itself."""
    short: str
    aws_variables: tuple[str, ...]
    """Variables of AWS's tools that say the same; looked at after PHFS's own, in this order."""


def option(
    kind: Kind,
    help_text: str,
    *,
    default: Any = MISSING,
    compute: Callable[[], Any] | Any = MISSING,
    shown: str = "",
    positional: bool = False,
    switch: bool = False,
    secret: bool = False,
    negated: bool = False,
    short: str = "",
    aws_variables: tuple[str, ...] = (),
) -> Any:
    """A row: ``default`` is a value, ``compute`` makes one when it is asked for."""
    about = Option(
        kind, help_text, shown, positional, switch, secret, negated, short, aws_variables
    )
    return field(
        default=default,
        default_factory=compute,
        repr=not secret,
        metadata={"option": about},
    )


def option_of(row: Row) -> Option:
    """What the table says about a field."""
    about: Option = row.metadata["option"]
    return about


def flag(row: Row) -> str:
    """How an option is written on the command line: ``--part-size``; an argument: ``BUCKET``."""
    about = option_of(row)
    return about.kind.metavar if about.positional else "--" + row.name.replace("_", "-")


def variable(row: Row) -> str:
    """The environment variable of an option: ``PHFS_PART_SIZE``."""
    return "PHFS_" + row.name.upper()
