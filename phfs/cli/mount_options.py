"""What stands behind ``-o``, and the source of a mount as /etc/fstab names it.

Owns which words of mount(8) are true of every mount, which are options by another name, and how the
rest is refused. Defines no option: those have the names they have in a configuration file. Called
by ``arguments``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from phfs.commandline import UsageError
from phfs.config.mount import BY_NAME
from phfs.config.option import option_of

_OF_MOUNT = frozenset(
    (
        "_netdev", "async", "atime", "auto", "comment", "default_permissions", "defaults", "dev",
        "diratime", "exec", "fail", "group", "helper", "loud", "noatime", "noauto", "nodev",
        "nodiratime", "nofail", "nogroup", "noowner", "norelatime", "nostrictatime", "nosuid",
        "nouser", "nousers", "owner", "relatime", "rw", "silent", "strictatime", "suid", "uhelper",
        "user", "users",
    )
)  # fmt: skip
"""For mount(8) and systemd, or true whatever is said: nothing of a mount is a device or runs with
other rights, and times of access are kept nowhere. ``dev``, ``suid`` and ``rw`` come by themselves:
mount.fuse3 and mount(8) add them."""

_OTHERWISE = {"ro": ("read_only", "on")}

_ELSEWHERE = {
    "bucket": "it is the source, as in my-bucket or s3://my-bucket/groups/research/",
    "mountpoint": "it is the directory behind the source",
    "foreground": "whoever calls mount would wait until it is unmounted",
}

_KNOWN = sorted({*BY_NAME, "config", "ro", *_OF_MOUNT} - {*_ELSEWHERE})


class Place(NamedTuple):
    """What a source names: a bucket, and the beginning of its keys if it says one."""

    bucket: str
    prefix: str | None


def texts_of(lists: Iterable[str]) -> dict[str, str]:
    """The options of some ``-o`` lists: texts by name as the command line has them; ``config`` is
    the configuration file. Raises ``UsageError``."""
    texts: dict[str, str] = {}
    for word in (word for one in lists for word in _split(one)):
        name, equals, value = word.partition("=")
        value = value.strip('"')
        if name.startswith(("x-", "X-")) or (
            name in _OF_MOUNT and not (equals and name in BY_NAME)
        ):
            continue
        if name in _OTHERWISE:
            if equals:
                raise UsageError(f"{name} behind -o takes no value: give {name}, or leave it out.")
            name, value = _OTHERWISE[name]
        elif not name:
            raise UsageError(f"{word!r} behind -o has no name in front: give NAME=VALUE.")
        elif name not in BY_NAME and name != "config":
            raise _unknown(name)
        elif name in _ELSEWHERE:
            raise UsageError(f"{name} is no option behind -o: {_ELSEWHERE[name]}.")
        elif name in BY_NAME and option_of(BY_NAME[name]).secret:
            raise UsageError(
                f"{name} is no option behind -o, because everybody on the machine can read it: "
                "write the keys to a file of root's own and name it by credentials_file=FILE."
            )
        elif not equals or (name == "config" and not value):
            value = _without_value(name)
        texts[name] = value
    return texts


def place_of(source: str) -> Place:
    """What ``s3://my-bucket/groups/research/`` names; any other text is a bucket's name."""
    if not source.startswith("s3://"):
        return Place(source, None)
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    return Place(bucket, prefix or None)


def _split(text: str) -> list[str]:
    """By commas; those between double quotes are of a value, as for mount(8)."""
    return re.findall(r'(?:[^,"]|"[^"]*"?)+', text)


def _without_value(name: str) -> str:
    if name in BY_NAME and option_of(BY_NAME[name]).switch:
        return "on"
    expected = option_of(BY_NAME[name]).kind.expected if name in BY_NAME else "the path of a file"
    raise UsageError(f"{name} behind -o needs a value: give {expected}, as in {name}=...")


def _unknown(name: str) -> UsageError:
    if name == "remount":
        return UsageError(
            "A mount cannot be changed while it is there: unmount it, and mount it with other "
            "options."
        )
    near = get_close_matches(name.replace("-", "_"), _KNOWN, n=1)
    return UsageError(f"There is no mount option {name}{f'; is {near[0]} meant?' if near else '.'}")
