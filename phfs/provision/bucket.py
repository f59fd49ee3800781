"""The bucket itself: whether it is there, and the rule that removes unfinished uploads.

Owns the use of boto3. Blocking. Called by ``steps``.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, SSLError

from phfs.errors import (
    AccessDenied,
    BadCredentials,
    ConnectionFailed,
    NoSuchBucket,
    NotSupported,
    PhfsError,
    UntrustedServer,
)
from phfs.provision.policy import Grant, policy_name

_ABSENT = frozenset({"404", "NoSuchBucket"})
_NO_RULES = "NoSuchLifecycleConfiguration"
_REFUSED_RULE = frozenset(
    {"InvalidArgument", "InvalidRequest", "MalformedXML", "MethodNotAllowed", "NotImplemented"}
)

T = TypeVar("T")


class Buckets(Protocol):
    """What is asked of the store. Every method raises ``PhfsError`` with a sentence."""

    def exists(self, bucket: str) -> bool:
        """Whether there is such a bucket."""

    def create(self, bucket: str) -> None:
        """Make the bucket."""

    def set_rule(self, grant: Grant, days: int) -> None:
        """Have uploads below the grant's prefix removed that are unfinished after ``days``.

        Other rules stay. Raises ``NotSupported`` if the store has no such rule.
        """


class S3Buckets:
    """The buckets at ``endpoint_url``. A ``Buckets``."""

    def __init__(
        self, endpoint_url: str, credentials: Credentials, region: str, ca_bundle: Path | None
    ) -> None:
        self._place = endpoint_url
        self._region = region
        frozen = credentials.get_frozen_credentials()
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=frozen.access_key,
            aws_secret_access_key=frozen.secret_key,
            aws_session_token=frozen.token,
            # The system's authorities, as everywhere here, and not boto3's own list of them.
            verify=str(ca_bundle or ssl.get_default_verify_paths().cafile or "") or True,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 2},
                connect_timeout=10,
                read_timeout=20,
            ),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def exists(self, bucket: str) -> bool:
        """See ``Buckets``."""
        try:
            self._ask(f"look at {bucket}", lambda: self._client.get_bucket_location(Bucket=bucket))
        except NoSuchBucket:
            return False
        return True

    def create(self, bucket: str) -> None:
        """See ``Buckets``."""
        place = {}
        if self._region != "us-east-1":
            place["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        self._ask(f"create {bucket}", lambda: self._client.create_bucket(Bucket=bucket, **place))

    def set_rule(self, grant: Grant, days: int) -> None:
        """See ``Buckets``."""
        # Also of read-only keys: the rule is about the objects, not about who has which keys.
        name = f"{policy_name(grant._replace(read_only=False))}-unfinished"[:255]
        ours = {
            "ID": name,
            "Status": "Enabled",
            "Filter": {"Prefix": grant.prefix},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
        }
        rules = self._rules(grant.bucket)
        if ours in rules:
            return
        others = [rule for rule in rules if rule.get("ID") != name]
        self._ask(
            f"change the lifecycle rules of {grant.bucket}",
            lambda: self._client.put_bucket_lifecycle_configuration(
                Bucket=grant.bucket, LifecycleConfiguration={"Rules": [*others, ours]}
            ),
        )
        if ours not in self._rules(grant.bucket):
            raise NotSupported(f"{self._place} takes such a rule and forgets it.")

    def _rules(self, bucket: str) -> list[dict[str, Any]]:
        found: dict[str, Any] = self._ask(
            f"read the lifecycle rules of {bucket}",
            lambda: self._client.get_bucket_lifecycle_configuration(Bucket=bucket),
            absent={"Rules": []},
        )
        return list(found["Rules"])

    def _ask(self, what: str, call: Callable[[], T], absent: T | None = None) -> T:
        """What ``call`` returns; ``absent`` where the store says that there are no rules."""
        try:
            return call()
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            if code == _NO_RULES and absent is not None:
                return absent
            raise self._error(what, code) from None
        except SSLError:
            raise UntrustedServer(f"The certificate of {self._place} cannot be trusted.") from None
        except BotoCoreError as error:
            raise ConnectionFailed(
                f"{self._place} does not answer ({type(error).__name__}).",
                "Check --endpoint-url and the network.",
            ) from None

    def _error(self, what: str, code: str) -> PhfsError:
        if code in _ABSENT:
            return NoSuchBucket(f"{self._place} has no such bucket.")
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"):
            return BadCredentials(f"{self._place} refuses the administrator's keys ({code}).")
        if code in ("403", "AccessDenied"):
            return AccessDenied(
                f"These keys may not {what} at {self._place}.", "Use an administrator's keys."
            )
        if code in _REFUSED_RULE:
            return NotSupported(f"{self._place} refuses to {what} ({code}).")
        return ConnectionFailed(f"{self._place} failed to {what} ({code}).")
