"""The port that the kubelet and Prometheus ask: /healthz, /readyz and /metrics.

A process of its own without privileges, because it reads what comes from the network, and because
what asks a mount may hang. Knows of the sidecar what its state file says. Started by ``run``.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from phfs.errors import MountError
from phfs.sidecar import metrics, state
from phfs.sidecar.phfsmount import status_of
from phfs.system import privileges
from phfs.system.privileges import Identity

ANSWER_SECONDS = 2.0
"""How long the mount is waited for; without its answer the metrics are those of the volumes."""

MOST_REQUESTS = 16
"""At once; more are closed."""

REQUEST_SECONDS = 10.0


def listen(address: str, port: int) -> socket.socket:
    """The socket. Raises ``MountError``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        raise MountError(
            f"Nobody can listen on port {port} of {address}: {error.strerror}.",
            "Give another with --listen.",
        ) from None


def start(listening: socket.socket, private: Path, mount: Path | None, identity: Identity) -> int:
    """Serve the socket in a forked process, as long as this one lives; its number.

    ``mount``: where PHFS is, if it is.
    """
    parent = os.getpid()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        privileges.name_process("phfs-health")
        if os.geteuid() == 0:
            privileges.become(identity)
        if privileges.end_with_parent(parent):
            _Server(listening, private, mount).serve_forever()
        code = 0
    finally:
        os._exit(code)


class Mount:
    """A mount that is asked by one thread at a time, which may never come back."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def status(self) -> dict[str, Any] | None:
        """What it says of itself; None if it does not answer in time."""
        if self._path is None or not self._lock.acquire(blocking=False):
            return None
        found: list[dict[str, Any]] = []
        path = self._path

        def ask() -> None:
            try:
                found.append(status_of(path))
            except OSError:
                pass
            finally:
                self._lock.release()

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(ANSWER_SECONDS)
        return found[0] if found and found[0] else None


def answer(path: str, private: Path, mount: Mount) -> tuple[int, str, bytes]:
    """Status, content type and content for a path."""
    text = "text/plain; charset=utf-8"
    if path not in ("/healthz", "/readyz", "/metrics"):
        return 404, text, b"There are /healthz, /readyz and /metrics.\n"
    try:
        said = state.read(private)
    except MountError as error:
        return 503, text, f"{error.why}\n".encode()
    if path == "/metrics":
        return 200, metrics.CONTENT_TYPE, metrics.rendered(said.standings, mount.status())
    if said.beat > state.SILENT_SECONDS:
        return 503, text, f"The sidecar has been silent for {said.beat:.0f} seconds.\n".encode()
    if path == "/readyz" and said.is_ending:
        return 503, text, b"The sidecar is ending.\n"
    if path == "/readyz" and said.waited_for:
        return 503, text, f"Waited for: {', '.join(said.waited_for)}.\n".encode()
    return 200, text, b"ok\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, private: Path, mount: Path | None) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.private = private
        self.mount = Mount(mount)
        self._places = threading.BoundedSemaphore(MOST_REQUESTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asks may go away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version, sys_version = "phfs", ""

    def do_GET(self) -> None:
        code, kind, content = answer(
            self.path.partition("?")[0], self.server.private, self.server.mount
        )
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """A probe every few seconds is no news."""
