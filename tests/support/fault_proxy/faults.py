"""The ways in which a request can go wrong, each a ``Fault`` or a function that makes one.

"before": the server never hears of it; "after": the server has done it and the answer is lost. One
that changes something of a message says so to the exchange when there was nothing to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.support.fault_proxy.messages import Answer
from tests.support.fault_proxy.proxy import Exchange, Fault

REASONS = {301: "Moved Permanently", 307: "Temporary Redirect", 400: "Bad Request"}

PIECE = 1024 * 1024


def refuse(exchange: Exchange) -> None:
    """Nobody listens any more, until the proxy is healed."""
    exchange.proxy.refuse(exchange.ended)
    exchange.reset()


def reset_before(exchange: Exchange) -> None:
    """The connection is reset before the server hears of the request."""
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    """The server has done it; the connection is reset instead of the answer."""
    exchange.forward()
    exchange.reset()


def close_after(exchange: Exchange) -> None:
    """The server has done it; the connection is closed instead of the answer."""
    exchange.forward()
    exchange.end()


def stall_before(exchange: Exchange) -> None:
    """Nothing happens, until the client goes or the proxy is healed."""
    exchange.wait()
    exchange.end()


def stall_after(exchange: Exchange) -> None:
    """The server has done it and nothing more comes."""
    exchange.forward()
    exchange.wait()
    exchange.end()


def cut(count: int) -> Fault:
    """``count`` bytes of the answer's body come (of its head, if it has no body), and no more."""

    def fault(exchange: Exchange) -> None:
        exchange.send(_beginning(exchange, exchange.forward(), count))
        exchange.end()

    return fault


def stall_inside(count: int) -> Fault:
    """``count`` bytes of the answer's body come, and then nothing."""

    def fault(exchange: Exchange) -> None:
        exchange.send(_beginning(exchange, exchange.forward(), count))
        exchange.wait()
        exchange.end()

    return fault


def trickle(seconds: float = 1.0) -> Fault:
    """One byte of the answer's body comes every ``seconds`` (of its head, if it has no body)."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        if answer.body:
            exchange.send(answer.head())
        for byte in answer.body or answer.head():
            if not exchange.wait(seconds):
                return exchange.end()
            exchange.send(bytes([byte]))
        return None

    return fault


def status(
    code: int,
    s3_code: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    xml: str = "",
    after: bool = False,
) -> Fault:
    """An answer of the server's that is an error; ``xml`` is more of it. The request is not done,
    or is with ``after``."""
    text = f"<Error><Code>{s3_code}</Code><Message>because</Message>{xml}</Error>"

    def fault(exchange: Exchange) -> None:
        if after:
            exchange.forward()
        body = b"" if exchange.request.bodiless or not s3_code else text.encode()
        exchange.reply(Answer(f"{code} {REASONS.get(code, 'Refused')}", dict(headers or {}), body))

    return fault


def flipped_answer(at: float = 0.5) -> Fault:
    """A bit of one byte of the answer's body is wrong, ``at`` of its length."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        _replace(exchange, answer, flipped(answer.body, at))

    return fault


def flipped_request(at: float = 0.5) -> Fault:
    """The server gets a body of which one bit is wrong."""

    def fault(exchange: Exchange) -> None:
        if not exchange.request.body:
            exchange.harmless()
        exchange.request.body = flipped(exchange.request.body, at)
        exchange.reply(exchange.forward())

    return fault


def header(name: str, change: Callable[[str], str]) -> Fault:
    """A header of the answer says something else."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        before = answer.headers
        answer.headers = {
            each: change(text) if each.lower() == name.lower() else text
            for each, text in before.items()
        }
        if answer.headers == before:
            exchange.harmless()
        exchange.reply(answer)

    return fault


def body(change: Callable[[bytes], bytes]) -> Fault:
    """The answer has another body."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        _replace(
            exchange, answer, answer.body if exchange.request.bodiless else change(answer.body)
        )

    return fault


def endless(beginning: bytes, again: bytes, size: int, code: str = "200 OK") -> Fault:
    """An answer of ``beginning`` and then ``again`` over and over, ``size`` bytes if the client
    takes them all; it does not say how long it is."""

    def fault(exchange: Exchange) -> None:
        head = f"HTTP/1.1 {code}\r\nConnection: close\r\n\r\n"
        exchange.send(head.encode() + beginning)
        piece = again * (PIECE // len(again))
        for _ in range(size // len(piece)):
            exchange.send(piece)
        exchange.end()

    return fault


def flipped(data: bytes, at: float) -> bytes:
    """``data`` with one bit wrong, ``at`` of its length; nothing stays nothing."""
    if not data:
        return data
    place = min(int(len(data) * at), len(data) - 1)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _replace(exchange: Exchange, answer: Answer, body: bytes) -> None:
    if body == answer.body:
        exchange.harmless()
    answer.body = body
    exchange.reply(answer)


def _beginning(exchange: Exchange, answer: Answer, count: int) -> bytes:
    head = answer.head()
    if len(answer.body or head) <= count:
        exchange.harmless()
    return head + answer.body[:count] if answer.body else head[:count]
