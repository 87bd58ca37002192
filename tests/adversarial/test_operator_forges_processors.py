# SPDX-License-Identifier: Apache-2.0
"""Mistakes that published verifiers made, each tried on ours along a broker's whole way.

T-04 and T-05: an operator with root brings genuine or half-genuine evidence of
processors that the contract never accepted, or of another run.
"""

from dataclasses import replace

import pytest

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.result import Status
from cleanroom.attestation.runtime_log import events_of, replayed
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support import dcap_forge, processor_line, snp_forge
from tests.support.azure_forge import (
    LOG,
    PCRS,
    TDX,
    Machine,
    digest_of,
    jwk,
    make_claims,
    make_quote,
)
from tests.support.processor_line import (
    AT,
    BINDING,
    CLAUSES,
    RUNTIME,
    SNP_CLAUSE,
    azure_item,
    other_run,
    profile_for,
    snp_item,
    tdx_item,
    walk,
    with_collateral,
)
from tests.support.test_pki import rsa_key
from tests.support.tpm_forge import RSA_AK, selection

THREATS = ("T-04", "T-05")
GENOA, MILAN, TURIN = snp_forge.Product.GENOA, snp_forge.Product.MILAN, snp_forge.Product.TURIN
OTHER_AK = replace(RSA_AK, private=rsa_key("snp middle"))

AGREED = {
    "genoa": snp_item,
    "turin": lambda: snp_item(TURIN),
    "tdx": tdx_item,
    "azure-snp": azure_item,
    "azure-tdx": lambda: azure_item(kind=TDX),
}


@pytest.mark.parametrize("name", AGREED)
def test_the_agreed_machine_is_accepted(name):
    assert walk(AGREED[name]()).status is Status.AFFIRMING


def refused(item, match, error=EvidenceRefusedError, **changes):
    with pytest.raises(error, match=f"^{match}"):
        walk(item, **changes)


@pytest.mark.parametrize("name", AGREED)
def test_evidence_of_another_run_is_refused(name):
    refused(AGREED[name](), "binding:", binding=bind64(other_run().raw), runtime=other_run())


@pytest.mark.parametrize(
    "data", [BINDING[:63] + b"\0", BINDING[:32] + bytes(32), BINDING[32:] + BINDING[:32], bytes(64)]
)
def test_a_prefix_a_half_or_a_reordered_binding_is_refused(data):
    refused(snp_item(report_data=data), "binding: snp report_data")
    refused(tdx_item(report_data=data), "binding: tdx report_data")


def test_host_data_is_the_hosts_word_and_never_the_binding():
    refused(snp_item(report_data=bytes(64), host_data=BINDING[:32]), "binding: snp report_data")
    refused(snp_item(host_data=b"x" * 32), "snp host data: found 7878")


def test_firmware_rolled_back_behind_its_certificate_is_refused():
    # The chip's older key signed, and the report claims the newer versions.
    older = bytes.fromhex("0900000000001754")
    item = with_collateral(snp_item(), vek=snp_forge.make_vek(tcb=older))
    refused(item, "snp tcb: the report says bootloader 10", IntegrityError)
    # And honestly old firmware is older than agreed.
    item = snp_item(reported_tcb=older, committed_tcb=older, current_tcb=older)
    refused(with_collateral(item, vek=snp_forge.make_vek(tcb=older)), "snp tcb bootloader: found 9")


def test_turin_is_read_with_its_own_layout():
    # As Milan's layout reads them, FMC 1 and microcode 71 would be all that is compared.
    weak = bytes.fromhex("0102000200000047")
    item = snp_item(TURIN, reported_tcb=weak, committed_tcb=weak, current_tcb=weak)
    refused(with_collateral(item, vek=snp_forge.make_vek(TURIN, tcb=weak)), "snp tcb snp: found 2")


def test_a_clouds_key_does_not_pass_for_a_chips():
    item = with_collateral(
        snp_forge.make_item(GENOA, snp_forge.VLEK, report_data=BINDING), crl=snp_forge.make_crl()
    )
    refused(item, "snp signing key: found vlek, agreed vcek")
    # Nor does a report that says VCEK under a cloud's certificate.
    vlek = snp_forge.make_vek(kind=snp_forge.VLEK)
    chain = snp_forge.roots(GENOA).chain(snp_forge.VLEK)
    refused(with_collateral(snp_item(), vek=vlek, chain=chain), "snp signing key:", IntegrityError)


