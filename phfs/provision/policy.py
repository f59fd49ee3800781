"""What a group's keys may do, as a policy document, and the names of what is made for a group.

Pure. Called by ``steps`` and ``run``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, NamedTuple

from phfs.errors import ConfigError

_PATTERN_SIGNS = "*?$"
"""What a policy takes for a pattern or a variable; MinIO has no way to mean the sign itself."""

_LONGEST_NAME = 100
"""Characters of a name. MinIO keeps a user in a file of that name, which has at most 255 bytes."""


class Grant(NamedTuple):
    """The objects that keys are to reach: those of ``bucket`` below ``prefix``, which ends in a
    slash; ``read_only``: to list and read, no more."""

    bucket: str
    prefix: str
    read_only: bool = False


def check(grant: Grant) -> None:
    """Raise ``ConfigError`` for a name that a policy would read as a pattern: ``groups/*/`` are
    the objects of all groups."""
    for sign in _PATTERN_SIGNS:
        if sign in grant.prefix or sign in grant.bucket:
            raise ConfigError(
                f"No policy can be made for s3://{grant.bucket}/{grant.prefix}, because {sign!r} "
                "means other names, too: choose a name without it."
            )


def document(grant: Grant) -> dict[str, Any]:
    """The least that a mount needs, as the stores' policy language writes it.

    Tags are read and written when an object is renamed: a copy keeps them. (MinIO asks for neither
    right when it copies in one step, Amazon S3 for both.)
    """
    actions = ["s3:GetObject", "s3:GetObjectTagging"]
    if not grant.read_only:
        actions += [
            "s3:PutObject",
            "s3:PutObjectTagging",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
        ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{grant.bucket}"],
                "Condition": {"StringLike": {"s3:prefix": [grant.prefix, f"{grant.prefix}*"]}},
            },
            {
                "Effect": "Allow",
                "Action": actions,
                "Resource": [f"arn:aws:s3:::{grant.bucket}/{grant.prefix}*"],
            },
        ],
    }


def policy_name(grant: Grant) -> str:
    """The policy's name, and the user's. Bucket and group are held apart by ``_``, which neither
    has: group ``b-c`` of bucket ``a`` is not group ``c`` of bucket ``a-b``."""
    group = grant.prefix.rstrip("/").rpartition("/")[2]
    name = f"phfs-{grant.bucket}_{group}{'_read-only' if grant.read_only else ''}"
    if len(name) <= _LONGEST_NAME and re.fullmatch(r"[A-Za-z0-9._-]+", name):
        return name
    return f"phfs-{_digest(grant)}"


def service_account_name(grant: Grant) -> str:
    """The access key of a service account, which MinIO allows no more than twenty characters."""
    return f"phfs-{_digest(grant)[:12]}"


def _digest(grant: Grant) -> str:
    text = f"{grant.bucket}/{grant.prefix} {'read' if grant.read_only else 'write'}"
    return sha256(text.encode()).hexdigest()[:40]
