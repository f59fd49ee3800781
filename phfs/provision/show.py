"""How keys are written down: variables, a file of AWS's format, a Kubernetes Secret.

Pure. The only place where a secret key becomes text that people see. Called by ``run``.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from hashlib import sha256

from phfs.provision.policy import Grant

FORMATS = ("env", "aws", "secret")


@dataclass(frozen=True)
class Access:
    """A group's objects, and the keys that reach them."""

    grant: Grant
    group: str
    endpoint_url: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)


def as_text(access: Access, form: str) -> str:
    """The keys in one of ``FORMATS``."""
    return {"env": _env, "aws": _aws, "secret": _secret}[form](access)


def _env(access: Access) -> str:
    """Variables, for a shell, ``docker --env-file`` and ``envFrom``."""
    variables = {
        "PHFS_BUCKET": access.grant.bucket,
        "PHFS_GROUP": access.group,
        "PHFS_ENDPOINT_URL": access.endpoint_url,
        "PHFS_REGION": access.region,
        "PHFS_ACCESS_KEY_ID": access.access_key,
        "PHFS_SECRET_ACCESS_KEY": access.secret_key,
    }
    if access.grant.read_only:
        variables["PHFS_READ_ONLY"] = "on"
    return "".join(f"{name}={shlex.quote(text)}\n" for name, text in variables.items())


def _aws(access: Access) -> str:
    return (
        "[default]\n"
        f"aws_access_key_id = {access.access_key}\n"
        f"aws_secret_access_key = {access.secret_key}\n"
    )


def _secret(access: Access) -> str:
    """One file, which ``--credentials-file`` follows when the Secret is changed."""
    return (
        "apiVersion: v1\n"
        "kind: Secret\n"
        "metadata:\n"
        f"  name: {secret_name(access)}\n"
        "type: Opaque\n"
        "stringData:\n"
        # A JSON text is a YAML text.
        f"  credentials: {json.dumps(_aws(access))}\n"
    )


def secret_name(access: Access) -> str:
    """A name that Kubernetes takes (RFC 1123, at most 253 characters) and no other group has."""
    plain = f"phfs-{access.grant.bucket}-{access.group}".lower()
    name = re.sub(r"[^a-z0-9.-]+", "-", plain).strip("-.")[:200].rstrip("-.")
    digest = sha256(f"{access.grant.bucket}/{access.grant.prefix}".encode()).hexdigest()[:6]
    return f"{name}-{digest}"


def how_to_use(access: Access, form: str, output: str | None) -> list[str]:
    """Lines that say what to do with the keys."""
    words = [access.grant.bucket, "MOUNTPOINT", "--group", access.group]
    words += ["--endpoint-url", access.endpoint_url]
    if access.grant.read_only:
        words.append("--read-only")
    mount = "phfs-mount " + " ".join(shlex.quote(word) for word in words)
    place = shlex.quote(output or "FILE")
    if form == "env":
        return [f"set -a; . {place}; set +a", mount]
    if form == "aws":
        return [f"{mount} --credentials-file {place}"]
    return [
        f"kubectl apply -f {place}",
        f"{mount} --credentials-file DIRECTORY-OF-THE-SECRET/credentials",
    ]
