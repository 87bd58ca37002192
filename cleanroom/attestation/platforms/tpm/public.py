# SPDX-License-Identifier: Apache-2.0
"""Keys that live in a TPM: the public area, its name, and what it may sign.

The attributes are part of the name, so a TPM that vouches for a name vouches for
them. They decide whether a signature by the key means anything: an unrestricted
key signs whatever its owner writes, forged quotes included.
"""

from __future__ import annotations

from enum import IntFlag

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cleanroom.attestation.platforms.tpm.algorithms import (
    NULL,
    Hash,
    KeyType,
    Scheme,
    hash_of,
    scheme_of,
)
from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.record import dataclass

_MAX_POLICY_BYTES = 64
_MAX_RSA_BYTES = 512
_RSA_BITS = (2048, 3072, 4096)
_EXPONENT = 65537
_RSA_SCHEMES = (Scheme.RSASSA, Scheme.RSAPSS)
_CURVES: dict[int, ec.EllipticCurve] = {3: ec.SECP256R1(), 4: ec.SECP384R1(), 5: ec.SECP521R1()}

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Attributes(IntFlag):
    """``TPMA_OBJECT`` (part 2, section 8.3), the bits that are defined."""

    FIXED_TPM = 1 << 1
    ST_CLEAR = 1 << 2
    FIXED_PARENT = 1 << 4
    SENSITIVE_DATA_ORIGIN = 1 << 5
    USER_WITH_AUTH = 1 << 6
    ADMIN_WITH_POLICY = 1 << 7
    NO_DA = 1 << 10
    ENCRYPTED_DUPLICATION = 1 << 11
    RESTRICTED = 1 << 16
    DECRYPT = 1 << 17
    SIGN = 1 << 18
    X509_SIGN = 1 << 19


