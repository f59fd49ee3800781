"""A mount's keys as s3fs takes them.

Owns the bridge from keys that block while they are read to a library that awaits them. Called by
``objects``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.credentials import AioCredentials  # type: ignore[import-untyped]
from botocore.credentials import Credentials


class FollowedKeys(AioCredentials):  # type: ignore[misc]
    """Keys that become others when their source has others."""

    def __init__(self, source: Credentials) -> None:
        super().__init__("followed", "followed", method="phfs")
        self._source = source

    async def get_frozen_credentials(self) -> Any:
        """The keys of now; looking for them does not hold up other requests."""
        due = getattr(self._source, "refresh_needed", None)
        if due is not None and due():  # it may read a file or ask the network
            return await asyncio.to_thread(self._source.get_frozen_credentials)
        return self._source.get_frozen_credentials()