def test_an_issuer_that_the_attester_brings_is_data():
    stranger = snp_forge.roots(GENOA, "AMD of the attester")
    vek = snp_forge.make_vek(issuer=stranger.ask)
    refused(
        with_collateral(snp_item(), vek=vek, chain=stranger.chain()), "snp root:", IntegrityError
    )
    mixed = stranger.ask.pem + snp_forge.roots(GENOA).ark.pem
    refused(with_collateral(snp_item(), vek=vek, chain=mixed), "snp issuer:", IntegrityError)
    # Signed by the pinned root itself, for another purpose: still not the pinned issuer.
    ours = snp_forge.roots(GENOA)
    vek = snp_forge.make_vek(issuer=ours.asvk)
    chain = ours.asvk.pem + ours.ark.pem
    refused(with_collateral(snp_item(), vek=vek, chain=chain), "snp issuer:", IntegrityError)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"vmpl": 3}, "snp vmpl: found 3"),
        ({"policy": 0x3001F | 1 << 19}, "debug: found on"),
        ({"policy": 0x3001F | 1 << 18}, "snp migration:"),
        ({"chip_id": 0}, "snp chip id: found masked"),
        ({"measurement": b"x" * 48}, "snp launch:"),
        ({"platform_info": 0x05}, "snp alias check:"),
        ({"current_build": b"new"}, "snp committed firmware:"),
    ],
)
def test_a_genuine_report_of_what_nobody_agreed_to_is_refused(fields, match):
    refused(snp_item(**fields), match)


def test_milan_is_refused_although_it_is_genuine():
    refused(snp_item(MILAN), "snp product: found Milan, agreed Genoa, Turin")


def test_a_report_that_does_not_name_its_processor_is_refused():
    accepting = replace(SNP_CLAUSE, products=frozenset({"Milan"}), risks={"Milan": "a trial"})
    refused(
        snp_item(MILAN, version=2, cpuid=0),
        "snp report version: found 2",
        profile=profile_for("snp", [accepting]),
    )


def test_a_revoked_issuer_and_a_missing_list_are_refused():
    revoked = [snp_forge.roots(GENOA).ask.certificate.serial_number]
    refused(with_collateral(snp_item(), crl=snp_forge.make_crl(revoked=revoked)), "snp issuer:")
    refused(snp_forge.make_item(report_data=BINDING), "snp revocation list: found none")


def test_a_quoting_enclave_of_anybody_is_refused():
    body = dcap_forge.domain(report_data=BINDING)
    wrong = dcap_forge.Wrong(body=body, enclave={"mrsigner": b"a" * 32})
    refused(dcap_forge.make_item(wrong=wrong), "dcap qe: found signer", IntegrityError)
    wrong = dcap_forge.Wrong(body=body, header={"vendor": bytes(16)})
    refused(dcap_forge.make_item(wrong=wrong), "dcap quote: another vendor", IntegrityError)


def test_what_stands_behind_a_quote_is_not_read():
    second = tdx_item(mrtd=b"x" * 48).report
    item = tdx_item()
    assert walk(replace(item, report=item.report + second)).status is Status.AFFIRMING
    refused(replace(item, report=second + item.report), "tdx mrtd: found 7878")


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ({"attributes": 1}, "tdx attributes: found debug or profiling"),
        ({"mrtd": b"x" * 48}, "tdx mrtd:"),
        ({"rtmr2": b"x" * 48}, "tdx rtmr2:"),
        ({"mrconfigid": b"x" * 48}, "tdx mrconfigid:"),
    ],
)
def test_a_genuine_domain_that_nobody_agreed_to_is_refused(body, match):
    refused(tdx_item(**body), match, (EvidenceRefusedError, IntegrityError))


