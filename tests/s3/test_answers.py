"""The table of S3's error codes, and the sentences made of them."""

from __future__ import annotations

import pytest

from phfs import errors
from phfs.errors import StoreError, TransientError
from phfs.s3 import answers
from phfs.s3.answers import Reply, error_class, error_of, failure_of
from phfs.s3.head import Headers
from phfs.s3.xml import Failure


@pytest.mark.parametrize("code", sorted(answers.CODES))
def test_every_code_has_a_class_and_a_sentence(code: str) -> None:
    kind = answers.CODES[code]
    assert issubclass(kind, StoreError)
    assert kind not in (StoreError, TransientError)
    error = error_of("d/a", 400, Failure(code, "the reason"))
    assert type(error) is kind
    assert error.why.startswith("d/a: ")
    assert code in error.why
    assert "the reason" in error.why


@pytest.mark.parametrize("status", [*range(300, 600), 700])
def test_every_status_without_code_has_a_class(status: int) -> None:
    error = error_of("d/a", status, Failure("", ""))
    assert type(error) not in (StoreError, TransientError)
    assert str(status) in error.why
    if status >= 500 and status not in (501, 507):
        assert isinstance(error, TransientError)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "", errors.NoSuchKey),
        (404, "NoSuchBucket", errors.NoSuchBucket),
        (404, "NoSuchUpload", errors.NoSuchUpload),
        (403, "", errors.AccessDenied),
        (403, "SignatureDoesNotMatch", errors.BadCredentials),
        (403, "InvalidObjectState", errors.Archived),
        (412, "", errors.PreconditionFailed),
        (304, "", errors.PreconditionFailed),
        (416, "InvalidRange", errors.InvalidRequest),
        (409, "ConditionalRequestConflict", errors.Throttled),
        (503, "SlowDown", errors.Throttled),
        (429, "", errors.Throttled),
        (500, "InternalError", errors.ServerFault),
        (502, "", errors.ServerFault),
        (400, "BadDigest", errors.Corrupted),
        (400, "XMinioAdminBucketQuotaExceeded", errors.QuotaExceeded),
        (507, "XMinioStorageFull", errors.StorageFull),
        (400, "EntityTooLarge", errors.TooLarge),
        (400, "KeyTooLongError", errors.KeyTooLong),
        (400, "XMinioInvalidObjectName", errors.InvalidKey),
        (501, "NotImplemented", errors.NotSupported),
        (400, "NeverHeardOf", errors.InvalidRequest),
    ],
)
def test_what_users_meet(status: int, code: str, kind: type[StoreError]) -> None:
    assert error_class(status, code) is kind


def test_an_object_in_the_way_is_explained() -> None:
    error = error_of("a/b", 400, Failure("XMinioParentIsObject", "m"))
    assert isinstance(error, errors.InvalidKey)
    assert "cannot hold both" in error.why


def test_a_wrong_clock_has_its_own_advice() -> None:
    assert "clock" in error_of("a", 403, Failure("RequestTimeTooSkewed", "")).advice


def test_an_answer_of_a_proxy_is_quoted() -> None:
    said = b"Client sent an HTTP request to an HTTPS server.\n" + b"x" * 1000
    failure = failure_of(Reply(400, Headers(), said))
    assert failure.code == ""
    assert failure.message.startswith("Client sent")
    assert len(failure.message) <= 200


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Aug 2026 10:00:00 GMT"])
def test_a_date_that_is_none(date: str) -> None:
    assert answers.moment_of(Headers({"Date": date}), "Date") == 0
    assert answers.moment_of(Headers(), "Date") == 0


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("plain", "plain"),
        ("gr\u00c3\u00bcn", "grün"),
        ("gr\u00fcn", "gr\u00fcn"),
        ("=?UTF-8?q?gr=C3=BCn_=E6=96=87?=", "grün 文"),
        ("=?UTF-8?b?5paH?=", "文"),
        ("=?nonsense?q?=C3?=", "=?nonsense?q?=C3?="),
        ("=?UTF-8?b?5?=", "=?UTF-8?b?5?="),
        ("a =? b", "a =? b"),
        ("=?utf-7?q?+2AA-?=", "=?utf-7?q?+2AA-?="),
        ("=?utf-8?q?a=0Ab?=", "=?utf-8?q?a=0Ab?="),
    ],
)
def test_metadata_in_the_encodings_of_stores(sent: str, expected: str) -> None:
    headers = Headers({"Content-Length": "1", "ETag": '"e"', "x-amz-meta-owner": sent})
    assert answers.described("a", headers).attributes.metadata == {"owner": expected}


def test_how_an_object_is_encrypted() -> None:
    plain = {"Content-Length": "1", "ETag": '"e"'}
    assert answers.described("a", Headers(plain)).encryption == ""
    sealed = {
        **plain,
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key/1",
    }
    described = answers.described("a", Headers(sealed))
    assert (described.encryption, described.encryption_key) == ("aws:kms", "key/1")
