"""Packets that the kernel holds until it is told to let them go: netfilter's queue to a program.

Owns the netlink socket and its messages (linux/netfilter/nfnetlink.h and nfnetlink_queue.h). No
packet comes here, only its number: the kernel keeps the bytes. Called by ``held``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_NETLINK_NO_ENOBUFS = 5
_SOL_NETLINK = 270

_QUEUE = 3 << 8
"""NFNL_SUBSYS_QUEUE; of its messages:"""
_CONFIG = _QUEUE | 2
_VERDICT_BATCH = _QUEUE | 3

_REQUEST = 1
_ACK = 4

_COMMAND, _PARAMS, _LENGTH, _MASK, _FLAGS = 1, 2, 3, 4, 5
"""Attributes of a configuration (NFQA_CFG_...)."""

_BIND = 1
_COPY_NUMBER_ONLY = 1
_WHOLE_SEGMENTS = 4
"""NFQA_CFG_F_GSO: what was sent at once, 64 KiB, stays one packet."""

_PACKET, _VERDICT = 1, 2
"""Attributes of a packet and of a verdict (NFQA_PACKET_HDR, NFQA_VERDICT_HDR)."""

_ACCEPT = 1

_HEAD = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct(">I")
_BEHIND_HEADS = _HEAD.size + 4

MOST_HELD = 100_000
"""Packets held at a time: of 64 KiB they would be more than there is memory for."""


class PacketQueue:
    """The packets that a rule of iptables (``-j NFQUEUE --queue-num``) gives to queue ``number``.

    In the network namespace of the thread that makes it. Raises ``OSError`` if another program has
    the queue, or for want of CAP_NET_ADMIN.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
        self._configure(_attribute(_COMMAND, struct.pack(">BxH", _BIND, 0)))
        self._configure(_attribute(_PARAMS, struct.pack(">IB", 0, _COPY_NUMBER_ONLY)))
        self._configure(_attribute(_LENGTH, _NUMBER.pack(MOST_HELD)))
        flags = _NUMBER.pack(_WHOLE_SEGMENTS)
        self._configure(_attribute(_MASK, flags) + _attribute(_FLAGS, flags))
        self._socket.settimeout(0)

    def fileno(self) -> int:
        """The descriptor that is readable when packets have come."""
        return self._socket.fileno()

    def arrived(self) -> Iterator[int]:
        """The numbers of the packets that have come since the last call, in order."""
        while True:
            try:
                message = self._socket.recv(65536)
            except BlockingIOError:
                return
            yield _packet_number(message)

    def release(self, number: int) -> None:
        """Let go of all packets up to this one."""
        verdict = _attribute(_VERDICT, struct.pack(">II", _ACCEPT, number))
        self._socket.send(self._message(_VERDICT_BATCH, _REQUEST, verdict))

    def _configure(self, attributes: bytes) -> None:
        self._socket.send(self._message(_CONFIG, _REQUEST | _ACK, attributes))
        answer = self._socket.recv(65536)
        (error,) = struct.unpack_from("=i", answer, _HEAD.size)
        if error:
            raise OSError(-error, os.strerror(-error))

    def _message(self, kind: int, flags: int, attributes: bytes) -> bytes:
        body = struct.pack(">BBH", socket.AF_UNSPEC, 0, self._number) + attributes
        return _HEAD.pack(_HEAD.size + len(body), kind, flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + padding


def _packet_number(message: bytes) -> int:
    at = _BEHIND_HEADS
    while True:
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind == _PACKET:
            (number,) = _NUMBER.unpack_from(message, at + _ATTRIBUTE.size)
            return int(number)
        at += (length + 3) & ~3
