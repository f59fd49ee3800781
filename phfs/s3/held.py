"""What the store in memory holds: an object, and an upload under way.

Owns no behaviour. Called by ``memory``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from phfs.core.objects import Attributes, ETag, Part


class MemoryObject(NamedTuple):
    """One object: its bytes and everything that is kept beside them."""

    data: bytes
    etag: ETag
    modified: int
    attributes: Attributes
    tagging: str


@dataclass
class MemoryUpload:
    """One multipart upload under way: the key, what the object will get, the parts so far."""

    key: str
    attributes: Attributes
    tagging: str
    parts: dict[int, Part] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
