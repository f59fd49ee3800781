"""Every page does what it says: its blocks are run in order, in one shell, on real stores.

A page begins in a shell in which the quick start has been done: keys and address are set, and
unless the page mounts something itself, ``my-group`` is mounted at ``~/phfs``. The README and the
quick start begin with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.docs import RUN_ELSEWHERE, Block, blocks, pages
from tests.support.docs_session import Page, PageFailed
from tests.support.docs_store import (
    ADMIN_KEYS,
    AUTHORITY,
    BUCKET,
    ENDPOINT,
    ENDPOINT_IN_A_CLUSTER,
    GROUP,
    GROUP_KEYS,
    RADOSGW_ENDPOINT,
    SECURE_ENDPOINT,
    as_documented,
    with_the_bucket,
)
from tests.support.minio import MinioServer, SecureMinio

pytestmark = pytest.mark.real

FROM_THE_START = ("README.md", "docs/quick-start.md")
PYTHON = "docs/how-to/python.md"
MINIO = "docs/how-to/minio.md"
CEPH = "docs/how-to/ceph.md"

MOUNTED = f"mkdir -p ~/phfs && phfs-mount {BUCKET} ~/phfs --group {GROUP}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A MinIO of the pages' own: each of them empties it."""
    server = MinioServer(tmp_path_factory.mktemp("minio-of-the-pages"), ADMIN_KEYS)
    yield server
    server.close()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureMinio]:
    """A MinIO that speaks https, for the page that says how to reach one."""
    directory = tmp_path_factory.mktemp("secure-minio-of-the-pages")
    authority = Authority(directory, "our-authority")
    authority.certify(directory / ".minio/certs", "localhost", "127.0.0.1")
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_CA_BUNDLE", str(authority.bundle))  # for the tests' own client
        server = SecureMinio(directory, authority.bundle, ADMIN_KEYS)
    yield server
    server.close()


def to_run(page: str) -> list[Block]:
    return [block for block in blocks(page) if not block.not_run]


def with_commands(page: str) -> bool:
    """Whether there is something to run; a page that cannot be read fails in its own test."""
    try:
        return page not in RUN_ELSEWHERE and any(it.kind != "text" for it in to_run(page))
    except ValueError:
        return True


def mount_is_expected(page: str) -> bool:
    """Whether a page uses the mount and does not make it."""
    text = "".join(block.text for block in to_run(page)).replace("\\\n", "")
    made = re.search(r"\b(?:phfs-)?mount\b[^\n]*/phfs(?:\s|$)", text, re.MULTILINE)
    return "/phfs" in text and made is None


def surroundings(
    page: str, request: pytest.FixtureRequest
) -> tuple[dict[str, str], dict[str, str]]:
    """The stores a page speaks of: what stands for its texts, and its shell's variables."""
    if page == CEPH:
        gateway = request.getfixturevalue("radosgw")
        with_the_bucket(gateway)
        admin = dict(zip(ADMIN_KEYS, (gateway.access_key, gateway.secret_key), strict=True))
        variables = {"CEPH_CONF": str(gateway.configuration), "CEPH_ARGS": "--name=client.rgw"}
        return {RADOSGW_ENDPOINT: gateway.endpoint_url, **admin}, variables
    store = request.getfixturevalue("store")
    as_documented(store)
    places = {ENDPOINT: store.endpoint_url, ENDPOINT_IN_A_CLUSTER: store.endpoint_url}
    if page in FROM_THE_START:
        return places, {}
    variables = {
        "AWS_ACCESS_KEY_ID": GROUP_KEYS.access_key,
        "AWS_SECRET_ACCESS_KEY": GROUP_KEYS.secret_key,
        "AWS_ENDPOINT_URL": store.endpoint_url,
    }
    if page == PYTHON:
        variables |= {"PHFS_BUCKET": BUCKET, "PHFS_GROUP": GROUP}
    if page == MINIO:
        secure = request.getfixturevalue("secure")
        places |= {SECURE_ENDPOINT: secure.endpoint_url, AUTHORITY: str(secure.bundle)}
    return places, variables


@pytest.mark.parametrize("name", [page for page in pages() if with_commands(page)])
def test_a_page(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    places, variables = surroundings(name, request)
    page = Page(tmp_path, places, variables)
    failure = ""
    try:
        if variables and mount_is_expected(name):
            page.prepare(MOUNTED)
        for block in to_run(name):
            page.run(block)
    except PageFailed as failed:
        failure = str(failed)
    finally:
        page.close()
    if failure:
        pytest.fail(failure, pytrace=False)
    assert page.below_the_mount() == [], f"{name} wrote to ~/phfs where nothing was mounted"
