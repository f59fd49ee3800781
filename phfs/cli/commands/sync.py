"""``phfs sync SOURCE TARGET``: makes the directory TARGET like SOURCE."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from phfs.cli.copying import add_copying, drive, places_of
from phfs.cli.shown import counted, size_of
from phfs.commandline import Command, Parser, UsageError
from phfs.errors import ConfigError

if TYPE_CHECKING:
    from phfs.files.group import Group
    from phfs.files.pruning import Removal
    from phfs.files.transfer import Tally


class _Glob(argparse.Action):
    """Keeps the globs of both options in the order they are given."""

    def __call__(
        self,
        _: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        globs = (*namespace.globs, (str(values), option_string == "--include"))
        namespace.globs = globs


def _add_options(parser: Parser) -> None:
    parser.set_defaults(globs=())
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="SOURCE TARGET",
        help="directories: phfs:///PATH in the group, PATH on this machine",
    )
    parser.add_argument(
        "--delete", action="store_true", help="remove files of TARGET that SOURCE has not got"
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="do not ask before files are removed"
    )
    parser.add_argument(
        "--checksum",
        action="store_true",
        help="compare by the bytes' checksum instead of by size and time",
    )
    for name, help_text in (
        ("--exclude", "leave out files whose path fits; may be given again, the last that fits"),
        ("--include", "let in files whose path fits, though an --exclude before it fits as well"),
    ):
        parser.expected[name] = "a pattern, as in '*.tmp'"
        parser.add_argument(name, action=_Glob, dest="globs", metavar="GLOB", help=help_text)
    parser.add_argument(
        "-L", "--dereference", dest="follow", action="store_true", help="follow symbolic links"
    )
    add_copying(parser, "SOURCE TARGET")


def _run(given: argparse.Namespace) -> int:
    config, sources, target = places_of(given, "sync")
    if len(sources) > 1:
        raise UsageError("sync takes one SOURCE and one TARGET.")
    if target.is_stream or sources[0].is_stream:
        raise UsageError("- is no directory: use phfs cp.")
    import trio

    from phfs.files.sides import Rules
    from phfs.files.sync import sync

    rules = Rules(given.delete, given.checksum, given.follow, given.globs)

    async def confirm(gone: list[Removal], source_is_empty: bool) -> bool:  # noqa: FBT001 (its type)
        if given.yes:
            return True
        size = size_of(sum(one.size for one in gone), human=True)
        what = f"{counted(len(gone), 'file')} ({size}) of {target.text}"
        if source_is_empty:
            raise ConfigError(
                f"{sources[0].text} has no files, so {what} would be removed: give --yes if that "
                "is meant."
            )
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfigError(f"{what} would be removed: give --yes, as there is nobody to ask.")
        print(f"phfs sync: {what} will be removed. Go on? [y/N] ", end="", file=sys.stderr)
        sys.stderr.flush()
        await trio.lowlevel.wait_readable(sys.stdin)  # so that Ctrl-C ends the wait
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    async def work(group: Group) -> Tally:
        return await sync(group, sources[0], target, rules, confirm, dry=given.dry_run)

    return drive(given, config, "sync", work, doing="Syncing")


COMMAND = Command("sync", "Make a directory like another one.", _add_options, _run)
