"""Signatures: the same as botocore's own, with keys that change and a clock that is off."""

from __future__ import annotations

import datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError

from phfs.errors import BadCredentials, InvalidRequest
from phfs.s3.sign import Signer

URL = "http://127.0.0.1:9000/bucket/a%20b?partNumber=1&uploadId=x%2F"


class AtItsTime(S3SigV4Auth):
    """botocore's signer at the time of a signature that was made before."""

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = request.context["time of the other"]
        super()._modify_request_before_signing(request)  # type: ignore[misc]


def expected(signed: dict[str, str], keys: ReadOnlyCredentials, region: str) -> str:
    made_here = ("Authorization", "X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token")
    headers = {name: value for name, value in signed.items() if name not in made_here}
    request = AWSRequest("PUT", URL, headers=headers)
    request.context["time of the other"] = signed["X-Amz-Date"]
    request.context["payload_signing_enabled"] = False
    request.context["client_config"] = type(
        "Config", (), {"s3": {"payload_signing_enabled": False}}
    )
    AtItsTime(keys, "s3", region).add_auth(request)
    return str(request.headers["Authorization"])


def signed_by(signer: Signer) -> dict[str, str]:
    headers = {"Host": "127.0.0.1:9000", "Range": "bytes=0-1", "x-amz-meta-a": "b  c"}
    signer.sign("PUT", URL, headers)
    return headers


@pytest.mark.parametrize("token", [None, "token"])
def test_the_signature_is_botocore_s(token: str | None) -> None:
    signer = Signer(Credentials("key", "secret", token), "eu-north-1")
    for _ in range(2):
        signed = signed_by(signer)
        assert signed["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD"
        assert signed.get("X-Amz-Security-Token") == token
        keys = ReadOnlyCredentials("key", "secret", token)
        assert signed["Authorization"] == expected(signed, keys, "eu-north-1")


def test_changed_keys_and_another_region_are_used_at_once() -> None:
    credentials = Credentials("key", "secret")
    signer = Signer(credentials, "eu-north-1")
    signed_by(signer)
    credentials.access_key, credentials.secret_key = "other", "other secret"
    signer.move_to("us-west-2")
    signed = signed_by(signer)
    keys = ReadOnlyCredentials("other", "other secret", None)
    assert signed["Authorization"] == expected(signed, keys, "us-west-2")


def test_the_store_s_clock() -> None:
    signer = Signer(Credentials("key", "secret"), "eu-north-1")
    signed_by(signer)
    there = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    signer.set_clock(there - datetime.datetime.now(datetime.UTC))
    signed = signed_by(signer)
    assert signed["X-Amz-Date"].startswith("20310506T0708")
    keys = ReadOnlyCredentials("key", "secret", None)
    assert signed["Authorization"] == expected(signed, keys, "eu-north-1")


def test_keys_that_cannot_be_renewed() -> None:
    class Expired(Credentials):
        def get_frozen_credentials(self) -> ReadOnlyCredentials:
            raise CredentialRetrievalError(provider="web identity", error_msg="gone")

    with pytest.raises(BadCredentials, match="gone"):
        signed_by(Signer(Expired("key", "secret"), "eu-north-1"))


@pytest.mark.parametrize(
    ("secret", "token", "meta"),
    [
        ("planted\udc80secret", None, "b"),
        ("secret", "planted\udc80token", "b"),
        ("secret", "planted-token", "\ud800"),
    ],
    ids=["secret", "token", "metadata"],
)
def test_what_is_no_text_is_refused_by_an_error_that_shows_no_key(
    secret: str, token: str | None, meta: str
) -> None:
    signer = Signer(Credentials("planted-key", secret, token), "eu-north-1")
    with pytest.raises(InvalidRequest, match="no text") as caught:
        signer.sign("PUT", URL, {"Host": "127.0.0.1:9000", "x-amz-meta-a": meta})
    assert URL in caught.value.why
    assert "planted" not in repr(caught.value)
    assert caught.value.__suppress_context__, "what is shown of it has no other error"
