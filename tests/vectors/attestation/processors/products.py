# SPDX-License-Identifier: Apache-2.0
"""Processors and states of firmware that differ from the usual machine in one thing.

Models that share a product's keys, versions of reports and quotes, clouds' keys, and every
state that Intel's collateral can give a platform or its quoting enclave.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cleanroom.attestation.evidence import EvidenceItem
from tests.support import dcap_forge, snp_forge
from tests.support.dcap_forge import Wrong, certificate, intel
from tests.support.processor_line import BINDING, snp_item, tdx_item, with_collateral

GENOA, TURIN = snp_forge.Product.GENOA, snp_forge.Product.TURIN
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"
Case = tuple[str, str, EvidenceItem]

_CHIP = snp_forge.chip_id(GENOA)
_BERGAMO, _TURIN_DENSE = b"\x19\xa0\x02", b"\x1a\x11\x00"
# TDATTRIBUTES: HGS_PLUS_PROF, PERF_PROF and PMT_PROF let the host profile the guest.
_PROFILED = {"hgs": 1 << 4, "counters": 1 << 5, "telemetry": 1 << 6}
_UNKNOWN_ATTRIBUTES = {"weakening": 1 << 23, "reserved": 1 << 40}
_PLAIN = 1 << 28
_QE_STATES = ("OutOfDate", "SWHardeningNeeded", "ConfigurationNeeded")
_PLATFORM_STATES = (
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
)


def product_cases() -> Iterator[Case]:
    """Make every case."""
    yield from _amd()
    yield from _amd_keys()
    yield from _quotes()
    yield from _states()


def _amd() -> Iterator[Case]:
    yield "snp-bergamo", "success", snp_item(cpuid=_BERGAMO)
    siena = snp_forge.vek_extensions(GENOA, snp_forge.VCEK, snp_forge.TCB[GENOA], _CHIP)
    named = snp_forge.make_vek(extensions=siena | {"2": snp_forge.ia5("Siena-B2")})
    yield "snp-siena", "success", with_collateral(snp_item(cpuid=_BERGAMO), vek=named)
    stray = snp_forge.make_vek(extensions=siena | {"2": snp_forge.ia5("Genoax")})
    yield "snp-stray-name", f"{MALFORMED} snp.product", with_collateral(snp_item(), vek=stray)
    yield "snp-turin-dense", "success", snp_item(TURIN, cpuid=_TURIN_DENSE, version=5)
    yield "snp-version-4", "success", snp_item(version=4)
    # A later model may write its versions otherwise: refused by name, never guessed.
    later = snp_item(TURIN, cpuid=b"\x1a\x12\x00")
    yield "snp-later-model", f"{MALFORMED} snp.product", later
    early = snp_item(version=4, current_mitigations=1)
    yield "snp-early-mitigations", f"{MALFORMED} snp.reserved", early
    # Bits that inform and that nobody knows yet are kept; bits that permit are not.
    yield "snp-new-platform-bit", "success", snp_item(platform_info=0x25 | 1 << 9)
    newer = snp_item(policy=0x3001F | 1 << 26)
    yield "snp-new-policy-bit", f"{MALFORMED} snp.policy", newer
    turin = snp_item(TURIN)
    rolled_back = bytes.fromhex("0002000300000047")
    older = snp_item(TURIN, reported_tcb=rolled_back)
    yield "snp-turin-fmc-mismatch", f"{INTEGRITY} snp.tcb", older
    certified = snp_forge.make_vek(TURIN, tcb=rolled_back)
    yield (
        "snp-turin-fmc",
        f"{REFUSED} attestation.snp-tcb-fmc",
        with_collateral(older, vek=certified),
    )
    wide = snp_forge.make_vek(TURIN, hardware=bytes(range(64)))
    yield "snp-turin-wide-chip", f"{MALFORMED} der.malformed", with_collateral(turin, vek=wide)
    boxed = snp_forge.make_vek(TURIN, hardware=snp_forge.octets(snp_forge.chip_id(TURIN)))
    yield "snp-turin-boxed-chip", "success", with_collateral(turin, vek=boxed)


def _amd_keys() -> Iterator[Case]:
    for product in (GENOA, TURIN):
        name = product.value.lower()
        vlek = snp_forge.make_item(product, snp_forge.VLEK, report_data=BINDING, chip_id=0)
        listed = with_collateral(vlek, crl=snp_forge.make_crl(product))
        # Genuine up to the root; the contract agreed to a chip's own key.
        yield f"snp-{name}-vlek", f"{REFUSED} attestation.snp-signing-key", listed
    masked = snp_item(key_info=1 << 1, chip_id=0)
    yield "snp-masked-key", f"{REFUSED} snp.chip-masked", masked


def _quotes() -> Iterator[Case]:
    body = dcap_forge.domain(report_data=BINDING)
    yield "tdx-5-body-1-0", "success", dcap_forge.make_item(version=5, wrong=Wrong(body=body))
    later = dcap_forge.make_item(version=5, wrong=Wrong(body=body, body_type=4))
    yield "tdx-later-body", f"{MALFORMED} dcap.body", later
    for name, bit in _PROFILED.items():
        item = replace(tdx_item(attributes=_PLAIN | bit), collateral={})
        yield f"tdx-profiled-{name}", f"{REFUSED} attestation.debug", item
    moved = tdx_item(attributes=_PLAIN | 1 << 29)
    yield "tdx-migratable", f"{REFUSED} dcap.migratable", moved
    for name, bit in _UNKNOWN_ATTRIBUTES.items():
        item = tdx_item(attributes=_PLAIN | bit)
        yield f"tdx-{name}-attribute", f"{REFUSED} dcap.attributes", item
    key_type = dcap_forge.make_quote(wrong=Wrong(body=body, types=(6, 4)))
    unchained = replace(tdx_item(), report=key_type)
    yield "tdx-other-certification", f"{MALFORMED} dcap.certification-type", unchained
    pem = json.loads(dcap_forge.make_collateral())
    lists = {name: _pem_list(bytes.fromhex(pem[name])) for name in ("root_ca_crl", "pck_crl")}
    written = with_collateral(tdx_item(), dcap=json.dumps(pem | lists).encode())
    yield "tdx-lists-as-pem", "success", written
    yield "tdx-processor-ca", "success", _processor_ca(body)


def _pem_list(encoded: bytes) -> str:
    text = base64.encodebytes(encoded).decode()
    return f"-----BEGIN X509 CRL-----\n{text}-----END X509 CRL-----\n"


def _processor_ca(body: bytes) -> EvidenceItem:
    ours = intel()
    processor = certificate("Intel SGX PCK Processor CA", issuer=ours.root)
    pck = dcap_forge.make_pck(issuer=processor)
    chain = pck.pem + processor.pem + ours.root.pem
    return replace(
        tdx_item(),
        report=dcap_forge.make_quote(wrong=Wrong(body=body, pck=pck, chain=chain)),
        collateral={
            "dcap": dcap_forge.make_collateral(
                pck_crl_issuer_chain=(processor.pem + ours.root.pem).decode(),
                pck_list=dcap_forge.make_crl(processor),
            )
        },
    )


def _states() -> Iterator[Case]:
    for state in _PLATFORM_STATES:
        info = dcap_forge.tcb_info(dcap_forge.TDX)
        current: dict[str, Any] = info["tcbLevels"][0]
        info["tcbLevels"] = [current | {"tcbStatus": state, "advisoryIDs": ["INTEL-SA-00837"]}]
        expect = f"{REFUSED} attestation.tdx-tcb-status"
        yield f"tdx-platform-{state.lower()}", expect, _with_info(info)
    for state in _QE_STATES:
        identity = dcap_forge.qe_identity(dcap_forge.TDX)
        identity["tcbLevels"][0]["tcbStatus"] = state
        collateral = dcap_forge.make_collateral(identity_members=identity)
        item = with_collateral(tdx_item(), dcap=collateral)
        cause = "attestation.tdx-tcb-status" if state == "OutOfDate" else "dcap.qe-status"
        yield f"tdx-qe-{state.lower()}", f"{REFUSED} {cause}", item
    for where in ("platform", "qe", "module"):
        yield f"tdx-{where}-revoked", f"{REFUSED} dcap.revoked", _revoked(where)
    info = dcap_forge.tcb_info(dcap_forge.TDX)
    info["tdxModuleIdentities"][0]["tcbLevels"][0]["tcbStatus"] = "OutOfDate"
    yield "tdx-module-outofdate", f"{REFUSED} attestation.tdx-tcb-status", _with_info(info)
    info = dcap_forge.tcb_info(dcap_forge.TDX)
    info["tdxModuleIdentities"][0]["id"] = "TDX_07"
    yield "tdx-module-unlisted", f"{REFUSED} dcap.module", _with_info(info)
    advised = dcap_forge.tcb_info(dcap_forge.TDX)
    advised["tcbLevels"][0]["advisoryIDs"] = ["INTEL-SA-00837"]
    yield "tdx-advisory", f"{REFUSED} attestation.tdx-advisory", _with_info(advised)


def _revoked(where: str) -> EvidenceItem:
    info, identity = dcap_forge.tcb_info(dcap_forge.TDX), dcap_forge.qe_identity(dcap_forge.TDX)
    levels = {
        "platform": info["tcbLevels"],
        "qe": identity["tcbLevels"],
        "module": info["tdxModuleIdentities"][0]["tcbLevels"],
    }[where]
    levels[0]["tcbStatus"] = "Revoked"
    collateral = dcap_forge.make_collateral(tcb_info_members=info, identity_members=identity)
    return with_collateral(tdx_item(), dcap=collateral)


def _with_info(info: dict[str, Any]) -> EvidenceItem:
    return with_collateral(tdx_item(), dcap=dcap_forge.make_collateral(tcb_info_members=info))
