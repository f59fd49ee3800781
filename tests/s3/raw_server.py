"""A server of one's own on loopback that answers as no object store should."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

ETAG = "0123456789abcdef0123456789abcdef"


class Seen(NamedTuple):
    """The head of a request: first line, and headers by lower-case name."""

    line: str
    headers: Mapping[str, str]


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, seen: list[Seen]) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")
        self._seen = seen

    def read_head(self) -> Seen:
        """Wait for a request and remember its head. Raises ``EOFError``."""
        first = self.file.readline()
        if not first:
            raise EOFError
        pairs = []
        while line := self.file.readline().strip():
            pairs.append(line.decode().split(": ", 1))
        found = Seen(first.decode().strip(), {name.lower(): value for name, value in pairs})
        self._seen.append(found)
        return found

    def read_request(self) -> Seen:
        """Wait for a request and its body."""
        found = self.read_head()
        self.file.read(int(found.headers.get("content-length", "0")))
        return found

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()


Script = Callable[[Peer], None]


class RawServer:
    """Runs ``scripts``, one per connection, the last one for all further connections.

    ``seen`` are the requests' heads in order. A connection is closed when its script returns.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.done = threading.Event()
        self._scripts = scripts
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock, script))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, script: Script) -> None:
        with contextlib.suppress(OSError, EOFError):
            if self._tls is not None:
                with sock:
                    sock = self._tls.wrap_socket(sock, server_side=True)
            peer = Peer(sock, self.seen)
            try:
                script(peer)
            finally:
                peer.close()


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An answer with a length; ``_`` in a header's name stands for ``-``."""
    fields = {"Content-Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def piece(start: int, body: bytes, **headers: str) -> bytes:
    """A good answer to a ranged GET."""
    ends = f"bytes {start}-{start + len(body) - 1}/1000000"
    return answer("206 Partial Content", body, ETag=f'"{ETAG}"', Content_Range=ends, **headers)


def error(code: str, extra: str = "") -> bytes:
    """The XML of a refusal."""
    return f"<Error><Code>{code}</Code><Message>because</Message>{extra}</Error>".encode()


def always(*answers: bytes) -> Script:
    """Answer the n-th request of a connection with the n-th answer, the last for the rest."""

    def script(peer: Peer) -> None:
        for number in range(1_000_000):
            peer.read_request()
            peer.send(answers[min(number, len(answers) - 1)])

    return script
