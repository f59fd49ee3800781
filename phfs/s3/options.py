"""What one S3 store is made from. Filled in by ``mount``, read by ``client`` and ``exchange``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """A bucket, the way to it, and what new objects get. Durations in seconds.

    ``timeout`` and ``deadline`` are the limits of ``phfs.s3.watch``. ``path_style`` is ``auto``,
    ``on`` or ``off``. ``max_requests``: how many of each kind run at once, see ``lanes``.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint_url: str | None = None
    path_style: str = "auto"
    ca_bundle: Path | None = None
    timeout: float = 20.0
    deadline: float = 60.0
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key: str | None = None
    max_requests: int = 64