def test_a_quote_without_collateral_or_with_an_old_one_is_refused():
    refused(replace(tdx_item(), collateral={}), "tdx tcb status: found none without collateral")
    old = dcap_forge.make_collateral(
        tcb_info_members={"nextUpdate": f"{AT - dcap_forge.DAY:%Y-%m-%dT%H:%M:%SZ}"}
    )
    refused(with_collateral(tdx_item(), dcap=old), "tcb info: judged at")


def test_no_contract_can_list_the_missing_status():
    clause = replace(processor_line.TDX_CLAUSE, tcb_statuses=frozenset({"UpToDate", "Unappraised"}))
    refused(
        replace(tdx_item(), collateral={}),
        "tdx tcb status: found none without collateral",
        profile=profile_for("tdx", [clause]),
    )


def test_an_attestation_key_beside_the_hardware_is_data():
    claims = make_claims(keys=[jwk(OTHER_AK)])
    item = azure_item(
        claims=claims, report_data=digest_of(make_claims()), quote=make_quote(OTHER_AK)
    )
    refused(item, "azure runtime claims: not those", IntegrityError)


def test_a_second_key_of_the_same_name_is_refused():
    claims = make_claims(keys=[jwk(), jwk(OTHER_AK)])
    refused(azure_item(claims=claims), "azure runtime claims: found 2 keys", MalformedError)


def test_a_report_cached_at_boot_is_not_fresh():
    refused(
        azure_item(claims=make_claims(**{"user-data": "00" * 64})),
        "binding: snp-azure-vtpm user-data",
    )
    refused(azure_item(quote=make_quote(extra_data=BINDING[:32])), "binding: snp-azure-vtpm quote")


def test_resettable_registers_do_not_pass_for_others():
    values = dict(zip((4, 16, 23), PCRS.values(), strict=True))
    quote = make_quote(selections=(selection(pcrs=tuple(values)),), values=values)
    refused(
        azure_item(quote=quote, pcrs=tuple(values.values()), log=NoRuntimeLog()),
        "tpm selection: found 4, 16, 23, agreed 4, 7, 14",
    )


def test_the_unmeasured_header_decides_nothing():
    item = azure_item(hcl={"unmeasured": b"\xff" * 24})
    assert walk(item).status is Status.AFFIRMING
    refused(azure_item(hcl={"hash_type": 2}), "azure runtime claims: not those", IntegrityError)


@pytest.mark.parametrize(
    ("machine", "match"),
    [
        ({"secure-boot": False}, "azure secure boot"),
        ({"console-enabled": True}, "azure console"),
        ({"interactive-console-enabled": None}, "azure console"),
    ],
)
def test_a_machine_configured_otherwise_is_refused(machine, match):
    refused(azure_item(claims=make_claims(machine=machine)), match)


def test_another_program_in_the_runtime_register_is_refused():
    other_query = Digest.of(b"another query")
    events = events_of(runner=RUNTIME.runner, contract=RUNTIME.contract, query=other_query)
    values = PCRS | {14: replayed(events)}
    quote = make_quote(values=values)
    log = replace(LOG, events=events)
    refused(
        azure_item(quote=quote, pcrs=tuple(values.values()), log=log), "tpm runtime events: found"
    )
    refused(azure_item(log=log), "runtime log: register 14", IntegrityError)
    refused(azure_item(log=NoRuntimeLog()), "tpm runtime log: found none")


@pytest.mark.parametrize("platform", CLAUSES)
def test_no_clause_of_the_contract_can_be_left_out(platform):
    made = {
        "snp": snp_item,
        "tdx": tdx_item,
        "snp-azure-vtpm": azure_item,
        "tdx-azure-vtpm": lambda: azure_item(kind=TDX),
    }
    clauses = CLAUSES[platform]
    for left in range(len(clauses)):
        kept = [clause for index, clause in enumerate(clauses) if index != left]
        refused(
            made[platform](),
            f"{platform}: the contract has no clause",
            profile=profile_for(platform, kept),
        )


def test_one_machine_does_not_lend_its_name_to_another():
    machine = Machine()
    refused(replace(machine.item(), platform="tdx-azure-vtpm"), "azure evidence:", MalformedError)
    refused(replace(snp_item(), platform="tdx"), "dcap evidence:", MalformedError)
    assert RUNTIME.run != other_run().run
