"""Whether the keys are found, the store takes them, and the bucket is there.

Owns the first request with keys, and which of these checks its refusal belongs to. Called by
``run``.
"""

from __future__ import annotations

import os

from phfs.config import MountConfig
from phfs.doctor.examination import Verdict, fail, ok
from phfs.errors import (
    AccessDenied,
    BadCredentials,
    NoSuchBucket,
    StoreError,
    WrongClock,
    WrongRegion,
)
from phfs.s3 import control
from phfs.s3.refusals import Refusal, refusal_at
from phfs.s3.store import Store


def keys(config: MountConfig) -> Verdict:
    """Where the keys come from; they themselves are never shown. Raises ``ConfigError``."""
    if config.access_key_id is not None:
        named = os.environ.get("PHFS_ACCESS_KEY_ID") == config.access_key_id
        source = "PHFS_ACCESS_KEY_ID" if named else "a configuration file"
    elif config.credentials_file is not None:
        control.credentials_of(vars(config))
        source = str(config.credentials_file)
    else:
        source = control.aws_source(config.profile)
    return ok(f"from {source}")


class FirstRequest:
    """One listing of one name, which is all that a group's keys may be allowed."""

    def __init__(self, config: MountConfig, store: Store) -> None:
        self._config = config
        self._store = store
        self._error: StoreError | None = None

    async def send(self) -> Verdict:
        """Whether the store takes the keys."""
        try:
            await self._store.list_page(self._config.prefix, limit=1)
        except StoreError as error:
            self._error = error
        if isinstance(self._error, NoSuchBucket | AccessDenied) or self._error is None:
            return ok("the store takes them")
        return self._refused(self._error)

    async def bucket(self) -> Verdict:
        """Whether the bucket is there."""
        if isinstance(self._error, NoSuchBucket):
            return self._refused(self._error)
        if self._error is not None:
            return ok(f"whether there is a {self._config.bucket} is not told to these keys")
        return ok(f"{self._config.bucket} is there")

    async def list(self) -> Verdict:
        """Whether the prefix may be listed."""
        if isinstance(self._error, AccessDenied):
            return self._refused(self._error)
        return ok(f"allowed below {self._config.source}")

    def _refused(self, error: StoreError) -> Verdict:
        told = refusal_at(error, self._config)
        if isinstance(error, BadCredentials) and not isinstance(error, WrongClock | WrongRegion):
            told = Refusal(told.why, "Check both keys, or ask for new ones.")
        return fail(told.why.rstrip("."), told.advice)
