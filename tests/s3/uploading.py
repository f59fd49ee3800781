"""Uploads begun for a test."""

from __future__ import annotations

from phfs.core.objects import Attributes, Part, UploadId
from phfs.s3.store import Store


async def begin(store: Store, *bodies: bytes) -> tuple[UploadId, list[Part]]:
    """Begin the upload of ``up`` and send all its parts."""
    upload = await store.create_upload("up", Attributes())
    parts = [
        await store.put_part("up", upload, number, [body])
        for number, body in enumerate(bodies, start=1)
    ]
    return upload, parts
