# SPDX-License-Identifier: Apache-2.0
"""NVIDIA devices, manifests and revocation answers of the project's own making.

Manifests are written as text that is canonical already, and signed with what a
reader of the standard would compute by hand: nothing of the verifier's own
canonicalisation is used to make what it is tested with.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu.verify import NvidiaVerifier
from tests.support.test_pki import AT, Authority, issue, make_root, sign_ecdsa

NONCE = bytes(range(32))
DRIVER = "570.01.02"
VBIOS = "96.00.AB.00.01"
FWID = hashlib.sha384(b"firmware").digest()
SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
HASH = "http://www.w3.org/2001/04/xmlenc#sha384"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/2006/12/xml-c14n11"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
ENVELOPED = f"{DSIG}enveloped-signature"


def measurement(index: int) -> bytes:
    """Return what a good device measures at an SPDM index."""
    return hashlib.sha384(f"measurement {index}".encode()).digest()


# Manifest index to values, as a good pair of manifests has them: from 0, decoder at 35.
DRIVER_VALUES = {3: [measurement(4)], 4: [bytes(48), measurement(5)], 35: [bytes(48)]}
VBIOS_VALUES = {0: [measurement(1)], 1: [measurement(2), bytes(48)]}


def composite_device_id(fwid: bytes = FWID) -> bytes:
    """Write the extension 2.23.133.5.4.1 with a firmware id."""
    return _sequence(b"\x02\x01\x01", _sequence(b"\x05\x00"), _fwid(fwid))


def dice_tcb_info(fwid: bytes = FWID) -> bytes:
    """Write the extension 2.23.133.5.4.1.1 with a list of one firmware id."""
    return _sequence(_tlv(0x80, b"NVIDIA"), _tlv(0xA6, _fwid(fwid)))


def extension(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    """Wrap bytes as an extension."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


@lru_cache
def device_chain(
    chip: str = "GH100",
    *,
    root: str = "device root",
    oid: str = "2.23.133.5.4.1",
    value: bytes | None = None,
    critical: bool = False,
) -> tuple[Authority, ...]:
    """Issue a device's chain, leaf first, root last."""
    fwid = (dice_tcb_info if oid.endswith(".1.1") else composite_device_id)()
    extensions = [(SIGNING, True), (extension(oid, fwid if value is None else value), critical)]
    top = make_root(root)
    identity = issue(f"{root} identity", issuer=top, ca=True)
    provisioner = issue(f"{root} provisioner", issuer=identity, ca=True)
    boot_rom = issue(f"{root} {chip} boot rom", issuer=provisioner, ca=True)
    leaf = issue(f"{chip} A01 GSP FMC LF", issuer=boot_rom, extensions=extensions)
    return leaf, boot_rom, provisioner, identity, top


def chain_pem(chain: Sequence[Authority]) -> bytes:
    """Write a chain as PEM."""
    return b"".join(item.pem for item in chain)


def opaque(
    *, driver: str = DRIVER, vbios: str = VBIOS, **changes: bytes | None
) -> dict[int, bytes]:
    """Make opaque data; ``f20=None`` leaves field 20 out, ``f20=b'..'`` sets it."""
    numbers = [int(part, 16) for part in vbios.split(".")]
    fields: dict[int, bytes | None] = {
        3: driver.encode() + b"\0",
        6: bytes((*numbers[3::-1], numbers[4], 0, 0, 0)),
        11: b"\x55",
        15: b"882\0\0\0",
        17: b"1010\0",
        18: b"0200\0",
        20: FWID,
        21: b"\x55",
        36: b"\0\0",
    }
    fields |= {int(name[1:]): value for name, value in changes.items()}
    return {kind: value for kind, value in fields.items() if value is not None}


