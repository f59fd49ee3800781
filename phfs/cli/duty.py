"""What the supervisor has to do for a mount's options: mount as root, ask, take away.

Owns the part of a mount that needs privileges when the process that serves it has none. Called by
``mount``.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from urllib.parse import quote

from phfs.cli.supervisor import Duty, Serve
from phfs.config import MountConfig
from phfs.errors import MountError
from phfs.system import kernel, mounts
from phfs.system.privileges import Identity

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long the first answer of a mount, which is made from memory, may take."""

MOST_LAYERS = 100
"""Mounts upon each other with ``--keep-dead``: one for each death, and every lookup goes through
all of them."""

BOUND_SECONDS = 5.0
"""How much longer than ``--drain-seconds`` an end may take; the process allows itself less."""


def identity_of(config: MountConfig) -> Identity | None:
    """Whom the process of the mount acts as, if not as the caller."""
    return None if config.run_as is None else Identity(*config.run_as)


def duty_of(config: MountConfig, serve: Serve) -> Duty:
    """The watch over ``serve``."""
    handed_over = config.run_as is not None
    layers = Layers(config.mountpoint) if config.keep_dead else None
    return Duty(
        serve=serve,
        attach=lambda: _attach(config, layers) if handed_over else None,
        answer=lambda: _ask(config, layers) if handed_over else None,
        clear=lambda: _clear(config, layers),
        seconds=config.drain_seconds + BOUND_SECONDS,
        restart=config.supervised,
        identity=identity_of(config),
    )


class Layers:
    """Mounts upon each other at one path, none of which is taken away once it has been served.

    Whoever has bound the root of a mount sees what is mounted upon that root, and nothing of what
    is mounted in its stead. The stack is its owner's to take down, by ``umount``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._was_served = True

    def begin(self) -> None:
        """One more is about to be made. Raises ``OSError``."""
        self.drop()
        if len(mounts.mounts_at(self._path)) >= MOST_LAYERS and mounts.is_dead(self._path):
            mounts.detach(self._path)
        self._was_served = False

    def served(self) -> None:
        """The uppermost answers."""
        self._was_served = True

    def drop(self) -> None:
        """Take the uppermost away if it never was served and is dead. Raises ``OSError``."""
        if not self._was_served and mounts.is_dead(self._path):
            mounts.detach(self._path)
        self._was_served = True


def _attach(config: MountConfig, layers: Layers | None) -> int:
    try:
        if layers is None:
            mounts.clear(config.mountpoint)
        else:
            layers.begin()
        return mounts.attach(
            config.mountpoint,
            quote(config.source, safe=":/"),
            read_only=config.read_only,
            allow_other=config.allow_other,
            noexec=config.noexec,
        )
    except OSError as error:
        raise MountError(
            f"{config.mountpoint} could not be mounted: {error.strerror}.",
            "A container needs --device /dev/fuse --cap-add SYS_ADMIN.",
        ) from None


def _ask(config: MountConfig, layers: Layers | None) -> None:
    """Wait for the first answer; what needs root to be tuned is tuned here."""
    devices: list[int] = []

    def stat() -> None:
        try:
            devices.append(os.stat(config.mountpoint).st_dev)
        except OSError as error:
            log.warning("%s does not answer: %s", config.mountpoint, error.strerror)

    # A call into a mount that hangs cannot be interrupted, only left behind.
    asking = threading.Thread(target=stat, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    if not devices:
        raise MountError(
            f"The mount at {config.mountpoint} did not answer within {ANSWER_SECONDS:g} seconds."
        )
    if layers is not None:
        layers.served()
    kernel.tune(devices[0])


def _clear(config: MountConfig, layers: Layers | None) -> None:
    if layers is not None:
        layers.drop()
    elif mounts.clear(config.mountpoint):
        log.info("the dead mount at %s is taken away", config.mountpoint)
