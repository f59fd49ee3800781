"""The port that the kubelet and Prometheus ask: /healthz, /readyz and /metrics.

A process of its own without privileges, because it reads what comes from the network, and because
what asks a mount may hang. Knows of the sidecar what its state file says. Started by ``run``.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from phfs.errors import MountError
from phfs.sidecar import metrics, state
from phfs.sidecar.phfsmount import status_of
from phfs.system import privileges
from phfs.system.privileges import Identity

log = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
"""How long the mount is waited for; without its answer the metrics are those of the volumes."""

MOST_REQUESTS = 16
"""At once; for one more, the connection is closed that has been open longest without a request."""

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
        # It may be forked from a loop, which is told of signals by a descriptor.
        signal.set_wakeup_fd(-1)
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


class Port:
    """The process that serves the socket, started again when it has died."""

    def __init__(
        self, listening: socket.socket, private: Path, mount: Path | None, identity: Identity
    ) -> None:
        self._listening = listening
        self._private = private
        self._mount = mount
        self._identity = identity
        self.process: int | None = None
        """Its number; None before the first ``keep``."""

    @property
    def number(self) -> int:
        """The port's."""
        return int(self._listening.getsockname()[1])

    def keep(self) -> None:
        """Start the process unless it runs. Raises ``OSError``."""
        if self.process is not None:
            try:
                ended, status = os.waitpid(self.process, os.WNOHANG)
            except ChildProcessError:
                ended, status = self.process, 0  # somebody else has waited for it
            if not ended:
                return
            code = os.waitstatus_to_exitcode(status)
            log.warning("what answers the health port has ended (%d); it is started again", code)
        self.process = None
        self.process = start(self._listening, self._private, self._mount, self._identity)

    def close(self) -> None:
        """End the process, and answer nobody any more."""
        self._listening.close()
        if self.process is not None:
            with suppress(OSError):
                os.kill(self.process, signal.SIGKILL)
                os.waitpid(self.process, 0)


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
        self._open: dict[socket.socket, bool] = {}
        """In the order in which they came; whether their request is being worked on."""
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= MOST_REQUESTS:
                idle = (one for one, is_busy in self._open.items() if not is_busy)
                oldest = next(idle, next(iter(self._open)))
                del self._open[oldest]
                # Its thread sees the end of the connection, and closes it.
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = False
        super().process_request(request, client_address)

    def work_on(self, request: socket.socket, *, is_busy: bool) -> None:
        """A connection has sent its request, or its answer is known."""
        with self._lock:
            if request in self._open:
                self._open[request] = is_busy

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asks may go away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version, sys_version = "phfs", ""

    def do_GET(self) -> None:
        self.server.work_on(self.connection, is_busy=True)
        code, kind, content = answer(
            self.path.partition("?")[0], self.server.private, self.server.mount
        )
        self.server.work_on(self.connection, is_busy=False)
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """A probe every few seconds is no news."""
