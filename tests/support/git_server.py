"""Real git servers on loopback, for one test each: git's own daemon, http with a login, and ssh.

Owns their processes and repositories. ``Origin`` is a repository from its owner's side. Called by
``tests/sidecar/test_git.py``.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.minio import free_port
from tests.support.processes import end, poll_until

SECONDS = 60.0

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


class Origin:
    """A bare repository in ``directory``, changed by its owner. Its default branch is ``main``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", ".")

    def git(self, *words: str, into: str = "") -> str:
        """Run git on the repository; what it prints."""
        done = subprocess.run(
            ["git", *words], cwd=self.directory, env=_ENVIRONMENT, input=into, text=True,
            capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str], branch: str = "main") -> str:
        """A commit on a branch that has exactly these files; ``link:TARGET`` is a link."""
        lines = []
        for name, text in files.items():
            mode, content = ("120000", text[5:]) if text.startswith("link:") else ("100644", text)
            blob = self.git("hash-object", "-w", "--stdin", into=content)
            lines.append(f"{mode} {blob}\t{name}")
        index = self.directory / "made.index"
        index.unlink(missing_ok=True)
        environment = {**_ENVIRONMENT, "GIT_INDEX_FILE": str(index)}
        subprocess.run(["git", "update-index", "--index-info"], cwd=self.directory, text=True,
                       env=environment, input="\n".join(lines), check=True,
                       timeout=SECONDS)  # fmt: skip
        tree = subprocess.run(["git", "write-tree"], cwd=self.directory, env=environment, text=True,
                              check=True, capture_output=True, timeout=SECONDS)  # fmt: skip
        return self.commit_tree(tree.stdout.strip(), branch)

    def commit_tree(self, tree: str, branch: str = "main") -> str:
        """A commit of a tree that is there, on top of a branch."""
        known = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        above = ["-p", known] if known else []
        commit = self.git("commit-tree", tree, *above, "-m", "A change")
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit


@contextmanager
def git_daemon(base: Path, port: int | None = None) -> Iterator[str]:
    """``git daemon`` for the repositories below a directory; the URL to put their names behind."""
    port = port or free_port()
    process = subprocess.Popen(
        ["git", "daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}",
         f"--base-path={base}", str(base)],
        env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        _wait_for(port, process)
        yield f"git://127.0.0.1:{port}"
    finally:
        end_all(process)


@contextmanager
def ssh_server(directory: Path, key: Path) -> Iterator[int]:
    """An sshd that lets root in with the public key beside ``key``; its port.

    Its own key is ``directory/host`` and ``host.pub``.
    """
    directory.mkdir(exist_ok=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    host = directory / "host"
    if not host.exists():
        make_key(host)
    config = directory / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host}\nAuthorizedKeysFile {key}.pub\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\n"
        "StrictModes no\nPidFile none\nPrintMotd no\nMaxStartups 100\n"
    )
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(port, process)
        yield port
    finally:
        end_all(process)


def make_key(path: Path) -> None:
    """A new pair of ssh keys without a passphrase: ``path`` and ``path.pub``."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)],
        check=True, timeout=SECONDS,
    )  # fmt: skip


def end_all(process: subprocess.Popen[bytes]) -> None:
    """End a server, and those of its children that are in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    end(process, signal.SIGTERM, 10)


class HttpServer:
    """``git http-backend`` behind http; with a ``login`` (user, password) only for who has it.

    ``seen``: paths asked for, and whether a login came along. ``redirect``: a URL to which every
    request is sent instead. ``silent``: requests are taken and never answered.
    """

    def __init__(self, base: Path, login: tuple[str, str] | None = None) -> None:
        self.seen: list[tuple[str, str | None]] = []
        self.redirect: str | None = None
        self.closing = threading.Event()
        self.silent = False
        expected = None
        if login is not None:
            expected = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        handler = type("Handler", (_Handler,), {"base": base, "expected": expected, "owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *unused: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    base: Path
    expected: str | None
    owner: HttpServer

    def do_GET(self) -> None:
        owner, given = self.owner, self.headers.get("Authorization")
        owner.seen.append((self.path, given))
        if owner.silent:
            owner.closing.wait()
        elif owner.redirect is not None:
            self._answer(302, {"Location": owner.redirect + self.path})
        elif self.expected is not None and given != self.expected:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._backend()

    do_POST = do_GET  # noqa: N815 - as the base asks for it

    def _backend(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environment = {
            **_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.base),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=body, capture_output=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200 OK").split()[0])
        self._answer(status, fields, content)

    def _answer(self, status: int, fields: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, text in fields.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert process.poll() is None, f"{process.args!r} ended"
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    poll_until(answers, SECONDS, lambda: f"{process.args!r} does not listen")