def make_report(
    chain: Sequence[Authority] | None = None,
    *,
    nonce: bytes = NONCE,
    fields: Mapping[int, bytes] | None = None,
    measurements: Mapping[int, bytes] | None = None,
    slot: int = 0,
) -> bytes:
    """Sign a report over a request with a nonce."""
    key = (chain or device_chain())[0].key
    values = {index: measurement(index) for index in range(1, 9)}
    signed = request_bytes(nonce, slot=slot) + response_bytes(
        values if measurements is None else measurements,
        opaque() if fields is None else fields,
        slot=slot,
    )
    r, s = sign_ecdsa(key, signed, hashes.SHA384())
    return signed + r.to_bytes(48, "big") + s.to_bytes(48, "big")


def request_bytes(nonce: bytes = NONCE, *, slot: int = 0) -> bytes:
    """Write the SPDM request."""
    return b"\x11\xe0\x01\xff" + nonce + bytes([slot])


def response_bytes(
    measurements: Mapping[int, bytes], fields: Mapping[int, bytes], *, slot: int = 0
) -> bytes:
    """Write the SPDM response without its signature."""
    record = b"".join(
        struct.pack("<BBHBH", index, 1, len(value) + 3, 1, len(value)) + value
        for index, value in measurements.items()
    )
    data = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in fields.items())
    return (
        bytes([0x11, 0x60, 0, slot, len(measurements)])
        + len(record).to_bytes(3, "little")
        + record
        + bytes(range(100, 132))
        + len(data).to_bytes(2, "little")
        + data
    )


@lru_cache
def rim_chain(root: str = "rim root", *, signer: str = "rim signer") -> tuple[Authority, ...]:
    """Issue a manifest signer's chain, leaf first, root last."""
    top = make_root(root)
    middle = issue(f"{root} reference values", issuer=top, ca=True)
    low = issue(f"{root} reference values of one chip", issuer=middle, ca=True, path_length=0)
    return issue(f"{root} {signer}", issuer=low, extensions=[(SIGNING, True)]), low, middle, top


def resource(index: int, values: Sequence[bytes], *, active: bool = True) -> str:
    """Write one measurement of a manifest, canonical."""
    hexes = "".join(f' h:Hash{number}="{value.hex()}"' for number, value in enumerate(values))
    return (
        f'<Resource active="{active}" alternatives="{len(values)}" index="{index}"'
        f' name="Measurement_{index}" size="48" type="Measurement"{hexes}></Resource>\n'
    )


def manifest_body(
    values: Mapping[int, Sequence[bytes]],
    *,
    version: str,
    product: str = "GH100",
    spare: int = 60,
) -> tuple[str, str]:
    """Write a manifest without its signature: what stands before that, and behind."""
    resources = "".join(resource(index, item) for index, item in values.items())
    before = (
        f'<SoftwareIdentity xmlns="{SWID}" xmlns:h="{HASH}" name="{product}">\n'
        f'<Meta colloquialVersion="{version}" product="{product}"></Meta>\n'
        f"<Payload>\n{resources}{resource(spare, [bytes(48)], active=False)}</Payload>\n"
    )
    return before, "</SoftwareIdentity>"


def signed_info(digest: bytes) -> str:
    """Write SignedInfo as it stands in a document."""
    return (
        f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{ECDSA}"></ds:SignatureMethod>'
        f'<ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
        f'<ds:Transform Algorithm="{C14N}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA384}"></ds:DigestMethod>'
        f"<ds:DigestValue>{base64.b64encode(digest).decode()}</ds:DigestValue>"
        "</ds:Reference></ds:SignedInfo>"
    )


def sign_info(info: str, chain: Sequence[Authority]) -> str:
    """Sign SignedInfo in the canonical form that it has below our document's root."""
    scope = f'<ds:SignedInfo xmlns="{SWID}" xmlns:ds="{DSIG}" xmlns:h="{HASH}">'
    octets = info.replace("<ds:SignedInfo>", scope).encode()
    r, s = sign_ecdsa(chain[0].key, octets, hashes.SHA384())
    return base64.b64encode(r.to_bytes(48, "big") + s.to_bytes(48, "big")).decode()


