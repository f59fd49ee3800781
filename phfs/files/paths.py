"""How a person names a place in the group: ``phfs:///data/x``, ``s3://bucket/groups/g/data/x``.

Owns the three ways of writing a path and what is refused in one. Asks no store. Called by
``cli.commands`` and by the rest of ``files``.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from phfs.config import MountConfig
from phfs.core.names import MAX_KEY, is_name
from phfs.errors import ConfigError

SCHEME = "phfs://"
"""``phfs:///p`` is ``p`` in the group, as PrimeHub writes the address of a model."""


class Remote(NamedTuple):
    """A place in the group. ``path`` is relative to its root, without slashes around it; ``""`` is
    the root. ``slash``: it was written with one at its end, so it has to be a directory."""

    path: str
    slash: bool = False

    @property
    def prefix(self) -> str:
        """What the keys of everything below it begin with."""
        return f"{self.path}/" if self.path else ""

    def child(self, name: str) -> Remote:
        """What is called ``name`` in this directory."""
        return Remote(self.prefix + name)

    def __str__(self) -> str:
        return f"{SCHEME}/{self.path}"


def remote_of(text: str, config: MountConfig) -> Remote:
    """The place that an argument names which can only be in the group: a ``phfs://`` or ``s3://``
    address, or a path from the group's root. Raises ``ConfigError``."""
    return _address(text, config) or _parsed(text.removeprefix("/"), text, config)


def place_of(text: str, config: MountConfig) -> Remote | Path:
    """The place that an argument names which may also be on this machine: that is what is written
    without ``phfs://`` or ``s3://``. Raises ``ConfigError``."""
    found = _address(text, config)
    if found is None and not text:
        raise ConfigError("A path is empty: give the path of a file or directory.")
    return found or Path(text)


def key_of(remote: Remote, config: MountConfig) -> str:
    """The whole key of a place, as other tools for S3 know it."""
    return config.prefix + remote.path


def _address(text: str, config: MountConfig) -> Remote | None:
    if text.lower().startswith("s3://"):
        return _parsed(_below_prefix(text, config), text, config)
    if not text.lower().startswith("phfs:"):
        return None
    if not text.lower().startswith(f"{SCHEME}/"):
        path = text.partition(":")[2].lstrip("/")
        raise ConfigError(
            f"{text!r} is no address: phfs: is followed by three slashes, as in {SCHEME}/{path}."
        )
    return _parsed(text[len(SCHEME) + 1 :], text, config)


def _below_prefix(text: str, config: MountConfig) -> str:
    bucket, _, key = text[len("s3://") :].partition("/")
    if bucket == config.bucket and f"{key}/" == config.prefix:
        return ""
    if bucket != config.bucket or not key.startswith(config.prefix):
        raise ConfigError(
            f"{text!r} is not in {config.source}: give an address below it, or its bucket and "
            "group with --bucket and --group."
        )
    return key[len(config.prefix) :]


def _parsed(path: str, text: str, config: MountConfig) -> Remote:
    """``path``, relative to the root, of the argument ``text``."""
    slash = path.endswith("/") or not path
    path = path.removesuffix("/")
    for name in path.split("/") if path else ():
        if name == "":
            raise ConfigError(f"{text!r} has two slashes after each other: leave one out.")
        if name in (".", ".."):
            raise ConfigError(f"{text!r} has {name!r} in it: give the path without it.")
        if not is_name(name):
            raise ConfigError(
                f"{text!r} cannot be a path: a name has at most 255 bytes, all of them printable."
            )
    if len(f"{config.prefix}{path}/".encode()) > MAX_KEY:
        raise ConfigError(
            f"{text!r} makes a key of more than {MAX_KEY} bytes, which is S3's limit."
        )
    return Remote(path, slash)
