# SPDX-License-Identifier: Apache-2.0
"""An Intel of published keys: quotes, PCK certificates and collateral below our own root.

Everything can be set, so that each check of the verifiers, ours and the library,
meets evidence that is wrong in that one thing alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.tdx.root import INTEL_PINS, IntelPins
from tests.support import test_pki
from tests.support.der_writer import identifier, integer, octets, sequence, tlv
from tests.support.key_usage import key_usage
from tests.support.test_pki import Authority

AT = test_pki.AT
DAY = dt.timedelta(days=1)
SGX, TDX = 0x00, 0x81
REPORT_DATA = bytes(range(64))
FMSPC, PCEID, PPID = bytes.fromhex("b0c06f000000"), bytes(2), b"P" * 16
OID = "1.2.840.113741.1.13.1"
COMPONENTS = tuple(range(2, 18))
PCESVN = 11
TEE_TCB_SVN = bytes([6, 1, 3]) + bytes(13)
SIGNERS = {SGX: INTEL_PINS.sgx_signer, TDX: INTEL_PINS.tdx_signer}
QE_FLAGS = 0x11


@dataclass(frozen=True, slots=True, kw_only=True)
class Intel:
    """Our hierarchy.

    Attributes:
        root: The root.
        middle: Issues PCK certificates.
        signer: Signs TCB info and identities.
    """

    root: Authority
    middle: Authority
    signer: Authority

    @property
    def pins(self) -> IntelPins:
        """What a verifier under test gets instead of Intel's."""
        return IntelPins(
            root=self.root.pin,
            vendor=INTEL_PINS.vendor,
            sgx_signer=INTEL_PINS.sgx_signer,
            tdx_signer=INTEL_PINS.tdx_signer,
        )


def key(name: str) -> ec.EllipticCurvePrivateKey:
    """Derive a P-256 key from a name."""
    return test_pki.ec_key(f"dcap {name}", ec.SECP256R1)


@cache
def intel(owner: str = "Intel") -> Intel:
    """Make the three authorities; ``owner`` names another world."""
    root = certificate(f"{owner} SGX Root CA", issuer=None)
    return Intel(
        root=root,
        middle=certificate(f"{owner} SGX PCK Platform CA", issuer=root),
        signer=certificate(f"{owner} SGX TCB Signing", issuer=root, ca=False),
    )


def certificate(name: str, *, issuer: Authority | None, **changes: Any) -> Authority:
    """Make a certificate as Intel does; a CA unless ``changes`` say otherwise."""
    ca = changes.get("ca", True)
    usage = (key_usage("key_cert_sign", "crl_sign") if ca else key_usage("digital_signature"), True)
    values: dict[str, Any] = {
        "key": key(name),
        "ca": ca,
        "hash_algorithm": SHA256(),
        "extensions": [usage],
    }
    return test_pki.issue(name, issuer=issuer, **(values | changes))


def sgx_extension(**changes: bytes) -> bytes:
    """Write Intel's extension; ``changes`` replace the DER of a value, or leave it out if empty."""
    tcb = sequence(
        *(
            sequence(identifier(f"{OID}.2.{number}"), integer(svn))
            for number, svn in enumerate(COMPONENTS, 1)
        ),
        sequence(identifier(f"{OID}.2.17"), integer(PCESVN)),
        sequence(identifier(f"{OID}.2.18"), octets(bytes(COMPONENTS))),
    )
    values = {
        "1": octets(PPID),
        "2": tcb,
        "3": octets(PCEID),
        "4": octets(FMSPC),
        "5": tlv(0x0A, b"\x00"),
    } | {name.removeprefix("x"): data for name, data in changes.items()}
    return sequence(
        *(sequence(identifier(f"{OID}.{name}"), data) for name, data in values.items() if data)
    )


def make_pck(*, owner: str = "Intel", extension: bytes | None = None, **changes: Any) -> Authority:
    """Make a PCK certificate."""
    raw = sgx_extension() if extension is None else extension
    listed = [(key_usage("digital_signature"), True)]
    if raw:
        listed.append((x509.UnrecognizedExtension(x509.ObjectIdentifier(OID), raw), False))
    return certificate(
        f"{owner} SGX PCK Certificate",
        issuer=changes.pop("issuer", intel(owner).middle),
        ca=changes.pop("ca", False),
        extensions=listed,
        **changes,
    )


