# SPDX-License-Identifier: Apache-2.0
"""Write the vectors of processor evidence: good machines, and each single thing that can be wrong.

Run ``python -m tests.vectors.attestation.processors.generate`` after a change of a
format. Everything is signed below the project's own roots (``tests/support``), whose
pins a verifier gets instead of the vendors'. What is agreed: ``processor_line``.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.kernel.clock import format_time
from tests.support import dcap_forge, snp_forge
from tests.support.azure_forge import LOG, PCRS, TDX, digest_of, jwk, make_claims, make_quote
from tests.support.dcap_forge import DAY, Wrong, intel
from tests.support.dcap_name import chain_beside, pck_name
from tests.support.processor_line import (
    AT,
    BINDING,
    RUNTIME,
    azure_item,
    snp_item,
    tdx_item,
    with_collateral,
)
from tests.support.test_pki import make_crl, rsa_key
from tests.support.tpm_forge import RSA_AK, selection
from tests.support.vector_files import Vector, write_vectors
from tests.vectors.attestation.processors.products import product_cases

DIRECTORY = Path(__file__).parent
GENOA, MILAN, TURIN = snp_forge.Product.GENOA, snp_forge.Product.MILAN, snp_forge.Product.TURIN
MALFORMED, INTEGRITY, REFUSED = "MalformedError", "IntegrityError", "EvidenceRefusedError"
OTHER_AK = replace(RSA_AK, private=rsa_key("snp middle"))
Case = tuple[str, str, EvidenceItem]


@functools.cache
def vectors() -> dict[str, Vector]:
    """Make every vector; deterministic."""
    made: dict[str, Vector] = {}
    sources = (
        _good,
        _snp_reports,
        _snp_chains,
        _quotes,
        _collateral,
        _named_certificates,
        _azure,
        product_cases,
    )
    for source in sources:
        for name, expect, item in source():
            assert name not in made, name
            made[name] = _vector(expect, item)
    made |= {name: _vector(expect, item, at=at) for name, expect, item, at in _times()}
    return made


def _good() -> Iterator[Case]:
    yield "snp-genoa", "success", snp_item()
    yield "snp-turin", "success", snp_item(TURIN)
    yield "snp-genoa-version-5", "success", snp_item(version=5, current_mitigations=1)
    yield "tdx-4", "success", tdx_item()
    body = dcap_forge.domain(version=15, report_data=BINDING)
    yield "tdx-5", "success", dcap_forge.make_item(version=5, wrong=Wrong(body=body))
    yield "tdx-padding", "success", _reported(tdx_item(), tdx_item().report + bytes(39))
    yield "azure-snp", "success", azure_item()
    yield "azure-tdx", "success", azure_item(kind=TDX)


def _snp_reports() -> Iterator[Case]:
    report = snp_item().report
    yield "snp-truncated", f"{MALFORMED} snp.length", _reported(snp_item(), report[:-1])
    yield "snp-trailing", f"{MALFORMED} snp.length", _reported(snp_item(), report + b"\0")
    hidden = report[:-1] + b"\1"
    yield "snp-unsigned-byte", f"{MALFORMED} snp.reserved", _reported(snp_item(), hidden)
    unsigned = report[:0x2A0] + bytes(512)
    yield "snp-unsigned", f"{INTEGRITY} attestation.signature", _reported(snp_item(), unsigned)
    flipped = bytearray(report)
    flipped[0x90] ^= 1
    yield "snp-flipped", f"{INTEGRITY} attestation.signature", _reported(snp_item(), bytes(flipped))
    fields: dict[str, tuple[str, dict[str, Any]]] = {
        "unknown-version": (f"{MALFORMED} snp.version", {"version": 6}),
        "unknown-algorithm": (f"{MALFORMED} snp.algorithm", {"algorithm": 2}),
        "unknown-processor": (f"{MALFORMED} snp.product", {"cpuid": b"\x1a\x50\x00"}),
        "unknown-policy": (f"{MALFORMED} snp.policy", {"policy": 0x3001F | 1 << 40}),
        "no-signing-key": (f"{MALFORMED} snp.signing-key", {"key_info": 7 << 2}),
        "reserved": (f"{MALFORMED} snp.reserved", {"zero_208": b"\1"}),
        "chip-masked": (f"{REFUSED} snp.chip-masked", {"chip_id": 0}),
        "debug": (f"{REFUSED} attestation.debug", {"policy": 0x3001F | 1 << 19}),
        "migratable": (f"{REFUSED} attestation.snp-migration", {"policy": 0x3001F | 1 << 18}),
        "vmpl": (f"{REFUSED} attestation.snp-vmpl", {"vmpl": 1}),
        "measurement": (f"{REFUSED} attestation.snp-launch", {"measurement": b"x" * 48}),
        "host-data": (f"{REFUSED} attestation.snp-host-data", {"host_data": b"x" * 32}),
        "aliases": (f"{REFUSED} attestation.snp-alias-check", {"platform_info": 1}),
        "binding": (f"{REFUSED} attestation.binding", {"report_data": bytes(64)}),
        "binding-prefix": (f"{REFUSED} attestation.binding", {"report_data": BINDING[:32]}),
    }
    for name, (expect, changes) in fields.items():
        yield f"snp-{name}", expect, snp_item(**changes)
    yield "snp-milan", f"{REFUSED} attestation.snp-product", snp_item(MILAN)
    old = snp_item(MILAN, version=2, cpuid=0)
    yield "snp-version-2", f"{REFUSED} attestation.snp-report-version", old


def _snp_chains() -> Iterator[Case]:
    stranger = snp_forge.roots(GENOA, "stranger")
    ours = snp_forge.roots(GENOA)
    pieces: dict[str, tuple[str, dict[str, bytes]]] = {
        "other-root": (f"{INTEGRITY} digest.mismatch", {"chain": stranger.chain()}),
        "other-issuer": (
            f"{INTEGRITY} digest.mismatch",
            {"chain": stranger.ask.pem + ours.ark.pem},
        ),
        "wrong-product": (
            f"{INTEGRITY} snp.product-mismatch",
            {"vek": snp_forge.make_vek(MILAN), "chain": snp_forge.roots(MILAN).chain()},
        ),
        "tcb-mismatch": (
            f"{INTEGRITY} snp.tcb",
            {"vek": snp_forge.make_vek(tcb=bytes.fromhex("0a00000000001755"))},
        ),
        "other-chip": (f"{INTEGRITY} snp.chip", {"vek": snp_forge.make_vek(hardware=b"x" * 64)}),
        "other-key": (
            f"{INTEGRITY} attestation.signature",
            {"vek": snp_forge.make_vek(key=snp_forge.chip_key("other"))},
        ),
        "forged-certificate": (
            f"{INTEGRITY} attestation.chain",
            {"vek": snp_forge.make_vek(issuer=replace(ours.ask, key=stranger.ark.key))},
        ),
        "vlek-for-vcek": (
            f"{INTEGRITY} snp.signing-key-kind",
            {"vek": snp_forge.make_vek(kind=snp_forge.VLEK), "chain": ours.chain(snp_forge.VLEK)},
        ),
        "revoked": (
            f"{REFUSED} attestation.revoked",
            {"crl": snp_forge.make_crl(revoked=[ours.ask.certificate.serial_number])},
        ),
        "foreign-list": (f"{INTEGRITY} attestation.crl-signature", {"crl": make_crl(stranger.ark)}),
        "unknown-item": (f"{MALFORMED} snp.collateral", {"more": b""}),
    }
    for name, (expect, changes) in pieces.items():
        yield f"snp-{name}", expect, with_collateral(snp_item(), **changes)
    without = {name: data for name, data in snp_item().collateral.items() if name != "crl"}
    bare = replace(snp_item(), collateral=without)
    yield "snp-no-list", f"{REFUSED} attestation.snp-revocation-list", bare
    vlek = snp_forge.make_item(GENOA, snp_forge.VLEK, report_data=BINDING)
    yield (
        "snp-cloud-key",
        f"{REFUSED} attestation.snp-signing-key",
        with_collateral(vlek, crl=snp_forge.make_crl()),
    )


def _quotes() -> Iterator[Case]:
    body = dcap_forge.domain(report_data=BINDING)
    item = tdx_item()
    yield "tdx-truncated", f"{MALFORMED} dcap.truncated", _reported(item, item.report[:-1])
    enclave = _reported(item, dcap_forge.make_quote(dcap_forge.SGX, 3))
    yield "tdx-wrong-kind", f"{MALFORMED} dcap.kind", enclave
    stranger = intel("stranger")
    foreign = dcap_forge.make_pck(owner="stranger").pem + stranger.middle.pem + stranger.root.pem
    wrongs: dict[str, tuple[str, Wrong]] = {
        "unknown-version": (f"{MALFORMED} dcap.version", Wrong(header={"version": 7})),
        "unknown-key-type": (
            f"{MALFORMED} dcap.attestation-key-type",
            Wrong(header={"key_type": 3}),
        ),
        "inner-trailing": (f"{MALFORMED} dcap.trailing", Wrong(tail=b"\0")),
        "vendor": (f"{INTEGRITY} dcap.vendor", Wrong(header={"vendor": bytes(16)})),
        "other-root": (f"{INTEGRITY} digest.mismatch", Wrong(chain=foreign)),
        "qe-of-anybody": (f"{INTEGRITY} dcap.qe-signer", Wrong(enclave={"mrsigner": b"a" * 32})),
        "qe-debug": (f"{INTEGRITY} dcap.qe-debug", Wrong(enclave={"flags": 0x17})),
        "attestation-key": (
            f"{INTEGRITY} dcap.attestation-key",
            Wrong(enclave={"report_data": bytes(64)}),
        ),
        "signature": (f"{INTEGRITY} attestation.signature", Wrong(attestation="another")),
        "expired-certificate": (
            f"{REFUSED} attestation.certificate-time",
            Wrong(pck=dcap_forge.make_pck(not_after=AT - DAY)),
        ),
    }
    for name, (expect, wrong) in wrongs.items():
        quote = dcap_forge.make_quote(wrong=replace(wrong, body=body))
        yield f"tdx-{name}", expect, _reported(item, quote)
    yield "tdx-binding", f"{REFUSED} attestation.binding", tdx_item(report_data=bytes(64))
    yield "tdx-mrtd", f"{REFUSED} attestation.tdx-mrtd", tdx_item(mrtd=b"x" * 48)
    yield "tdx-debug", f"{REFUSED} attestation.debug", tdx_item(attributes=1)


def _collateral() -> Iterator[Case]:
    ours = intel()
    old = {"this_update": AT - 3 * DAY, "next_update": AT - DAY}
    leaf = dcap_forge.make_pck().certificate.serial_number
    pieces: dict[str, tuple[str, dict[str, Any]]] = {
        "expired-list": (
            f"{REFUSED} attestation.expired",
            {"pck_list": dcap_forge.make_crl(ours.middle, **old)},
        ),
        "revoked": (
            f"{REFUSED} attestation.revoked",
            {"pck_list": dcap_forge.make_crl(ours.middle, revoked=[leaf])},
        ),
        "expired-info": (
            f"{REFUSED} attestation.expired",
            {"tcb_info_members": {"nextUpdate": format_time(AT - DAY)}},
        ),
        "future-info": (
            f"{REFUSED} attestation.not-yet-valid",
            {"tcb_info_members": {"issueDate": format_time(AT + DAY)}},
        ),
        "info-of-other-platform": (
            f"{INTEGRITY} dcap.tcb-info-platform",
            {"tcb_info_members": {"fmspc": "00906EA10000"}},
        ),
        "identity-of-other-enclave": (
            f"{INTEGRITY} dcap.qe-identity",
            {"identity_members": {"isvprodid": 9}},
        ),
        "no-level": (f"{REFUSED} dcap.level", {"tcb_info_members": {"tcbLevels": []}}),
    }
    for name, (expect, changes) in pieces.items():
        dcap = dcap_forge.make_collateral(**changes)
        yield f"tdx-{name}", expect, with_collateral(tdx_item(), dcap=dcap)
    bare = replace(tdx_item(), collateral={})
    yield "tdx-no-collateral", f"{REFUSED} attestation.tdx-tcb-status", bare
    unknown = with_collateral(tdx_item(), more=b"")
    yield "tdx-unknown-item", f"{MALFORMED} dcap.collateral", unknown


def _named_certificates() -> Iterator[Case]:
    beside = dcap_forge.make_collateral(pck_certificate_chain=chain_beside())
    body = dcap_forge.domain(report_data=BINDING)

    def item(kind: int, **named: Any) -> EvidenceItem:
        wrong = Wrong(body=body, types=(6, kind), chain=pck_name(kind, **named))
        return _reported(
            with_collateral(tdx_item(), dcap=beside), dcap_forge.make_quote(wrong=wrong)
        )

    for kind in (1, 2, 3):
        yield f"tdx-named-pck-{kind}", "success", item(kind)
    name = f"{INTEGRITY} dcap.pck-name"
    yield "tdx-named-pck-other-platform", name, item(1, ppid=b"Q" * 16)
    yield "tdx-named-pck-other-cpusvn", name, item(3, cpusvn=bytes(16))
    yield "tdx-named-pck-other-pcesvn", name, item(3, pcesvn=99)
    yield "tdx-named-pck-other-pceid", name, item(3, pceid=b"\1\0")
    bare = with_collateral(item(3), dcap=dcap_forge.make_collateral())
    yield "tdx-named-pck-missing", f"{MALFORMED} dcap.no-chain", bare


def _azure() -> Iterator[Case]:
    forged = make_claims(keys=[jwk(OTHER_AK)])
    resettable = dict(zip((4, 16, 23), PCRS.values(), strict=True))
    shown = {
        "quote": make_quote(selections=(selection(pcrs=(4, 16, 23)),), values=resettable),
        "log": NoRuntimeLog(),
    }
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "own-key": (
            f"{INTEGRITY} azure.claims-digest",
            {
                "claims": forged,
                "report_data": digest_of(make_claims()),
                "quote": make_quote(OTHER_AK),
            },
        ),
        "two-keys": (
            f"{MALFORMED} azure.claims-keys",
            {"claims": make_claims(keys=[jwk(), jwk(OTHER_AK)])},
        ),
        "hash-type": (f"{INTEGRITY} azure.claims-digest", {"hcl": {"hash_type": 3}}),
        "hcl-trailing": (f"{MALFORMED} azure.hcl-runtime-length", {"hcl": {"tail": b"\1"}}),
        "hcl-version": (f"{MALFORMED} azure.hcl-version", {"hcl": {"version": 9}}),
        "hcl-hardware": (f"{MALFORMED} azure.hardware", {"hcl": {"kind": TDX}}),
        "quote-signature": (f"{INTEGRITY} tpm.signature", {"quote": make_quote(OTHER_AK)}),
        "values": (f"{INTEGRITY} tpm.pcr-digest", {"pcrs": (b"x" * 32,) * 3}),
        "selection": (f"{REFUSED} attestation.tpm-selection", shown),
        "cached": (
            f"{REFUSED} attestation.binding",
            {"claims": make_claims(**{"user-data": "00" * 64})},
        ),
        "binding-channel": (
            f"{REFUSED} attestation.binding",
            {"quote": make_quote(extra_data=BINDING)},
        ),
        "secure-boot": (
            f"{REFUSED} attestation.azure-secure-boot",
            {"claims": make_claims(machine={"secure-boot": False})},
        ),
        "runtime-log": (
            f"{INTEGRITY} attestation.runtime-log",
            {"log": replace(LOG, events=LOG.events[:2])},
        ),
        "no-runtime-log": (
            f"{REFUSED} attestation.tpm-runtime-log",
            {"log": NoRuntimeLog()},
        ),
    }
    # OpenHCL writes its hexadecimal in small letters; nobody mixes both.
    claims = json.loads(make_claims())
    capitals = claims["user-data"]
    small = claims | {"user-data": capitals.lower()}
    mixed = claims | {"user-data": capitals[:64] + capitals[64:].lower()}
    cases |= {
        "small-letters": ("success", {"claims": json.dumps(small).encode()}),
        "mixed-letters": (f"{MALFORMED} attestation.text", {"claims": json.dumps(mixed).encode()}),
    }
    for name, (expect, changes) in cases.items():
        yield f"azure-{name}", expect, azure_item(**changes)


def _times() -> Iterator[tuple[str, str, EvidenceItem, dt.datetime]]:
    early, late = dt.datetime(2025, 12, 31, tzinfo=dt.UTC), dt.datetime(2033, 1, 2, tzinfo=dt.UTC)
    yield "snp-before-its-time", f"{REFUSED} attestation.certificate-time", snp_item(), early
    yield "snp-after-its-time", f"{REFUSED} attestation.expired", snp_item(), late
    yield "tdx-before-its-time", f"{REFUSED} attestation.certificate-time", tdx_item(), early
    week = AT + dt.timedelta(days=31)
    yield "tdx-stale-collateral", f"{REFUSED} attestation.expired", tdx_item(), week


def _reported(item: EvidenceItem, report: bytes) -> EvidenceItem:
    return replace(item, report=report)


def _vector(expect: str, item: EvidenceItem, *, at: dt.datetime = AT) -> Vector:
    body = {
        "platform": item.platform,
        "report": _text(item.report),
        "collateral": {name: _text(data) for name, data in sorted(item.collateral.items())},
        "runtime_data": RUNTIME.raw.decode(),
        "at": format_time(at),
    }
    return Vector(expect=expect, comment=item.platform, body=body)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


if __name__ == "__main__":
    write_vectors(DIRECTORY, vectors())
