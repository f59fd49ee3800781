"""A deletion of many keys whose request arrives with a wrong bit, at real stores.

Neither MinIO nor radosgw compares the body with its digest before it deletes by it, so that another
key than was asked for may go. What is promised: nobody is told that a key is gone which is not.
"""

from __future__ import annotations

import pytest
from botocore.credentials import Credentials

from phfs.core.objects import Attributes
from phfs.errors import StoreError
from phfs.s3.client import S3Store
from phfs.s3.options import S3Options
from phfs.s3.retry import RetryingStore
from tests.support.fault_proxy import FaultProxy, faults
from tests.support.minio import MinioServer
from tests.support.radosgw import RadosGateway

pytestmark = [pytest.mark.real, pytest.mark.expects_log]

KEYS = [f"d/a{letter}" for letter in "bcdefg"]
PLACES = 24
"""Bytes of the request that are tried, from its beginning to its end."""


@pytest.mark.parametrize("server", ["minio", "radosgw"])
async def test_nobody_is_told_that_a_key_is_gone_which_is_not(
    request: pytest.FixtureRequest, server: str
) -> None:
    running: MinioServer | RadosGateway = request.getfixturevalue(server)
    with FaultProxy(running.endpoint_url) as proxy:
        options = S3Options(bucket=running.new_bucket(), endpoint_url=proxy.url)
        bare = S3Store(options, Credentials(running.access_key, running.secret_key))
        ends = []
        for place in range(PLACES):
            for key in KEYS:
                await bare.put(key, [b"x"], Attributes())
            proxy.fault(faults.flipped_request(place / PLACES), kind="delete_many")
            try:
                failures = await RetryingStore(bare, deadline=30).delete_many(KEYS)
                left = {failure.key for failure in failures}
            except StoreError:
                left = set(KEYS)
            ends.append(not left)
            there = {info.key for info in (await bare.list_page("d/")).objects}
            assert there & set(KEYS) <= left, place
        assert proxy.hit == PLACES
        assert any(ends), "what can be asked for again is"
        bare.close()
