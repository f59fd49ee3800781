"""The command line of ``phfs-mount``, derived from the table of options by one loop.

Makes a ``MountConfig`` of the arguments and the environment. Defines no option itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phfs.commandline import Parser, UsageError
from phfs.config import MountConfig, load
from phfs.config.mount import OPTIONS, flag, option_of

PROG = "phfs-mount"

_DESCRIPTION = "Show the objects of a group in an S3 or MinIO bucket as a directory."

_EPILOG = """\
Every option can also be given as a variable: --part-size is PHFS_PART_SIZE. The option goes first.

Keys are never given on the command line. They come from PHFS_ACCESS_KEY_ID and
PHFS_SECRET_ACCESS_KEY (and PHFS_SESSION_TOKEN for temporary ones), or from --credentials-file, else
from where AWS's tools find them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in ~/.aws,
a web identity, the machine. Keys in a file are followed when it changes.

  phfs-mount my-bucket ~/phfs --group my-group --endpoint-url http://127.0.0.1:9000
  cat ~/phfs/.phfs/errors      why an operation failed, newest first
  fusermount3 -u ~/phfs        unmount; what has been closed is uploaded first"""

_KEYS_GO_ELSEWHERE = (
    "{name} is no option, because everybody on the machine can read a command line: set "
    "PHFS_ACCESS_KEY_ID and PHFS_SECRET_ACCESS_KEY, or use a profile of ~/.aws/credentials."
)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> MountConfig:
    """The checked options of a call, ``argv`` without the command's name.

    Raises ``UsageError`` or ``ConfigError``; ``SystemExit`` (0) after ``--help`` and ``--version``.
    """
    _refuse_keys(argv)
    _refuse_contradictions(argv)
    given = _parser().read(argv)
    return load({name: text for name, text in vars(given).items() if text is not None}, environ)


def _parser() -> Parser:
    parser = Parser(PROG, _DESCRIPTION, _EPILOG, f"{PROG} BUCKET MOUNTPOINT [OPTION]...")
    for row in OPTIONS:
        option = option_of(row)
        if option.variable_only:
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
            if option.negated:
                parser.add_argument(
                    f"--no-{row.name}",
                    dest=row.name,
                    action="store_const",
                    const="off",
                    help=f"do not {help_text.partition(' (')[0]}",
                )
        else:
            parser.expected[flag(row)] = option.kind.expected
            parser.add_argument(
                flag(row), dest=row.name, help=help_text, metavar=option.kind.metavar
            )
    return parser


def _refuse_contradictions(argv: Sequence[str]) -> None:
    for name in (row.name.replace("_", "-") for row in OPTIONS if option_of(row).negated):
        if f"--{name}" in argv and f"--no-{name}" in argv:
            raise UsageError(f"--{name} and --no-{name} are both given: leave one of them out.")


def _refuse_keys(argv: Sequence[str]) -> None:
    only_variables = [flag(row) for row in OPTIONS if option_of(row).variable_only]
    for argument in argv:
        name = argument.partition("=")[0].lower().replace("_", "-")
        words = ("--secret", "--access-key", "--password", "--token", *only_variables)
        if name.startswith(words):
            raise UsageError(_KEYS_GO_ELSEWHERE.format(name=name))