# Made by this TPM, never to leave it. How its user is authorised does not matter here.
_OWN = Attributes.FIXED_TPM | Attributes.FIXED_PARENT | Attributes.SENSITIVE_DATA_ORIGIN
_ROLES = Attributes.RESTRICTED | Attributes.SIGN | Attributes.DECRYPT


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicArea:
    """A ``TPMT_PUBLIC`` (part 2, section 12.2.4); unverified.

    Attributes:
        raw: Exact bytes; the name is a digest over them.
        name_hash: Hash algorithm of the name.
        attributes: What the TPM lets the key do.
        policy: Digest of the policy that authorises its use; may be empty.
        symmetric: Key bits of AES-CFB for children and credentials; 0 for none.
        scheme: Scheme it signs with, or None for a key that leaves it to the caller.
        scheme_hash: Hash of that scheme.
        key: The public key.
    """

    raw: bytes
    name_hash: Hash
    attributes: Attributes
    policy: bytes
    symmetric: int
    scheme: Scheme | None
    scheme_hash: Hash | None
    key: PublicKey

    @property
    def name(self) -> bytes:
        """Name of the key: the algorithm's number, then the digest (part 1, section 16)."""
        return self.name_hash.to_bytes(2, "big") + self.name_hash.digest(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteKey:
    """A key whose signature over a quote can be believed, if its TPM can.

    Attributes:
        key: The public key.
        scheme: The only scheme it signs with.
        hash: The only hash of that scheme.
    """

    key: PublicKey
    scheme: Scheme
    hash: Hash


def parse_public(data: bytes) -> PublicArea:
    """Read a public area from its exact bytes.

    Raises:
        MalformedError: Truncated, trailing bytes, not RSA or ECC, an algorithm that does
            not count, an undefined attribute, or a point that is not on its curve.
    """
    reader = Reader(data, what="TPM public area")
    kind = reader.number(2)
    name_hash = hash_of(reader.number(2), what="TPM public area name")
    attributes = _attributes(reader)
    policy = reader.sized(limit=_MAX_POLICY_BYTES)
    symmetric = _symmetric(reader)
    scheme, scheme_hash = _scheme(reader)
    key = _key(kind, reader)
    reader.end()
    return PublicArea(
        raw=data,
        name_hash=name_hash,
        attributes=attributes,
        policy=policy,
        symmetric=symmetric,
        scheme=scheme,
        scheme_hash=scheme_hash,
        key=key,
    )


def is_public_area(data: bytes) -> bool:
    """Tell a public area from a bare SubjectPublicKeyInfo, which begins with 0x30."""
    return data[:1] == b"\0"


def load_bare_key(data: bytes, *, scheme: Scheme, hashed: Hash) -> QuoteKey:
    """Read a SubjectPublicKeyInfo: a key whose attributes nobody shows.

    Tools of others hand out attestation keys so. Its quotes can be checked, and since
    the key may be one that signs anything, no contract can accept them. Nor does it say
    how it signs, so what the signature says of itself counts.

    Args:
        data: DER.
        scheme: Scheme that the signature names.
        hashed: Hash that the signature names.

    Raises:
        MalformedError: Not a public key, or of a kind that such signatures are not made with.
    """
    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError("TPM key: not a public key", code="tpm.key-type") from error
    kind = rsa.RSAPublicKey if scheme in _RSA_SCHEMES else ec.EllipticCurvePublicKey
    if not isinstance(key, kind):
        raise MalformedError(f"TPM key: not one that signs with {scheme.name}", code="tpm.key-type")
    return QuoteKey(key=key, scheme=scheme, hash=hashed)


def require_quote_key(public: PublicArea) -> QuoteKey:
    """Return the key if a TPM lets it sign nothing but what the TPM itself wrote.

    Raises:
        EvidenceRefusedError: It could sign a forged quote, could have been made
            outside the TPM, or could be moved out of it.
    """
    found = public.attributes
    if found & _OWN != _OWN or found & Attributes.ENCRYPTED_DUPLICATION:
        raise _refused("could live outside one TPM", "made by it and fixed to it")
    if found & _ROLES != Attributes.RESTRICTED | Attributes.SIGN:
        raise _refused("may sign foreign data", "restricted to signing what the TPM wrote")
    if public.scheme is None or public.scheme_hash is None:
        raise _refused("leaves the scheme open", "one scheme")
    return QuoteKey(key=public.key, scheme=public.scheme, hash=public.scheme_hash)


def _refused(found: str, agreed: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(
        f"TPM attestation key: {found}, agreed {agreed}",
        code="tpm.key-attributes",
        hint="attest with a restricted signing key, fixedTPM and fixedParent",
    )


def _attributes(reader: Reader) -> Attributes:
    number = reader.number(4)
    known = Attributes(number & sum(Attributes))
    if known != number:
        raise reader.malformed(f"undefined attributes in {number:#010x}", "attributes")
    return known


def _symmetric(reader: Reader) -> int:
    algorithm = reader.number(2)
    if algorithm == NULL:
        return 0
    bits, mode = reader.number(2), reader.number(2)
    if (algorithm, mode) != (0x0006, 0x0043) or bits not in (128, 256):
        raise reader.malformed("a symmetric algorithm other than AES-CFB", "symmetric")
    return bits


def _scheme(reader: Reader) -> tuple[Scheme | None, Hash | None]:
    number = reader.number(2)
    if number == NULL:
        return None, None
    scheme = scheme_of(number, what="TPM public area")
    return scheme, hash_of(reader.number(2), what="TPM public area scheme")


def _key(kind: int, reader: Reader) -> PublicKey:
    if kind == KeyType.RSA:
        return _rsa(reader)
    if kind == KeyType.ECC:
        return _ecc(reader)
    raise reader.malformed(f"key type {kind:#06x} against RSA or ECC", "key-type")


def _rsa(reader: Reader) -> rsa.RSAPublicKey:
    bits = reader.number(2)
    exponent = reader.number(4) or _EXPONENT  # zero stands for the default
    modulus = int.from_bytes(reader.sized(limit=_MAX_RSA_BYTES), "big")
    return rsa_key(modulus, exponent=exponent, bits=bits)


def rsa_key(modulus: int, *, exponent: int, bits: int) -> rsa.RSAPublicKey:
    """Make an RSA key of exactly the size that it says, with the usual exponent.

    Raises:
        MalformedError: Another exponent or size, or an even modulus.
    """
    if bits not in _RSA_BITS or modulus.bit_length() != bits or exponent != _EXPONENT:
        raise MalformedError(
            f"TPM public area: RSA of {modulus.bit_length()} bits and exponent {exponent} against"
            f" {' or '.join(map(str, _RSA_BITS))} and {_EXPONENT}",
            code="tpm.rsa",
        )
    if modulus % 2 == 0:
        raise MalformedError("TPM public area: an even RSA modulus", code="tpm.rsa")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _ecc(reader: Reader) -> ec.EllipticCurvePublicKey:
    curve = _CURVES.get(reader.number(2))
    if curve is None or reader.number(2) != NULL:
        raise reader.malformed("a curve or key derivation that does not count", "curve")
    size = (curve.key_size + 7) // 8
    x, y = reader.sized(limit=size), reader.sized(limit=size)
    try:
        return ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve
        ).public_key()
    except ValueError:
        raise reader.malformed("a point that is not on its curve", "point") from None
