"""The kinds of value an option can have: how a text becomes one, and what is asked for if not.

Owns the checks of single values; what two options must not say together is in ``load``. Used by the
table in ``mount``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MAX_PREFIX = 768
"""Bytes of a prefix: a key has at most 1024 (S3 API reference) and needs room for a whole name."""


class Kind(NamedTuple):
    """``parse`` makes a value from a text or raises ``ValueError``; ``expected`` is what to give
    instead, as the end of a sentence; ``metavar`` stands for the value in the help. ``sample`` is a
    text that fits. ``types``: how a configuration file may write it. ``path``: it names a file or a
    directory. ``show`` makes the text of a value again."""

    parse: Callable[[str], object]
    expected: str
    metavar: str
    sample: str
    types: tuple[type, ...] = (str,)
    path: bool = False
    show: Callable[[Any], str] = str


def matching(pattern: str, expected: str, metavar: str, sample: str = "") -> Kind:
    """A text that matches a regular expression as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Kind(parse, expected, metavar, sample)


def choice(*choices: str) -> Kind:
    """One of a few words."""
    *others, last = choices

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return Kind(parse, f"{', '.join(others)} or {last}", "|".join(choices), choices[0])


def seconds(least: float, most: float) -> Kind:
    """A duration; fractions are allowed."""

    def parse(text: str) -> float:
        number = float(text)
        if not (math.isfinite(number) and least <= number <= most):
            raise ValueError(text)
        return number

    return Kind(
        parse,
        f"a number of seconds from {least:g} to {most:g}",
        "SECONDS",
        f"{max(least, 1):g}",
        (int, float),
        show="{:g}".format,
    )


