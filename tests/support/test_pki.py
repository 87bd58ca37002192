# SPDX-License-Identifier: Apache-2.0
"""The project's own certificate authorities: every key from a name, every byte repeatable.

Vectors of all platforms are signed below these roots, and a verifier under test
gets their pins instead of a vendor's. Elliptic signatures are deterministic (RFC
6979) and RSA-PSS is used without salt, so that a generator makes the same bytes
on every machine. Nothing signed here means anything outside the tests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cleanroom.kernel.digest import Digest

__test__ = False

NOT_BEFORE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOT_AFTER = dt.datetime(2046, 1, 1, tzinfo=dt.UTC)
AT = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@lru_cache
def ec_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP384R1) -> ec.EllipticCurvePrivateKey:
    """Derive an elliptic key from a name."""
    size = curve().key_size // 8
    seed = b"".join(_stream(f"ec {curve.name} {name}", blocks=2))[: size - 1]
    return ec.derive_private_key(int.from_bytes(seed) + 1, curve())


@lru_cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Derive an RSA key from a name; about half a second for 2048 bits."""
    half = bits // 2
    first, second = (_prime(f"rsa {bits} {name} {factor}", half) for factor in "pq")
    private = pow(65537, -1, (first - 1) * (second - 1))
    return rsa.RSAPrivateNumbers(
        p=first,
        q=second,
        d=private,
        dmp1=private % (first - 1),
        dmq1=private % (second - 1),
        iqmp=pow(second, -1, first),
        public_numbers=rsa.RSAPublicNumbers(65537, first * second),
    ).private_key()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate and its key.

    Attributes:
        key: Private key.
        certificate: What says whose it is.
    """

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def pin(self) -> Digest:
        """SHA-256 of the DER bytes."""
        return Digest.of(self.der)


def make_root(name: str, *, key: PrivateKey | None = None, **changes: object) -> Authority:
    """Make a self-signed root; ``changes`` as in :func:`issue`."""
    return issue(name, issuer=None, key=key, ca=True, **changes)  # type: ignore[arg-type]


def issue(
    name: str,
    *,
    issuer: Authority | None,
    key: PrivateKey | None = None,
    ca: bool = False,
    path_length: int | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
    not_before: dt.datetime = NOT_BEFORE,
    not_after: dt.datetime = NOT_AFTER,
    hash_algorithm: hashes.HashAlgorithm | None = None,
) -> Authority:
    """Issue a certificate; without an issuer it signs itself.

    Args:
        name: Common name, which the key is derived from as well.
        issuer: Who signs.
        key: Another key than the derived P-384 one.
        ca: Whether it may sign others; ``BasicConstraints`` is written in any case.
        path_length: How many intermediates may stand below a CA.
        extensions: Further extensions, each with its critical flag.
        serial: Serial number; derived from the name by default.
        not_before: Start of its time.
        not_after: End of its time.
        hash_algorithm: SHA-384 by default.
    """
    key = ec_key(name) if key is None else key
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16]) + 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(name) if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(digest if serial is None else serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signer = key if issuer is None else issuer.key
    algorithm = hash_algorithm or hashes.SHA384()
    return Authority(key=key, certificate=_sign(builder, signer, algorithm))


def make_crl(
    issuer: Authority,
    *,
    revoked: Sequence[int] = (),
    this_update: dt.datetime = AT - dt.timedelta(days=1),
    next_update: dt.datetime = AT + dt.timedelta(days=30),
) -> bytes:
    """Sign a revocation list; returns DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(this_update)
        builder = builder.add_revoked_certificate(entry.build())
    if isinstance(issuer.key, rsa.RSAPrivateKey):
        signed = builder.sign(issuer.key, hashes.SHA384(), rsa_padding=_pss())
    else:
        signed = builder.sign(issuer.key, hashes.SHA384(), ecdsa_deterministic=True)
    return signed.public_bytes(Encoding.DER)


def sign_ecdsa(
    key: ec.EllipticCurvePrivateKey, data: bytes, algorithm: hashes.HashAlgorithm
) -> tuple[int, int]:
    """Sign deterministically; returns r and s."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

    return decode_dss_signature(key.sign(data, ec.ECDSA(algorithm, deterministic_signing=True)))


def _sign(
    builder: x509.CertificateBuilder, key: PrivateKey, algorithm: hashes.HashAlgorithm
) -> x509.Certificate:
    if isinstance(key, rsa.RSAPrivateKey):
        return builder.sign(key, algorithm, rsa_padding=_pss())
    return builder.sign(key, algorithm, ecdsa_deterministic=True)


def _pss() -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=0)


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cleanroom tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _stream(seed: str, *, blocks: int) -> Iterator[bytes]:
    for number in range(blocks):
        yield hashlib.sha512(f"cleanroom test key {seed} {number}".encode()).digest()


def _prime(seed: str, bits: int) -> int:
    for number in count():
        data = b"".join(_stream(f"{seed} {number}", blocks=bits // 512 + 1))
        # The two highest bits give the product its full length; the lowest makes it odd.
        start = int.from_bytes(data[: bits // 8]) | (3 << (bits - 2)) | 1
        for candidate in range(start, start + 4096, 2):
            if all(candidate % small for small in _SMALL_PRIMES) and _is_prime(candidate):
                if (candidate - 1) % 65537:
                    return candidate
                break
    raise AssertionError


def _is_prime(candidate: int) -> bool:
    odd = candidate - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in _SMALL_PRIMES[:16]:
        power = pow(base, odd, candidate)
        if power in {1, candidate - 1}:
            continue
        for _ in range(twos - 1):
            power = power * power % candidate
            if power == candidate - 1:
                break
        else:
            return False
    return True


_SMALL_PRIMES = [
    number
    for number in range(2, 2000)
    if all(number % divisor for divisor in range(2, int(number**0.5) + 1))
]
