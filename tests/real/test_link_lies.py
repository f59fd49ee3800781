"""A store that lies or refuses: at mount one sentence, later what the mount makes of it."""

from __future__ import annotations

import datetime
import email.utils
import errno
import math
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import MountWith, new_place
from tests.support.fault_proxy import Answer, Exchange, Fault, FaultProxy, faults
from tests.support.minio import MinioServer
from tests.support.mounted import PHFS_MOUNT, Mounted, Place, is_mounted

pytestmark = pytest.mark.real

SMALL = bytes(range(256)) * 100


@pytest.fixture
def proxy(minio: MinioServer) -> Iterator[FaultProxy]:
    with FaultProxy(minio.endpoint_url) as running:
        yield running


@pytest.fixture
def place(minio: MinioServer, proxy: FaultProxy) -> Place:
    return new_place(minio)._replace(endpoint_url=proxy.url)


@pytest.fixture
def mounted(mount_with: MountWith, place: Place, proxy: FaultProxy) -> Iterator[Mounted]:
    made = mount_with("--timeout=5", "--retry-deadline=15", "--metadata-ttl=0", place=place)
    yield made
    proxy.heal()
    made.stop()


# -- before anything is mounted --------------------------------------------------------------------


def refused(place: Place, mountpoint: Path, *options: str) -> str:
    """What a mount says that does not come about."""
    mountpoint.mkdir()
    done = subprocess.run(
        [PHFS_MOUNT, place.bucket, mountpoint, f"--group={place.group}", *options],
        env={
            "PATH": str(PHFS_MOUNT.parent) + ":/usr/bin:/bin",
            "HOME": str(mountpoint.parent),
            "PHFS_CONFIG": os.devnull,
            "PHFS_STATE_DIR": str(mountpoint.parent / "state"),
            "PHFS_ENDPOINT_URL": place.endpoint_url,
            "PHFS_ACCESS_KEY_ID": place.keys.access_key,
            "PHFS_SECRET_ACCESS_KEY": place.keys.secret_key,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert not is_mounted(mountpoint)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def dated(there: datetime.datetime) -> dict[str, str]:
    return {"Date": email.utils.format_datetime(there, usegmt=True)}


NOW = datetime.datetime.now(datetime.UTC)
SKEWED = "RequestTimeTooSkewed"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.status(403, SKEWED, dated(NOW)), ("clock wrong", "Set this machine's clock")),
        (
            faults.status(403, SKEWED, dated(NOW + datetime.timedelta(days=400))),
            ("clock wrong", "Set this machine's clock"),
        ),
        (faults.status(403, SKEWED), ("clock wrong", "Set this machine's clock")),
        (
            faults.status(400, "AuthorizationHeaderMalformed", xml="<Region>mars-1</Region>"),
            ("another region", "--region"),
        ),
        (faults.status(301, "PermanentRedirect"), ("another region", "--region")),
        (
            faults.status(301, headers={"x-amz-bucket-region": "mars-1"}),
            ("another region", "--region"),
        ),
        (faults.status(403, "InvalidAccessKeyId"), ("refuses the keys",)),
        (faults.status(400, "ExpiredToken"), ("refuses the keys",)),
        (faults.status(403, "AccessDenied"), ("may not list",)),
        (faults.status(404, "NoSuchBucket"), ("no bucket",)),
        (faults.status(503, "SlowDown"), ("cannot be used", "SlowDown")),
        (faults.body(lambda _: b"<html>hello</html>"), ("html instead of a listing",)),
        (faults.body(lambda _: b"hello"), ("broken XML",)),
        (faults.refuse, ("refused",)),
        (faults.reset_before, ("connection", "failed")),
    ],
)
def test_one_sentence_before_anything_is_mounted(
    proxy: FaultProxy, place: Place, tmp_path: Path, fault: Fault, words: tuple[str, ...]
) -> None:
    proxy.fault(fault, times=math.inf)
    said = refused(place, tmp_path / "mount", "--retry-deadline=3", "--timeout=3")
    for word in words:
        assert word in said


def test_a_wrong_clock_that_the_store_corrects_is_no_obstacle(
    proxy: FaultProxy, place: Place, mount_with: MountWith
) -> None:
    there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=7)

    def refuse(exchange: Exchange) -> None:
        """MinIO lets 15 minutes pass; this one refuses what is not dated with its own clock."""
        stamp = exchange.request.head.lower().partition(b"x-amz-date: ")[2][:15].decode()
        signed = datetime.datetime.strptime(stamp, "%Y%m%dt%H%M%S").replace(tzinfo=datetime.UTC)
        if abs(signed - there) < datetime.timedelta(minutes=4):
            exchange.reply(exchange.forward())
        else:
            faults.status(403, SKEWED, dated(there))(exchange)

    proxy.fault(refuse, times=2)
    mounted = mount_with(place=place)
    (mounted.path / "file").write_bytes(SMALL)
    assert mounted.get("file") == SMALL
    mounted.stop()


# -- later -----------------------------------------------------------------------------------------


def test_a_wrong_bit_in_a_small_file_is_found_and_fetched_again(
    proxy: FaultProxy, mounted: Mounted
) -> None:
    (mounted.path / "file").write_bytes(SMALL)
    mounted.put("theirs", SMALL)
    for name in ("file", "theirs"):
        proxy.fault(faults.flipped_answer(), kind="get", key=name, times=2)
        assert (mounted.path / name).read_bytes() == SMALL, mounted.errors()
    assert mounted.status()["requests"]["errors.Corrupted"] == 4


