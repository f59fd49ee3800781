"""Signs requests (AWS Signature Version 4) with botocore's signer.

Owns the clock's offset against the store's, the region signed for, and the signing key of the day.
Bodies are not part of the signature: a CRC32C, itself a signed header, protects them at a
thirtieth of the cost of a SHA-256. Signs addresses, too, by which whoever has one may fetch an
object for a while. Called by ``exchange``.
"""

from __future__ import annotations

import datetime
import time
from typing import Any, NamedTuple

from botocore.auth import SIGV4_TIMESTAMP, UNSIGNED_PAYLOAD, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from phfs.errors import BadCredentials, InvalidRequest

_Base: Any = S3SigV4Auth
_LinkBase: Any = S3SigV4QueryAuth
"""Typed loosely: the stubs leave out what is overridden here."""

MAX_LINK_SECONDS = 7 * 86_400
"""Longest life of a signed address (S3 API reference, "Authenticating requests: query
parameters")."""


class Link(NamedTuple):
    """A signed address; times in epoch seconds. ``ends``: when it stops working by itself.
    ``temporary``: the keys end, too, and the link with them, at ``keys_end`` if that is known."""

    url: str
    ends: int
    temporary: bool
    keys_end: int | None


class _Request:
    """What botocore's signer asks of a request. ``headers`` get those that make the signature."""

    __slots__ = ("body", "context", "headers", "method", "params", "url")

    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.params: dict[str, str] = {}
        self.body = None
        self.context: dict[str, Any] = {}


class _Signed(dict[str, str]):
    """The headers that are signed, by lower-case name, as botocore reads them."""

    def get_all(self, name: str) -> list[str]:
        """The values of a header; each has one."""
        return [self[name]]


class _Auth(_Base):  # type: ignore[misc]
    """botocore's signer with an offset to its clock, and the body left out of the signature.

    What is the same for all requests of a day is computed once, and headers are kept in a plain
    dictionary: 62 us become 19 for each request.
    """

    def __init__(self, credentials: Any, region: str, offset: datetime.timedelta) -> None:
        super().__init__(credentials, "s3", region)
        self._offset = offset
        self._key_of_day: tuple[str, bytes] = ("", b"")

    def payload(self, request: Any) -> str:  # noqa: ARG002 (the interface is botocore's)
        return str(UNSIGNED_PAYLOAD)

    def headers_to_sign(self, request: Any) -> _Signed:
        """All headers: the signature protects the range and the conditions, too."""
        return _Signed({name.lower(): value for name, value in request.headers.items()})

    def signature(self, string_to_sign: str, request: Any) -> str:
        """The signature, with the signing key of the request's day."""
        day = request.context["timestamp"][:8]
        known, key = self._key_of_day
        if known != day:
            key = f"AWS4{self.credentials.secret_key}".encode()
            for part in (day, self._region_name, self._service_name, "aws4_request"):
                key = self._sign(key, part)
            self._key_of_day = (day, key)
        return str(self._sign(key, string_to_sign, hex=True))

    def _modify_request_before_signing(self, request: Any) -> None:
        if self._offset:
            now = datetime.datetime.now(datetime.UTC) + self._offset
            request.context["timestamp"] = now.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


class _LinkAuth(_LinkBase):  # type: ignore[misc]
    """botocore's signer of addresses with an offset to its clock."""

    def __init__(
        self, credentials: Any, region: str, seconds: int, offset: datetime.timedelta
    ) -> None:
        super().__init__(credentials, "s3", region, expires=seconds)
        self._offset = offset

    def _modify_request_before_signing(self, request: Any) -> None:
        now = datetime.datetime.now(datetime.UTC) + self._offset
        request.context["timestamp"] = now.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


class Signer:
    """Signs for one store. ``credentials`` may renew themselves; each request uses one state."""

    def __init__(self, credentials: Credentials, region: str) -> None:
        self.region = region
        self._credentials = credentials
        self.offset = datetime.timedelta()
        """How far the store's clock is ahead of this machine's."""
        self._auth: _Auth | None = None

    @property
    def must_renew(self) -> bool:
        """Whether signing has to ask somewhere for new keys first, and may block."""
        due = getattr(self._credentials, "refresh_needed", None)
        return due is not None and bool(due())

    def renewed(self, refused: ReadOnlyCredentials) -> bool:
        """Whether there are other keys by now than those that the store refused. May block."""
        renew = getattr(self._credentials, "renew", None)
        return renew is not None and bool(renew(refused))

    def sign(self, method: str, url: str, headers: dict[str, str]) -> ReadOnlyCredentials:
        """Add date, token and signature to ``headers``, which must have ``Host``; the keys used.

        Raises ``BadCredentials`` when temporary keys cannot be renewed, ``InvalidRequest`` for a
        header that is no text.
        """
        frozen = self._frozen()
        auth = self._auth
        if auth is None or auth.credentials != frozen:
            auth = self._auth = _Auth(frozen, self.region, self.offset)
        try:
            auth.add_auth(_Request(method, url, headers))
        except UnicodeEncodeError:
            # The error has all that was to be signed in it, or the secret key.
            raise InvalidRequest(f"{url}: a header would have what is no text") from None
        return frozen

    def link(self, url: str, seconds: int) -> Link:
        """An address to GET ``url`` by for so many seconds, at most ``MAX_LINK_SECONDS``.

        Raises ``BadCredentials`` when temporary keys cannot be renewed.
        """
        frozen = self._frozen()
        request = AWSRequest("GET", url)
        _LinkAuth(frozen, self.region, seconds, self.offset).add_auth(request)
        keys_end = getattr(self._credentials, "ends", None)
        ends = int(time.time()) + seconds
        return Link(str(request.url), ends, frozen.token is not None, keys_end)

    def move_to(self, region: str) -> None:
        """Sign for another region from now on."""
        self.region = region
        self._auth = None

    def set_clock(self, offset: datetime.timedelta) -> None:
        """Sign with a clock that is ``offset`` ahead of this machine's from now on."""
        self.offset = offset
        self._auth = None

    def _frozen(self) -> ReadOnlyCredentials:
        try:
            return self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise BadCredentials(f"the keys cannot be renewed: {error}") from error
