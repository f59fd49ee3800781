"""A link that passes bytes on as they are, but for one.

Owns a listener and the threads of its connections. Knows nothing of what goes through: behind it
TLS is TLS. Called by tests.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

PIECE = 64 * 1024


class SpoilingRelay:
    """In front of the server at ``upstream`` (a URL); ``url`` is its own.

    Of the first connection that brings so many bytes from the server, the byte after ``whole`` of
    them is passed on with a bit wrong; ``spoilt`` is then set.
    """

    def __init__(self, upstream: str, whole: int) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self.spoilt = threading.Event()
        self._address = (parts.hostname, parts.port)
        self._whole = whole
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> SpoilingRelay:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(20)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._address)
                self._sockets += [client, server]
                for source, target, spoils in ((client, server, False), (server, client, True)):
                    thread = threading.Thread(target=self._pass, args=(source, target, spoils))
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, spoils: bool) -> None:
        done = 0
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                place = self._whole - done
                if spoils and 0 <= place < len(data) and not self.spoilt.is_set():
                    self.spoilt.set()
                    data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
                target.sendall(data)
                done += len(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
