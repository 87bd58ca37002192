# SPDX-License-Identifier: Apache-2.0
"""An EPYC made of published keys: any report, any certificate, below our own roots.

Every field of a report and every part of a certificate can be set, so that each
check of the verifier meets evidence that is wrong in that one thing alone.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.sev_snp import table
from cleanroom.attestation.platforms.sev_snp.parse import SigningKey
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.root import Pins
from tests.support import test_pki
from tests.support.der_writer import (
    ia5,
    identifier,
    integer,
    octets,
    pss_sign,
    sequence,
    tlv,
    utc_time,
)
from tests.support.key_usage import key_usage

AT = test_pki.AT
OID = "1.3.6.1.4.1.3704.1"
VCEK, VLEK = SigningKey.VCEK, SigningKey.VLEK
REPORT_DATA = bytes(range(64))
TCB = {
    Product.MILAN: bytes.fromhex("04000000000018db"),
    Product.GENOA: bytes.fromhex("0a00000000001754"),
    Product.TURIN: bytes.fromhex("0102000300000047"),
}
CPUID = {Product.MILAN: "190101", Product.GENOA: "191101", Product.TURIN: "1a0200"}
NAMES = {Product.MILAN: "Milan-B0", Product.GENOA: "Genoa", Product.TURIN: "Turin"}
TCB_NAMES = {
    Product.MILAN: ("3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8"),
    Product.GENOA: ("3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8"),
    Product.TURIN: ("3.9", "3.1", "3.2", "3.3", "3.5", "3.6", "3.7", "3.8"),
}
PSS = sequence(
    identifier("1.2.840.113549.1.1.10"),
    sequence(
        tlv(0xA0, sequence(identifier("2.16.840.1.101.3.4.2.2"), tlv(0x05))),
        tlv(
            0xA1,
            sequence(
                identifier("1.2.840.113549.1.1.8"),
                sequence(identifier("2.16.840.1.101.3.4.2.2"), tlv(0x05)),
            ),
        ),
        tlv(0xA2, integer(48)),
    ),
)

_GUIDS = {"vcek": table.VCEK, "vlek": table.VLEK, "ask": table.ASK, "ark": table.ARK}
_OFFSETS: Mapping[str, tuple[int, int]] = {
    "version": (0x000, 4),
    "guest_svn": (0x004, 4),
    "policy": (0x008, 8),
    "family_id": (0x010, 16),
    "image_id": (0x020, 16),
    "vmpl": (0x030, 4),
    "algorithm": (0x034, 4),
    "current_tcb": (0x038, 8),
    "platform_info": (0x040, 8),
    "key_info": (0x048, 4),
    "zero_4c": (0x04C, 4),
    "report_data": (0x050, 64),
    "measurement": (0x090, 48),
    "host_data": (0x0C0, 32),
    "id_key": (0x0E0, 48),
    "author_key": (0x110, 48),
    "report_id": (0x140, 32),
    "report_id_ma": (0x160, 32),
    "reported_tcb": (0x180, 8),
    "cpuid": (0x188, 3),
    "zero_18b": (0x18B, 21),
    "chip_id": (0x1A0, 64),
    "committed_tcb": (0x1E0, 8),
    "current_build": (0x1E8, 3),
    "committed_build": (0x1EC, 3),
    "launch_tcb": (0x1F0, 8),
    "launch_mitigations": (0x1F8, 8),
    "current_mitigations": (0x200, 8),
    "zero_208": (0x208, 152),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Our ARK, ASK and ASVK of one product.

    Attributes:
        ark: The root.
        ask: Issues VCEKs.
        asvk: Issues VLEKs.
    """

    ark: test_pki.Authority
    ask: test_pki.Authority
    asvk: test_pki.Authority

    @property
    def pins(self) -> Pins:
        """What a verifier under test gets instead of AMD's."""
        return Pins(ark=self.ark.pin, ask=self.ask.pin, asvk=self.asvk.pin)

    def middle(self, kind: SigningKey) -> test_pki.Authority:
        """Return the issuer of a kind of key."""
        return self.ask if kind is VCEK else self.asvk

    def chain(self, kind: SigningKey = VCEK) -> bytes:
        """Write the chain as AMD's service does."""
        return self.middle(kind).pem + self.ark.pem


@cache
def roots(product: Product, owner: str = "AMD") -> Roots:
    """Make the three certificates of a product; ``owner`` names another world."""
    usage = (key_usage("key_cert_sign", "crl_sign"), True)
    ark_key, middle_key = _rsa("ark"), _rsa("middle")
    ark = test_pki.make_root(f"{owner} ARK-{product.value}", key=ark_key, extensions=[usage])
    ask, asvk = (
        test_pki.issue(
            f"{owner} {name}-{product.value}",
            issuer=ark,
            key=middle_key,
            ca=True,
            path_length=0,
            extensions=[usage],
        )
        for name in ("SEV", "SEV-VLEK")
    )
    return Roots(ark=ark, ask=ask, asvk=asvk)


def all_pins() -> dict[Product, Pins]:
    """Return the pins of every product."""
    return {product: roots(product).pins for product in Product}


def chip_key(name: str = "chip") -> ec.EllipticCurvePrivateKey:
    """Return the key that signs reports."""
    return test_pki.ec_key(f"snp {name}")


def chip_id(product: Product) -> bytes:
    """Return a chip's identity: 64 bytes, on Turin 8."""
    return bytes(range(1, 9)) * (1 if product is Product.TURIN else 8)


