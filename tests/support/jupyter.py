"""A real Jupyter server as a process, and its contents API as JupyterLab's file browser calls it.

Owns the process and the directory with its home, configuration and log. Knows nothing of mounts:
``root`` is any directory. Called by ``tests/real/test_jupyter.py``.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.minio import free_port
from tests.support.processes import end, poll_until

START_SECONDS = 60.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 120.0

PIECE = 1024 * 1024
"""Bytes of a piece of a large upload: JupyterLab's CHUNK_SIZE. A file of at most that many bytes
is sent whole."""


class Answer(NamedTuple):
    """An answer of the server: the HTTP status, and the JSON document or other text."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether JupyterLab takes it for done: 201 for a name that is new, 200 for others."""
        return self.status in (200, 201)

    @property
    def message(self) -> str:
        """What JupyterLab shows in its dialog of an error."""
        return str(self.body["message"])


class Jupyter:
    """One server with ``root`` as its root directory, configured by ``lines`` of Python, the
    content of its ``jupyter_server_config.py``."""

    def __init__(self, directory: Path, root: Path, *lines: str) -> None:
        self._token = secrets.token_hex(16)
        self._log = directory / "jupyter.log"
        self.home = directory / "home"
        config, runtime = self.home / ".jupyter", directory / "runtime"
        config.mkdir(parents=True)
        (config / "jupyter_server_config.py").write_text("\n".join(("c = get_config()", *lines)))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser"),
                    *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={free_port()}"),
                    f"--ServerApp.root_dir={root}",
                    f"--IdentityProvider.token={self._token}",
                ],
                cwd=directory,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.home),
                    "JUPYTER_RUNTIME_DIR": str(runtime),
                    "TMPDIR": str(directory),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # It takes another port when somebody was faster, and writes down which it has.
        self._said = runtime / f"jpserver-{self._process.pid}.json"
        self._port = 0
        try:
            poll_until(self._answers, START_SECONDS, lambda: f"no Jupyter server:\n{self.log}")
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self._log.read_text(errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal; nothing here makes it start others that could be left."""
        end(self._process, number, STOP_SECONDS)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the Jupyter server has ended:\n{self.log}")
        with suppress(OSError, ValueError, http.client.HTTPException):
            self._port = json.loads(self._said.read_text())["port"]
            return self.ask("GET", "/api/status").status == 200
        return False

    # -- requests ------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """One request, with the token."""
        status, content = self._exchange(method, path, body)
        text = content.decode()
        try:
            return Answer(status, json.loads(text))
        except ValueError:
            return Answer(status, text)

    def download(self, path: str) -> bytes:
        """What the browser gets by "Download"."""
        status, content = self._exchange("GET", f"/files/{urllib.parse.quote(path)}?download=1")
        assert status == 200, content
        return content

    def _exchange(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"Authorization": f"token {self._token}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def contents(self, method: str, path: str, body: object = None, query: str = "") -> Answer:
        """A request about a file or a directory, by its path below the root."""
        return self.ask(method, f"/api/contents/{urllib.parse.quote(path)}{query}", body)

    def get(self, path: str, **query: str | int) -> Answer:
        """Open a file or browse a directory."""
        return self.contents("GET", path, query="?" + urllib.parse.urlencode(query))

    def names(self, path: str) -> set[str]:
        """What the file browser shows of a directory."""
        return {entry["name"] for entry in self.get(path, content=1).body["content"]}

    def save(self, path: str, content: object, *, kind: str = "file", form: str = "text") -> Answer:
        """Save an editor's content."""
        model = {"type": kind, "format": form, "content": content, "path": path}
        return self.contents("PUT", path, model)

    def save_notebook(self, path: str, notebook: object) -> Answer:
        """Save a notebook."""
        return self.save(path, notebook, kind="notebook", form="json")

    def rename(self, old: str, new: str) -> Answer:
        """Rename or move."""
        return self.contents("PATCH", old, {"path": new})

    def piece(self, path: str, data: bytes, chunk: int | None = None) -> Answer:
        """One request of an upload; ``chunk`` counts from 1, and is -1 with the last piece."""
        model = {
            "type": "file",
            "format": "base64",
            "name": path.rpartition("/")[2],
            "content": base64.b64encode(data).decode(),
        }
        return self.contents("PUT", path, model if chunk is None else {**model, "chunk": chunk})

    def upload(self, path: str, data: bytes) -> Answer:
        """Upload a file as JupyterLab does; the last answer, or the first that is an error."""
        if len(data) <= PIECE:
            return self.piece(path, data)
        for chunk, piece in pieces(data):
            answer = self.piece(path, piece, chunk)
            if not answer.ok:
                break
        return answer


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The pieces of a large upload with their numbers."""
    for start in range(0, len(data), PIECE):
        end_of_piece = start + PIECE
        last = end_of_piece >= len(data)
        yield (-1 if last else end_of_piece // PIECE), data[start:end_of_piece]
