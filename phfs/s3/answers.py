"""What the store's answers mean: errors as values of the tree, headers as objects.

Owns the one table of S3's error codes (S3 API reference, "Error responses"; MinIO's
``cmd/api-errors.go``; radosgw's ``rgw_common.cc``) and the reading of headers. Pure; called by
``exchange`` and ``client``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import email.errors
import email.header
import email.utils
from functools import lru_cache
from typing import NamedTuple

from phfs import errors
from phfs.core.objects import Attributes, ETag, ObjectInfo, Stored
from phfs.errors import Corrupted, StoreError
from phfs.s3 import xml
from phfs.s3.head import Headers
from phfs.s3.store import Described, Kept

CODES: dict[str, type[StoreError]] = {
    "AccessDenied": errors.AccessDenied,
    "AccountProblem": errors.AccessDenied,
    "AllAccessDisabled": errors.AccessDenied,
    "AuthorizationHeaderMalformed": errors.WrongRegion,
    "BadDigest": errors.Corrupted,
    "BucketAlreadyOwnedByYou": errors.InvalidRequest,
    "ConditionalRequestConflict": errors.Throttled,
    "EntityTooLarge": errors.TooLarge,
    "ExpiredToken": errors.BadCredentials,
    "IllegalLocationConstraintException": errors.WrongRegion,
    "IncompleteBody": errors.Corrupted,
    "InsufficientStorage": errors.StorageFull,
    "InternalError": errors.ServerFault,
    "InvalidAccessKeyId": errors.BadCredentials,
    "InvalidBucketName": errors.NoSuchBucket,
    "InvalidDigest": errors.Corrupted,
    "InvalidObjectName": errors.InvalidKey,
    "InvalidObjectState": errors.Archived,
    "InvalidPart": errors.PartsLost,
    "InvalidRange": errors.InvalidRequest,
    "InvalidToken": errors.BadCredentials,
    "InvalidTokenId": errors.BadCredentials,
    "InvalidURI": errors.InvalidKey,
    "KeyTooLongError": errors.KeyTooLong,
    "MalformedXML": errors.Corrupted,
    "MethodNotAllowed": errors.NotSupported,
    "NoSuchBucket": errors.NoSuchBucket,
    "NoSuchKey": errors.NoSuchKey,
    "NoSuchUpload": errors.NoSuchUpload,
    "NoSuchVersion": errors.NoSuchKey,
    "NotImplemented": errors.NotSupported,
    "NotSignedUp": errors.AccessDenied,
    "ObjectExistsAsDirectory": errors.InvalidKey,
    "OperationAborted": errors.Throttled,
    "ParentIsObject": errors.InvalidKey,
    "PermanentRedirect": errors.WrongRegion,
    "PreconditionFailed": errors.PreconditionFailed,
    "QuotaExceeded": errors.QuotaExceeded,
    "RequestExpired": errors.WrongClock,
    "RequestTimeTooSkewed": errors.WrongClock,
    "RequestTimeout": errors.TimedOut,
    "ServiceUnavailable": errors.Throttled,
    "SignatureDoesNotMatch": errors.BadCredentials,
    "SlowDown": errors.Throttled,
    "SlowDownRead": errors.Throttled,
    "SlowDownWrite": errors.Throttled,
    "TemporarilyUnavailable": errors.Throttled,
    "TokenRefreshRequired": errors.BadCredentials,
    "TooManyRequests": errors.Throttled,
    "UserQuotaExceeded": errors.QuotaExceeded,
    "XAmzContentChecksumMismatch": errors.Corrupted,
    "XAmzContentSHA256Mismatch": errors.Corrupted,
    "XMinioAdminBucketQuotaExceeded": errors.QuotaExceeded,
    "XMinioBackendDown": errors.ServerFault,
    "XMinioInvalidObjectName": errors.InvalidKey,
    "XMinioInvalidResourceName": errors.InvalidKey,
    "XMinioObjectExistsAsDirectory": errors.InvalidKey,
    "XMinioParentIsObject": errors.InvalidKey,
    "XMinioServerNotInitialized": errors.ServerFault,
    "XMinioStorageFull": errors.StorageFull,
}

STATUSES: dict[int, type[StoreError]] = {
    301: errors.WrongRegion,
    304: errors.PreconditionFailed,
    401: errors.BadCredentials,
    403: errors.AccessDenied,
    404: errors.NoSuchKey,
    405: errors.NotSupported,
    408: errors.TimedOut,
    409: errors.Throttled,
    411: errors.InvalidRequest,
    412: errors.PreconditionFailed,
    413: errors.TooLarge,
    414: errors.KeyTooLong,
    416: errors.InvalidRequest,
    429: errors.Throttled,
    501: errors.NotSupported,
    503: errors.Throttled,
    507: errors.StorageFull,
}
"""For answers without a code: those to HEAD, and those of proxies."""

REFUSED_BESIDE = frozenset(
    {
        "ObjectExistsAsDirectory",
        "ParentIsObject",
        "XMinioObjectExistsAsDirectory",
        "XMinioParentIsObject",
    }
)
"""Codes of stores that keep objects as files and cannot hold ``a`` beside ``a/b``."""

_SAID = "the object store said {0}"

_MEANING: dict[type[StoreError], str] = {
    errors.NoSuchUpload: "the object store has lost the upload; nothing was saved ({0})",
    errors.PartsLost: "the object store has lost the parts it had taken; nothing was saved ({0})",
    errors.WrongClock: "the object store finds this machine's clock wrong ({0})",
    errors.WrongRegion: "the bucket is in another region ({0})",
}
"""Sentences for what the store says in words of its own; of the others it is told as it is."""

SUMS = tuple(
    f"x-amz-checksum-{name}" for name in ("crc32c", "crc64nvme", "crc32", "sha256", "sha1")
)
"""The headers of checksums."""

_KEPT_HEADERS = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Expires",
)


class Reply(NamedTuple):
    """An answer read to its end."""

    status: int
    headers: Headers
    body: bytes


def failure_of(reply: Reply) -> xml.Failure:
    """The code and message of an error answer; the code is empty if it has none."""
    if not reply.body:
        return xml.Failure("", "")
    try:
        root = xml.parse(reply.body)
    except Corrupted:
        return xml.Failure("", reply.body[:200].decode("utf-8", "replace").strip())
    return xml.failure(root)


def error_class(status: int, code: str) -> type[StoreError]:
    """The class of an error answer: by its code, else by its status."""
    if code in CODES:
        return CODES[code]
    if status in STATUSES:
        return STATUSES[status]
    if status >= 500:
        return errors.ServerFault
    return errors.InvalidRequest if status >= 400 else errors.ServerFault


def error_of(subject: str, status: int, failure: xml.Failure) -> StoreError:
    """The error an answer stands for; its sentence names ``subject``, code and message."""
    said = failure.code or f"HTTP status {status}"
    if failure.message:
        said += f": {failure.message}"
    kind = error_class(status, failure.code)
    if failure.code in REFUSED_BESIDE:
        return kind(
            f"{subject}: this object store cannot hold both an object and others below its name "
            f"({said})"
        )
    return kind(f"{subject}: {_MEANING.get(kind, _SAID).format(said)}")


def refused_head(subject: str) -> StoreError:
    """The error of a HEAD that is answered by 400: S3 gives the reasons of other requests in the
    body, and a HEAD's answer has none."""
    return errors.BadCredentials(
        f"{subject}: the object store refused the request without a reason (HTTP status 400), as "
        "it does when a session token has expired or the bucket is in another region"
    )


