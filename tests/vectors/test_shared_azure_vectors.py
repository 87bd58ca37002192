# SPDX-License-Identifier: Apache-2.0
"""Real Azure confidential VMs verify from the processor's root to the virtual TPM's quote."""

import datetime as dt
import json
from dataclasses import replace

import pytest

from cleanroom.attestation.platforms.azure_cvm import KINDS
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware, parse_hcl, require_claims
from cleanroom.attestation.platforms.azure_cvm.parse import encode_report, parse_report
from cleanroom.attestation.platforms.azure_cvm.runtime_claims import parse_claims
from cleanroom.attestation.platforms.sev_snp.parse import parse_report as parse_snp
from cleanroom.attestation.platforms.tdx.parse import parse_quote
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.errors import CleanroomError, EvidenceRefusedError, IntegrityError
from tests.support.shared_vectors import shared_vector

SNP, TDX = KINDS
AT = dt.datetime(2025, 6, 20, tzinfo=dt.UTC)
GENOA_NONCE = bytes.fromhex(
    "0218488bae25d2509232bf676f1a66a30d7372add909109b36016ef136f2938ca05475f8b46094de6b64270ea35d950f"
)
EVIDENCE = {
    "snp-v0": (SNP, "snp_evidence_v0.json", "milan", b"challenge", "Milan"),
    "snp-v1": (SNP, "snp_evidence_v1.json", "milan", b"challenge", "Milan"),
    "snp-genoa": (SNP, "snp_evidence_genoa.json", "genoa", GENOA_NONCE, "Genoa"),
    "tdx-v0": (TDX, "tdx_evidence_v0.json", "", b"challenge", ""),
}


def azure(name):
    return shared_vector("azure-cvm", name)


def item_of(name):
    kind, file, chain, *_ = EVIDENCE[name]
    files = [shared_vector("sev-snp", f"{chain}_ask_ark.pem")] if chain else []
    return kind.intake(azure(file), files)


@pytest.mark.parametrize("name", EVIDENCE)
def test_a_real_machine_verifies(name):
    kind, file, _, nonce, product = EVIDENCE[name]
    assert [other.recognises(azure(file)) for other in KINDS] == [kind is SNP, kind is TDX]
    claims = kind.verifier.verify(item_of(name), at=AT)
    require_declared(kind.verifier, claims)
    carried = {place.place: place.found for place in claims.carried}
    assert carried == {"quote": nonce, "user-data": bytes(64)}
    hardware, quote, configuration = claims.facts
    assert getattr(hardware, "product", "") == product
    assert set(quote.pcrs) == set(range(24))
    assert configuration.secure_boot
    assert not claims.debug


def test_a_real_machine_of_somebody_elses_run_is_not_bound():
    claims = SNP.verifier.verify(item_of("snp-genoa"), at=AT)
    with pytest.raises(EvidenceRefusedError, match="^binding: snp-azure-vtpm quote was made"):
        require_bound(claims, bytes(64))


@pytest.mark.parametrize(
    ("file", "hardware", "user_data"),
    [
        ("kinvolk_hcl_report_snp.bin", Hardware.SEV_SNP, 0),
        ("kinvolk_hcl_report_tdx.bin", Hardware.TDX, 64),
        ("snp_hcl_report.bin", Hardware.SEV_SNP, 64),
        ("tdx_hcl_report.bin", Hardware.TDX, 64),
    ],
)
def test_real_reports_of_the_paravisor_read_in_every_version(file, hardware, user_data):
    report = parse_hcl(azure(file))
    assert report.hardware is hardware
    assert len(parse_claims(report.claims).user_data) == user_data
    if hardware is Hardware.SEV_SNP:
        require_claims(report, parse_snp(report.hardware_report).report_data)


def test_the_quote_of_a_real_domain_digests_its_claims():
    quote = parse_quote(azure("tdx_td_quote.bin"))
    require_claims(parse_hcl(azure("tdx_hcl_report.bin")), quote.body.report_data)


def test_parts_of_two_real_machines_do_not_pass_for_one():
    item, other = item_of("snp-v1"), parse_report(item_of("snp-genoa").report)
    mixed = replace(parse_report(item.report), message=other.message, signature=other.signature)
    with pytest.raises(IntegrityError, match="^TPM quote: the signature does not match"):
        SNP.verifier.verify(replace(item, report=encode_report(mixed)), at=AT)
    mixed = replace(parse_report(item.report), hcl=other.hcl)
    with pytest.raises(CleanroomError, match="^snp product: the report is of Genoa"):
        SNP.verifier.verify(replace(item, report=encode_report(mixed)), at=AT)


def require_all_refused(name, step):
    kind, item = EVIDENCE[name][0], item_of(name)
    report = parse_report(item.report)
    for part in ("hcl", "message", "signature"):
        data = getattr(report, part)
        for offset in range(0, len(data), step):
            changed = bytearray(data)
            changed[offset] ^= 0x10
            evil = encode_report(replace(report, **{part: bytes(changed)}))
            try:
                kind.verifier.verify(replace(item, report=evil), at=AT)
            except CleanroomError:
                continue
            # What nobody measures: sizes and status of the header, and on TDX the TDREPORT.
            assert part == "hcl"
            assert offset in range(8, 1216 if kind is TDX else 32)


@pytest.mark.parametrize("name", EVIDENCE)
def test_a_real_machine_is_refused_with_any_of_some_bytes_flipped(name):
    require_all_refused(name, 53)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVIDENCE)
def test_a_real_machine_is_refused_with_any_single_byte_flipped(name):
    require_all_refused(name, 1)


def test_the_claims_of_a_real_machine_are_json_that_reads_in_one_way():
    claims = parse_hcl(azure("snp_hcl_report.bin")).claims
    doubled = claims.replace(b'{"keys"', b'{"keys":[],"keys"')
    assert json.loads(doubled) == json.loads(claims)
    with pytest.raises(CleanroomError, match="twice"):
        parse_claims(doubled)
