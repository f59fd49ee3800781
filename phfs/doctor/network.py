"""The way to the store: its name, its port, its certificate, what answers there, its clock.

Owns one question that needs no keys, and what is read from its answer. Blocking. Called by ``run``.
"""

from __future__ import annotations

import datetime
import email.utils
import http.client
import re
import socket
import ssl
import time
from typing import NamedTuple

from phfs.config import MountConfig
from phfs.doctor.examination import Verdict, fail, ok, warn
from phfs.s3 import control
from phfs.s3.connect import UNTRUSTED, Address
from phfs.s3.endpoint import Endpoint, endpoint_of

CONNECT_SECONDS = 10.0

SHORT_DAYS = 14
"""A certificate that ends sooner is worth a word."""

WARN_SKEW = 60.0
FAIL_SKEW = 300.0
"""Seconds between the clocks. S3 refuses from 15 minutes on, some stores sooner."""

MOST_BODY = 4096

_ENDPOINT = "Check --endpoint-url and the network."


class Heard(NamedTuple):
    """An answer to a question without keys. ``headers`` have names in small letters; ``at`` is the
    middle of the time it took, in epoch seconds, ``seconds`` that time."""

    status: int
    headers: dict[str, str]
    body: bytes
    at: float
    seconds: float


class Way:
    """The way to the store of ``config``, gone step by step. Raises ``ConfigError`` for an endpoint
    that is no URL."""

    def __init__(self, config: MountConfig) -> None:
        self._config = config
        self.region = control.region(region=config.region, profile=config.profile)
        self.heard: Heard | None = None
        self._endpoint: Endpoint = endpoint_of(
            config.bucket, config.endpoint_url, self.region, config.path_style
        )

    @property
    def address(self) -> Address:
        """Where the store is said to be."""
        return self._endpoint.address

    def name(self) -> Verdict:
        """Whether the host's name is known."""
        host, port, _ = self.address
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            return fail(
                f"the host {host} is not known ({error.strerror})",
                "Check --endpoint-url and the machine's name resolution.",
            )
        places = list(dict.fromkeys(str(each[4][0]) for each in found))
        return ok(host if places == [host] else f"{host} is {', '.join(places[:4])}")

    def port(self) -> Verdict:
        """Whether anybody listens."""
        begun = time.monotonic()
        try:
            self._connect().close()
        except TimeoutError:
            return fail(f"{self.address} does not answer: a firewall may be in the way", _ENDPOINT)
        except OSError as error:
            return fail(f"nobody answers at {self.address} ({error.strerror or error})", _ENDPOINT)
        return ok(f"{self.address} answers ({1000 * (time.monotonic() - begun):.0f} ms)")

    def certificate(self) -> Verdict:
        """Whether the store proves that it is the store."""
        if not self.address.tls:
            return ok("not used: the address begins with http://")
        try:
            with self._connect() as plain, self._secured(plain) as secured:
                found, version = secured.getpeercert() or {}, secured.version()
        except ssl.SSLCertVerificationError as error:
            advice = "Give the certificate that vouches for it with --ca-bundle."
            return fail(
                f"the certificate of {self.address} cannot be trusted "
                f"({error.verify_message.rstrip('.')})",
                UNTRUSTED.get(error.verify_code, advice),
            )
        except (ssl.SSLError, OSError) as error:
            return fail(
                f"no TLS at {self.address} ({getattr(error, 'reason', None) or error.strerror})",
                "Check whether --endpoint-url has to begin with http:// instead.",
            )
        return _of_certificate(dict(found), str(version))

    def is_s3(self) -> Verdict:
        """Whether what answers is an object store."""
        try:
            self.heard = heard = self._ask()
        except (http.client.HTTPException, OSError) as error:
            return fail(
                f"what answers at {self.address} is no web server ({type(error).__name__})",
                _ENDPOINT,
            )
        server = heard.headers.get("server", "")
        words = f"{server or 'a store that does not say its name'} (HTTP {heard.status})"
        if "HTTPS server" in heard.body.decode(errors="replace"):
            return fail(
                f"{self.address} speaks TLS only", "Begin --endpoint-url with https:// instead."
            )
        if "html" in heard.headers.get("content-type", "") or b"<html" in heard.body.lower():
            return _web_page(self.address, heard)
        known = ("x-amz-request-id", "x-amz-id-2")
        if any(name in heard.headers for name in known) or _is_xml_of_s3(heard.body):
            return ok(words)
        return warn(f"{words} does not answer like an object store known here", _ENDPOINT)

    def clock(self) -> Verdict:
        """How far this machine's clock is from the store's."""
        assert self.heard is not None
        try:
            there = email.utils.parsedate_to_datetime(self.heard.headers.get("date", ""))
            skew = self.heard.at - there.astimezone(datetime.UTC).timestamp()
        except (ValueError, TypeError):
            return ok("the store does not say what time it is")
        # A date has whole seconds.
        if abs(skew) < WARN_SKEW:
            return ok("agrees with the store's")
        words = f"this machine's clock is {_span(skew)} the store's"
        if abs(skew) < FAIL_SKEW:
            return warn(words, "Set the clock: timedatectl set-ntp true (as root).")
        return fail(
            f"{words}: S3 refuses requests signed so (RequestTimeTooSkewed). A mount makes up for "
            "it, other programs do not",
            "Set the clock: timedatectl set-ntp true (as root).",
        )

    def region_of_bucket(self) -> Verdict:
        """Whether requests are signed for the bucket's region."""
        there = "" if self.heard is None else self.heard.headers.get("x-amz-bucket-region", "")
        if there and there != self.region:
            return warn(
                f"the bucket is in {there}, and {self.region} is what is signed for: each start "
                "asks twice",
                f"Give --region {there}.",
            )
        return ok(self.region)

    def _connect(self) -> socket.socket:
        host, port, _ = self.address
        return socket.create_connection((host, port), CONNECT_SECONDS)

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        bundle = self._config.ca_bundle
        context = ssl.create_default_context(cafile=None if bundle is None else str(bundle))
        return context.wrap_socket(plain, server_hostname=self.address.host)

    def _ask(self) -> Heard:
        """Ask for the bucket, without keys: S3 refuses, and shows itself by how it does."""
        begun, moment = time.monotonic(), time.time()
        with self._connect() as plain:
            sock = self._secured(plain) if self.address.tls else plain
            connection = http.client.HTTPConnection(self.address.host, self.address.port)
            connection.sock = sock
            try:
                connection.putrequest(
                    "GET", self._endpoint.path(None), skip_host=True, skip_accept_encoding=True
                )
                connection.putheader("Host", self._endpoint.host)
                connection.endheaders()
                answer = connection.getresponse()
                body = answer.read(MOST_BODY)
            finally:
                connection.close()
        took = time.monotonic() - begun
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Heard(answer.status, headers, body, moment + took / 2, took)


