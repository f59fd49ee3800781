"""The rules of S3 that a client can run into, as pure functions.

Owns what makes a key, a listing and a list of parts acceptable (S3 API reference: ListObjectsV2,
CompleteMultipartUpload; S3 user guide: "Naming Amazon S3 objects"). Keeps nothing. Called by
``memory``.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence

from phfs.core.objects import Attributes, Part
from phfs.errors import InvalidKey, InvalidRequest, KeyTooLong, PartsLost

MAX_KEY = 1024
"""Longest key in UTF-8 bytes."""

DEFAULT_TYPE = "binary/octet-stream"
"""The Content-Type of an object that was given none."""

DEFAULT_CLASS = "STANDARD"
"""The storage class that a HEAD does not mention."""


def check_key(key: str) -> None:
    """Raise ``InvalidKey`` or ``KeyTooLong`` unless an object can have this key."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidKey(f"{key!r}: is not text") from None
    if size == 0:
        raise InvalidKey("an object cannot have an empty key")
    if size > MAX_KEY:
        raise KeyTooLong(f"{key[:40]}…: has {size} bytes, a key has at most {MAX_KEY}")


def kept_attributes(attributes: Attributes) -> Attributes:
    """What a store keeps of ``attributes``: names folded, defaults filled in."""
    storage_class = attributes.storage_class
    return Attributes(
        content_type=attributes.content_type or DEFAULT_TYPE,
        storage_class=None if storage_class == DEFAULT_CLASS else storage_class,
        metadata={name.lower(): value for name, value in attributes.metadata.items()},
        headers={name.title(): value for name, value in attributes.headers.items()},
    )


def list_names(
    keys: Sequence[str], prefix: str, delimiter: str, after: str
) -> Iterator[tuple[str, bool]]:
    """The entries of a listing greater than ``after``, each with whether it is a rolled-up prefix.

    ``keys`` are sorted by code point, which for text without surrogates is the order of their
    UTF-8 bytes. A rolled-up prefix costs one bisection, however many keys it stands for.
    """
    at = bisect.bisect_left(keys, max(prefix, after))
    while at < len(keys) and keys[at].startswith(prefix):
        key = keys[at]
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if cut < 0 else key[: cut + len(delimiter)]
        if name > after:
            yield name, cut >= 0
        if cut < 0:
            at += 1
        else:
            start = slice(len(name))
            at = bisect.bisect_right(keys, name, at, key=operator.itemgetter(start))


def token_after(name: str) -> str:
    """The continuation token of a page whose last entry is ``name``."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def entry_before(token: str) -> str:
    """The entry after which a continuation token goes on."""
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise InvalidRequest(f"{token!r}: is no continuation token of this store") from None


def check_parts(parts: Sequence[Part], kept: Mapping[int, Part], min_part: int) -> None:
    """Raise ``InvalidRequest`` unless an upload that holds ``kept`` can be completed by ``parts``.

    ``kept`` are the parts by number; every part but the last has at least ``min_part`` bytes.
    """
    if not parts:
        raise InvalidRequest("an upload is not completed without parts")
    numbers = [part.number for part in parts]
    if any(number >= following for number, following in itertools.pairwise(numbers)):
        raise InvalidRequest("the parts of an upload are named in ascending order, each once")
    for part in parts:
        held = kept.get(part.number)
        if held is None or held.etag != part.etag:
            raise PartsLost(f"part {part.number} with the ETag {part.etag} was not uploaded")
        if part.checksum is not None and part.checksum != held.checksum:
            raise PartsLost(f"part {part.number} has another checksum than {part.checksum}")
    for number in numbers[:-1]:
        if kept[number].size < min_part:
            raise InvalidRequest(f"part {number} has {kept[number].size} bytes, not {min_part}")