def described(key: str, headers: Headers) -> Described:
    """What a HEAD says about an object. Raises ``Corrupted`` if it says no size or version."""
    prefix = "x-amz-meta-"
    metadata = {
        name.lower().removeprefix(prefix): _text(value)
        for name, value in headers.items()
        if name.lower().startswith(prefix)
    }
    storage_class = headers.get("x-amz-storage-class")
    attributes = Attributes(
        content_type=headers.get("Content-Type"),
        storage_class=None if storage_class == "STANDARD" else storage_class,
        metadata=metadata,
        headers={name: _text(headers[name]) for name in _KEPT_HEADERS if name in headers},
    )
    try:
        size = xml.size(headers.get("Content-Length", ""))
        tag_count = int(headers.get("x-amz-tagging-count", "0"))
    except (TypeError, ValueError):
        raise Corrupted(f"{key}: the object store does not say how large the object is") from None
    info = ObjectInfo(key, size, etag_of(key, headers), moment_of(headers, "Last-Modified"))
    encryption = headers.get("x-amz-server-side-encryption", "")
    key_id = headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")
    return Described(info, attributes, tag_count, encryption, key_id)


def kept(key: str, headers: Headers) -> Kept:
    """What a HEAD says to check an object's bytes by. Raises ``Corrupted``."""
    sums = {}
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
        for name in SUMS:
            with contextlib.suppress(binascii.Error):  # one made of the sums of parts: ``…-3``
                if digest := base64.b64decode(headers.get(name, ""), validate=True):
                    sums[name] = int.from_bytes(digest, "big")
    # Amazon's ETag is an MD5 also of what it encrypts with a key of its own.
    plain = {"", "AES256"} if headers.get("Server") == "AmazonS3" else {""}
    method = headers.get("x-amz-server-side-encryption", "")
    customer = headers.get("x-amz-server-side-encryption-customer-algorithm")
    sealed = method not in plain or customer is not None
    try:
        size = xml.size(headers.get("Content-Length", ""))
        parts = int(headers.get("x-amz-mp-parts-count", "0"))
    except (TypeError, ValueError):
        raise Corrupted(f"{key}: the object store does not say how large the object is") from None
    return Kept(etag_of(key, headers), size, sums, parts, sealed)


def stored(key: str, headers: Headers) -> Stored:
    """What the answer to a PUT says: the version, at the time of the answer."""
    return Stored(etag_of(key, headers), moment_of(headers, "Date"))


def etag_of(key: str, headers: Headers) -> ETag:
    """The ETag header. Raises ``Corrupted`` if there is none."""
    etag = xml.unquoted(headers.get("ETag", ""))
    if not etag:
        raise Corrupted(f"{key}: the object store does not say which version this is")
    return etag


def moment_of(headers: Headers, name: str) -> int:
    """A date in a header, in epoch seconds; 0 if it is missing or no date."""
    return _moment(headers.get(name, ""))


@lru_cache(maxsize=256)
def _moment(text: str) -> int:
    """Parsed once: a thousand answers a second have the same date."""
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp())
    except ValueError:
        return 0


def _text(value: str) -> str:
    """A header's value as its sender wrote it.

    Stores send other text than ASCII as UTF-8, which is read as Latin-1 here, or encoded
    (RFC 2047; S3 user guide, "Working with object metadata"). What decodes to something that no
    header can have stays as it came, and can be sent back so.
    """
    try:
        if "=?" in value:
            text = str(email.header.make_header(email.header.decode_header(value)))
            return text if text.isprintable() else value
        return value.encode("latin-1").decode()
    except (UnicodeError, LookupError, email.errors.MessageError):
        return value