def whole(
    least: int, most: int, unit: str = "", *, scale: int = 1, sample: int | None = None
) -> Kind:
    """A whole number of ``unit``s; the value is ``scale`` times the number given."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(text)
        return int(text) * scale

    of_unit = f" of {unit}" if unit else ""
    return Kind(
        parse,
        f"a whole number{of_unit} from {least} to {most}",
        "N",
        str(least if sample is None else sample),
        (int,),
        show=lambda value: str(value // scale),
    )


def _parse_on_off(text: str) -> bool:
    word = text.lower()
    if word in ("on", "yes", "true", "1"):
        return True
    if word in ("off", "no", "false", "0"):
        return False
    raise ValueError(text)


def _parse_mode(text: str) -> int:
    if not re.fullmatch(r"(0o?)?[0-7]{1,3}", text):
        raise ValueError(text)
    return int(text.removeprefix("0o"), 8)


def _parse_path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(os.path.realpath(os.path.expanduser(text)))


def _parse_readable_file(text: str) -> Path:
    path = _parse_path(text)
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise ValueError(text)
    return path


def _parse_mountpoint(text: str) -> Path:
    # A descriptor of /dev/fuse: its link leads to the device, not to where it is mounted.
    return Path(text) if re.fullmatch(r"/dev/fd/\d{1,9}", text) else _parse_path(text)


def _parse_run_as(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    identity = USER_ID.parse(uid), USER_ID.parse(gid or uid)
    if 0 in identity:
        raise ValueError(text)
    return identity  # type: ignore[return-value]


def _parse_coming_file(text: str) -> Path:
    if not text or "\0" in text or not os.path.basename(text).strip("."):
        raise ValueError(text)
    # As it was given, too: nobody looks through a link that is put there.
    return Path(os.path.abspath(os.path.expanduser(text)))


def _parse_followed_file(text: str) -> Path:
    _parse_readable_file(text)
    # As it was given: Kubernetes replaces a file by turning a symbolic link on the way to it.
    return Path(os.path.abspath(os.path.expanduser(text)))


def _parse_endpoint(text: str) -> str:
    url = urlsplit(text)
    plain = not (url.username or url.password or url.query or url.fragment)
    # Reading the port is what makes urlsplit check it.
    if url.scheme not in ("http", "https") or not url.hostname or not plain or url.port == 0:
        raise ValueError(text)
    return text.rstrip("/")


def is_group(name: str) -> bool:
    """Whether a group of this name has a directory of its own under ``groups/``."""
    if name in ("", ".", "..") or "/" in name or re.search(r"[\x00-\x1f\x7f]", name):
        return False
    try:
        return len(name.encode()) <= MAX_PREFIX // 2
    except UnicodeEncodeError:
        return False


def _parse_group(text: str) -> str:
    if not is_group(text):
        raise ValueError(text)
    return text


def _parse_prefix(text: str) -> str:
    parts = text.removesuffix("/").split("/")
    if text and ({"", ".", ".."} & set(parts) or re.search(r"[\x00-\x1f\x7f]", text)):
        raise ValueError(text)
    if len(text.encode()) > MAX_PREFIX:
        raise ValueError(text)
    return text if not text or text.endswith("/") else text + "/"


ON_OFF = Kind(
    _parse_on_off,
    "on or off",
    "on|off",
    "on",
    (bool,),
    show=lambda value: "on" if value else "off",
)
# chown(2) gives the id 2**32 - 1 another meaning.
USER_ID = whole(0, 2**32 - 2, sample=1000)
RUN_AS = Kind(
    _parse_run_as,
    "the number of a user and, if it differs, of a group, as in 1000:100",
    "UID[:GID]",
    "1000:100",
    (int, str),
    show=lambda value: ":".join(map(str, value)),
)
MODE = Kind(
    _parse_mode, "permission bits in octal, as in 0644", "MODE", "0644", show="{:04o}".format
)
DIRECTORY = Kind(_parse_path, "the path of a directory", "DIR", "~/.local/state/phfs", path=True)
MOUNTPOINT = Kind(
    _parse_mountpoint,
    "the path of a directory, or /dev/fd/N for what is mounted",
    "MOUNTPOINT",
    "~/research",
    path=True,
)
FILE = Kind(
    _parse_readable_file,
    "a file that exists and can be read",
    "FILE",
    "/etc/phfs/ca.pem",
    path=True,
)
COMING_FILE = Kind(
    _parse_coming_file,
    "the path of a file, which may come later",
    "FILE",
    "/run/phfs/note.txt",
    path=True,
)
FOLLOWED_FILE = Kind(_parse_followed_file, FILE.expected, "FILE", "/etc/phfs/keys", path=True)
ENDPOINT = Kind(
    _parse_endpoint,
    "a URL without user name, query and fragment, as in http://127.0.0.1:9000",
    "URL",
    "http://127.0.0.1:9000",
)
GROUP = Kind(
    _parse_group,
    "a group's name, which is not empty, has no '/' and is neither '.' nor '..'",
    "GROUP",
    "research",
)
PREFIX = Kind(
    _parse_prefix,
    "the beginning of keys, as in groups/my-group/, without '/' in front and without '//', '.' "
    "and '..' in it",
    "PREFIX",
    "groups/research/",
)
# What the AWS SDK lets through (botocore.handlers.VALID_BUCKET); the store refuses the rest.
BUCKET = matching(
    r"[A-Za-z0-9._-]{1,255}",
    "the bucket's name alone, as in my-bucket, not a URL",
    "BUCKET",
    "my-bucket",
)
REGION = matching(
    r"[A-Za-z0-9-]{1,64}", "a region's name, as in eu-central-1", "REGION", "eu-central-1"
)
PROFILE = matching(r"[^\x00-\x1f\x7f]+", "the name of a profile", "NAME", "research")
STORAGE_CLASS = matching(
    r"[A-Za-z0-9_.-]{1,64}",
    "the name of a storage class, as in STANDARD_IA",
    "CLASS",
    "STANDARD_IA",
)
KMS_KEY = matching(r"[!-~]{1,2048}", "the id, alias or ARN of a key", "ID", "alias/my-key")
SECRET = matching(r"[!-~]+", "a text without spaces and line breaks", "KEY", "...")
