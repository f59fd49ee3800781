"""What a store's refusal means for the person at the command line, who gave bucket, keys and place.

Owns the sentences. Never asks the store. Called by ``mount``, ``sweep`` and ``uploads`` with the
error of the first thing they asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from phfs.config import MountConfig
from phfs.errors import (
    AccessDenied,
    BadCredentials,
    NoSuchBucket,
    StoreError,
    TransientError,
    UntrustedServer,
    WrongClock,
    WrongRegion,
)


class Refusal(NamedTuple):
    """Why, and what to do."""

    why: str
    advice: str


def place_of(endpoint_url: str | None) -> str:
    """Where the store is, for people."""
    return endpoint_url or "Amazon S3"


def refusal_at(error: StoreError, config: MountConfig) -> Refusal:
    """The sentences for an ``error`` at the place that ``config`` names."""
    place = place_of(config.endpoint_url)
    return refusal_of(error, bucket=config.bucket, place=place, source=config.source)


def refusal_of(error: StoreError, *, bucket: str, place: str, source: str) -> Refusal:
    """The sentences for an ``error``; ``source`` is the URL of what was to be listed."""
    if isinstance(error, NoSuchBucket):
        return Refusal(
            f"There is no bucket {bucket!r} at {place}.",
            "Check the bucket's name and --endpoint-url.",
        )
    why = error.why.rstrip(".")
    wrong_way = isinstance(error, WrongClock | WrongRegion)
    if isinstance(error, BadCredentials) and not wrong_way:
        return Refusal(f"{place} refuses the keys: {why}.", error.advice)
    if isinstance(error, AccessDenied):
        return Refusal(
            f"The keys may not list {source}.",
            "Check --group and the bucket, or ask for the right to list this prefix.",
        )
    advice = "Check --endpoint-url and the network."
    own_words = isinstance(error, TransientError) and error.advice != type(error).default_advice
    if own_words or wrong_way or isinstance(error, UntrustedServer):
        advice = error.advice
    return Refusal(f"{place} cannot be used: {why}.", advice)
