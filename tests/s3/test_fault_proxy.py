"""The proxy that breaks requests does what it says, and nothing to the others."""

from __future__ import annotations

import http.client
import math
import socket
import time
from collections.abc import Iterator

import pytest

from tests.s3.raw_server import Peer, RawServer, always, answer
from tests.support.fault_proxy import Fault, FaultProxy, faults

pytestmark = pytest.mark.real  # starts processes

BODY = bytes(range(200))
GOOD = answer("200 OK", BODY, ETag='"tag"')


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(always(GOOD)) as running:
        yield running


@pytest.fixture
def proxy(server: RawServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.url) as running:
        yield running


def ask(
    proxy: FaultProxy,
    method: str = "GET",
    target: str = "/b/a",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30.0,
) -> tuple[int, bytes]:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request(method, target, body, headers or {})
        found = connection.getresponse()
        return found.status, found.read()
    finally:
        connection.close()


def test_it_passes_everything_on(proxy: FaultProxy, server: RawServer) -> None:
    assert ask(proxy, "PUT", "/b/a?x=1", {"X-Own": "yes"}, b"body") == (200, BODY)
    assert server.seen[0].line == "PUT /b/a?x=1 HTTP/1.1"
    assert server.seen[0].headers["x-own"] == "yes"
    assert server.seen[0].headers["content-length"] == "4"


def test_it_keeps_a_connection(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=30)
    for _ in range(3):
        connection.request("GET", "/b/a")
        assert connection.getresponse().read() == BODY
    connection.close()


def test_a_body_in_chunks_is_passed_on_with_its_length() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    )
    with RawServer(always(chunked)) as server, FaultProxy(server.url) as proxy:
        assert ask(proxy) == (200, b"abcde")


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("HEAD", "/b/a", "head"),
        ("GET", "/b/a", "get"),
        ("GET", "/b/a?tagging=", "tags"),
        ("GET", "/b?list-type=2&prefix=x", "list_page"),
        ("PUT", "/b/a", "put"),
        ("PUT", "/b/copy-a", "copy"),
        ("PUT", "/b/a?partNumber=1&uploadId=u", "put_part"),
        ("PUT", "/b/copy-a?partNumber=1&uploadId=u", "copy_part"),
        ("POST", "/b/a?uploads=", "create_upload"),
        ("POST", "/b/a?uploadId=u", "complete_upload"),
        ("POST", "/b?delete=", "delete_many"),
        ("DELETE", "/b/a", "delete"),
        ("DELETE", "/b/a?uploadId=u", "abort_upload"),
    ],
)
def test_requests_are_known_by_the_names_of_the_port(
    proxy: FaultProxy, method: str, target: str, kind: str
) -> None:
    headers = {"x-amz-copy-source": "/b/other"} if "copy" in target else {}
    ask(proxy, method, target, headers)
    assert proxy.seen == [kind]


def test_a_fault_hits_the_nth_request_of_its_kind_and_key(proxy: FaultProxy) -> None:
    proxy.fault(faults.status(503, "SlowDown"), kind="get", key="b/a", nth=2, times=2)
    asked = [("GET", "/b/a"), ("GET", "/b/c"), ("PUT", "/b/a"), *[("GET", "/b/a")] * 3]
    assert [ask(proxy, *each)[0] for each in asked] == [200, 200, 200, 503, 503, 200]
    assert proxy.hit == 2


def test_from_a_moment_on_until_healed(proxy: FaultProxy) -> None:
    proxy.fault(faults.status(403, "ExpiredToken"), nth=2, times=math.inf)
    assert [ask(proxy)[0] for _ in range(4)] == [200, 403, 403, 403]
    proxy.heal()
    assert ask(proxy) == (200, BODY)


def test_nobody_listens_until_healed(proxy: FaultProxy, server: RawServer) -> None:
    proxy.fault(faults.refuse)
    with pytest.raises(ConnectionError):
        ask(proxy)
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    assert server.seen == []
    proxy.heal()
    assert ask(proxy) == (200, BODY)


@pytest.mark.parametrize(
    ("fault", "reached"),
    [(faults.reset_before, 0), (faults.reset_after, 1), (faults.close_after, 1)],
)
def test_a_broken_connection(
    proxy: FaultProxy, server: RawServer, fault: Fault, reached: int
) -> None:
    proxy.fault(fault)
    with pytest.raises(ConnectionError):
        ask(proxy)
    assert len(server.seen) == reached
    assert ask(proxy) == (200, BODY)


