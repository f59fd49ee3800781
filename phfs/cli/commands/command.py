"""What a subcommand of ``phfs`` is: one of ``phfs.commandline``."""

from phfs.commandline import Command

__all__ = ["Command"]
