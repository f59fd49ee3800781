"""A server in front of a store that passes everything on and remembers what was asked.

Owns a port on loopback and its threads. Sees requests as they are on the wire: the method, the
target, the headers; of bodies those that name objects. Called by tests.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
PATIENCE = 60.0


class Asked(NamedTuple):
    """A request. ``key`` is empty for one about the bucket; ``query`` is decoded."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By name in small letters."""
    body: bytes
    """Of a POST only."""

    def __str__(self) -> str:
        return f"{self.method} /{self.bucket}/{self.key} {dict(self.query)}"


class Recorder:
    """``url`` stands in for the store; ``asked`` grows."""

    def __init__(self, url: str, asked: list[Asked]) -> None:
        self.url = url
        self.asked = asked


@contextmanager
def recording(endpoint_url: str) -> Iterator[Recorder]:
    """Record what goes to ``endpoint_url`` (http) while this lasts."""
    asked: list[Asked] = []
    host = urlsplit(endpoint_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(_read(self.command, self.path, headers, body))
            connection = http.client.HTTPConnection(host, timeout=PATIENCE)
            try:
                # As it came, Host included: it is signed.
                connection.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                self._answer(answer, answer.read())
            finally:
                connection.close()

        def _answer(self, answer: http.client.HTTPResponse, body: bytes) -> None:
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            bare = self.command == "HEAD" or answer.status in (204, 304)
            length = answer.getheader("Content-Length", "0") if bare else str(len(body))
            if answer.status != 204:
                self.send_header("Content-Length", length)
            self.end_headers()
            if not bare:
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """A client that goes away is no matter."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Recorder(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()


def _read(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Asked:
    parts = urlsplit(target)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    query = {name: texts[0] for name, texts in parse_qs(parts.query, True).items()}
    return Asked(method, bucket, key, query, headers, body if method == "POST" else b"")