def make_report(
    product: Product = Product.GENOA,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    **changes: bytes | int,
) -> bytes:
    """Make a signed report; ``changes`` set fields by name, before signing."""
    tcb = TCB[product]
    fields: dict[str, bytes | int] = {
        "version": 3,
        "guest_svn": 7,
        "policy": 0x3001F,
        "family_id": b"F" * 16,
        "image_id": b"I" * 16,
        "vmpl": 0,
        "algorithm": 1,
        "current_tcb": tcb,
        "platform_info": 0x25,
        "report_data": REPORT_DATA,
        "measurement": b"M" * 48,
        "host_data": b"H" * 32,
        "id_key": b"K" * 48,
        "author_key": b"A" * 48,
        "report_id": b"R" * 32,
        "report_id_ma": b"\xff" * 32,
        "reported_tcb": tcb,
        "cpuid": bytes.fromhex(CPUID[product]),
        "chip_id": chip_id(product).ljust(64, b"\0"),
        "committed_tcb": tcb,
        "current_build": b"\x28\x37\x01",
        "committed_build": b"\x28\x37\x01",
        "launch_tcb": tcb,
    }
    body = bytearray(0x2A0)
    for name, value in (fields | changes).items():
        offset, size = _OFFSETS[name]
        data = value.to_bytes(size, "little") if isinstance(value, int) else value
        body[offset : offset + size] = data.ljust(size, b"\0")
    return sign_body(bytes(body), key or chip_key())


def sign_body(body: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign 672 bytes as the firmware does."""
    r, s = test_pki.sign_ecdsa(key, body, SHA384())
    numbers = b"".join(number.to_bytes(72, "little") for number in (r, s))
    return body + numbers + bytes(0x4A0 - 0x2A0 - len(numbers))


def vek_extensions(
    product: Product, kind: SigningKey, tcb: bytes, hardware: bytes
) -> dict[str, bytes]:
    """Write a certificate's extensions: identifier below AMD's to DER, or raw bytes."""
    found = {"1": integer(1), "2": ia5(NAMES[product] if kind is VCEK else product.value)}
    found |= {name: integer(number) for name, number in zip(TCB_NAMES[product], tcb, strict=True)}
    if kind is VCEK:
        return found | {"4": hardware}
    return found | {"5": ia5("CN=cloud.example")}


def make_vek(  # noqa: PLR0913 - every part of a certificate, by name
    product: Product = Product.GENOA,
    kind: SigningKey = VCEK,
    *,
    tcb: bytes | None = None,
    hardware: bytes | None = None,
    extensions: Mapping[str, bytes] | None = None,
    twice: bytes = b"",
    issuer: test_pki.Authority | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    spki: bytes | None = None,
    name: str | None = None,
    not_before: dt.datetime = test_pki.NOT_BEFORE,
    not_after: dt.datetime = dt.datetime(2033, 1, 1, tzinfo=dt.UTC),
    algorithm: bytes = PSS,
    salt_bytes: int = 48,
) -> bytes:
    """Make a certificate of a signing key, with serial number zero as AMD does."""
    issuer = issuer or roots(product).middle(kind)
    public = (key or chip_key()).public_key()
    values = extensions or vek_extensions(
        product, kind, tcb or TCB[product], chip_id(product) if hardware is None else hardware
    )
    listed = [sequence(identifier(f"{OID}.{oid}"), octets(data)) for oid, data in values.items()]
    subject = name or f"SEV-{kind.name}"
    signed = sequence(
        tlv(0xA0, integer(2)),
        tlv(0x02, b"\0"),
        algorithm,
        issuer.certificate.subject.public_bytes(),
        sequence(utc_time(not_before), utc_time(not_after)),
        sequence(tlv(0x31, sequence(identifier("2.5.4.3"), tlv(0x0C, subject.encode())))),
        spki or public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        tlv(0xA3, sequence(*listed, twice)),
    )
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    signature = pss_sign(issuer.key, signed, salt_bytes=salt_bytes)
    return sequence(signed, algorithm, tlv(0x03, b"\0", signature))


def make_collateral(
    product: Product = Product.GENOA, kind: SigningKey = VCEK, **changes: bytes
) -> dict[str, bytes]:
    """Make certificate and chain; ``changes`` replace or add items."""
    return {"vek": make_vek(product, kind), "chain": roots(product).chain(kind)} | changes


def make_item(
    product: Product = Product.GENOA, kind: SigningKey = VCEK, **fields: bytes | int
) -> EvidenceItem:
    """Make evidence that verifies, unless ``fields`` spoil the report."""
    if kind is VLEK:
        fields = {"key_info": 1 << 2} | fields
    return EvidenceItem(
        platform="snp",
        report=make_report(product, **fields),
        collateral=make_collateral(product, kind),
    )


def host_table(**pieces: bytes) -> bytes:
    """Make a host's certificate table: VCEK, ASK and ARK of Genoa, or a VLEK alone."""
    if not pieces:
        ours = roots(Product.GENOA)
        pieces = {"vcek": make_vek(), "ask": ours.ask.der, "ark": ours.ark.der}
    head, body, at = b"", b"", 24 * (len(pieces) + 1)
    for name, data in pieces.items():
        head += struct.pack("<16sII", _GUIDS[name].bytes, at + len(body), len(data))
        body += data
    return head + bytes(24) + body


def make_crl(product: Product = Product.GENOA, **changes: object) -> bytes:
    """Make AMD's revocation list; ``changes`` as in the test PKI."""
    return test_pki.make_crl(roots(product).ark, **changes)  # type: ignore[arg-type]


@cache
def _rsa(name: str) -> rsa.RSAPrivateKey:
    return test_pki.rsa_key(f"snp {name}")
