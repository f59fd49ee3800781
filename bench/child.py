"""A server of the bench as a process of its own: started, found, ended.

Owns the process and the two lines between it and its parent: the port it prints once it listens,
and its standard input, whose end is its own end, so that it never outlives a parent that was
killed. Knows nothing of what is served. Called by ``link`` and ``sparse``, on both sides.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Child:
    """``python -m module arguments...``, which listens on a port of 127.0.0.1.

    Returns when it listens. Raises ``RuntimeError`` if it ends before that. Close it with
    ``close`` or use it as a context manager.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for its parent, which ends the mounts first
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().decode().strip()
        if not port:
            self.close()
            raise RuntimeError(f"{module} did not start")
        self.port = int(port)

    @property
    def pid(self) -> int:
        """The process's id, to read its cost under /proc."""
        return self._process.pid

    @property
    def endpoint_url(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End the process and wait for its end."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def announce(port: int) -> None:
    """Tell the parent that connections to ``port`` are accepted from now on."""
    print(port, flush=True)
