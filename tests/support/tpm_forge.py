# SPDX-License-Identifier: Apache-2.0
"""A TPM made of published keys: writes any structure, right or wrong, byte by byte.

What a real chip would refuse to sign can be signed here, so that each check of the
verifier meets evidence that is wrong in that one thing and in no other.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from cleanroom.attestation.platforms.tpm.algorithms import Hash, KeyType, Scheme
from cleanroom.attestation.platforms.tpm.public import Attributes
from cleanroom.attestation.platforms.tpm.quote import HASHES

AK_ATTRIBUTES = (
    Attributes.FIXED_TPM
    | Attributes.FIXED_PARENT
    | Attributes.SENSITIVE_DATA_ORIGIN
    | Attributes.USER_WITH_AUTH
    | Attributes.RESTRICTED
    | Attributes.SIGN
)
NO_ALGORITHM = b"\x00\x10"
ALL_PCRS = tuple(range(24))
CURVES = {"secp256r1": b"\x00\x03", "secp384r1": b"\x00\x04", "secp521r1": b"\x00\x05"}

_P = int(
    "ff10413bd93e4c4b71a2832828a5d9b59d8ec0121277446da527d0a7a06aa2d4f56e94827223c0bcdfb1467a7cd4e7"
    "72e5ce488f24a450bc3f0bf21a8781eb2e851d29bec53baafac8e149c4dd40246cc3fd73655bcfc912d926886e8f47"
    "78e17974aaa3da12d784950d41dd42795e808cce2d750f0766349610993ec2122099",
    16,
)
_Q = int(
    "d1b06564cff4dbd2e64a387554a5d2b5b30f375ef193855e6911d7162524ea556ec2fed63bbb8e5d3999dcd5396745"
    "b1d0ceca94a5f780d5f71c8e330421abf07a8f87240fff4e25ed331402007b08b0b7336293a868fa43f6f20d8e90a7"
    "dc1ef578b608b1ec70a19d7bf8007f8b784985885b404a1a51b97218bb61e37c83c7",
    16,
)


@functools.cache
def rsa_private() -> rsa.RSAPrivateKey:
    """Return the published RSA key; the same in every run."""
    d = pow(65537, -1, (_P - 1) * (_Q - 1))
    return rsa.RSAPrivateNumbers(
        p=_P,
        q=_Q,
        d=d,
        dmp1=d % (_P - 1),
        dmq1=d % (_Q - 1),
        iqmp=pow(_Q, -1, _P),
        public_numbers=rsa.RSAPublicNumbers(65537, _P * _Q),
    ).private_key()


def ecc_private(number: int = 7, curve: ec.EllipticCurve | None = None) -> Any:
    """Return a published key on a curve; the same in every run."""
    return ec.derive_private_key(number, curve or ec.SECP256R1())


def sized(data: bytes) -> bytes:
    """Write a ``TPM2B``."""
    return len(data).to_bytes(2, "big") + data


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedKey:
    """A signing key and the public area that describes it.

    Attributes:
        private: The key itself.
        scheme: How it signs.
        hash: Over which digest.
        attributes: What the public area claims.
    """

    private: Any = field(default_factory=ecc_private)
    scheme: Scheme = Scheme.ECDSA
    hash: Hash = Hash.SHA256
    attributes: int = AK_ATTRIBUTES

    @property
    def public(self) -> bytes:
        """The ``TPMT_PUBLIC``."""
        return public_area(
            self.private.public_key(),
            attributes=self.attributes,
            scheme=self.scheme.to_bytes(2, "big") + self.hash.to_bytes(2, "big"),
        )

    def sign(self, message: bytes) -> bytes:
        """Return a ``TPMT_SIGNATURE``; deterministic but for RSAPSS."""
        return (
            self.scheme.to_bytes(2, "big")
            + self.hash.to_bytes(2, "big")
            + b"".join(map(sized, self._parts(message)))
        )

    def _parts(self, message: bytes) -> tuple[bytes, ...]:
        algorithm = HASHES[self.hash]
        if self.scheme is Scheme.RSASSA:
            return (self.private.sign(message, padding.PKCS1v15(), algorithm),)
        if self.scheme is Scheme.RSAPSS:
            salted = padding.PSS(padding.MGF1(algorithm), self.hash.size)
            return (self.private.sign(message, salted, algorithm),)
        der = self.private.sign(message, ec.ECDSA(algorithm, deterministic_signing=True))
        size = (self.private.curve.key_size + 7) // 8
        return tuple(number.to_bytes(size, "big") for number in decode_dss_signature(der))


AK = ForgedKey()
RSA_AK = ForgedKey(private=rsa_private(), scheme=Scheme.RSASSA)


def public_area(
    key: Any,
    *,
    attributes: int = AK_ATTRIBUTES,
    scheme: bytes = NO_ALGORITHM,
    name_hash: bytes = b"\x00\x0b",
    policy: bytes = b"",
    symmetric: bytes = NO_ALGORITHM,
) -> bytes:
    """Write a ``TPMT_PUBLIC`` field by field."""
    kind = KeyType.RSA if isinstance(key, rsa.RSAPublicKey) else KeyType.ECC
    head = kind.to_bytes(2, "big") + name_hash + attributes.to_bytes(4, "big") + sized(policy)
    numbers = key.public_numbers()
    if isinstance(key, rsa.RSAPublicKey):
        size = key.key_size // 8
        unique = sized(numbers.n.to_bytes(size, "big"))
        return head + symmetric + scheme + key.key_size.to_bytes(2, "big") + bytes(4) + unique
    size = (key.curve.key_size + 7) // 8
    point = sized(numbers.x.to_bytes(size, "big")) + sized(numbers.y.to_bytes(size, "big"))
    return head + symmetric + scheme + CURVES[key.curve.name] + NO_ALGORITHM + point


def selection(bank: Hash | int = Hash.SHA256, pcrs: tuple[int, ...] = ALL_PCRS) -> bytes:
    """Write a ``TPMS_PCR_SELECTION`` with the usual three bytes of bitmap."""
    bits = sum(1 << index for index in pcrs)
    return int(bank).to_bytes(2, "big") + b"\x03" + bits.to_bytes(3, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedQuote:
    """The fields of a ``TPMS_ATTEST``, to be changed one at a time."""

    magic: bytes = b"\xffTCG"
    tag: bytes = b"\x80\x18"
    signer: bytes = b"\x00\x0b" + bytes(32)
    extra_data: bytes = b"asked for this run alone"
    safe: bytes = b"\x01"
    selections: tuple[bytes, ...] = (selection(pcrs=(4, 14)),)
    pcr_digest: bytes | None = None
    trailing: bytes = b""
    values: Mapping[int, bytes] = field(default_factory=lambda: {4: b"\x44" * 32, 14: b"\xee" * 32})
    hash: Hash = Hash.SHA256

    def encode(self) -> bytes:
        """Write it."""
        joined = b"".join(self.values[index] for index in sorted(self.values))
        digest = self.hash.digest(joined) if self.pcr_digest is None else self.pcr_digest
        clock = (1000).to_bytes(8, "big") + (3).to_bytes(4, "big") + (1).to_bytes(4, "big")
        return (
            self.magic
            + self.tag
            + sized(self.signer)
            + sized(self.extra_data)
            + clock
            + self.safe
            + (7).to_bytes(8, "big")
            + len(self.selections).to_bytes(4, "big")
            + b"".join(self.selections)
            + sized(digest)
            + self.trailing
        )

    def but(self, **changes: Any) -> ForgedQuote:
        """Change fields by name."""
        return replace(self, **changes)
