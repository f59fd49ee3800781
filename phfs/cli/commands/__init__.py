"""The subcommands of ``phfs``, one module each; the tuple below is the list of them."""

from phfs.cli.commands import artifacts, bench, demo, provision, uploads
from phfs.commandline import Command

COMMANDS: tuple[Command, ...] = (
    artifacts.COMMAND,
    bench.COMMAND,
    demo.COMMAND,
    provision.COMMAND,
    uploads.COMMAND,
)
