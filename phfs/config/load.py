"""From texts to a checked ``MountConfig``: first the option, then its variable, then the default.

Owns the precedence, what two options must not say together, and the sentences in which all of it
is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field
from difflib import get_close_matches
from typing import Any

from phfs.config.defaults import state_dir_of
from phfs.config.mount import (
    OPTIONS,
    MountConfig,
    flag,
    group_directory,
    option_of,
    variable,
)
from phfs.errors import ConfigError


def load(arguments: Mapping[str, str], environ: Mapping[str, str]) -> MountConfig:
    """Check everything and fill in the defaults.

    ``arguments``: the texts of the command line by field name, ``on`` for a switch. A variable that
    is set and empty counts as not set. Raises ``ConfigError`` with one sentence that names the
    option or the variable, its value and what to give instead.
    """
    values = read(OPTIONS, arguments, environ)
    if "prefix" not in values:
        values["prefix"] = _group_prefix(values.get("group"))
    if "state_dir" not in values and "run_as" in values:
        values["state_dir"] = state_dir_of(values["run_as"][0])
    config = MountConfig(**values)
    _check_together(config)
    return config


def read(
    rows: Iterable[Field[Any]], arguments: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, Any]:
    """The values of some options by name, those without one left out. Raises as ``load``."""
    values: dict[str, Any] = {}
    for row in rows:
        option = option_of(row)
        source, text = _given(row, arguments, environ)
        if text is None:
            if option.positional:
                raise ConfigError(f"{source} is missing: give {option.kind.expected}.")
            continue
        try:
            values[row.name] = option.kind.parse(text)
        except ValueError:
            # A value with an @ may be a URL with a password in it.
            hidden = option.variable_only or "@" in text
            given = f"The value of {source}" if hidden else f"{source} {text!r}"
            raise ConfigError(f"{given} is wrong: give {option.kind.expected}.") from None
    return values


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each ``PHFS_`` variable that looks like a misspelt option."""
    known = [variable(row) for row in OPTIONS]
    sentences = []
    for name in sorted(environ):
        near = get_close_matches(name, known, n=1, cutoff=0.85)
        if name.startswith("PHFS_") and name not in known and near:
            sentences.append(f"The variable {name} has no meaning; is {near[0]} meant?")
    return sentences


def _given(
    row: Field[Any], arguments: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """Where an option's text stands, and the text; None if it is nowhere."""
    if row.name in arguments:
        return flag(row), arguments[row.name]
    for name in (variable(row), *option_of(row).aws_variables):
        if environ.get(name):
            return name, environ[name]
    return flag(row), None


def _group_prefix(group: str | None) -> str:
    if group is None:
        raise ConfigError(
            "Neither --group nor --prefix is given: say which objects to show, "
            "as in --group my-group."
        )
    return f"groups/{group_directory(group)}/"


def _check_together(config: MountConfig) -> None:
    if 2 * config.part_size > config.memory_limit:
        # One part is filled while the one before is sent.
        raise ConfigError(
            f"--part-size {config.part_size >> 20} does not fit twice into --memory-limit "
            f"{config.memory_limit >> 20}: give smaller parts or more memory (both in MiB)."
        )
    if config.sse_kms_key is not None and not (config.sse or "").startswith("aws:kms"):
        raise ConfigError(
            "--sse-kms-key is given without --sse aws:kms: give both, or neither of them."
        )
    if config.descriptor is not None and not (config.foreground and not config.supervise):
        raise ConfigError(
            f"{config.mountpoint} is mounted by its caller, which alone can do it again: give "
            "--foreground, and leave --supervise out."
        )
    if config.descriptor is not None and config.run_as is not None:
        raise ConfigError(
            f"--run-as is given with {config.mountpoint}, which is mounted already: start "
            "phfs-mount as that user instead."
        )
    if config.keep_dead and config.run_as is None:
        raise ConfigError(
            "--keep-dead is given without --run-as: only who mounts for another can mount upon "
            "what is there."
        )
    if (config.access_key_id is None) != (config.secret_access_key is None):
        raise ConfigError(
            "PHFS_ACCESS_KEY_ID and PHFS_SECRET_ACCESS_KEY belong together: set both, or neither "
            "to take the keys from the AWS sources."
        )
    if config.credentials_file is not None and config.access_key_id is not None:
        raise ConfigError(
            "--credentials-file is given, and PHFS_ACCESS_KEY_ID is set, too: give the keys in one "
            "of the two ways."
        )
    if config.session_token is not None and config.access_key_id is None:
        raise ConfigError(
            "PHFS_SESSION_TOKEN is set without PHFS_ACCESS_KEY_ID: a token belongs to its keys."
        )
