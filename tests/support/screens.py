"""``python -m tests.support.screens [NAME]…``: pictures of what commands show, for the documents.

Each is drawn from a real run, on a MinIO and a mount that are made for it and taken down again, and
written to ``docs/images/NAME.svg``. ``SCREENS`` is the list of them.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.link import Link
from phfs.top.rates import rates
from phfs.top.reading import Reading, Source
from phfs.top.view import View
from tests.support.minio import MinioServer, s3_client
from tests.support.mounted import Mounted, Place
from tests.support.terminal import Terminal

IMAGES = Path(__file__).parents[2] / "docs/images"

MIB = 1024**2

_ENDPOINT = "http://127.0.0.1:9000"
_NOWHERE: Mapping[str, str] = {}


@contextmanager
def running_mount(*options: str, bytes_per_second: float | None = None) -> Iterator[Mounted]:
    """A mount of the group ``research``, over a link of that speed."""
    with tempfile.TemporaryDirectory(prefix="phfs-") as directory:
        minio = MinioServer(Path(directory))
        try:
            target = minio.endpoint_url.removeprefix("http://")
            client = s3_client(minio.endpoint_url, minio.access_key, minio.secret_key)
            with Link(target, bytes_per_second=bytes_per_second) as link:
                keys = minio.group_keys(minio.bucket, "research")
                place = Place(link.endpoint_url, minio.bucket, "research", keys)
                mount = Mounted(place, client, Path(directory), options)
                try:
                    yield mount
                finally:
                    mount.stop()
                    client.close()
        finally:
            minio.close()


def top() -> Console:
    """``phfs top`` while two files go out over a link of 40 MB/s and others come in."""
    console = _console(100)
    with running_mount("--part-size=5", bytes_per_second=40e6) as mount:
        for number in range(40):
            mount.put(f"images/{number:03}.jpg", bytes(90_000))
        mount.put("train.parquet", bytes(150 * MIB))
        mount.put("broken.log", b"begun\n")

        def read() -> None:
            for path in sorted((mount.path / "images").iterdir()):
                path.read_bytes()
            (mount.path / "train.parquet").read_bytes()

        def write(name: str, size: int) -> None:
            with suppress(FileExistsError):
                (mount.path / "models").mkdir()
            (mount.path / "models" / name).write_bytes(bytes(size))

        work = [threading.Thread(target=read)]
        for name, size in (("resnet50-epoch-12.pt", 240), ("tokenizer.bin", 90)):
            work.append(threading.Thread(target=write, args=(name, size * MIB)))
        with suppress(OSError), (mount.path / "broken.log").open("a") as log:
            log.write("more\n")
        for thread in work:
            thread.start()
        try:
            view, source, before = View(mount.path), Source(mount.path), None
            for _ in range(16):
                reading = _asked(source)
                view.take(reading, rates(before, reading))
                before = reading
                time.sleep(0.25)
        finally:
            for thread in work:
                thread.join()
    console.print(Text.assemble(("$ ", "green"), f"phfs top {mount.path}"))
    console.print(view)
    return console


def ls() -> Console:
    """``phfs ls -l``."""
    console = _console(80)
    with running_mount() as mount:
        for key, size in (
            ("data/train.parquet", 48_213_550),
            ("models/resnet50/weights.pt", 102_540_417),
            ("models/tokenizer.json", 17_078),
            ("notes.md", 612),
            ("results.csv", 20_344),
        ):
            mount.put(key, bytes(size))
        environ = {**mount.environ, "PHFS_BUCKET": mount.bucket, "PHFS_GROUP": "research"}
        for words in ("phfs ls -l", "phfs ls -l phfs:///models"):
            _typed(console, words, environ)
    return console


def doctor() -> Console:
    """``phfs doctor``, where all is well."""
    console = _console(110)
    with running_mount() as mount:
        environ = {
            **mount.environ,
            "PHFS_BUCKET": mount.bucket,
            "PHFS_GROUP": "research",
            "PHFS_STATE_DIR": str(mount.state_dir),
        }
        places = {str(mount.state_dir): "/var/lib/phfs", mount.place.endpoint_url: _ENDPOINT}
        _typed(console, "phfs doctor", environ, places)
    return console


def demo() -> Console:
    """``phfs demo``."""
    console = _console(100)
    with tempfile.TemporaryDirectory(prefix="phfs-") as home:
        _typed(console, "phfs demo", {"PATH": os.environ["PATH"], "HOME": home})
    return console


SCREENS: dict[str, Callable[[], Console]] = {"demo": demo, "doctor": doctor, "ls": ls, "top": top}
"""What there is a picture of: each makes a console on which it has been shown."""


def _console(columns: int) -> Console:
    """A terminal that records what is printed, and shows it nowhere."""
    return Console(
        record=True,
        width=columns,
        height=48,
        force_terminal=True,
        color_system="truecolor",
        file=Path("/dev/null").open("w"),
        highlight=False,
    )


def _typed(
    console: Console, words: str, environ: Mapping[str, str], places: Mapping[str, str] = _NOWHERE
) -> None:
    """Run a command on a terminal and show it as it was typed and what it has shown there;
    ``places`` are texts of this run and what is drawn instead."""
    program, *rest = words.split()
    found = [str(Path(sys.executable).parent / program), *rest]
    with Terminal(found, environ, columns=console.width) as terminal:
        if terminal.wait() != 0:
            raise RuntimeError(f"{words} failed:\n{terminal.screen}")
    shown = terminal.screen.replace("\r\n", "\n").strip("\n")
    for here, there in places.items():
        shown = shown.replace(here, there)
    console.print(Text.assemble(("$ ", "green"), words))
    console.print(Text.from_ansi(shown))


def _without_fonts(svg: str) -> str:
    """A picture that fetches nothing: the reader's own letters do."""
    return re.sub(r"@font-face \{[^}]*\}\s*", "", svg)


def _asked(source: Source) -> Reading:
    source.ask()
    while (reading := source.answer()) is None:
        pass
    return reading


def main(*names: str) -> None:
    """Draw the pictures of these names, or all."""
    for name in names or SCREENS:
        console = SCREENS[name]()
        picture = _without_fonts(console.export_svg(title=f"phfs {name}"))
        (IMAGES / f"{name}.svg").write_text(picture)
        print(IMAGES / f"{name}.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
