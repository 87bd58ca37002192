# SPDX-License-Identifier: Apache-2.0
"""Reports, chains, manifests and answers as NVIDIA's own tools and services hand them out.

Sorting files is a convenience: whatever lands under a wrong name is refused there.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from cleanroom.attestation.certificates import is_one_of, load_pem_certificates
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu.manifest import signers_of
from cleanroom.attestation.platforms.nvidia_gpu.parse import (
    CHIP_SKU,
    DRIVER_VERSION,
    PROJECT,
    PROJECT_SKU,
    GpuReport,
    driver_version,
    named_chip,
    parse_report,
    text_of,
    vbios_version,
)
from cleanroom.attestation.platforms.nvidia_gpu.revocation import answered_serial
from cleanroom.attestation.platforms.nvidia_gpu.root import DEVICE_ROOT, RIM_ROOT, SWITCH
from cleanroom.attestation.platforms.nvidia_gpu.verify import (
    CHAIN,
    DRIVER_RIM,
    OCSP,
    VBIOS_RIM,
    chip_of,
)
from cleanroom.attestation.platforms.text_forms import decoded_text, require_pairs
from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.kernel.strict_json import parse_json

RIM_SERVICE = "https://rim.attestation.nvidia.com/v1/rim/"
OCSP_SERVICE = "https://ocsp.ndis.nvidia.com/"
# Member of a request to that service that holds the devices.
LISTED = "evidence_list"
_ROOTS = frozenset({DEVICE_ROOT, RIM_ROOT})
_REQUEST = b"\x11\xe0\x01\xff"
_PEM = b"-----BEGIN CERTIFICATE"
_DER = b"\x30"
# Five pairs of hexadecimal digits: no driver has such a version.
_GPU = "NV_GPU_VBIOS"
_VBIOS = re.compile(rb'colloquialVersion="[0-9A-Fa-f]{2}(\.[0-9A-Fa-f]{2}){4}"')


def recognises(kind: str, data: bytes) -> bool:
    """Tell whether bytes look like a device's report or NVIDIA's JSON around some; decides nothing.

    A GPU says which driver it runs with, a switch has none; the JSON names the chip.
    """
    text = data.lstrip()
    if text.startswith((b"[", b"{")):
        named = b'"evidence"' in text and b'"certificate"' in text
        return named and (b'"LS10"' in text) == (kind == SWITCH)
    raw = _raw_report(data)
    if not raw.startswith(_REQUEST):
        return False
    try:
        return (DRIVER_VERSION in parse_report(raw).opaque) != (kind == SWITCH)
    except MalformedError:
        return kind != SWITCH


def make_item(kind: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of one device's files.

    Args:
        kind: ``nvidia-gpu`` or ``nvidia-switch``.
        report: Raw, as hexadecimal or base64 text, or the JSON that NVIDIA's tools write.
        files: Certificates, manifests and OCSP answers, in any order.

    Raises:
        MalformedError: JSON of several devices, two files of one sort, or one of none.
    """
    collateral: dict[str, bytes] = {}
    if report.lstrip().startswith((b"[", b"{")):
        report, collateral[CHAIN] = _from_json(report.strip())
    require_pairs(report, what="nvidia report")
    answers = 0
    # The same file twice is one all the same: given by hand and kept by an operator.
    for file in dict.fromkeys(files):
        if is_one_of(file, _ROOTS):
            continue
        name, data = _sorted(file)
        if name == "ocsp":
            name, answers = f"ocsp-{answers}", answers + 1
        if name in collateral:
            raise MalformedError(
                f"{kind} collateral: found two of {name}, agreed one", code="nvidia.collateral"
            )
        collateral[name] = data
    return EvidenceItem(platform=kind, report=_raw_report(report), collateral=collateral)


