"""An S3 server whose objects are holes, to see how a client's cost grows without a store's cost.

Owns the server's process, its listening socket and its threads, one per connection. Objects are
names and sizes; their bytes are zeros that come from a file without blocks, and what is written is
thrown away but for its size. So 10 GiB objects and 100,000 names cost neither memory nor disk, and
an answer costs the server little beside the system calls. Started by ``SparseStore``; requests are
read by ``sparse_wire`` and answered by ``sparse_answers`` from ``sparse_catalog``.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import threading
from collections.abc import Iterable

from bench.child import Child, announce
from bench.sparse_answers import Interface
from bench.sparse_catalog import Catalog, Objects
from bench.sparse_wire import Wire, zeros

BACKLOG = 4096
BUCKET = "sparse"


class SparseStore(Child):
    """A server with one bucket that holds ``objects`` to start with, and takes any keys.

    ``SparseStore([Objects("groups/bench/huge/", 1, 10 * GIB)])`` has one object,
    ``groups/bench/huge/000000``. Requests are in path style, signed in any way or not at all.
    Raises ``RuntimeError`` if it does not start.
    """

    def __init__(self, objects: Iterable[Objects] = (), bucket: str = BUCKET) -> None:
        self.bucket = bucket
        given = [f"--objects={each.count}x{each.size}:{each.prefix}" for each in objects]
        super().__init__("bench.sparse", f"--bucket={bucket}", *given)


def _objects(text: str) -> Objects:
    amount, _, prefix = text.partition(":")
    count, _, size = amount.partition("x")
    return Objects(prefix, int(count), int(size))


def _serve_connection(sock: socket.socket, hole: int, interface: Interface) -> None:
    # A client may break its connection at any time, and is then not missed.
    with sock, contextlib.suppress(OSError):
        wire = Wire(sock, hole)
        while (request := wire.request()) is not None:
            wire.answer(request, interface.answer(request))


def _accept(listener: socket.socket, interface: Interface) -> None:
    hole = zeros()
    while True:
        sock, _ = listener.accept()
        arguments = (sock, hole, interface)
        threading.Thread(target=_serve_connection, args=arguments, daemon=True).start()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.sparse")
    parser.add_argument("--bucket", default=BUCKET)
    parser.add_argument(
        "--objects",
        action="append",
        default=[],
        type=_objects,
        metavar="COUNTxSIZE:PREFIX",
        help="objects to start with; may be given several times",
    )
    arguments = parser.parse_args()
    interface = Interface(arguments.bucket, Catalog(arguments.objects))
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    threading.Thread(target=_accept, args=(listener, interface), daemon=True).start()
    announce(listener.getsockname()[1])
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