def _of_certificate(found: dict[str, object], version: str) -> Verdict:
    alternatives = found.get("subjectAltName")
    pairs = alternatives if isinstance(alternatives, tuple) else ()
    names = ", ".join(str(pair[1]) for pair in pairs[:4])
    left = ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()
    words = f"{version}, for {names or 'no name'}, ends in {left / 86_400:.0f} days"
    if left < SHORT_DAYS * 86_400:
        return warn(words, "Have whoever runs the store renew it in time.")
    return ok(words)


def _web_page(address: Address, heard: Heard) -> Verdict:
    page = heard.body.decode(errors="replace")
    title = re.search(r"<title>([^<]*)", page)
    said = heard.headers.get("server", "") + page
    if "MinIO Console" in said:
        return fail(
            f"{address} is MinIO's console, which is for people with a browser",
            "Give the port of its S3 interface in --endpoint-url; usually that is 9000.",
        )
    named = f" ({title[1].strip()[:60]!r})" if title else ""
    return fail(
        f"{address} answers with a web page{named}, which no object store does",
        "Give the address of the S3 interface in --endpoint-url; this may be a console, a proxy's "
        "page or a login.",
    )


def _is_xml_of_s3(body: bytes) -> bool:
    start = body[:600]
    return b"<Error>" in start or b"<ListBucketResult" in start


def _span(skew: float) -> str:
    seconds = abs(skew)
    amount = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    return f"{amount} {'ahead of' if skew > 0 else 'behind'}"
