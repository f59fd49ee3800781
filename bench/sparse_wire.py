"""HTTP/1.1 as the sparse store needs it: little, and at little cost.

Owns the bytes on one connection: requests read and their bodies thrown away, answers sent, zeros
from a file that is one hole. Knows nothing of S3. Called by ``sparse``, a thread per connection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

MIB = 1024**2
MAX_HEAD = 64 * 1024

HOLE = 1 << 50
"""Size of the file of zeros, more than any object has."""


class Request(NamedTuple):
    """A request. Names of ``headers`` are in lower case; ``body`` is that of a POST.

    ``size``: bytes of the content, as they were before any encoding.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int
    body: bytes = b""


class Answer(NamedTuple):
    """An answer. Its body is ``body``, or so many ``zeros``; that of a HEAD stays at home."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    zeros: int = 0


def zeros() -> int:
    """The descriptor of a file of ``HOLE`` zeros that takes no memory."""
    descriptor = os.memfd_create("zeros")
    os.ftruncate(descriptor, HOLE)
    return descriptor


class Wire:
    """One connection, read and written by one thread."""

    def __init__(self, sock: socket.socket, hole: int) -> None:
        self._socket = sock
        self._hole = hole
        self._read = b""
        self._scratch = bytearray(MIB)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self) -> Request | None:
        """The next request with its whole body; None if the client has no more.

        Raises ``OSError`` if the connection breaks or what comes is no HTTP.
        """
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            piece = self._socket.recv(MAX_HEAD)
            if not piece:
                return None
            self._read += piece
            if len(self._read) > MAX_HEAD:
                raise ConnectionError("the request has no end")
        head, self._read = self._read[:end], self._read[end + 4 :]
        try:
            request, length = _parse(head.decode("latin-1"))
        except ValueError as error:
            raise ConnectionError(f"no HTTP: {error}") from error
        if request.headers.get("expect") == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.method == "POST":
            return request._replace(body=self._keep(length))
        self._drain(length)
        return request

    def answer(self, request: Request, answer: Answer) -> None:
        """Send an answer. Raises ``OSError`` if the connection breaks."""
        length = answer.zeros or len(answer.body)
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Date: {formatdate(usegmt=True)}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        if answer.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {length}")
        head = "\r\n".join([*lines, "\r\n"]).encode()
        if request.method == "HEAD":
            self._socket.sendall(head)
        elif answer.zeros:
            self._socket.sendall(head, socket.MSG_MORE)
            self._send_zeros(answer.zeros)
        else:
            self._socket.sendall(head + answer.body)

    def _send_zeros(self, count: int) -> None:
        while count:
            count -= os.sendfile(self._socket.fileno(), self._hole, 0, count)

    def _keep(self, length: int) -> bytes:
        while len(self._read) < length:
            piece = self._socket.recv(length - len(self._read))
            if not piece:
                raise ConnectionError("the body has no end")
            self._read += piece
        body, self._read = self._read[:length], self._read[length:]
        return body

    def _drain(self, length: int) -> None:
        left = length - len(self._read)
        self._read = self._read[length:]
        while left > 0:
            # MSG_TRUNC takes bytes off a TCP socket without copying them anywhere (tcp(7)).
            count = self._socket.recv_into(
                self._scratch, min(left, MIB), socket.MSG_TRUNC | socket.MSG_WAITALL
            )
            if not count:
                raise ConnectionError("the body has no end")
            left -= count


def _parse(head: str) -> tuple[Request, int]:
    """A request without its body, and how long that is. Raises ``ValueError``."""
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise ValueError("bodies have a Content-Length here")
    length = int(headers.get("content-length", 0))
    size = int(headers.get("x-amz-decoded-content-length", length))
    path, _, query = target.partition("?")
    found = dict(parse_qsl(query, keep_blank_values=True))
    return Request(method, unquote(path), found, headers, size), length
