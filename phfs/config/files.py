"""The configuration files: which there are, what they may hold, the mount that a name chooses.

Reads them, and refuses what is in them before any value is judged: syntax, keys nobody knows, types
that an option cannot have, secrets that others may read. Called by ``cli``.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from phfs.config.kinds import Kind
from phfs.config.mount import OPTIONS
from phfs.config.option import Row, option_of
from phfs.config.sources import NO_FILES, Files, Given, Source
from phfs.errors import ConfigError

MACHINE = Path("/etc/phfs/config.toml")
"""For everybody on the machine."""

TABLE = "mount"
"""The table whose tables are the named mounts: ``[mount.research]``."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


class _File(NamedTuple):
    path: Path
    top: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Any]]


def find(environ: Mapping[str, str], named: str | None = None, name: str | None = None) -> Files:
    """What the configuration files say, for the mount ``name`` if one is chosen.

    ``named`` is the file of ``--config``; without it ``PHFS_CONFIG`` names one, else the user's and
    the machine's are read if they are there. Raises ``ConfigError``.
    """
    if named == "":
        raise ConfigError("--config '' is wrong: give the path of a file, or leave it out.")
    paths = _paths(environ, named)
    read = [_read(path, needed=needed, piped=bool(named)) for path, needed in paths]
    files = [file for file in read if file is not None]
    if name is None and not files:
        return NO_FILES
    parts: list[Source] = []
    if name is not None:
        _check_name(name, files, [path for path, _ in paths])
        parts = [
            _source(file.parts[name], f"[{TABLE}.{name}] of {file.path}")
            for file in files
            if name in file.parts
        ]
    top = tuple(_source(file.top, str(file.path)) for file in files)
    return Files(tuple(parts), top, tuple(file.path for file in files), name)


def names(environ: Mapping[str, str], named: str | None = None) -> list[str]:
    """The names of all mounts in the files, sorted. Raises ``ConfigError``."""
    paths = _paths(environ, named)
    files = [_read(path, needed=needed, piped=bool(named)) for path, needed in paths]
    return sorted({name for file in files if file is not None for name in file.parts})


def users_file(environ: Mapping[str, str]) -> Path | None:
    """Where the user's own file is, as the XDG base directory specification says; None without a
    home, as for what mount(8) starts."""
    base, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    # The specification has relative paths ignored.
    if os.path.isabs(base):
        return Path(base, "phfs", "config.toml")
    return Path(home, ".config", "phfs", "config.toml") if os.path.isabs(home) else None


def _paths(environ: Mapping[str, str], named: str | None) -> list[tuple[Path, bool]]:
    """The files to read, the one that counts most first; whether each has to be there."""
    only = named or environ.get("PHFS_CONFIG")
    if only:
        return [(Path(os.path.abspath(os.path.expanduser(only))), True)]
    own = users_file(environ)
    return [(path, False) for path in (own, MACHINE) if path is not None]


