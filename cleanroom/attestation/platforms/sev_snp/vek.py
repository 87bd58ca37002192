# SPDX-License-Identifier: Apache-2.0
"""The certificate of a report's signing key: VCEK (one chip) or VLEK (one cloud).

X.509 v3 (RFC 5280) with AMD's extensions ``1.3.6.1.4.1.3704.1.x`` (AMD 57230
table 8), signed with RSASSA-PSS and SHA-384 by ASK or ASVK. Its serial number is
zero, which RFC 5280 forbids, so it is read by our own reader.

=========  =============================  ================================
x          value                          where
=========  =============================  ================================
1          structure version, INTEGER     both
2          product name, IA5String        both
3.1        boot loader version            both
3.2        TEE version                    both
3.3        SNP version                    both
3.4 - 3.7  reserved components            both, absent means zero
3.8        microcode version              both
3.9        FMC version                    Turin
4          hardware id: raw, or in an     VCEK; 64 bytes, on Turin 8
           OCTET STRING
5          name of the cloud, IA5String   VLEK
=========  =============================  ================================
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cleanroom.attestation import der
from cleanroom.attestation.certificates import MAX_CERTIFICATE_BYTES
from cleanroom.attestation.platforms.sev_snp.parse import SigningKey
from cleanroom.attestation.platforms.sev_snp.product import (
    TCB_BYTES,
    Product,
    product_of_name,
)
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

_BASE = "1.3.6.1.4.1.3704.1"
_PRODUCT_NAME, _HARDWARE_ID, _CLOUD = "2", "4", "5"
HARDWARE_ID_BYTES: Mapping[Product, int] = {
    Product.MILAN: 64,
    Product.GENOA: 64,
    Product.TURIN: 8,
}
SALT_BYTES = 48

_COMMON_NAME = der.encoded_identifier("2.5.4.3")
_RSASSA_PSS = "1.2.840.113549.1.1.10"
_NAMES = {"SEV-VCEK": SigningKey.VCEK, "SEV-VLEK": SigningKey.VLEK}
_VERSION_TAG, _EXTENSIONS_TAG = 0xA0, 0xA3
_EXTENSION_TAGS = (der.OBJECT_IDENTIFIER, der.OCTET_STRING)
# Which extension names the component in which byte of a TCB_VERSION.
_OLDER_TCB = ("3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8")
_TCB_EXTENSIONS: Mapping[Product, tuple[str, ...]] = {
    Product.MILAN: _OLDER_TCB,
    Product.GENOA: _OLDER_TCB,
    Product.TURIN: ("3.9", "3.1", "3.2", "3.3", "3.5", "3.6", "3.7", "3.8"),
}
# Names are compared as bytes, which is what a certificate holds.
_ENCODED: Mapping[str, bytes] = {
    name: der.encoded_identifier(f"{_BASE}.{name}")
    for name in (_PRODUCT_NAME, _HARDWARE_ID, _CLOUD, *(f"3.{part}" for part in range(1, 10)))
}
_RESERVED_TCB = {"3.4", "3.5", "3.6", "3.7"}
_REMEMBERED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Vek:
    """A signing key's certificate; unverified.

    Attributes:
        encoded: The exact DER.
        signed: The part of it that the issuer signed.
        signature: RSASSA-PSS signature.
        issuer: DER of the issuer's name.
        kind: VCEK or VLEK, by its subject.
        not_before: First moment of validity.
        not_after: Last moment of validity.
        key: P-384 key that signs reports.
        product: Product that it was made for.
        tcb: The eight bytes of REPORTED_TCB that it was derived for.
        hardware_id: 64 bytes, on Turin 8; empty in a VLEK.
        cloud: Name of the cloud in a VLEK; empty in a VCEK.
    """

    encoded: bytes
    signed: bytes
    signature: bytes
    issuer: bytes
    kind: SigningKey
    not_before: dt.datetime
    not_after: dt.datetime
    key: ec.EllipticCurvePublicKey
    product: Product
    tcb: bytes
    hardware_id: bytes
    cloud: str


def parse_vek(data: bytes) -> Vek:
    """Read a certificate in DER.

    Raises:
        MalformedError: Not such a certificate, or bytes behind its end.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise _malformed(f"{len(data)} bytes against a limit of {MAX_CERTIFICATE_BYTES}", "length")
    return _read_der(data)


def forget_veks() -> None:
    """Forget what was read, so that a benchmark pays for all of it."""
    _read_der.cache_clear()


# What bytes say never changes. A broker is shown the same few machines' certificates again
# and again; who signed them, and when they are valid, is judged each time.
@functools.lru_cache(maxsize=_REMEMBERED)
def _read_der(data: bytes) -> Vek:
    what = "snp vek"
    outer = der.read_only(data, tag=der.SEQUENCE, what=what)
    signed, algorithm, signature = der.children(
        outer, tags=(der.SEQUENCE, der.SEQUENCE, der.BIT_STRING), what=what
    )
    inner = der.children(
        signed,
        tags=(_VERSION_TAG, der.INTEGER, *(der.SEQUENCE,) * 5, _EXTENSIONS_TAG),
        what=what,
    )
    _, _, inner_algorithm, issuer, validity, subject, key, extensions = inner
    if algorithm.encoded != inner_algorithm.encoded or _algorithm(algorithm) != _RSASSA_PSS:
        raise _malformed("another signature algorithm against RSASSA-PSS", "algorithm")
    kind = _kind(subject)
    values = _extensions(extensions)
    product = product_of_name(_text(values, _PRODUCT_NAME))
    not_before, not_after = _validity(validity)
    return Vek(
        encoded=data,
        signed=signed.encoded,
        signature=_bits(signature),
        issuer=issuer.encoded,
        kind=kind,
        not_before=not_before,
        not_after=not_after,
        key=_key(key.encoded),
        product=product,
        tcb=_tcb(values, product),
        hardware_id=_hardware_id(values, product, kind),
        cloud=_text(values, _CLOUD) if kind is SigningKey.VLEK else "",
    )


