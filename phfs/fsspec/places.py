"""Where a program's ``phfs://`` files are: in a bucket it has keys for, or at a mount.

Owns the order: what the program says itself, then a bucket with keys as a mount would find them,
then a mount that is there. Opens nothing. Called by ``filesystem``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from phfs.config import MountConfig, find, load
from phfs.config.load import gather
from phfs.config.mount import BY_NAME
from phfs.errors import ConfigError, Invalid, MountError
from phfs.system.mounts import FSTYPE, Mount, all_mounts, containing

OPTIONS = (
    "bucket", "group", "prefix", "endpoint_url", "region", "profile", "path_style", "ca_bundle",
    "credentials_file", "access_key_id", "secret_access_key", "session_token", "read_only",
    "dir_markers", "timeout", "storage_class", "sse", "sse_kms_key",
)  # fmt: skip
"""Names in ``storage_options``: they mean what they mean for a mount."""

MOUNT = "mount"
"""In ``storage_options``: the directory at which a group is mounted."""

USUAL_MOUNT = Path("/phfs")
"""Where pods have it, unless ``PRIMEHUB_PHFS_PATH`` says otherwise."""

_OTHERS = {"key": "access_key_id", "secret": "secret_access_key", "token": "session_token"}
"""What s3fs calls them."""

_KEYS = ("access_key_id", "credentials_file", "profile")

_AWS_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
"""Variables by which somebody has given this program keys."""


def place(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    mounts: Callable[[], Sequence[Mount]] = all_mounts,
) -> MountConfig | Path:
    """The bucket and keys, or the mounted directory; ``mounts`` says what is mounted.

    Raises ``Invalid`` for an option that does not exist, ``ConfigError`` for a wrong value, or if
    nothing says where the files are; ``MountError`` if nothing is mounted where ``mount`` says.
    """
    # pandas tries again like this what was refused; nobody's files are public here.
    options = {name: value for name, value in options.items() if name != "anon"}
    _check_names(options)
    if MOUNT in options:
        return _named_mount(options, mounts)
    texts = {name: _text(value) for name, value in options.items() if value is not None}
    files = find(environ)
    named = gather([BY_NAME["bucket"]], texts, environ, files)
    mounted = None if texts else _mounted(environ, mounts)
    if mounted is not None and not (named and _has_keys(environ)):
        return mounted
    if not named:
        raise ConfigError(
            "Nothing says where the files of phfs:// are: no bucket is given, and no group is "
            f"mounted at {_usual(environ)}.",
            "Set PHFS_BUCKET and PHFS_GROUP, or give storage_options={'bucket': …, 'group': …}.",
        )
    return load({**texts, "mountpoint": "/"}, environ, files)


def _check_names(options: Mapping[str, Any]) -> None:
    known = (*OPTIONS, MOUNT)
    for name in options:
        if name not in known:
            near = [_OTHERS[name]] if name in _OTHERS else get_close_matches(name, known, n=1)
            hint = f"is {near[0]!r} meant?" if near else f"there are {', '.join(known)}."
            raise Invalid(f"phfs:// has no storage option {name!r}; {hint}")


def _named_mount(options: Mapping[str, Any], mounts: Callable[[], Sequence[Mount]]) -> Path:
    if len(options) > 1:
        others = ", ".join(sorted(name for name in options if name != MOUNT))
        raise Invalid(
            f"The storage option 'mount' is given with {others}: files are reached in one of the "
            "two ways, through a mount or in a bucket."
        )
    root = Path(os.path.realpath(os.path.expanduser(str(options[MOUNT]))))
    if not _is_mount(root, mounts):
        raise MountError(f"PHFS is not mounted at {root}.", "Give the directory of a mount.")
    return root


def _mounted(environ: Mapping[str, str], mounts: Callable[[], Sequence[Mount]]) -> Path | None:
    root = _usual(environ)
    return root if _is_mount(root, mounts) else None


def _usual(environ: Mapping[str, str]) -> Path:
    return Path(os.path.realpath(environ.get("PRIMEHUB_PHFS_PATH") or USUAL_MOUNT))


def _is_mount(root: Path, mounts: Callable[[], Sequence[Mount]]) -> bool:
    there = containing(root, mounts())
    return there is not None and there.path == root and there.fstype == FSTYPE


def _has_keys(environ: Mapping[str, str]) -> bool:
    """Whether somebody has given this program keys: those of the machine it runs on are nobody's,
    where there is a mount that has some for the group."""
    given = gather([BY_NAME[name] for name in _KEYS], {}, environ, find(environ))
    if given or any(environ.get(name) for name in _AWS_KEYS):
        return True
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    named = environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials"
    return Path(named).is_file()


def _text(value: object) -> str:
    """A value as it would stand on a command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
