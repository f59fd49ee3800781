"""Requests and answers of S3 as a proxy sees them: read whole, kept as the bytes they came in.

Owns the framing and the names of requests. Called by ``proxy``.
"""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Request:
    """A request: ``head`` with its end, and all of the body. ``kind`` is the name that the store's
    port has for it, ``key`` what it is about (with the bucket in front)."""

    head: bytes
    body: bytes
    kind: str
    key: str

    @property
    def bodiless(self) -> bool:
        """Whether its answer has no body."""
        return self.head.startswith(b"HEAD ")


@dataclass
class Answer:
    """An answer; ``headers`` by name as they came, without those that frame the body."""

    status: str
    headers: dict[str, str]
    body: bytes = b""
    length: int = field(default=-1)
    """What it says of its length, that of the body unless it answers a HEAD."""

    def head(self) -> bytes:
        """The head as it is sent on."""
        length = len(self.body) if self.length < 0 else self.length
        fields = {**self.headers, "Content-Length": str(length)}
        if self.status.startswith("204"):
            fields = self.headers
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {text}" for name, text in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_request(incoming: BinaryIO) -> Request | None:
    """The next request of a connection, None at its end."""
    head = _head(incoming)
    if not head:
        return None
    body = incoming.read(int(_fields(head).get("content-length", "0")))
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    return Request(head, body, _kind(line, head), unquote(urlsplit(line.split()[1]).path)[1:])


def ask(address: tuple[str, int], request: Request) -> Answer:
    """Send a request to a server, and read its answer. Raises ``OSError``."""
    with socket.create_connection(address) as upstream, upstream.makefile("rb") as incoming:
        with contextlib.suppress(OSError):  # it may refuse before the end of the body
            upstream.sendall(request.head + request.body)
        while True:
            head = _head(incoming)
            if not head:
                raise ConnectionResetError("the server answered nothing")
            if not head.startswith(b"HTTP/1.1 1"):
                return _answer(head, incoming, bodiless=request.bodiless)


def _answer(head: bytes, incoming: BinaryIO, *, bodiless: bool) -> Answer:
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    names = {name.lower(): name for name in headers}
    length = int(headers.pop(names.get("content-length", ""), "-1"))
    chunked = headers.pop(names.get("transfer-encoding", ""), "") == "chunked"
    body = b""
    if chunked and not bodiless:
        body = _chunks(incoming)
    elif not bodiless and length > 0:
        body = incoming.read(length)
        if len(body) < length:
            raise ConnectionResetError("the server broke off")
    return Answer(lines[0].partition(" ")[2], headers, body, length if bodiless else -1)


def _chunks(incoming: BinaryIO) -> bytes:
    parts = []
    while True:
        line = incoming.readline()
        if not line:
            raise ConnectionResetError("the server broke off")
        size = int(line.split(b";")[0], 16)
        parts.append(incoming.read(size))
        while incoming.readline().strip():
            """A trailer; after a chunk there is the end of its line."""
        if size == 0:
            return b"".join(parts)


def _head(incoming: BinaryIO) -> bytes:
    lines = []
    while line := incoming.readline():
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return b""


def _fields(head: bytes) -> dict[str, str]:
    found = re.findall(rb"^([^:\r\n]+): *([^\r\n]*)", head, re.MULTILINE)
    return {name.decode().lower(): text.decode("latin-1") for name, text in found}


def _kind(line: str, head: bytes) -> str:
    method, target, _ = line.split(" ")
    query = parse_qs(urlsplit(target).query, keep_blank_values=True)
    copy = b"\r\nx-amz-copy-source:" in head
    match method:
        case "HEAD":
            return "head"
        case "GET" if "list-type" in query:
            return "list_page"
        case "GET":
            return "tags" if "tagging" in query else "get"
        case "PUT" if "partNumber" in query:
            return "copy_part" if copy else "put_part"
        case "PUT":
            return "copy" if copy else "put"
        case "POST" if "delete" in query:
            return "delete_many"
        case "POST":
            return "create_upload" if "uploads" in query else "complete_upload"
        case _:
            return "abort_upload" if "uploadId" in query else "delete"
