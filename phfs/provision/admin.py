"""MinIO's administration, as far as it is needed here: policies, users, service accounts.

Owns the use of minio-py's ``MinioAdmin`` and what its answers mean. Blocking. Called by ``steps``.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import urllib3
from botocore.credentials import Credentials
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.credentials.providers import Provider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin

from phfs.errors import (
    AccessDenied,
    BadCredentials,
    ConnectionFailed,
    NotSupported,
    PhfsError,
    UntrustedServer,
)
from phfs.provision.policy import Grant, document

SECONDS = 10.0
"""How long the server may take to answer."""

_NO_NEWS = "XMinioAdminPolicyChangeAlreadyApplied"
_NO_USER = "XMinioAdminNoSuchUser"
_NO_ACCOUNT = "XMinioInvalidIAMCredentials"
_WRONG_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId"})

T = TypeVar("T")


class Administration(Protocol):
    """What is asked of a server. Every method raises ``PhfsError`` with a sentence."""

    def write_policy(self, name: str, grant: Grant) -> None:
        """Make a policy, or make it what it should be."""

    def policies_of(self, user: str) -> list[str] | None:
        """The policies that hold for a user; None if there is no such user."""

    def write_user(self, name: str, secret: str) -> None:
        """Make a user, or give it another secret key."""

    def remove_user(self, name: str) -> None:
        """Remove a user."""

    def attach(self, policy: str, user: str) -> None:
        """Let the policy hold for the user."""

    def detach(self, policy: str, user: str) -> None:
        """Let the policy no longer hold for the user, if it did."""

    def has_service_account(self, name: str) -> bool:
        """Whether there is a service account."""

    def make_service_account(self, name: str, secret: str, grant: Grant) -> None:
        """Make a service account of the administrator's, narrowed to the grant."""

    def change_service_account(self, name: str, grant: Grant, secret: str | None) -> None:
        """Narrow a service account to the grant, with another secret key if one is given."""

    def uploads_kept(self) -> str | None:
        """How long the server keeps unfinished uploads, as in ``24h``; None if it does not say."""


class MinioServer:
    """The server at ``endpoint_url``, seen with an administrator's keys. An ``Administration``."""

    def __init__(
        self, endpoint_url: str, credentials: Credentials, region: str, ca_bundle: Path | None
    ) -> None:
        url = urlsplit(endpoint_url)
        self._place = endpoint_url
        self._http = urllib3.PoolManager(
            timeout=SECONDS,
            retries=False,
            ssl_context=ssl.create_default_context(
                cafile=None if ca_bundle is None else str(ca_bundle)
            ),
        )
        self._admin = MinioAdmin(
            endpoint=url.netloc,
            credentials=_Borrowed(credentials),
            region=region,
            secure=url.scheme == "https",
            http_client=self._http,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def write_policy(self, name: str, grant: Grant) -> None:
        """See ``Administration``."""
        self._ask("policies", lambda: self._admin.policy_add(name, policy=document(grant)))

    def policies_of(self, user: str) -> list[str] | None:
        """See ``Administration``."""
        found = self._ask("users", lambda: self._admin.user_info(user), _NO_USER)
        if found is None:
            return None
        return [name for name in json.loads(found).get("policyName", "").split(",") if name]

    def write_user(self, name: str, secret: str) -> None:
        """See ``Administration``."""
        self._ask("users", lambda: self._admin.user_add(name, secret))

    def remove_user(self, name: str) -> None:
        """See ``Administration``."""
        self._ask("users", lambda: self._admin.user_remove(name))

    def attach(self, policy: str, user: str) -> None:
        """See ``Administration``."""
        self._ask("users", lambda: self._admin.attach_policy([policy], user=user), _NO_NEWS)

    def detach(self, policy: str, user: str) -> None:
        """See ``Administration``."""
        self._ask("users", lambda: self._admin.detach_policy([policy], user=user), _NO_NEWS)

    def has_service_account(self, name: str) -> bool:
        """See ``Administration``."""
        found = self._ask(
            "service accounts", lambda: self._admin.get_service_account(name), _NO_ACCOUNT
        )
        return found is not None

    def make_service_account(self, name: str, secret: str, grant: Grant) -> None:
        """See ``Administration``."""
        place = f"s3://{grant.bucket}/{grant.prefix}"
        self._ask(
            "service accounts",
            lambda: self._admin.add_service_account(
                access_key=name,
                secret_key=secret,
                name="phfs",
                description=f"{place}{' (read-only)' if grant.read_only else ''}"[:256],
                policy=document(grant),
            ),
        )

    def change_service_account(self, name: str, grant: Grant, secret: str | None) -> None:
        """See ``Administration``."""
        self._ask(
            "service accounts",
            lambda: self._admin.update_service_account(
                access_key=name, secret_key=secret, policy=document(grant)
            ),
        )

    def uploads_kept(self) -> str | None:
        """See ``Administration``."""
        try:
            settings = self._ask("settings", lambda: self._admin.config_get("api"))
        except PhfsError:
            return None
        found = re.search(r"\bstale_uploads_expiry=(\S+)", settings or "")
        return None if found is None else found[1]

    def _ask(self, what: str, call: Callable[[], T], fine: str = "") -> T | None:
        """What ``call`` returns; None if the server refuses with the code ``fine``."""
        try:
            return call()
        except MinioAdminException as error:
            code, message = _refusal(error)
            if code == fine:
                return None
            raise self._error(what, code, message) from None
        except urllib3.exceptions.HTTPError as error:
            if isinstance(error, urllib3.exceptions.SSLError):
                raise UntrustedServer(
                    f"The certificate of {self._place} cannot be trusted ({error.args[0]})."
                ) from None
            raise ConnectionFailed(
                f"{self._place} does not answer ({type(error).__name__}).",
                "Check --endpoint-url and the network.",
            ) from None
        except ValueError as error:  # what is not encrypted as MinIO does it
            raise self._no_minio(type(error).__name__) from None

    def _error(self, what: str, code: str, message: str) -> PhfsError:
        if code in _WRONG_KEYS:
            return BadCredentials(f"{self._place} refuses the administrator's keys ({code}).")
        if code in ("AccessDenied", "XMinioIAMActionNotAllowed"):
            return AccessDenied(
                f"These keys may not administer {what} of {self._place}.",
                "Use an administrator's keys, or have one do what --print-policy shows.",
            )
        if code.startswith(("XMinio", "InvalidArgument")):
            return NotSupported(f"{self._place} refuses: {code}: {message}.")
        return self._no_minio(code)

    def _no_minio(self, said: str) -> NotSupported:
        return NotSupported(
            f"{self._place} is no MinIO, or does not let its administration be reached ({said}).",
            "Give a user of that store the policy that --print-policy shows.",
        )


class _Borrowed(Provider):
    """botocore's keys as minio-py asks for them."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def retrieve(self) -> MinioCredentials:
        """The keys of now."""
        frozen = self._credentials.get_frozen_credentials()
        return MinioCredentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)


def _refusal(error: MinioAdminException) -> tuple[str, str]:
    """Code and message of an answer; the status if it is none of MinIO's."""
    found = re.search(r"Status: (\d+), Body: (.*)", str(error), re.DOTALL)
    status, body = (found[1], found[2]) if found else ("unknown", "")
    try:
        said = json.loads(body)
        return str(said["Code"]), str(said["Message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        code = re.search(r"<Code>(\w+)</Code>", body)
        return (code[1] if code else f"status {status}"), ""