def domain(*, version: int = 10, **changes: bytes | int) -> bytes:
    """Make the body of a trust domain, TDX 1.0 or 1.5."""
    fields: dict[str, bytes | int] = {
        "tee_tcb_svn": TEE_TCB_SVN,
        "mrseam": b"S" * 48,
        "mrsignerseam": bytes(48),
        "seam_attributes": 0,
        "attributes": 1 << 28,
        "xfam": 0xE7,
        "mrtd": b"T" * 48,
        "mrconfigid": b"C" * 48,
        "mrowner": b"O" * 48,
        "mrownerconfig": b"o" * 48,
        "rtmr0": b"0" * 48,
        "rtmr1": b"1" * 48,
        "rtmr2": b"2" * 48,
        "rtmr3": b"3" * 48,
        "report_data": REPORT_DATA,
    } | changes
    body = struct.pack("<16s48s48sQQQ48s48s48s48s48s48s48s48s64s", *fields.values())
    return body if version == 10 else body + TEE_TCB_SVN + bytes(48)


def enclave(**changes: bytes | int) -> bytes:
    """Make the body of an enclave."""
    fields: dict[str, bytes | int] = {
        "cpusvn": bytes(COMPONENTS),
        "miscselect": 0,
        "zero_20": bytes(12),
        "ext_product": bytes(16),
        "flags": 0x05,
        "xfrm": 0xE7,
        "mrenclave": b"E" * 32,
        "zero_96": bytes(32),
        "mrsigner": b"s" * 32,
        "zero_160": bytes(32),
        "config": bytes(64),
        "product_id": 3,
        "svn": 4,
        "config_svn": 0,
        "zero_262": bytes(42),
        "family": bytes(16),
        "report_data": REPORT_DATA,
    } | changes
    return struct.pack("<16sI12s16sQQ32s32s32s32s64sHHH42s16s64s", *fields.values())