def signature_element(info: str, value: str, chain: Sequence[Authority]) -> str:
    """Write the signature element."""
    certificates = "".join(
        f"<ds:X509Certificate>{base64.b64encode(item.der).decode()}</ds:X509Certificate>"
        for item in chain
    )
    return (
        f'<ds:Signature xmlns:ds="{DSIG}">{info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"<ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def make_manifest(
    body: tuple[str, str],
    chain: Sequence[Authority] | None = None,
    *,
    info: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Sign a manifest.

    Args:
        body: What stands before and behind the signature.
        chain: The signer's.
        info: Replacements in SignedInfo, made before it is signed.
    """
    chain = chain or rim_chain()
    before, behind = body
    text = signed_info(hashlib.sha384((before + behind).encode()).digest())
    for old, new in info:
        assert old in text, old
        text = text.replace(old, new)
    return (before + signature_element(text, sign_info(text, chain), chain) + behind).encode()


@lru_cache
def driver_rim(version: str = DRIVER, product: str = "GH100") -> bytes:
    """Make the good driver manifest."""
    return make_manifest(manifest_body(DRIVER_VALUES, version=version, product=product))


@lru_cache
def vbios_rim(version: str = VBIOS, product: str = "GH100") -> bytes:
    """Make the good VBIOS manifest."""
    return make_manifest(manifest_body(VBIOS_VALUES, version=version, product=product))


def make_answer(
    subject: Authority,
    issuer: Authority,
    *,
    signer: Authority | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    reason: x509.ReasonFlags | None = None,
    this_update: dt.datetime = AT - dt.timedelta(hours=1),
    next_update: dt.datetime | None = AT + dt.timedelta(hours=1),
    algorithm: hashes.HashAlgorithm | None = None,
    embed: bool = True,
    signed_with: hashes.HashAlgorithm | None = None,
) -> bytes:
    """Sign an OCSP answer about a certificate; without a signer its issuer does."""
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    by = signer or issuer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=subject.certificate,
            issuer=issuer.certificate,
            algorithm=algorithm or hashes.SHA384(),
            cert_status=status,
            this_update=this_update,
            next_update=next_update,
            revocation_time=this_update if revoked else None,
            revocation_reason=reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, by.certificate)
    )
    if signer is not None and embed:
        builder = builder.certificates([signer.certificate])
    return builder.sign(by.key, signed_with or hashes.SHA384()).public_bytes(Encoding.DER)


def make_responder(issuer: Authority, name: str = "responder", **changes: object) -> Authority:
    """Issue a certificate for answering."""
    usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING])
    given = {"extensions": [(usage, False)]} | changes
    return issue(name, issuer=issuer, **given)  # type: ignore[arg-type]


def all_answers(chains: Sequence[Sequence[Authority]]) -> dict[str, bytes]:
    """Answer well for every certificate that can be asked about."""
    asked = [
        (chain[depth], chain[depth + 1])
        for number, chain in enumerate(chains)
        for depth in range(0 if number else 1, len(chain) - 1)
    ]
    return {f"ocsp-{number}": make_answer(*pair) for number, pair in enumerate(asked)}


def make_item(
    kind: str = "nvidia-gpu", *, report: bytes | None = None, **collateral: bytes
) -> EvidenceItem:
    """Put evidence together; a name's underscores become hyphens."""
    given = {"chain": chain_pem(device_chain())} | collateral
    return EvidenceItem(
        platform=kind,
        report=make_report() if report is None else report,
        collateral={name.replace("_", "-"): data for name, data in given.items()},
    )


def make_verifier(kind: str = "nvidia-gpu") -> NvidiaVerifier:
    """Believe the project's own roots."""
    return NvidiaVerifier(
        kind=kind, device_root=device_chain()[-1].pin, rim_root=rim_chain()[-1].pin
    )


def spki(authority: Authority) -> bytes:
    """Return a certificate's public key as DER."""
    return authority.certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )


def _fwid(digest: bytes) -> bytes:
    return _sequence(bytes.fromhex("0609608648016503040202"), _tlv(0x04, digest))


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _tlv(tag: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([tag, len(content)]) + content
