"""The subcommands of ``phfs-sidecar``, one module each; the tuple below is the list of them.

A module imports what is heavy inside of its ``run``, so that the others start fast.
"""

from phfs.commandline import Command
from phfs.sidecar.commands import artifacts, check, plan, ready, render, run, status

COMMANDS: tuple[Command, ...] = (
    artifacts.COMMAND,
    check.COMMAND,
    plan.COMMAND,
    ready.COMMAND,
    render.COMMAND,
    run.COMMAND,
    status.COMMAND,
)
