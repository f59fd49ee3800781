"""``phfs provision`` from a checked order to the keys on the screen or in a file.

Owns what is printed where: what was done goes to standard error, the keys alone to standard output
or into a file that only its owner reads. Called by ``cli``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from phfs.config import group_directory
from phfs.errors import ConfigError, OperationFailed, PhfsError
from phfs.provision import policy, show
from phfs.provision.admin import MinioServer
from phfs.provision.bucket import S3Buckets
from phfs.provision.policy import Grant
from phfs.provision.show import Access
from phfs.provision.steps import Wish, carry_out
from phfs.s3 import control
from phfs.s3.endpoint import is_aws

LONGEST_ACCOUNT = 20
"""Characters of a service account's access key, by MinIO's rule."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the person at the command line wants; ``credentials`` are the administrator's."""

    bucket: str
    group: str
    endpoint_url: str
    region: str
    credentials: Credentials
    ca_bundle: Path | None = None
    read_only: bool = False
    service_account: bool = False
    access_key: str | None = None
    rotate: bool = False
    create_bucket: bool = False
    lifecycle_days: int = 0
    form: str = "env"
    as_json: bool = False
    output: Path | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any], **wishes: Any) -> Order:
        """An order from the values of the options that it shares with a mount.

        Raises ``ConfigError`` if there are no keys. May ask the network.
        """
        return cls(
            bucket=values["bucket"],
            group=values["group"],
            endpoint_url=values["endpoint_url"],
            region=control.region(region=values.get("region"), profile=values.get("profile")),
            credentials=control.credentials_of(values),
            ca_bundle=values.get("ca_bundle"),
            **wishes,
        )


def is_amazon(endpoint_url: str | None) -> bool:
    """Whether this is Amazon S3, which is administered otherwise."""
    return endpoint_url is None or is_aws(urlsplit(endpoint_url).hostname or "")


def policy_of(bucket: str, group: str, *, read_only: bool) -> str:
    """The policy document for a group, for any store. Raises ``ConfigError``."""
    grant = _grant(bucket, group, read_only=read_only)
    return json.dumps(policy.document(grant), indent=2) + "\n"


def run(order: Order, tell: Callable[[str], None]) -> int:
    """Do it, print it, and return the exit code; ``tell`` shows a sentence beside the keys.

    Raises ``ConfigError`` for what is wrong with the order, ``PhfsError`` for what failed.
    """
    grant = _grant(order.bucket, order.group, read_only=order.read_only)
    _check(order)
    usual = policy.service_account_name if order.service_account else policy.policy_name
    wish = Wish(
        grant=grant,
        access_key=order.access_key or usual(grant),
        service_account=order.service_account,
        rotate=order.rotate,
        create_bucket=order.create_bucket,
        days=order.lifecycle_days,
    )
    told: list[str] = []

    def note(sentence: str) -> None:
        told.append(sentence)
        tell(sentence)

    way = (order.endpoint_url, order.credentials, order.region, order.ca_bundle)
    if order.ca_bundle is not None:
        control.check_ca_bundle(order.ca_bundle)
    with (
        _private_file(order.output) as file,
        closing(MinioServer(*way)) as admin,
        closing(S3Buckets(*way)) as buckets,
    ):
        try:
            secret = carry_out(wish, admin, buckets, note)
        except PhfsError as error:
            if told:
                error.advice = f"{error.advice} What is said above was done.".strip()
            raise
        _hand_over(order, wish, secret, told, file, tell)
    return 0


def _grant(bucket: str, group: str, *, read_only: bool) -> Grant:
    grant = Grant(bucket, f"groups/{group_directory(group)}/", read_only)
    policy.check(grant)
    return grant


def _check(order: Order) -> None:
    name = order.access_key or ""
    if order.service_account and len(name) > LONGEST_ACCOUNT:
        raise ConfigError(
            f"--access-key {name!r} is too long: a service account's has at most "
            f"{LONGEST_ACCOUNT} characters."
        )


@contextmanager
def _private_file(path: Path | None) -> Iterator[TextIO | None]:
    """A new file beside ``path``, readable by nobody else, that takes its place once something was
    written to it: a failure leaves what was there. Raises ``ConfigError``, ``OperationFailed``."""
    if path is None:
        yield None
        return
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        number = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except OSError as error:
        raise ConfigError(
            f"--output {str(path)!r} cannot be written ({error.strerror}): give another file."
        ) from None
    try:
        with os.fdopen(number, "w") as file:
            yield file
            file.flush()
            os.fsync(number)
            written = file.tell() > 0
        if written:
            made.replace(path)
    except OSError as error:
        raise OperationFailed(
            f"--output {str(path)!r} could not be written ({error.strerror}): the keys are lost.",
            "Run it again with --rotate and another file.",
        ) from None
    finally:
        made.unlink(missing_ok=True)


def _hand_over(
    order: Order,
    wish: Wish,
    secret: str | None,
    told: list[str],
    file: TextIO | None,
    tell: Callable[[str], None],
) -> None:
    # What is not known is never shown: the text is then without keys.
    access = Access(
        wish.grant, order.group, order.endpoint_url, order.region, wish.access_key, secret or ""
    )
    name = None if order.output is None else str(order.output)
    usage = show.how_to_use(access, order.form, name)
    if secret is None:
        tell(
            f"The secret key of {wish.access_key} is what it was, and nobody can show it: "
            "--rotate makes another."
        )
    elif file is not None:
        file.write(show.as_text(access, order.form))
    if order.as_json:
        print(json.dumps(_facts(access, order, told, usage), indent=2))
        return
    if secret is not None and file is None:
        sys.stdout.write(show.as_text(access, order.form))
    tell("Use it so:")
    for line in usage:
        tell(f"  {line}")


def _facts(access: Access, order: Order, told: list[str], usage: list[str]) -> dict[str, object]:
    facts: dict[str, object] = {
        "bucket": access.grant.bucket,
        "prefix": access.grant.prefix,
        "endpoint_url": access.endpoint_url,
        "read_only": access.grant.read_only,
        "access_key_id": access.access_key,
        "done": told,
        "usage": usage,
    }
    if order.output is not None:
        facts["output"] = str(order.output)
    elif access.secret_key:
        facts["secret_access_key"] = access.secret_key
    return facts
