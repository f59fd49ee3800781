"""The command ``s3`` of the documents' examples: looks at a mount's objects from outside.

Owns a Unix socket on which a thread of the test answers, so that the command itself, which runs
in a directory of the mount, takes milliseconds. Keys are relative to that directory.

::

    s3 ls              keys and sizes in bytes
    s3 get KEY         the object's bytes
    s3 put KEY TEXT    an object with this text
    s3 rm KEY
    s3 type KEY        its Content-Type
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError

from tests.support.mounted import Mounted

COMMAND = f"""#!{sys.executable} -IS
import json, os, socket, sys
asked = [os.path.relpath(os.getcwd(), {{mountpoint!r}}), *sys.argv[1:]]
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({{address!r}})
    connection.sendall(json.dumps(asked).encode() + b"\\n")
    answer = connection.makefile("rb").read()
failed = answer.startswith(b"s3: ")
(sys.stderr if failed else sys.stdout).buffer.write(answer)
sys.exit(failed)
"""


@contextmanager
def s3_command(mounted: Mounted, directory: Path) -> Iterator[Path]:
    """The directory that holds the command, ``directory`` itself; it works while this lasts."""
    address = str(directory / "socket")
    command = directory / "s3"
    command.write_text(COMMAND.format(mountpoint=str(mounted.path), address=address))
    command.chmod(0o755)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            here, verb, *words = json.loads(self.rfile.readline())
            try:
                answer = _answer(mounted, "" if here == "." else f"{here}/", verb, *words)
            except ClientError as error:
                missing = error.response["Error"]["Code"] in ("NoSuchKey", "404")
                answer = b"s3: no such object\n" if missing else f"s3: {error}\n".encode()
            self.wfile.write(answer)

    with socketserver.UnixStreamServer(address, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield directory
        finally:
            server.shutdown()
            thread.join()


def _answer(mounted: Mounted, here: str, verb: str, key: str = "", text: str = "") -> bytes:
    match verb:
        case "ls":
            sizes = {key.removeprefix(here): len(mounted.get(key)) for key in mounted.keys(here)}
            return "".join(f"{key} {size}\n" for key, size in sizes.items() if key).encode()
        case "get":
            return mounted.get(here + key)
        case "put":
            mounted.put(here + key, text.encode())
        case "rm":
            mounted.delete(here + key)
        case "type":
            found = mounted.s3.head_object(Bucket=mounted.bucket, Key=mounted.prefix + here + key)
            return f"{found['ContentType']}\n".encode()
        case _:
            return f"s3: no verb {verb!r}\n".encode()
    return b""
