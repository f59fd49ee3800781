"""A private certificate authority for one test, and certificates it vouches for.

Owns the files. Called by tests of TLS.
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """Vouches for servers. ``bundle`` is its own certificate, which clients are given."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        own = self._signed(self._name, self._key, now - 365 * DAY, now + DAY, None)
        self.bundle = directory / f"{name}.pem"
        self.bundle.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certify(
        self, directory: Path, *hosts: str, ends: datetime.timedelta = DAY
    ) -> tuple[Path, Path]:
        """Write ``public.crt`` and ``private.key`` for hosts (names or addresses), as MinIO calls
        them; the certificate's time ends so far from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        end = datetime.datetime.now(datetime.UTC) + ends
        certificate = self._signed(name, key, end - 30 * DAY, end, hosts)
        directory.mkdir(parents=True, exist_ok=True)
        public, private = directory / "public.crt", directory / "private.key"
        public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return public, private

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begins: datetime.datetime,
        ends: datetime.datetime,
        hosts: tuple[str, ...] | None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=hosts is None, path_length=None), critical=True)
        )
        if hosts is not None:
            names = x509.SubjectAlternativeName([_general(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