def _read(path: Path, *, needed: bool, piped: bool) -> _File | None:
    try:
        # A pipe nobody writes to would be waited for; one that --config names has a writer.
        with open(path, "rb", opener=None if piped else _without_waiting) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISFIFO(status.st_mode) and not piped:
                raise ConfigError(
                    f"The configuration file {path} is a pipe: put a file there, or name the pipe "
                    "by --config."
                )
            text = file.read().decode("utf-8-sig")
    except FileNotFoundError:
        if not needed:
            return None
        raise ConfigError(
            f"There is no configuration file {path}: give one that is there, or write it as "
            "'phfs config --example' shows."
        ) from None
    except OSError as error:
        if isinstance(error, PermissionError) and path == MACHINE and not needed:
            return None  # with keys in it that are root's alone
        raise ConfigError(
            f"The configuration file {path} cannot be read ({error.strerror}): give one that can, "
            "or /dev/null for none."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"The configuration file {path} is no text in UTF-8.") from None
    file_ = _split(path, _parsed(path, text))
    _refuse_open_secrets(file_, status.st_mode)
    _refuse_foreign(path, status)
    return file_


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _parsed(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # costs a mount without a file nothing

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # What a word without quotes is told as.
        unquoted = str(error).startswith("Invalid value")
        hint = ' Text stands in quotes, as in group = "research".' if unquoted else ""
        raise ConfigError(f"The configuration file {path} is not TOML: {error}.{hint}") from None


def _split(path: Path, document: dict[str, Any]) -> _File:
    parts = document.pop(TABLE, {})
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise ConfigError(
            f"{TABLE} in {path} is wrong: give a table for each mount, as in [{TABLE}.research]."
        )
    for name, part in parts.items():
        if not re.fullmatch(_NAME, name):
            raise ConfigError(
                f"[{TABLE}.{name!r}] in {path} is wrong: a name has letters, digits and ._- only."
            )
        _check_keys(part, f"[{TABLE}.{name}] of {path}")
    _check_keys(document, str(path))
    return _File(path, document, parts)


def _check_keys(table: Mapping[str, Any], where: str) -> None:
    known = [row.name for row in OPTIONS]
    for key, value in table.items():
        if key in known:
            continue
        if isinstance(value, dict):
            raise ConfigError(
                f"[{key}] in {where} has no meaning: the options of a mount stand in "
                f"[{TABLE}.NAME]."
            )
        near = get_close_matches(key.replace("-", "_"), known, n=1)
        hint = f"; is {near[0]} meant?" if near else ": 'phfs config --example' shows all keys."
        raise ConfigError(f"{key} in {where} is no option{hint}")


def _refuse_open_secrets(file: _File, mode: int) -> None:
    # Nothing is secret that has no owner of its own, as a pipe has none.
    if not stat.S_ISREG(mode) or not mode & 0o077:
        return
    for table in (file.top, *file.parts.values()):
        for row in OPTIONS:
            if option_of(row).secret and row.name in table:
                raise ConfigError(
                    f"{row.name} stands in {file.path}, which others may read: run chmod 600 "
                    f"'{file.path}', or name a file of your own by credentials_file."
                )


def _refuse_foreign(path: Path, status: os.stat_result) -> None:
    """Whoever may write the file says what is mounted, and where."""
    if not stat.S_ISREG(status.st_mode):
        return
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"The configuration file {path} belongs to user {status.st_uid}, who is neither you "
            "nor root: copy it, and name your copy by --config."
        )
    if status.st_mode & 0o022:
        raise ConfigError(
            f"The configuration file {path} can be changed by others: run chmod go-w '{path}'."
        )


def _check_name(name: str, files: Sequence[_File], looked: Sequence[Path]) -> None:
    if any(name in file.parts for file in files):
        return
    if not files:
        places = " and ".join(str(path) for path in looked)
        raise ConfigError(
            f"@{name} is a mount of a configuration file, and there is none that you may read at "
            f"{places}: write one as 'phfs config --example' shows."
        )
    where = " or ".join(str(file.path) for file in files)
    there = sorted({part for file in files for part in file.parts})
    near = get_close_matches(name, there, n=1)
    meant = f"; is @{near[0]} meant?" if near else "."
    listed = f" Named there: {', '.join('@' + part for part in there)}." if there else ""
    raise ConfigError(
        f"There is no [{TABLE}.{name}] in {where}{meant}"
        f"{listed or ' No mount has a name there yet.'}"
    )


def _source(table: Mapping[str, Any], where: str) -> Source:
    def source(row: Row) -> Given | None:
        if row.name not in table:
            return None
        return _given(row, table[row.name], where)

    return source


def _given(row: Row, value: object, where: str) -> Given:
    option = option_of(row)
    kind = option.kind
    written = "…" if option.secret else _as_written(value)
    if type(value) not in kind.types:
        # A number may be written in several ways, as 420 and 0o644, where the text counts.
        hidden = option.secret or (type(value) is int and kind.types == (str,))
        name = f"{row.name} in {where}" if hidden else f"{row.name} = {written} in {where}"
        raise ConfigError(f"{name} is of the wrong type: give {in_a_file(kind)}.")
    text = _as_text(value)
    if kind.path and not text.startswith(("/", "~")):
        raise ConfigError(
            f"{row.name} = {written} in {where} is wrong: give a path that begins with / or ~, "
            "because a file is read from any directory."
        )
    return Given(text, row.name, where, written)


def in_a_file(kind: Kind) -> str:
    """What to give for a kind of value in a file, as the end of a sentence."""
    if kind.types == (bool,):
        return "true or false, without quotes"
    return (
        f"{kind.expected}, in quotes" if str in kind.types else f"{kind.expected}, without quotes"
    )


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _as_written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
