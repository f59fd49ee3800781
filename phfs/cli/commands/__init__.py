"""The subcommands of ``phfs``, one module each; the tuple below is the list of them."""

from phfs.cli.commands import (
    artifacts,
    bench,
    cat,
    completion,
    config,
    cp,
    demo,
    doctor,
    du,
    files,
    find,
    ls,
    mounts,
    mv,
    provision,
    rm,
    share,
    stat,
    sync,
    top,
    unmount,
    uploads,
    uri,
)
from phfs.commandline import Command, Family

_OTHERS: tuple[Command | Family, ...] = (
    artifacts.COMMAND,
    bench.COMMAND,
    cat.COMMAND,
    config.COMMAND,
    cp.COMMAND,
    demo.COMMAND,
    doctor.COMMAND,
    du.COMMAND,
    files.FAMILY,
    find.COMMAND,
    ls.COMMAND,
    mounts.COMMAND,
    mv.COMMAND,
    provision.COMMAND,
    rm.COMMAND,
    share.COMMAND,
    stat.COMMAND,
    sync.COMMAND,
    top.COMMAND,
    unmount.COMMAND,
    uploads.COMMAND,
    uri.COMMAND,
)

COMMANDS: tuple[Command | Family, ...] = tuple(
    sorted((*_OTHERS, completion.command_for(_OTHERS)), key=lambda command: command.name)
)
