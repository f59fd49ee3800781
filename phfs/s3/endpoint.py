"""Where a bucket is found: the server's address, and the path of each object.

Owns path style against virtual-hosted style (S3 user guide, "Virtual hosting of buckets") and the
encoding of keys and queries (S3 API reference, "Create a signed AWS API request": UriEncode).
Called by ``exchange``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from phfs.errors import ConfigError
from phfs.s3.connect import Address

UNRESERVED = "-_.~"
"""Characters that are never encoded, beside letters and digits (RFC 3986)."""


class Endpoint(NamedTuple):
    """A bucket's place. ``host`` is the Host header, ``base`` begins every path."""

    address: Address
    host: str
    base: str

    def path(self, key: str | None) -> str:
        """The encoded path of an object, or of the bucket itself."""
        return (self.base or "/") if key is None else f"{self.base}/{encode_key(key)}"


def encode_key(key: str) -> str:
    """A key as it is written in a path: UTF-8, ``/`` as it is."""
    return quote(key, safe="/" + UNRESERVED, errors="surrogateescape")


def encode_query(query: Mapping[str, str]) -> str:
    """Parameters in the order and spelling that is signed."""
    return "&".join(
        f"{quote(name, safe=UNRESERVED)}={quote(query[name], UNRESERVED, errors='surrogateescape')}"
        for name in sorted(query)
    )


def endpoint_of(bucket: str, endpoint_url: str | None, region: str, path_style: str) -> Endpoint:
    """The place of ``bucket``; ``path_style`` is ``on``, ``off`` or ``auto``.

    ``auto``: the bucket is in the host's name only on AWS, whose names and certificates are made
    for it, and only if it has no dot, which a wildcard certificate does not cover. Raises
    ``ConfigError`` for an endpoint that is no URL.
    """
    url = endpoint_url or f"https://s3.{region}.amazonaws.com{_suffix(region)}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"--endpoint-url {url!r} is not a URL.") from None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"--endpoint-url {url!r} is not a URL like https://s3.example.org.")
    in_path = path_style == "on" or (path_style == "auto" and ("." in bucket or not is_aws(host)))
    base = parts.path.rstrip("/")
    if in_path:
        base = f"{base}/{quote(bucket, safe=UNRESERVED)}"
    else:
        host = f"{bucket}.{host}"
    tls = parts.scheme == "https"
    usual = 443 if tls else 80
    name = f"[{host}]" if ":" in host else host
    header = name if port in (None, usual) else f"{name}:{port}"
    return Endpoint(Address(host, port or usual, tls), header, base)


def _suffix(region: str) -> str:
    """China's regions have a domain of their own (AWS general reference, S3 endpoints)."""
    return ".cn" if region.startswith("cn-") else ""


def is_aws(host: str) -> bool:
    """Whether a host is one of Amazon's, whose names and certificates are made for buckets."""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
