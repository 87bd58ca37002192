# SPDX-License-Identifier: Apache-2.0
"""May the key of a verified chain's leaf sign evidence, and did it sign these bytes?

What :mod:`cleanroom.attestation.certificates` leaves to the platforms: the kind of
key, hashes that are still worth something, extensions that take permissions back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cleanroom.errors import IntegrityError, MalformedError

SHA2 = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
# The exponent that everybody uses; a small one has broken verifiers that read padding loosely.
RSA_EXPONENT = 65537

# RFC 5280 section 4.2: a critical extension that the reader does not know may take
# back what the rest of the certificate grants.
_KNOWN_CRITICAL = frozenset(
    kind.oid.dotted_string for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
)
# Made once: the library loads its back end with the first of them, which no evidence waits for.
_ECDSA = {kind.name: ec.ECDSA(kind()) for kind in SHA2}

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_Read = TypeVar("_Read")


def require_signer(
    chain: Sequence[x509.Certificate], *, what: str, critical: frozenset[str] = frozenset()
) -> None:
    """Refuse a verified chain whose leaf may not sign evidence.

    Args:
        chain: Leaf first, root last.
        what: Subject of the messages.
        critical: Critical extensions that the caller reads itself, dotted.

    Raises:
        MalformedError: 1. A critical extension that nobody here understands.
        IntegrityError: 2. A certificate signed with a broken hash. 3. A leaf that issues
            certificates, or that may not sign.
    """
    for certificate in chain:
        # 1. What must be understood and is not, is refused.
        for extension in certificate.extensions:
            name = extension.oid.dotted_string
            if extension.critical and name not in _KNOWN_CRITICAL | critical:
                raise MalformedError(
                    f"{what}: found the unknown critical extension {name}",
                    code="attestation.certificate-extension",
                )
        # 2. Two certificates with one SHA-1 can be made today.
        algorithm = _hash_of(certificate, what=what)
        if not isinstance(algorithm, SHA2):
            raise IntegrityError(
                f"{what}: found a certificate signed without SHA-2, agreed with",
                code="attestation.certificate-hash",
            )
    # 3. A key that issues certificates would make every device an authority.
    constraints = find_extension(chain[0], x509.BasicConstraints)
    usage = find_extension(chain[0], x509.KeyUsage)
    if (constraints is not None and constraints.ca) or not (
        usage is None or usage.digital_signature
    ):
        raise IntegrityError(
            f"{what}: found a leaf that may not sign evidence, agreed one that may",
            code="attestation.certificate-usage",
        )


def find_extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return one extension, or nothing."""
    return next(
        (item.value for item in certificate.extensions if isinstance(item.value, kind)), None
    )


def unknown_extensions(certificate: x509.Certificate) -> dict[str, bytes]:
    """Return the value of every extension that X.509 itself does not define, by dotted name."""
    return {
        item.oid.dotted_string: item.value.value
        for item in certificate.extensions
        if isinstance(item.value, x509.UnrecognizedExtension)
    }


def elliptic_key(
    certificate: x509.Certificate, *, curve: type[ec.EllipticCurve], what: str
) -> ec.EllipticCurvePublicKey:
    """Return the certificate's key if it is on the one curve that the format allows.

    Raises:
        MalformedError: Another algorithm or curve.
    """
    key = public_key(certificate, what=what)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
        raise _other_key(what, f"an elliptic one on {curve.name}")
    return key


def rsa_key(certificate: x509.Certificate, *, what: str) -> rsa.RSAPublicKey:
    """Return the certificate's key if it is an RSA key of ordinary size and exponent.

    Raises:
        MalformedError: Another algorithm, size or exponent.
    """
    key = public_key(certificate, what=what)
    if not isinstance(key, rsa.RSAPublicKey):
        raise _other_key(what, "an RSA one")
    require_ordinary(key, what=what)
    return key


def require_ordinary(key: rsa.RSAPublicKey, *, what: str) -> None:
    """Refuse an RSA key of unusual size or exponent.

    Raises:
        MalformedError: Fewer than 2048 or more than 4096 bits, or another exponent than 65537.
    """
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS or key.public_numbers().e != RSA_EXPONENT:
        raise _other_key(what, f"of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, exponent {RSA_EXPONENT}")


def public_key(certificate: x509.Certificate, *, what: str) -> PublicKeyTypes:
    """Return the certificate's key.

    Raises:
        MalformedError: A key of no known kind, or not on its curve.
    """
    return _read(certificate.public_key, what=what)


def require_ecdsa(
    key: ec.EllipticCurvePublicKey,
    *,
    signature: bytes,
    signed: bytes,
    algorithm: hashes.HashAlgorithm,
    what: str,
) -> None:
    """Refuse a signature of r and s side by side, big-endian, that the key did not make.

    Raises:
        IntegrityError: Of another length, or it does not match the exact bytes.
    """
    size = (key.curve.key_size + 7) // 8
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    try:
        if len(signature) != 2 * size:
            raise InvalidSignature
        key.verify(encode_dss_signature(r, s), signed, _ECDSA[algorithm.name])
    except InvalidSignature:
        raise _mismatch(what) from None


def require_rsa(
    key: rsa.RSAPublicKey,
    *,
    signature: bytes,
    signed: bytes,
    algorithm: hashes.HashAlgorithm,
    what: str,
) -> None:
    """Refuse an RSASSA-PKCS1-v1_5 signature that the key did not make.

    Raises:
        IntegrityError: It does not match the exact bytes.
    """
    try:
        key.verify(signature, signed, PKCS1v15(), algorithm)
    except InvalidSignature:
        raise _mismatch(what) from None


def _hash_of(certificate: x509.Certificate, *, what: str) -> hashes.HashAlgorithm | None:
    return _read(lambda: certificate.signature_hash_algorithm, what=what)


def _read(reader: Callable[[], _Read], *, what: str) -> _Read:
    try:
        return reader()
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedError(
            f"{what}: found a certificate of an unknown algorithm", code="attestation.certificate"
        ) from None


def _mismatch(what: str) -> IntegrityError:
    return IntegrityError(f"{what}: the signature does not match", code="attestation.signature")


def _other_key(what: str, agreed: str) -> MalformedError:
    return MalformedError(
        f"{what}: found another key, agreed {agreed}", code="attestation.certificate-key"
    )
