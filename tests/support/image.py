"""The product's image, built once per content by ``scripts/image``, and containers made from it.

Owns nothing that outlives a call. Called by ``tests/image`` and ``tests/pods``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.contained import CONFIGURATION

REPOSITORY = Path(__file__).resolve().parents[2]

BUILD_SECONDS = 600.0
RUN_SECONDS = 60.0


class Image:
    """The image under ``name`` in podman's store; ``archive`` is it in one file.

    The name is that of its content, which nobody takes away meanwhile: two programs that give and
    take names of one image at the same time lose each other's.
    """

    def __init__(self, directory: Path) -> None:
        built = subprocess.run(
            [REPOSITORY / "scripts/image"],
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        assert built.returncode == 0, built.stderr
        self.archive = Path(built.stdout.splitlines()[-1])
        self.name = f"localhost/phfs:{self.archive.stem.removeprefix('phfs-')}"
        configuration = directory / "containers.conf"
        configuration.write_text(CONFIGURATION)
        self.environ = {**os.environ, "CONTAINERS_CONF": str(configuration)}

    def command(self, *words: str, options: tuple[str, ...] = ()) -> list[str]:
        """How podman runs ``words`` in a new container."""
        return ["podman", "run", "--rm", "--pull=never", *options, self.name, *words]

    def run(self, *words: str, code: int = 0, options: tuple[str, ...] = (), text: str = "") -> str:
        """Run ``words`` in a container; what they print."""
        ended = subprocess.run(
            self.command(*words, options=options),
            env=self.environ,
            input=text,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout
