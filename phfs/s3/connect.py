"""Makes connections to the object store, and puts what goes wrong with them into words.

Owns the translation of ``OSError`` and of what is no HTTP into ``StoreError``. Blocking; called by
``http`` in worker threads.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

from phfs.errors import ConnectionFailed, Corrupted, TimedOut, UntrustedServer
from phfs.s3.head import NotHttpError
from phfs.s3.watch import Watch

UNTRUSTED = {
    9: "The certificate is not valid yet: set this machine's clock.",
    10: "The store needs a new certificate, or this machine's clock is wrong.",
    62: "Give the name in --endpoint-url that the certificate is for.",
    64: "Give the name in --endpoint-url that the certificate is for, not an IP address.",
}
"""What to do about a certificate, by OpenSSL's code (openssl-verify(1), X509_V_ERR_…), where it is
something else than to vouch for it."""


class CutShortError(Exception):
    """The connection ended inside an answer."""


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def connect(address: Address, tls: ssl.SSLContext | None, watch: Watch) -> socket.socket:
    """A connected socket, TLS established if ``tls`` is given.

    Tries each of the host's addresses. Raises ``OSError``, ``TimedOut``.
    """
    failure: OSError | None = None
    for family, kind, protocol, _, place in socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(watch.limits.timeout)
            watch.attach(sock)
            sock.connect(place)
            # A request's last segment must not wait for the acknowledgement of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                sock = tls.wrap_socket(
                    sock, server_hostname=address.host, do_handshake_on_connect=False
                )
                watch.attach(sock)
                sock.do_handshake()
            watch.check()
            return sock
        except ssl.SSLError:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            failure = error
            watch.check()
        except BaseException:
            sock.close()
            raise
    raise failure or OSError("the name has no address")


@contextlib.contextmanager
def explained(address: Address, watch: Watch) -> Iterator[None]:
    """Turn what sockets, TLS and HTTP raise inside into ``StoreError`` with a sentence."""
    subject = watch.subject
    try:
        yield
    except socket.gaierror as error:
        raise ConnectionFailed(
            f"{subject}: the host {address.host} is not known ({error.strerror})",
            "Check --endpoint-url and the machine's name resolution.",
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise UntrustedServer(
            f"{subject}: the certificate of {address} cannot be trusted "
            f"({error.verify_message.rstrip('.')})",
            UNTRUSTED.get(error.verify_code),
        ) from error
    except ssl.SSLError as error:
        raise ConnectionFailed(
            f"{subject}: no TLS connection to {address} ({error.reason or error})",
            "Check whether --endpoint-url begins rightly with https://.",
        ) from error
    except TimeoutError as error:
        watch.check()
        seconds = f"{watch.limits.timeout:g}"
        raise TimedOut(f"{subject}: {address} did not answer within {seconds} seconds") from error
    except OSError as error:
        watch.check()
        raise ConnectionFailed(
            f"{subject}: the connection to {address} failed ({error.strerror or error})"
        ) from error
    except CutShortError as error:
        watch.check()
        raise Corrupted(f"{subject}: the object store ended its answer too early") from error
    except NotHttpError as error:
        raise Corrupted(f"{subject}: the answer of {address} is no HTTP: {error}") from error
