"""``phfs stat PATH...``: everything the store says of one object."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from phfs.cli.shared import add_place, place_config
from phfs.cli.shown import PATHS, JsonList, add_json, utc, values_of
from phfs.commandline import Command, Parser, UsageError
from phfs.core.names import printable
from phfs.errors import AccessDenied, NoSuchKey, NotFound

if TYPE_CHECKING:
    from phfs.cli.explaining import Named
    from phfs.config import MountConfig
    from phfs.s3.store import Described, Store


def _add_options(parser: Parser) -> None:
    parser.epilog = f"{PATHS}\n\n  phfs stat data/a.csv"
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or directories")
    add_json(parser)
    add_place(parser)


def _run(given: argparse.Namespace) -> int:
    if not given.paths:
        raise UsageError("PATH is missing: give the file to describe, as in phfs stat data/a.csv.")
    from phfs.cli.explaining import for_each, named
    from phfs.cli.group import run

    config = place_config(given)
    places = named(given.paths, config)

    async def work(store: Store) -> bool:
        async def show(one: Named) -> None:
            _show(await _values(store, config, one))

        if not given.json:
            return await for_each(store, places, show)
        with JsonList() as out:

            async def add(one: Named) -> None:
                out.add(await _values(store, config, one))

            return await for_each(store, places, add, out)

    return 0 if run(config, work) else 1


async def _values(store: Store, config: MountConfig, one: Named) -> dict[str, object]:
    """What there is to say, as JSON has it. Raises ``NotFound``, ``StoreError``."""
    from phfs.cli.addresses import address
    from phfs.files.looking import find, may_not
    from phfs.files.paths import key_of

    entry = await find(store, one.place)
    names = address(one.place, config)
    values = values_of(entry) | {
        "uri": names.phfs,
        "local_path": names.path if names.mounted else None,
        "s3_uri": names.s3,
        "key": key_of(one.place, config),
    }
    if entry.is_dir:
        return values
    try:
        described = await store.head(entry.path)
    except AccessDenied as error:
        raise may_not("read", one.place, "s3:GetObject") from error
    except NoSuchKey as error:
        raise NotFound(f"{one.place} has been removed just now.") from error
    return values | _of_object(described) | {"tags": await _tags(store, entry.path, described)}


def _of_object(described: Described) -> dict[str, object]:
    info, attributes = described.info, described.attributes
    return {
        # HEAD is newer than the listing, and says both of one version.
        "size": info.size,
        "modified": utc(info.modified),
        "etag": info.etag,
        "content_type": attributes.content_type,
        "storage_class": attributes.storage_class or "STANDARD",
        "encryption": described.encryption or None,
        "encryption_key": described.encryption_key or None,
        "headers": dict(attributes.headers),
        "metadata": dict(attributes.metadata),
        "tag_count": described.tag_count,
    }


async def _tags(store: Store, key: str, described: Described) -> dict[str, str] | None:
    """The tags; None if there are some which the keys may not read."""
    if not described.tag_count:
        return {}
    try:
        return dict(parse_qsl(await store.tags(key), keep_blank_values=True))
    except AccessDenied:
        return None


def _show(values: dict[str, object]) -> None:
    tags = values.pop("tags", {})
    count = values.pop("tag_count", 0)
    if tags is None:
        values["tags"] = f"{count}, which these keys may not read (s3:GetObjectTagging)"
    lines = [(name, value) for name, value in values.items() if value not in (None, {})]
    lines += [(f"tag {name}", value) for name, value in (tags or {}).items()]  # type: ignore[attr-defined]
    for name, value in lines:
        words = name.replace("_", " ")
        if isinstance(value, dict):
            for inner, text in value.items():
                print(f"{words + ' ' + inner + ':':<20} {printable(str(text))}")
        else:
            print(f"{words + ':':<20} {printable(str(value))}")


COMMAND = Command("stat", "Show everything the store says of an object.", _add_options, _run)
