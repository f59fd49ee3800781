"""https: a real MinIO with a certificate of a private authority, and all that can be wrong with it.

What is wrong is shown by a server that has a certificate and nothing behind it: a client must not
get as far as a request.
"""

from __future__ import annotations

import datetime
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.real.conftest import MountWith
from tests.s3.raw_server import RawServer, always
from tests.support.certificates import Authority
from tests.support.minio import Keys, SecureMinio
from tests.support.mounted import PHFS_MOUNT, Place, is_mounted
from tests.support.provisioned import provision, variables_of

pytestmark = pytest.mark.real

PATIENCE = 60.0
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "phfs-test-authority")


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureMinio]:
    directory = tmp_path_factory.mktemp("secure")
    authority.certify(directory / ".minio/certs", "localhost", "127.0.0.1")
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_CA_BUNDLE", str(authority.bundle))  # for the tests' own clients
        with closing(SecureMinio(directory, authority.bundle)) as server:
            yield server


@pytest.fixture(scope="module")
def place(secure: SecureMinio) -> Place:
    """A group with keys that were made over https."""
    words = [secure.bucket, "--group=tls", "--ca-bundle", str(secure.bundle)]
    done = provision(secure, *words)
    assert done.returncode == 0, done.stderr
    made = variables_of(done.stdout)
    keys = Keys(made["PHFS_ACCESS_KEY_ID"], made["PHFS_SECRET_ACCESS_KEY"])
    return Place(secure.endpoint_url, secure.bucket, "tls", keys)


@pytest.mark.parametrize("way", ["--ca-bundle", "PHFS_CA_BUNDLE", "AWS_CA_BUNDLE"])
def test_with_the_authority_s_certificate_it_is_a_mount_as_any_other(
    place: Place, mount_with: MountWith, authority: Authority, way: str
) -> None:
    option = way.startswith("--")
    mounted = mount_with(
        *([f"{way}={authority.bundle}"] if option else []),
        place=place,
        environ={} if option else {way: str(authority.bundle)},
    )
    body = os.urandom(12 * 1024**2)
    (mounted.path / way).write_bytes(body)
    assert (mounted.path / way).read_bytes() == body
    assert way in os.listdir(mounted.path)
    assert mounted.errors() == []


def refusal(
    url: str, directory: Path, *words: str, environ: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and what is said by a mount that is refused; nothing is mounted."""
    mountpoint = directory / "m"
    mountpoint.mkdir()
    done = subprocess.run(
        [PHFS_MOUNT, "b", mountpoint, "--group=g", f"--state-dir={directory}/state", *words],
        env={
            "PATH": os.environ["PATH"],
            "PHFS_ENDPOINT_URL": url,
            "PHFS_ACCESS_KEY_ID": "a",
            "PHFS_SECRET_ACCESS_KEY": "b",
            **(environ or {}),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert not is_mounted(mountpoint)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


def test_without_it_the_server_is_refused(secure: SecureMinio, tmp_path: Path) -> None:
    code, said = refusal(secure.endpoint_url, tmp_path)
    assert code == 1
    assert "cannot be trusted (" in said
    assert said.endswith("Give the certificate that vouches for it with --ca-bundle.\n")


def test_another_authority_does_not_vouch_for_it(secure: SecureMinio, tmp_path: Path) -> None:
    other = Authority(tmp_path, "another-authority")
    code, said = refusal(secure.endpoint_url, tmp_path, f"--ca-bundle={other.bundle}")
    assert (code, "cannot be trusted (" in said) == (1, True)


@pytest.mark.parametrize(
    ("hosts", "ends", "reason", "advice"),
    [
        (["127.0.0.1"], -HOUR, "certificate has expired", "needs a new certificate"),
        (["127.0.0.1"], 60 * 24 * HOUR, "certificate is not yet valid", "set this machine's clock"),
        (["store.example.org"], HOUR, "127.0.0.1", "not an IP address"),
        (["127.0.0.2"], HOUR, "127.0.0.1", "not an IP address"),
    ],
)
def test_a_wrong_certificate_is_refused_with_its_reason(
    authority: Authority,
    tmp_path: Path,
    hosts: list[str],
    ends: datetime.timedelta,
    reason: str,
    advice: str,
) -> None:
    public, private = authority.certify(tmp_path / "certs", *hosts, ends=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    with RawServer(always(b""), tls=context) as server:
        code, said = refusal(server.url, tmp_path, f"--ca-bundle={authority.bundle}")
        assert server.seen == [], "no request, no key and no signature was sent"
    assert code == 1
    assert reason in said
    assert advice in said


def test_another_name_of_the_server_is_refused(authority: Authority, tmp_path: Path) -> None:
    public, private = authority.certify(tmp_path / "certs", "store.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    with RawServer(always(b""), tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        code, said = refusal(url, tmp_path, f"--ca-bundle={authority.bundle}")
    assert code == 1
    assert "localhost" in said
    assert "Give the name in --endpoint-url that the certificate is for." in said


@pytest.mark.parametrize("name", ["--ca-bundle", "AWS_CA_BUNDLE"])
def test_a_bundle_without_certificates_is_refused_before_mounting(
    secure: SecureMinio, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "no.pem"
    file.write_text("no certificate\n")
    if name == "AWS_CA_BUNDLE":
        code, said = refusal(secure.endpoint_url, tmp_path, environ={name: str(file)})
    else:
        code, said = refusal(secure.endpoint_url, tmp_path, f"{name}={file}")
    assert code == 2
    assert f"--ca-bundle '{file}' has no certificate" in said


def test_keys_are_not_made_on_a_server_that_cannot_be_trusted(secure: SecureMinio) -> None:
    done = provision(secure, secure.bucket, "--group=g", variables={"AWS_CA_BUNDLE": ""})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"phfs: The certificate of {secure.endpoint_url} cannot be trusted. Give the certificate "
        "that vouches for it with --ca-bundle.\n"
    )
