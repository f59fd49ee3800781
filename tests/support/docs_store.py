"""The stores that the documents speak of: a bucket, a group's keys, an administrator's.

Owns the names in the pages. A page finds ``my-bucket`` empty, ``my-key`` reaching ``my-group``
alone, and ``admin-key``, which is root's, whatever the page before has done. Called by
``tests/docs/test_pages.py``.
"""

from __future__ import annotations

import json
from contextlib import closing

from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from mypy_boto3_s3 import S3Client

from phfs.provision.policy import Grant, document
from tests.support.minio import Keys, MinioServer, s3_client
from tests.support.radosgw import RadosGateway

ENDPOINT = "http://127.0.0.1:9000"
ENDPOINT_IN_A_CLUSTER = "http://minio:9000"
"""Where the pages say that MinIO answers."""

SECURE_ENDPOINT = "https://minio.example.org:9000"
AUTHORITY = "/etc/ssl/our-authority.pem"
"""Where the pages say that a MinIO with a private authority's certificate answers."""

RADOSGW_ENDPOINT = "http://127.0.0.1:7480"
"""Where the pages say that Ceph's gateway answers."""

BUCKET, GROUP = "my-bucket", "my-group"
GROUP_KEYS = Keys("my-key", "my-secret")
ADMIN_KEYS = Keys("admin-key", "admin-secret")


def as_documented(server: MinioServer) -> None:
    """Make a MinIO that was started with ``ADMIN_KEYS`` what the pages begin with: nothing of the
    page before is left."""
    with closing(s3_client(server.endpoint_url, server.access_key, server.secret_key)) as s3:
        for bucket in s3.list_buckets()["Buckets"]:
            _remove(s3, bucket["Name"])
    with_the_bucket(server)
    admin = MinioAdmin(
        endpoint=server.endpoint_url.removeprefix("http://"),
        credentials=StaticProvider(server.access_key, server.secret_key),
        secure=False,
    )
    for user in json.loads(admin.user_list()):
        admin.user_remove(user)
    admin.user_add(*GROUP_KEYS)
    admin.policy_add(GROUP, policy=document(Grant(BUCKET, f"groups/{GROUP}/")))
    admin.policy_set(GROUP, user=GROUP_KEYS.access_key)


def with_the_bucket(server: MinioServer | RadosGateway) -> None:
    """Make ``BUCKET`` on a server, empty; others stay."""
    with closing(s3_client(server.endpoint_url, server.access_key, server.secret_key)) as s3:
        if BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            _remove(s3, BUCKET)
        s3.create_bucket(Bucket=BUCKET)


def _remove(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
    s3.delete_bucket(Bucket=bucket)
