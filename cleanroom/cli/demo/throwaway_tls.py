# SPDX-License-Identifier: Apache-2.0
"""A certificate authority that exists for one demo: its key is never written down."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cleanroom.kernel.files import PRIVATE_FILE, write_atomic
from cleanroom.kernel.record import dataclass
from cleanroom.server.certificate import CertificateFiles

LIFE = dt.timedelta(days=1)
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowawayAuthority:
    """Vouches for this machine's loopback address, for a day.

    Attributes:
        certificate: Its own.
        key: Signs the hosts' certificates.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """What callers accept."""
        return self.certificate.public_bytes(Encoding.PEM)

    def certify(self, directory: Path) -> CertificateFiles:
        """Write a certificate for the loopback address and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder("a server of the demo", key, self.certificate.subject, self.certificate)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        ).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            critical=False,
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        files = CertificateFiles(chain=directory / "host.pem", key=directory / "host.key")
        write_atomic(files.chain, certificate.public_bytes(Encoding.PEM))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomic(files.key, secret, mode=PRIVATE_FILE)
        return files


def throwaway_authority(*, at: dt.datetime) -> ThrowawayAuthority:
    """Make an authority that counts from now on for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("throw-away authority of a demo")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - LIFE)
        .not_valid_after(at + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(signs=True), critical=True)
    )
    return ThrowawayAuthority(certificate=builder.sign(key, hashes.SHA256()), key=key)


def _builder(
    title: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    authority: x509.Certificate,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(title))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(_usage(signs=False), critical=True)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
