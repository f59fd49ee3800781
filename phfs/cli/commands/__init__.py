"""The subcommands of ``phfs``, one module each; the tuple below is the list of them."""

from phfs.cli.commands import bench, demo
from phfs.cli.commands.command import Command

COMMANDS: tuple[Command, ...] = (bench.COMMAND, demo.COMMAND)