def test_bits_that_stay_wrong_are_an_error(
    proxy: FaultProxy, mount_with: MountWith, place: Place
) -> None:
    mounted = mount_with("--retry-deadline=5", "--metadata-ttl=0", place=place)
    mounted.put("file", SMALL)
    with (mounted.path / "file").open("rb") as file:
        proxy.fault(faults.flipped_answer(), kind="get", times=math.inf)
        with pytest.raises(OSError, match="Input/output error"):
            file.read()
        assert "other bytes came than were stored" in mounted.errors()[0]["why"]
        proxy.heal()
        assert file.read() == SMALL


@pytest.mark.parametrize(("kind", "size"), [("put", 100_000), ("put_part", 20 * 1024**2)])
def test_a_wrong_bit_in_what_is_written_is_refused_and_sent_again(
    proxy: FaultProxy, mounted: Mounted, kind: str, size: int
) -> None:
    data = bytes(range(250)) * (size // 250)
    proxy.fault(faults.flipped_request(), kind=kind)
    (mounted.path / "file").write_bytes(data)
    assert mounted.get("file") == data
    assert proxy.hit == 1
    assert mounted.status()["requests"]["errors.Corrupted"] >= 1


def test_names_outside_the_prefix_are_dropped_and_counted(
    proxy: FaultProxy, mounted: Mounted
) -> None:
    mounted.put("d/ours", b"")
    stray = (
        b"<Contents><Key>groups/others/secret</Key><Size>1</Size><ETag>e</ETag>"
        b"<LastModified>2026-08-01T10:00:00Z</LastModified></Contents>"
        b"<CommonPrefixes><Prefix>groups/others/d/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    proxy.fault(
        faults.body(lambda body: body.replace(b"</ListBucketResult>", stray)),
        kind="list_page",
        times=math.inf,
    )
    assert [entry.name for entry in (mounted.path / "d").iterdir()] == ["ours"]
    assert mounted.status()["requests"]["strays"] >= 2
    assert "nobody asked for" in mounted.log


def test_a_listing_that_goes_in_circles_is_an_error(
    proxy: FaultProxy, mount_with: MountWith, place: Place
) -> None:
    mounted = mount_with("--retry-deadline=5", "--metadata-ttl=0", place=place)
    for number in range(5):
        mounted.put(f"d/{number}", b"")

    def circle(body: bytes) -> bytes:
        """Say that it goes on: at A after B, at B after A."""
        token = b"A" if b"<ContinuationToken>B<" in body else b"B"
        more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>"
        return body.replace(b"<IsTruncated>false</IsTruncated>", more % token)

    def answer(exchange: Exchange) -> None:
        """The server would refuse such tokens, so it is not shown them."""
        asked = exchange.request.head
        before = asked.partition(b"continuation-token=")[2][:1]
        page = (
            b"<ListBucketResult><IsTruncated>false</IsTruncated><ContinuationToken>"
            + before
            + b"</ContinuationToken><Contents><Key>%sd/1</Key><Size>0</Size><ETag>e</ETag>"
            b"<LastModified>2026-08-01T10:00:00Z</LastModified></Contents></ListBucketResult>"
            % place.prefix.encode()
        )
        exchange.reply(Answer("200 OK", {}, circle(page)))

    proxy.fault(answer, kind="list_page", times=math.inf)
    with pytest.raises(OSError, match="Input/output error"):
        list((mounted.path / "d").iterdir())
    assert "again and again" in mounted.errors()[0]["why"]
    assert len(proxy.seen) < 60
    proxy.heal()
    assert len(list((mounted.path / "d").iterdir())) == 5
    mounted.stop()


LARGE = bytes(range(250)) * (20 * 1024**2 // 250)


def test_an_upload_that_was_published_though_its_parts_are_said_to_be_gone(
    proxy: FaultProxy, mounted: Mounted
) -> None:
    proxy.fault(faults.reset_after, kind="complete_upload")
    proxy.fault(faults.status(400, "InvalidPart"), kind="complete_upload", nth=2)
    (mounted.path / "file").write_bytes(LARGE)
    assert mounted.get("file") == LARGE
    assert proxy.hit == 2
    assert mounted.errors() == []


def test_an_upload_that_the_store_has_spoilt_is_an_error(
    proxy: FaultProxy, mounted: Mounted
) -> None:
    mounted.put("file", SMALL)
    proxy.fault(faults.reset_before, kind="complete_upload")
    proxy.fault(faults.status(400, "InvalidPart"), kind="complete_upload", nth=2)
    with pytest.raises(OSError, match="Input/output error"):
        (mounted.path / "file").write_bytes(LARGE)
    said = mounted.errors()[0]
    assert "lost the parts" in said["why"]
    assert "Write the file again" in said["advice"]
    assert mounted.get("file") == SMALL
    assert (mounted.path / "file").read_bytes() == SMALL


@pytest.mark.parametrize("at", [0.3, 0.45, 0.6, 0.75, 0.9])
def test_a_wrong_bit_in_what_publishes_an_upload_publishes_nothing_wrong(
    proxy: FaultProxy, mounted: Mounted, at: float
) -> None:
    mounted.put("file", SMALL)
    proxy.fault(faults.flipped_request(at), kind="complete_upload")
    said = 0
    try:
        (mounted.path / "file").write_bytes(LARGE)
    except OSError as error:
        said = error.errno or -1
    expected = SMALL if said else LARGE
    assert said in (0, errno.EIO), mounted.errors()
    assert proxy.hit == 1
    assert mounted.get("file") == expected
    assert (mounted.path / "file").read_bytes() == expected