def require_signed_by(vek: Vek, key: rsa.RSAPublicKey, *, issuer: bytes) -> None:
    """Refuse a certificate that its issuer's key did not sign; RSASSA-PSS with SHA-384 only.

    Args:
        vek: The certificate.
        key: ASK's or ASVK's key.
        issuer: DER of that certificate's subject.

    Raises:
        IntegrityError: Another issuer, or a signature that does not match.
    """
    if vek.issuer != issuer:
        raise IntegrityError("snp vek: found another issuer than the chain's", code="snp.issuer")
    pss = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=SALT_BYTES)
    try:
        key.verify(vek.signature, vek.signed, pss, SHA384())
    except InvalidSignature:
        raise IntegrityError(
            f"snp vek: not signed by AMD's {vek.product.value} key", code="attestation.chain"
        ) from None


def tcb_numbers(raw: bytes, product: Product) -> dict[str, str]:
    """Write a TCB_VERSION as the query of AMD's KDS (AMD 57230 section 4.1)."""
    names = {"3.9": "fmcSPL", "3.1": "blSPL", "3.2": "teeSPL", "3.3": "snpSPL", "3.8": "ucodeSPL"}
    numbers = dict(zip(_TCB_EXTENSIONS[product], raw, strict=True))
    return {text: f"{numbers[name]:02}" for name, text in names.items() if name in numbers}


def _algorithm(value: der.Value) -> str:
    parts = der.read_all(value.content, what="snp vek algorithm")
    return der.object_identifier(parts[0], what="snp vek algorithm") if parts else ""


def _kind(subject: der.Value) -> SigningKey:
    what = "snp vek subject"
    names = []
    for entry in der.read_all(subject.content, what=what):
        for pair in der.read_all(entry.content, what=what):
            parts = der.read_all(pair.content, what=what)
            if len(parts) == 2 and parts[0].content == _COMMON_NAME:  # noqa: PLR2004
                names.append(parts[1].content.decode("ascii", "replace"))
    if len(names) != 1 or names[0] not in _NAMES:
        raise _malformed("another subject against SEV-VCEK or SEV-VLEK", "subject")
    return _NAMES[names[0]]


def _validity(value: der.Value) -> tuple[dt.datetime, dt.datetime]:
    what = "snp vek validity"
    times = der.read_all(value.content, what=what)
    if len(times) != 2:  # noqa: PLR2004 - not before, not after
        raise _malformed("a validity of another form", "validity")
    return der.time_value(times[0], what=what), der.time_value(times[1], what=what)


def _extensions(value: der.Value) -> dict[bytes, bytes]:
    what = "snp vek extension"
    found: dict[bytes, bytes] = {}
    listed = der.read_only(value.content, tag=der.SEQUENCE, what=what)
    for entry in der.read_all(listed.content, what=what):
        parts = der.read_all(entry.content, what=what)
        if not parts or (parts[0].tag, parts[-1].tag) != _EXTENSION_TAGS:
            raise _malformed("an extension without a value", "extension")
        name = parts[0].content
        # The first of two would count for one reader and the last for another.
        if name in found:
            raise _malformed("an extension twice", "extension")
        found[name] = parts[-1].content
    return found


def _text(values: Mapping[bytes, bytes], name: str) -> str:
    value = der.read_only(_required(values, name), tag=der.IA5_STRING, what="snp vek extension")
    if not value.content.isascii():
        raise _malformed("an extension that is not ASCII", "extension")
    return value.content.decode("ascii")


def _tcb(values: Mapping[bytes, bytes], product: Product) -> bytes:
    raw = bytearray(TCB_BYTES)
    for index, name in enumerate(_TCB_EXTENSIONS[product]):
        if name in _RESERVED_TCB and _ENCODED[name] not in values:
            continue
        value = der.read_only(_required(values, name), tag=der.INTEGER, what="snp vek extension")
        number = der.unsigned(value, what="snp vek extension")
        if number > 0xFF:  # noqa: PLR2004 - a byte of the report
            raise _malformed("a version beyond 255", "extension")
        raw[index] = number
    return bytes(raw)


def _hardware_id(values: Mapping[bytes, bytes], product: Product, kind: SigningKey) -> bytes:
    if kind is SigningKey.VLEK:
        if _ENCODED[_HARDWARE_ID] in values:
            raise _malformed("a hardware id in a VLEK", "hardware-id")
        return b""
    value, size = _required(values, _HARDWARE_ID), HARDWARE_ID_BYTES[product]
    if len(value) == size:
        return value
    inner = der.read_only(value, tag=der.OCTET_STRING, what="snp vek hardware id").content
    if len(inner) != size:
        raise _malformed(f"a hardware id of {len(inner)} bytes against {size}", "hardware-id")
    return inner


def _required(values: Mapping[bytes, bytes], name: str) -> bytes:
    found = values.get(_ENCODED[name])
    if found is None:
        raise _malformed(f"no extension {_BASE}.{name}", "extension")
    return found


def _bits(value: der.Value) -> bytes:
    if value.content[:1] != b"\0":
        raise _malformed("a signature that is not whole bytes", "signature-form")
    return value.content[1:]


def _key(spki: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise _malformed("a key that is none", "key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise _malformed("another kind of key against P-384", "key")
    return key


def _malformed(found: str, cause: str) -> MalformedError:
    return MalformedError(f"snp vek: found {found}", code=f"snp.vek-{cause}")
