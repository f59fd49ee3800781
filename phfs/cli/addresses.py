"""The same file by its different names: in the group, in the bucket, in a mount on this machine.

Owns which of the mounts here shows a place, and where a path in one of them is in the group. Asks
mounts how they are, never to look for a file, and no store. Called by ``commands.uri`` and
``commands.files``, and by ``explaining`` for a hint.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from phfs.cli.shared import place_config
from phfs.cli.standing import standing
from phfs.config import MountConfig
from phfs.errors import ConfigError
from phfs.files.mounted import Seen, seen_of, table
from phfs.files.paths import SCHEME, Remote, key_of, remote_of
from phfs.s3.refusals import place_of
from phfs.system.mounts import Mount, containing

USUAL = Path("/phfs")
"""Where PrimeHub's containers have a group's files."""


class Address(NamedTuple):
    """One place by all its names. ``path``: in a mount on this machine if ``mounted``, else where
    it would be in a container of PrimeHub's."""

    phfs: str
    path: str
    mounted: bool
    s3: str
    https: str


def local(text: str, mounts: Sequence[Mount]) -> tuple[Seen, str] | None:
    """The mount of PHFS that a path of this machine lies in, and the path below it; None if it is
    in none.

    Raises ``ConfigError`` for ``..`` and ``//`` in a path that does.
    """
    if ":" in text.partition("/")[0]:
        return None
    # First without following links, which would ask the mount.
    for path in (make(text) for make in (os.path.abspath, os.path.realpath)):
        mount = containing(Path(path), mounts)
        chosen = None if mount is None else seen_of(mount)
        if chosen is not None:
            names = text.rstrip("/").split("/")[1:]
            if ".." in text.split("/") or "" in names:
                fault = "'..' in it" if ".." in names else "two slashes after each other"
                raise ConfigError(f"{text!r} has {fault}: give the path without that.")
            below = os.path.relpath(path, chosen.path)
            slash = "/" if text.endswith("/") else ""
            return chosen, "" if below == "." else below + slash
    return None


def resolve(text: str, given: argparse.Namespace) -> tuple[MountConfig, Remote]:
    """The group and the place in it that an argument names: an address, a path in a mount on this
    machine, ``/phfs/…`` as in PrimeHub's containers, or a path from the group's root.

    Where a mount says which group that is, nothing else has to. Raises ``ConfigError``.
    """
    mounts = table()
    found = local(text, mounts)
    if found is not None:
        mount, below = found
        config = _config_of(mount, given)
        return config, remote_of(f"{SCHEME}/{below}", config)
    try:
        config = place_config(given)
    except ConfigError:
        places = {(each.bucket, each.prefix): each for each in map(seen_of, mounts) if each}
        if len(places) != 1 or getattr(given, "bucket", None):
            raise
        config = _config_of(next(iter(places.values())), given)
    if Path(text).is_relative_to(USUAL) and "//" not in text:
        text = text.removeprefix(str(USUAL))
    return config, remote_of(text, config)


def address(place: Remote, config: MountConfig) -> Address:
    """All names of a place. Raises ``ConfigError`` for an endpoint that is no URL."""
    from phfs.s3.control import region
    from phfs.s3.endpoint import endpoint_of

    key, slash = key_of(place, config), "/" if place.slash and place.path else ""
    shown = _shown(key, config)
    path = USUAL / place.path if shown is None else shown
    where = endpoint_of(
        config.bucket,
        config.endpoint_url,
        region(region=config.region, profile=config.profile),
        config.path_style,
    )
    scheme = "https" if where.address.tls else "http"
    return Address(
        phfs=f"{place}{slash}",
        path=f"{path}{slash}",
        mounted=shown is not None,
        s3=f"s3://{config.bucket}/{key}{slash}",
        https=f"{scheme}://{where.host}{where.path(key + slash)}",
    )


def _shown(key: str, config: MountConfig) -> Path | None:
    """Where a mount on this machine shows a key."""
    mounts = table()
    fitting = [
        each
        for each in map(seen_of, mounts)
        if each and each.bucket == config.bucket and f"{key}/".startswith(each.prefix)
    ]
    for each in sorted(fitting, key=lambda each: len(each.prefix)):
        path = each.path / key[len(each.prefix) :]
        endpoint = _endpoint(each) if containing(path, mounts) == each.mount else ""
        if endpoint is None or endpoint == place_of(config.endpoint_url):
            return path
    return None


def _endpoint(seen: Seen) -> str | None:
    """What a mount says of where its store is; None if it says nothing now."""
    said = standing([[seen.mount]])[0].status.get("endpoint")
    return said if isinstance(said, str) else None


def _config_of(seen: Seen, given: argparse.Namespace) -> MountConfig:
    texts = {"bucket": seen.bucket, "prefix": seen.prefix}
    endpoint = _endpoint(seen)
    if endpoint is not None and endpoint != place_of(None):
        texts["endpoint_url"] = endpoint
    return place_config(argparse.Namespace(**{**vars(given), **texts}))