def test_a_body_cut_short(proxy: FaultProxy) -> None:
    proxy.fault(faults.cut(50))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(proxy)
    assert caught.value.partial == BODY[:50]


@pytest.mark.parametrize(
    ("fault", "reached"),
    [(faults.stall_before, 0), (faults.stall_after, 1), (faults.stall_inside(50), 1)],
)
def test_a_stall_ends_when_the_client_goes_or_it_is_healed(
    proxy: FaultProxy, server: RawServer, fault: Fault, reached: int
) -> None:
    proxy.fault(fault, times=2)
    with pytest.raises(TimeoutError):
        ask(proxy, timeout=0.5)
    assert len(server.seen) == reached
    with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))) as sock:
        sock.settimeout(30)
        sock.sendall(b"GET /b/a HTTP/1.1\r\n\r\n")
        give_up = time.monotonic() + 20
        while proxy.hit < 2:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        proxy.heal()
        while sock.recv(1024):
            """What had come before."""
    assert ask(proxy) == (200, BODY)


def test_a_body_byte_by_byte(proxy: FaultProxy) -> None:
    proxy.fault(faults.trickle(0.001))
    assert ask(proxy) == (200, BODY)
    proxy.fault(faults.trickle(30.0))
    with pytest.raises(TimeoutError):
        ask(proxy, timeout=0.5)


@pytest.mark.parametrize("after", [False, True])
def test_a_status_before_or_after_it_took_effect(
    proxy: FaultProxy, server: RawServer, after: bool
) -> None:
    proxy.fault(
        faults.status(301, "PermanentRedirect", {"x-y": "z"}, xml="<R>mars</R>", after=after)
    )
    code, body = ask(proxy)
    assert (code, len(server.seen)) == (301, after)
    expected = b"<Error><Code>PermanentRedirect</Code><Message>because</Message><R>mars</R></Error>"
    assert body == expected


def test_a_wrong_bit_on_the_way_back(proxy: FaultProxy) -> None:
    proxy.fault(faults.flipped_answer())
    _, body = ask(proxy)
    assert [at for at in range(200) if body[at] != BODY[at]] == [100]


def test_a_wrong_bit_on_the_way_there() -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        found = peer.read_head()
        got.append(peer.file.read(int(found.headers["content-length"])))
        peer.send(GOOD)

    with RawServer(script) as server, FaultProxy(server.url) as proxy:
        proxy.fault(faults.flipped_request(0.0))
        ask(proxy, "PUT", body=b"body")
    assert got == [b"cody"]


def test_another_header_and_another_body(proxy: FaultProxy) -> None:
    proxy.fault(faults.header("etag", lambda text: text.upper()))
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=30)
    connection.request("GET", "/b/a")
    assert connection.getresponse().getheader("ETag") == '"TAG"'
    connection.close()
    proxy.fault(faults.body(lambda body: body[::-1]))
    assert ask(proxy) == (200, BODY[::-1])


def test_an_endless_answer(proxy: FaultProxy) -> None:
    proxy.fault(faults.endless(b"<a>", b"<b/>", 3_000_000))
    code, body = ask(proxy)
    assert code == 200
    assert body.startswith(b"<a><b/><b/>")
    assert 2_000_000 < len(body) <= 3_000_003


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        (faults.flipped_request(), "GET"),
        (faults.flipped_answer(), "HEAD"),
        (faults.header("Content-Range", str.upper), "GET"),
        (faults.body(lambda body: body.replace(b"not there", b"x")), "GET"),
        (faults.cut(len(BODY)), "GET"),
        (faults.stall_inside(len(BODY)), "GET"),
    ],
    ids=[
        "no body sent",
        "no body came",
        "no such header",
        "not in it",
        "all came",
        "all came, too",
    ],
)
def test_a_fault_that_finds_nothing_to_spoil_says_so(
    proxy: FaultProxy, fault: Fault, method: str
) -> None:
    proxy.fault(fault)
    assert ask(proxy, method)[0] == 200
    assert (proxy.hit, proxy.harmless) == (1, 1)
    proxy.fault(faults.flipped_answer())
    ask(proxy)
    assert (proxy.hit, proxy.harmless) == (2, 1)
