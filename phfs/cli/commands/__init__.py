"""The subcommands of ``phfs``, one module each; the tuple below is the list of them."""

from phfs.cli.commands import demo
from phfs.cli.commands.command import Command

COMMANDS: tuple[Command, ...] = (demo.COMMAND,)
