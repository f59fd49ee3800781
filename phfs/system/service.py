"""What the manager of services is told: that this one serves. sd_notify(3), without its library.

Without a manager that listens nothing is told. Called by ``cli``.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"


def tell_ready(environ: Mapping[str, str]) -> None:
    """Say that the service serves from now on, if anybody has asked to be told.

    Raises ``OSError`` if whoever asked cannot be reached.
    """
    address = environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    # A name in front of which systemd writes @ is in no directory.
    where = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(where)
        sender.send(b"READY=1")
