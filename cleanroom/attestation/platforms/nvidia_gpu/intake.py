# SPDX-License-Identifier: Apache-2.0
"""Reports, chains, manifests and answers as NVIDIA's own tools and services hand them out.

Sorting files is a convenience: whatever lands under a wrong name is refused there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from cleanroom.attestation.certificates import load_pem_certificates
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu.parse import (
    CHIP_SKU,
    DRIVER_VERSION,
    PROJECT,
    PROJECT_SKU,
    driver_version,
    parse_report,
    text_of,
    vbios_version,
)
from cleanroom.attestation.platforms.nvidia_gpu.root import SWITCH
from cleanroom.attestation.platforms.nvidia_gpu.verify import (
    CHAIN,
    DRIVER_RIM,
    VBIOS_RIM,
    chip_of,
)
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import MAX_EVIDENCE_BYTES
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.kernel.strict_json import parse_json

RIM_SERVICE = "https://rim.attestation.nvidia.com/v1/rim/"
OCSP_SERVICE = "https://ocsp.ndis.nvidia.com/"
_REQUEST = b"\x11\xe0\x01\xff"
_PEM = b"-----BEGIN CERTIFICATE"
_DER = b"\x30"
# Five pairs of hexadecimal digits: no driver has such a version.
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
    answers = 0
    for file in files:
        name, data = _sorted(file)
        if name == "ocsp":
            name, answers = f"ocsp-{answers}", answers + 1
        if name in collateral:
            raise MalformedError(
                f"{kind} collateral: found two of {name}", code="nvidia.collateral"
            )
        collateral[name] = data
    return EvidenceItem(platform=kind, report=_raw_report(report), collateral=collateral)


def requests_for(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """List the manifests of the versions that a report names, and answers for its chain.

    Raises:
        MalformedError: Report or chain not of this format.
    """
    report = parse_report(item.report)
    chain = load_pem_certificates(
        item.collateral.get(CHAIN, b"").rstrip(b"\0"), what="nvidia device"
    )
    asked = tuple(
        _ocsp_request(f"ocsp-{number}", chain[number + 1], chain[number + 2])
        for number in range(len(chain) - 2)
    )
    if item.platform == SWITCH:
        return asked
    chip = chip_of(chain[0])
    parts = [text_of(report, kind, what="part number") for kind in (PROJECT, PROJECT_SKU, CHIP_SKU)]
    vbios = vbios_version(report).replace(".", "")
    return (
        _rim_request(DRIVER_RIM, _driver_name(chip, driver_version(report))),
        _rim_request(VBIOS_RIM, "_".join(("NV_GPU_VBIOS", *parts, vbios)).upper()),
        *asked,
    )


def _from_json(data: bytes) -> tuple[bytes, bytes]:
    value = parse_json(data, what="nvidia evidence", limit=MAX_EVIDENCE_BYTES)
    devices = value if isinstance(value, list) else [value]
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
        "nvidia collateral: found a file that is neither chain, manifest nor OCSP answer",
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
    )