def quoting_enclave(tee: int, attestation: bytes, authentication: bytes, **changes: Any) -> bytes:
    """Make the report of the quoting enclave, which vouches for the attestation key."""
    digest = hashlib.sha256(attestation + authentication).digest()
    fields = {
        "flags": QE_FLAGS | 0x04,
        "mrsigner": SIGNERS[tee],
        "product_id": 1 if tee == SGX else 2,
        "svn": 8,
        "report_data": digest + bytes(32),
    }
    return enclave(**(fields | changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What a forger sets in a quote.

    Attributes:
        header: Name of a header field to value.
        enclave: Name of a field of the quoting enclave's report to value.
        body: Replaces the body.
        body_type: Replaces type of a version 5 body.
        pck: Another PCK certificate.
        chain: Replaces the PEM.
        attestation: Another key signs the quote.
        tail: Behind the chain, inside the signature data.
        nested: Behind the certification data of version 4.
        types: Replaces the two certification types.
        authentication: Authentication data.
    """

    header: Mapping[str, int | bytes] | None = None
    enclave: Mapping[str, int | bytes] | None = None
    body: bytes | None = None
    body_type: int | None = None
    pck: Authority | None = None
    chain: bytes | None = None
    attestation: str = "attestation"
    tail: bytes = b""
    nested: bytes = b""
    types: tuple[int, int] = (6, 5)
    authentication: bytes = bytes(range(32))


RIGHT = Wrong()


def make_quote(tee: int = TDX, version: int = 4, *, wrong: Wrong = RIGHT, tdx: int = 10) -> bytes:
    """Make a quote: SGX of version 3, or TDX of version 4 or 5; ``tdx`` is 10 or 15."""
    signed = _signed(tee, version, wrong, tdx)
    attestation, point = key("attestation"), _point(key("attestation"))
    report = quoting_enclave(tee, point, wrong.authentication, **(wrong.enclave or {}))
    pck = wrong.pck or make_pck()
    ours = intel()
    chain = pck.pem + ours.middle.pem + ours.root.pem if wrong.chain is None else wrong.chain
    outer, inner = wrong.types
    certification = (
        report
        + _sign(_ec(pck), report)
        + len(wrong.authentication).to_bytes(2, "little")
        + wrong.authentication
        + struct.pack("<HI", inner, len(chain))
        + chain
        + wrong.tail
    )
    if version > 3:
        certification = struct.pack("<HI", outer, len(certification)) + certification + wrong.nested
    signer = attestation if wrong.attestation == "attestation" else key(wrong.attestation)
    data = _sign(signer, signed) + point + certification
    return signed + len(data).to_bytes(4, "little") + data


def make_collateral(tee: int = TDX, *, owner: str = "Intel", **changes: Any) -> bytes:
    """Make the nine texts; ``changes`` replace a text, a list or members of the signed JSON."""
    ours = intel(owner)
    dates = {
        "issueDate": f"{AT - DAY:%Y-%m-%dT%H:%M:%SZ}",
        "nextUpdate": f"{AT + 30 * DAY:%Y-%m-%dT%H:%M:%SZ}",
        "tcbEvaluationDataNumber": 17,
    }
    info = _dumps(tcb_info(tee) | dates | changes.pop("tcb_info_members", {}))
    identity = _dumps(qe_identity(tee) | dates | changes.pop("identity_members", {}))
    signer = changes.pop("signer", ours.signer)
    chain = (signer.pem + ours.root.pem).decode()
    texts = {
        "pck_crl_issuer_chain": (ours.middle.pem + ours.root.pem).decode(),
        "root_ca_crl": changes.pop("root_crl", make_crl(ours.root)).hex(),
        "pck_crl": changes.pop("pck_list", make_crl(ours.middle)).hex(),
        "tcb_info_issuer_chain": chain,
        "tcb_info": info,
        "tcb_info_signature": _sign(_ec(signer), info.encode()).hex(),
        "qe_identity_issuer_chain": chain,
        "qe_identity": identity,
        "qe_identity_signature": _sign(_ec(signer), identity.encode()).hex(),
    }
    return json.dumps(texts | changes, sort_keys=True).encode()


def tcb_info(tee: int) -> dict[str, Any]:
    """Write what Intel says of a platform's firmware: one current level and one older."""

    def level(less: int, status: str, **more: Any) -> dict[str, Any]:
        tcb: dict[str, Any] = {
            "sgxtcbcomponents": [{"svn": max(svn - less, 0)} for svn in COMPONENTS],
            "pcesvn": PCESVN - less,
        }
        if tee == TDX:
            tcb["tdxtcbcomponents"] = [{"svn": max(svn - less, 0)} for svn in TEE_TCB_SVN]
        return {"tcb": tcb, "tcbDate": "2026-06-01T00:00:00Z", "tcbStatus": status} | more

    info: dict[str, Any] = {
        "id": "TDX" if tee == TDX else "SGX",
        "version": 3,
        "fmspc": FMSPC.hex().upper(),
        "pceId": PCEID.hex(),
        "tcbType": 0,
        "tcbLevels": [
            level(0, "UpToDate"),
            level(1, "OutOfDate", advisoryIDs=["INTEL-SA-00001"]),
        ],
    }
    if tee == TDX:
        module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
        levels = [
            {"tcb": {"isvsvn": 3}, "tcbDate": "2026-06-01T00:00:00Z", "tcbStatus": "UpToDate"}
        ]
        info["tdxModule"] = module
        info["tdxModuleIdentities"] = [module | {"id": "TDX_01", "tcbLevels": levels}]
    return info


def qe_identity(tee: int) -> dict[str, Any]:
    """Write which enclave may quote."""
    return {
        "id": "TD_QE" if tee == TDX else "QE",
        "version": 2,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": SIGNERS[tee].hex().upper(),
        "isvprodid": 2 if tee == TDX else 1,
        "tcbLevels": [
            {"tcb": {"isvsvn": 8}, "tcbDate": "2026-06-01T00:00:00Z", "tcbStatus": "UpToDate"}
        ],
    }


def make_crl(issuer: Authority, **changes: Any) -> bytes:
    """Sign a revocation list as Intel does, with a number and the issuer's key identifier."""
    revoked = changes.get("revoked", ())
    start, end = changes.get("this_update", AT - DAY), changes.get("next_update", AT + 30 * DAY)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(start)
        .next_update(end)
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(_ec(issuer).public_key()),
            critical=False,
        )
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(start)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(_ec(issuer), SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def make_item(tee: int = TDX, version: int = 4, **changes: Any) -> EvidenceItem:
    """Make evidence that verifies, unless ``changes`` of the quote spoil it."""
    return EvidenceItem(
        platform="tdx" if tee == TDX else "sgx-dcap",
        report=make_quote(tee, version, **changes),
        collateral={"dcap": make_collateral(tee)},
    )


def _signed(tee: int, version: int, wrong: Wrong, tdx: int) -> bytes:
    header: dict[str, int | bytes] = {
        "version": version,
        "key_type": 2,
        "tee": tee,
        "reserved": 0,
        "vendor": INTEL_PINS.vendor,
        "user_data": bytes(20),
    } | (wrong.header or {})
    data = struct.pack("<HHII16s20s", *header.values())
    body = wrong.body
    if body is None:
        body = domain(version=tdx) if tee == TDX else enclave()
    if version == 5:
        kind = (
            {584: 2, 648: 3, 885: 4}.get(len(body), 1)
            if wrong.body_type is None
            else wrong.body_type
        )
        data += struct.pack("<HI", kind, len(body))
    return data + body


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps({name: item for name, item in value.items() if item is not None})


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = private.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _sign(private: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = test_pki.sign_ecdsa(private, data, SHA256())
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _ec(authority: Authority) -> ec.EllipticCurvePrivateKey:
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)
    return authority.key
