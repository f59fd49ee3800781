"""What the tests of links have in common."""

from __future__ import annotations

import socket

PATIENCE = 20.0
"""Longest wait for what must come; nothing is measured against it."""


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes of a connection."""
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, "the connection ended too early"
        data += piece
    return bytes(data)