def requests_for(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List the manifests that a report names, and answers about every certificate there is.

    Who signed a manifest is known once the manifest is there, so its signers are asked
    about in a second round.

    Raises:
        MalformedError: Report, chain or a manifest not of its format, or no chain.
    """
    report = parse_report(item.report)
    if CHAIN not in item.collateral:
        raise MalformedError(
            f"{item.platform} evidence: found a report without its certificates, agreed both",
            code="nvidia.no-chain",
            hint="give the device's certificate chain with --collateral; only the machine has it",
        )
    chain = load_pem_certificates(item.collateral[CHAIN].rstrip(b"\0"), what="nvidia device")
    # A device makes its leaf at every start, so nobody can list it; a signer's can be.
    chains = [chain[1:]]
    wanted = [] if item.platform == SWITCH else [_driver_request(report, chain[0])]
    wanted.append(_vbios_request(report, "NV_SWITCH_BIOS" if item.platform == SWITCH else _GPU))
    missing = [request for request in wanted if request.name not in item.collateral]
    brought = [name for name in (DRIVER_RIM, VBIOS_RIM) if name in item.collateral]
    chains += [signers_of(item.collateral[name]) for name in brought]
    return (*missing, *_unanswered(item, chains))


def _driver_request(report: GpuReport, leaf: x509.Certificate) -> CollateralRequest:
    chip = named_chip(report, chip_of(leaf))
    return _rim_request(DRIVER_RIM, _driver_name(chip, driver_version(report)))


def _vbios_request(report: GpuReport, family: str) -> CollateralRequest:
    parts = [text_of(report, kind, what="part number") for kind in (PROJECT, PROJECT_SKU, CHIP_SKU)]
    vbios = vbios_version(report).replace(".", "")
    return _rim_request(VBIOS_RIM, "_".join((family, *parts, vbios)).upper())


def _unanswered(
    item: EvidenceItem, chains: Sequence[tuple[x509.Certificate, ...]]
) -> tuple[CollateralRequest, ...]:
    answered = {
        answered_serial(data) for name, data in item.collateral.items() if OCSP.fullmatch(name)
    }
    # Both manifests are signed below the same authorities.
    pairs = dict.fromkeys(pair for chain in chains for pair in itertools.pairwise(chain))
    # Numbered by their place, so that the same question has the same name in every round.
    return tuple(
        _ocsp_request(f"ocsp-{number}", certificate, issuer)
        for number, (certificate, issuer) in enumerate(pairs)
        if certificate.serial_number not in answered
    )


def _from_json(data: bytes) -> tuple[bytes, bytes]:
    value = parse_json(data, what="nvidia evidence", limit=MAX_EVIDENCE_BYTES)
    # What is sent to NVIDIA's service has the devices in a member, beside an unsigned nonce.
    listed = value.get(LISTED) if isinstance(value, dict) else value
    devices = listed if isinstance(listed, list) else [value]
    if len(devices) != 1 or not isinstance(devices[0], dict):
        raise MalformedError(
            f"nvidia evidence: found {len(devices)} devices, agreed one",
            code="nvidia.devices",
            hint="verify the devices of a list one by one",
        )
    texts = [devices[0].get(name) for name in ("evidence", "certificate")]
    report, chain = (
        decode_base64(text if isinstance(text, str) else "-", what="nvidia evidence")
        for text in texts
    )
    return report, chain


def _raw_report(data: bytes) -> bytes:
    return data if data.startswith(_REQUEST) else decoded_text(data)


def manifest_in(file: bytes) -> bytes:
    """Return the manifest that a file is, in any usual encoding.

    Raises:
        MalformedError: Another kind of file.
    """
    name, data = _sorted(file)
    if name not in {DRIVER_RIM, VBIOS_RIM}:
        raise MalformedError(
            f"nvidia manifest: found {name}, agreed a manifest", code="nvidia.manifest"
        )
    return data


def _sorted(file: bytes) -> tuple[str, bytes]:
    data = file if file.lstrip().startswith((b"<", b"{", _PEM, _DER)) else decoded_text(file)
    text = data.lstrip()
    if text.startswith(b"{"):
        # The RIM service answers with JSON around the document.
        members = parse_json(text, what="nvidia manifest", limit=MAX_EVIDENCE_BYTES)
        rim = members.get("rim")
        text = decode_base64(rim if isinstance(rim, str) else "-", what="nvidia manifest")
        data = text
    if text.startswith(_PEM):
        return CHAIN, data
    if text.startswith(b"<"):
        return (VBIOS_RIM if _VBIOS.search(text) else DRIVER_RIM), data
    if data.startswith(_DER):
        return "ocsp", data
    raise MalformedError(
        "nvidia collateral: found a file that is neither chain, manifest nor OCSP answer,"
        " agreed one of them",
        code="nvidia.collateral",
    )


def _driver_name(chip: str, version: str) -> str:
    # Hopper's manifests keep the name that they had before there were others.
    prefix = "NV_GPU_DRIVER" if chip.startswith("GH") else "NV_GPU_CC_DRIVER"
    return f"{prefix}_{chip}_{version}"


def _rim_request(name: str, document: str) -> CollateralRequest:
    return CollateralRequest(
        name=name, url=RIM_SERVICE + document, method="GET", headers={}, body=b""
    )


def _ocsp_request(
    name: str, certificate: x509.Certificate, issuer: x509.Certificate
) -> CollateralRequest:
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA384())
    return CollateralRequest(
        name=name,
        url=OCSP_SERVICE,
        method="POST",
        headers={"Content-Type": "application/ocsp-request"},
        body=request.build().public_bytes(Encoding.DER),
        dated=True,
    )
