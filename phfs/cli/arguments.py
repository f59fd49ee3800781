"""The command line of ``phfs-mount``, derived from the table of options by one loop.

Makes a ``MountConfig`` of the arguments, the environment and the configuration files. Defines no
option itself but ``--config``, which says where options are.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from phfs.cli import mount_options
from phfs.commandline import Parser, UsageError, take_name
from phfs.config import MountConfig, find, load
from phfs.config.mount import OPTIONS
from phfs.config.option import Row, flag, option_of
from phfs.config.sources import Given

PROG = "phfs-mount"

_DESCRIPTION = "Show the objects of a group in an S3 or MinIO bucket as a directory."

_EPILOG = """\
Every option can also be given as a variable: --part-size is PHFS_PART_SIZE; or in a configuration
file: part_size. The command line counts most, then the mount that @NAME chooses in the file, then
variables, then what the file says for every mount; 'phfs config' shows what comes from where.
--no-NAME turns a switch off.

Keys are never given on the command line. They come from PHFS_ACCESS_KEY_ID and
PHFS_SECRET_ACCESS_KEY (and PHFS_SESSION_TOKEN for temporary ones), or from --credentials-file, else
from where AWS's tools find them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in ~/.aws,
a web identity, the machine. Keys in a file are followed when it changes.

  phfs-mount my-bucket ~/phfs --group my-group --endpoint-url http://127.0.0.1:9000
  phfs-mount @research         the mount of that name in ~/.config/phfs/config.toml
  cat ~/phfs/.phfs/errors      why an operation failed, newest first
  fusermount3 -u ~/phfs        unmount; what has been closed is uploaded first"""

_KEYS_GO_ELSEWHERE = (
    "{name} is no option, because everybody on the machine can read a command line: set "
    "PHFS_ACCESS_KEY_ID and PHFS_SECRET_ACCESS_KEY, or use a profile of ~/.aws/credentials."
)

CONFIG_HELP = (
    "the configuration file (default: PHFS_CONFIG, else ~/.config/phfs/config.toml and "
    "/etc/phfs/config.toml)"
)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> MountConfig:
    """The checked options of a call, ``argv`` without the command's name.

    Raises ``UsageError`` or ``ConfigError``; ``SystemExit`` (0) after ``--help`` and ``--version``.
    """
    _refuse_keys(argv)
    _refuse_contradictions(argv)
    name, words = take_name(argv)
    given = parser().read(words)
    if name is not None and given.mountpoint is None:
        # A name stands for the bucket: the one argument beside it is the mount point.
        given.bucket, given.mountpoint = None, given.bucket
    behind = mount_options.texts_of(given.mount_options or ())
    config = behind.get("config") if given.config is None else given.config
    # What is wrong is told as it was written.
    texts: dict[str, str | Given] = {
        option: Given(text, f"-o {option}") for option, text in behind.items()
    }
    if given.bucket is not None:
        given.bucket, prefix = mount_options.place_of(given.bucket)
        texts |= {} if prefix is None else {"prefix": Given(prefix, "The end of the source")}
    texts |= {option: text for option, text in vars(given).items() if text is not None}
    return load(texts, environ, find(environ, config, name))


def parser() -> Parser:
    """What ``phfs-mount`` takes, an argument ``@NAME`` aside."""
    parser = Parser(PROG, _DESCRIPTION, _EPILOG, f"{PROG} BUCKET|@NAME MOUNTPOINT [OPTION]...")
    parser.expected["--config"] = "the path of a file"
    parser.add_argument("--config", metavar="FILE", help=CONFIG_HELP)
    parser.expected["-o"] = "options as in /etc/fstab: ro,group=my-group"
    parser.add_argument(
        "-o",
        dest="mount_options",
        action="append",
        metavar="OPTION[,OPTION]...",
        help="options as in /etc/fstab, by their names in a configuration file",
    )
    for row in OPTIONS:
        option = option_of(row)
        if option.secret:
            continue
        shown = f" (default: {option.default_text})" if option.default_text else ""
        help_text = f"{option.help}{shown}".replace("%", "%%")
        if option.positional:
            parser.add_argument(row.name, nargs="?", help=help_text, metavar=option.kind.metavar)
        elif option.switch:
            flags = [option.short, flag(row)] if option.short else [flag(row)]
            parser.add_argument(
                *flags, dest=row.name, action="store_const", const="on", help=help_text
            )
            off = f"do not {help_text.partition(' (')[0]}" if option.negated else argparse.SUPPRESS
            parser.add_argument(
                negation(row), dest=row.name, action="store_const", const="off", help=off
            )
        else:
            parser.expected[flag(row)] = option.kind.expected
            parser.add_argument(
                flag(row), dest=row.name, help=help_text, metavar=option.kind.metavar
            )
    return parser


def negation(row: Row) -> str:
    """What turns a switch off that a file or a variable has turned on: ``--no-read-only``."""
    return f"--no-{flag(row).removeprefix('--')}"


def _refuse_contradictions(argv: Sequence[str]) -> None:
    for row in OPTIONS:
        if option_of(row).switch and flag(row) in argv and negation(row) in argv:
            raise UsageError(
                f"{flag(row)} and {negation(row)} are both given: leave one of them out."
            )


def _refuse_keys(argv: Sequence[str]) -> None:
    only_variables = [flag(row) for row in OPTIONS if option_of(row).secret]
    for argument in argv:
        name = argument.partition("=")[0].lower().replace("_", "-")
        words = ("--secret", "--access-key", "--password", "--token", *only_variables)
        if name.startswith(words):
            raise UsageError(_KEYS_GO_ELSEWHERE.format(name=name))
