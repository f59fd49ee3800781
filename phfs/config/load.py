"""From texts to a checked ``MountConfig``.

Owns the judgement of values, alone and together, and the sentences in which they are refused. Where
a value comes from is ``sources``' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from phfs.config.defaults import state_dir_of
from phfs.config.files import TABLE
from phfs.config.mount import BY_NAME, OPTIONS, MountConfig, group_directory
from phfs.config.option import Row, flag, option_of, variable
from phfs.config.sources import NO_FILES, Files, Given, Source, Texts, first_of, in_order
from phfs.config.together import check_together
from phfs.errors import ConfigError

FILE_VARIABLE = "PHFS_CONFIG"
"""Names the configuration file, and no option of a mount."""

SECRETS = tuple(row.name for row in OPTIONS if option_of(row).secret)
"""The keys themselves."""

KEYS = (*SECRETS, "credentials_file", "profile")
"""All that says by whose keys the store is reached; see ``_keys``."""


def load(arguments: Texts, environ: Mapping[str, str], files: Files = NO_FILES) -> MountConfig:
    """Check everything and fill in the defaults.

    ``arguments``: the texts of the command line by field name, ``on`` for a switch. ``files``: what
    ``find`` has found. A variable that is set and empty counts as not set. Raises ``ConfigError``
    with one sentence that names the option, where it is given, its value and what to give instead.
    """
    given = gather(OPTIONS, arguments, environ, files)
    values = _values(OPTIONS, given, files.name)
    if "prefix" not in values:
        values["prefix"] = _group_prefix(values.get("group"))
    if "state_dir" not in values and "run_as" in values:
        values["state_dir"] = state_dir_of(values["run_as"][0])
    config = MountConfig(**values)
    check_together(config, given)
    return config


def read(
    rows: Iterable[Row],
    arguments: Texts,
    environ: Mapping[str, str],
    files: Files = NO_FILES,
) -> dict[str, Any]:
    """The values of some options by name, those without one left out. Raises as ``load``."""
    chosen = tuple(rows)
    return _values(chosen, gather(chosen, arguments, environ, files), files.name)


def gather(
    rows: Iterable[Row],
    arguments: Texts,
    environ: Mapping[str, str],
    files: Files = NO_FILES,
) -> dict[str, Given]:
    """Where each option's text stands, those left out that are nowhere or do not count: a prefix
    behind a group, keys behind others. Nothing is judged but what a file cannot mean. Raises
    ``ConfigError``."""
    sources = in_order(arguments, environ, files)
    names = [row.name for row in rows]
    keys = _keys(sources) if set(names) & set(KEYS) else {}
    found = {
        name: keys.get(name) if name in KEYS else first_of(sources, BY_NAME[name]) for name in names
    }
    if found.get("prefix") is not None and _group_counts_more(sources):
        del found["prefix"]
    return {name: given for name, given in found.items() if given is not None}


def value_of(row: Row, given: Given) -> object:
    """What the text of an option stands for. Raises ``ConfigError``."""
    option = option_of(row)
    try:
        return option.kind.parse(given.text)
    except ValueError:
        # A value with an @ may be a URL with a password in it.
        hidden = option.secret or "@" in given.text
        name = f"The value of {given.named}" if hidden else given.shown
        raise ConfigError(f"{name} is wrong: give {option.kind.expected}.") from None


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each ``PHFS_`` variable that looks like a misspelt option."""
    known = [FILE_VARIABLE, *(variable(row) for row in OPTIONS)]
    sentences = []
    for name in sorted(environ):
        near = get_close_matches(name, known, n=1, cutoff=0.85)
        if name.startswith("PHFS_") and name not in known and near:
            sentences.append(f"The variable {name} has no meaning; is {near[0]} meant?")
    return sentences


def _values(rows: Iterable[Row], given: Mapping[str, Given], name: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for row in rows:
        option = option_of(row)
        if row.name in given:
            values[row.name] = value_of(row, given[row.name])
        elif option.positional:
            also = f", also in [{TABLE}.{name}]" if name else ""
            raise ConfigError(f"{flag(row)} is missing{also}: give {option.kind.expected}.")
    return values


def _keys(sources: Iterable[Source]) -> dict[str, Given]:
    """What is said of keys in the first place that says any: one place's token does not go with
    another's keys. A profile said before is the section of a file of keys, or is instead of keys.
    """
    profile: dict[str, Given] = {}
    for source in sources:
        found = {name: source(BY_NAME[name]) for name in KEYS}
        said = {name: given for name, given in found.items() if given is not None}
        if profile:
            said = {name: said[name] for name in {"credentials_file"} & set(said)} | profile
        if set(said) - {"profile"}:
            return said
        profile = profile or said
    return profile


def _group_counts_more(sources: Sequence[Source]) -> bool:
    """Whether a group is said before a prefix is: in one place, a prefix goes before the group."""
    for source in sources:
        if source(BY_NAME["prefix"]) is not None:
            return False
        if source(BY_NAME["group"]) is not None:
            return True
    return False


def _group_prefix(group: str | None) -> str:
    if group is None:
        raise ConfigError(
            "Neither --group nor --prefix is given: say which objects to show, "
            "as in --group my-group."
        )
    return f"groups/{group_directory(group)}/"
