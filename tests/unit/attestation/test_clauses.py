# SPDX-License-Identifier: Apache-2.0
"""Each fact against its clause: one changed thing, one refusal by its name."""

from dataclasses import replace

import pytest

from cleanroom.attestation.appraisal import appraise, profile_digest
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.facts import GpuTokenFacts, NoRuntimeLog, RuntimeEvent, RuntimeLog
from cleanroom.attestation.result import Status
from cleanroom.contract.attestation_terms import SnpClause, Waived
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import (
    ANY,
    AZURE,
    AZURE_CLAUSE,
    CRL,
    DAY,
    EVENTS,
    MAA_CLAUSE,
    MAA_SNP,
    MAA_TDX,
    NITRO,
    NITRO_CLAUSE,
    PCR_CLAUSE,
    QUOTE,
    RUNTIME,
    SIGNER,
    SNP,
    SNP_CLAUSE,
    TDX,
    TDX_CLAUSE,
    WORKLOAD,
    WORKLOAD_CLAUSE,
)
from tests.support.attested_runs import NOW, make_profile, waived
from tests.support.platforms import carried, genuine, make_claims

WAIVED = Waived(reason="trial")


def judge(facts, clauses, *, collateral=(CRL,), age=2 * DAY, **changes):
    claims = make_claims(
        facts=facts, carried=carried(bind64(RUNTIME.raw)), collateral=collateral, **changes
    )
    profile = make_profile(
        platforms=frozenset({"sev-snp"}), clauses=clauses, max_collateral_age=age
    )
    return appraise(genuine(claims), profile=profile, runtime=RUNTIME, at=NOW)


GOOD = [
    ("snp", SNP, SNP_CLAUSE),
    ("tdx", TDX, TDX_CLAUSE),
    ("quote", QUOTE, PCR_CLAUSE),
    ("azure", AZURE, AZURE_CLAUSE),
    ("nitro", NITRO, NITRO_CLAUSE),
    ("workload", WORKLOAD, WORKLOAD_CLAUSE),
    ("maa-snp", MAA_SNP, MAA_CLAUSE),
    ("maa-tdx", MAA_TDX, MAA_CLAUSE),
]


@pytest.mark.parametrize(("facts", "clause"), [case[1:] for case in GOOD], ids=[c[0] for c in GOOD])
def test_facts_as_agreed_are_affirmed_without_a_banner(facts, clause):
    result = judge((facts,), (clause,))
    assert result.status is Status.AFFIRMING
    assert result.banner == ""


@pytest.mark.parametrize(("facts", "clause"), [case[1:] for case in GOOD], ids=[c[0] for c in GOOD])
def test_facts_without_their_clause_are_refused(facts, clause):
    others = tuple(item[2] for item in GOOD if item[2] is not clause)
    with pytest.raises(EvidenceRefusedError, match="^sev-snp: the contract has no clause"):
        judge((facts,), others)


def test_facts_of_a_kind_that_no_clause_exists_for_are_refused():
    token = GpuTokenFacts(device="d", model="m", driver="1", vbios="2", secure_boot=True)
    with pytest.raises(EvidenceRefusedError, match="^sev-snp: the contract has no clause"):
        judge((token,), tuple(item[2] for item in GOOD))


SNP_CHANGES = [
    ({"product": "Milan"}, "snp product"),
    ({"signing_key": "vlek"}, "snp signing key"),
    ({"chip_id": b"d" * 64}, "snp chip id"),
    ({"chip_id": bytes(64)}, "snp chip id: found a masked one"),
    *(
        ({"tcb": SNP.tcb | {name: SNP.tcb[name] - 1}}, f"snp tcb {name}: found {SNP.tcb[name] - 1}")
        for name in ("bootloader", "snp", "microcode")
    ),
    ({"provisional": True}, "snp committed firmware"),
    ({"alias_checked": False}, "snp alias check"),
    ({"launch": b"x" * 48}, "snp launch"),
    ({"host_data": bytes(32)}, "snp host data"),
    ({"migratable": True}, "snp migration"),
    ({"version": 2}, "snp report version: found 2, agreed 3 or later"),
    ({"vmpl": 3}, "snp vmpl: found 3, agreed 0"),
]


@pytest.mark.parametrize(("change", "subject"), SNP_CHANGES)
def test_one_changed_fact_of_a_report_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        judge((replace(SNP, **change),), (SNP_CLAUSE,))


def test_newer_firmware_than_the_least_is_accepted_component_by_component():
    newer = {name: version + 1 for name, version in SNP.tcb.items()}
    judge((replace(SNP, tcb=newer),), (SNP_CLAUSE,))
    mixed = newer | {"snp": SNP.tcb["snp"] - 1}
    with pytest.raises(EvidenceRefusedError, match="^snp tcb snp: found 22, agreed at least 23"):
        judge((replace(SNP, tcb=mixed),), (SNP_CLAUSE,))


def test_a_least_version_of_a_component_that_is_not_there_is_not_met():
    clause = replace(SNP_CLAUSE, minimum_tcb={"Genoa": {**SNP.tcb, "fmc": 1}})
    with pytest.raises(EvidenceRefusedError, match="^snp tcb fmc: found none, agreed at least 1"):
        judge((SNP,), (clause,))


@pytest.mark.parametrize("name", ["products", "signing_keys", "chip_ids", "host_data", "vmpl"])
def test_an_empty_list_of_a_clause_accepts_nothing(name):
    with pytest.raises(EvidenceRefusedError, match="agreed none"):
        judge((SNP,), (replace(SNP_CLAUSE, **{name: frozenset()}),))


def test_an_image_counts_by_its_signer_and_least_version():
    clause = replace(SNP_CLAUSE, launch=frozenset(), signers=(SIGNER,))
    judge((SNP,), (clause,))
    judge((replace(SNP, guest_svn=8, launch=b"x" * 48),), (clause,))
    for change in (
        {"guest_svn": 6},
        {"id_key": b"x" * 48},
        {"author_key": b"x" * 48},
        {"family_id": b"x" * 16},
        {"image_id": b"x" * 16},
    ):
        with pytest.raises(EvidenceRefusedError, match="^snp launch: found .* from version 7$"):
            judge((replace(SNP, **change),), (clause,))


def test_a_zero_signer_is_nobodys_signature():
    nobody = replace(SIGNER, id_key=bytes(48))
    clause = replace(SNP_CLAUSE, launch=frozenset(), signers=(nobody,))
    with pytest.raises(EvidenceRefusedError, match="^snp launch:"):
        judge((replace(SNP, id_key=bytes(48)),), (clause,))


def test_neither_launch_nor_signer_accepts_nothing():
    with pytest.raises(EvidenceRefusedError, match="agreed none$"):
        judge((SNP,), (replace(SNP_CLAUSE, launch=frozenset()),))


@pytest.mark.parametrize("name", ["chip_ids", "host_data"])
def test_any_accepts_every_value_and_is_written(name):
    field = {"chip_ids": "chip_id", "host_data": "host_data"}[name]
    facts = replace(SNP, **{field: bytes(len(getattr(SNP, field)))})
    judge((facts,), (replace(SNP_CLAUSE, **{name: ANY}),))


@pytest.mark.parametrize(
    ("clause", "change"),
    [
        ({"committed": WAIVED}, {"provisional": True}),
        ({"alias_check": WAIVED}, {"alias_checked": False}),
    ],
)
def test_a_waiver_accepts_and_is_printed_with_its_reason(clause, change):
    result = judge((replace(SNP, **change),), (replace(SNP_CLAUSE, **clause),))
    assert result.status is Status.WARNING
    assert result.banner == f"WAIVED snp {next(iter(clause))}: trial"


def test_an_accepted_broken_product_is_a_warning_with_its_reason():
    clause = replace(
        SNP_CLAUSE,
        products=frozenset({"Milan"}),
        minimum_tcb={"Milan": {**SNP.tcb, "fmc": 0}},
        risks={"Milan": "the only machine we have"},
    )
    result = judge((replace(SNP, product="Milan"),), (clause,))
    assert result.status is Status.WARNING
    assert result.banner == "WAIVED snp Milan: the only machine we have"


def test_a_revocation_list_is_demanded_and_its_age_is_limited():
    with pytest.raises(EvidenceRefusedError, match="^snp revocation list: found none"):
        judge((SNP,), (SNP_CLAUSE,), collateral=())
    judge((SNP,), (replace(SNP_CLAUSE, revocation=WAIVED),), collateral=())
    judge((SNP,), (SNP_CLAUSE,), age=DAY)
    for late in (
        replace(CRL, issued_at=NOW - 3 * DAY),
        replace(CRL, issued_at=NOW + DAY / 2),
        replace(CRL, expires_at=NOW),
    ):
        with pytest.raises(EvidenceRefusedError, match="^collateral crl: issued at") as refused:
            judge((SNP,), (SNP_CLAUSE,), collateral=(late,))
        assert refused.value.code == "attestation.collateral-age"


def test_collateral_with_a_date_needs_an_agreed_age():
    profile = make_profile(platforms=frozenset({"sev-snp"}), clauses=(SNP_CLAUSE,))
    claims = make_claims(facts=(SNP,), carried=carried(bind64(RUNTIME.raw)), collateral=(CRL,))
    with pytest.raises(EvidenceRefusedError, match="^collateral crl: found one with a date"):
        appraise(genuine(claims), profile=profile, runtime=RUNTIME, at=NOW)


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"fmspc": bytes(6)}, "tdx fmspc"),
        ({"ppid": bytes(16)}, "tdx ppid"),
        ({"tcb_status": "Unappraised"}, "tdx tcb status: found none without collateral"),
        ({"tcb_status": "OutOfDate"}, "tdx tcb status: found OutOfDate, agreed UpToDate"),
        ({"advisories": frozenset({"INTEL-SA-00002"})}, "tdx advisory: found INTEL-SA-00002"),
        ({"mrsignerseam": b"x" * 48}, "tdx module"),
        ({"seam_attributes": 1}, "tdx module"),
        ({"migratable": True}, "tdx migration"),
        ({"rebindable": True}, "tdx service domains: found some that may be exchanged"),
        ({"partition": 2}, "tdx partition: found machine 2 inside, agreed none"),
        ({"unknown_attributes": 1 << 23}, "tdx attributes: found 0x800000"),
        ({"mrseam": bytes(48)}, "tdx mrseam"),
        ({"mrtd": bytes(48)}, "tdx mrtd"),
        ({"mrconfigid": bytes(48)}, "tdx mrconfigid"),
        ({"mrowner": bytes(48)}, "tdx mrowner"),
        ({"mrownerconfig": bytes(48)}, "tdx mrownerconfig"),
        ({"mrservicetd": bytes(48)}, "tdx mrservicetd"),
        *(
            (
                {"rtmrs": (*TDX.rtmrs[:index], bytes(48), *TDX.rtmrs[index + 1 :])},
                f"tdx rtmr{index}",
            )
            for index in range(4)
        ),
        ({"rtmrs": (TDX.rtmrs[1], TDX.rtmrs[0], *TDX.rtmrs[2:])}, "tdx rtmr0"),
    ],
)
def test_one_changed_fact_of_a_quote_by_intel_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        judge((replace(TDX, **change),), (TDX_CLAUSE,))


def log(*events, register=14):
    return {"runtime": RuntimeLog(register=register, events=events)}


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"key_trust": "unproven"}, "tpm key trust"),
        ({"key": Digest.of(b"another")}, "tpm key"),
        ({"bank": "sha384"}, "tpm bank"),
        ({"pcrs": {4: b"4" * 32, 7: b"7" * 32}}, "tpm selection: found 4, 7, agreed 4, 7, 14"),
        ({"pcrs": {**QUOTE.pcrs, 16: b"4" * 32}}, "tpm selection: found 4, 7, 14, 16"),
        # The attack on verifiers that map list index to register number (ATTESTATION 2.4).
        ({"pcrs": {16: b"4" * 32, 7: b"7" * 32, 14: b"r" * 32}}, "tpm selection"),
        ({"pcrs": {**QUOTE.pcrs, 4: b"7" * 32}}, "tpm pcr 4"),
        ({"pcrs": {**QUOTE.pcrs, 7: bytes(32)}}, "tpm pcr 7"),
        ({"pcrs": {}}, "tpm selection: found none"),
        ({"runtime": NoRuntimeLog()}, "tpm runtime log: found none"),
        (log(*EVENTS, register=15), "tpm runtime log: found one of register 15"),
        (log(), "tpm runtime events: found none"),
        (log(*EVENTS[:2]), "tpm runtime events: found runner, contract, agreed"),
        (log(*EVENTS, EVENTS[2]), "tpm runtime events"),
        (log(EVENTS[0], EVENTS[2], EVENTS[1]), "tpm runtime events"),
        (log(*EVENTS[:2], replace(EVENTS[2], digest=Digest.of(b"x"))), "tpm runtime events"),
        (log(*EVENTS, RuntimeEvent(name="start", digest=Digest.of(b""))), "tpm runtime events"),
    ],
)
def test_one_changed_fact_of_a_tpm_quote_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        judge((replace(QUOTE, **change),), (PCR_CLAUSE,))


def test_any_key_and_any_value_are_accepted_where_they_are_written():
    clause = replace(PCR_CLAUSE, keys=ANY, values={4: ANY, 7: ANY})
    judge((replace(QUOTE, key=Digest.of(b"other"), pcrs={4: b"", 7: b"", 14: b""}),), (clause,))


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"vm_id": "vm-2"}, "azure vm id"),
        ({"secure_boot": False}, "azure secure boot: found off"),
        ({"console": True}, "azure console: found on"),
        ({"interactive_console": True}, "azure console: found on"),
    ],
)
def test_one_changed_setting_of_an_azure_machine_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        judge((replace(AZURE, **change),), (AZURE_CLAUSE,))


@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 8])
def test_one_changed_register_of_an_enclave_is_refused_by_name(index):
    with pytest.raises(EvidenceRefusedError, match=f"^nitro pcr {index}: found 00"):
        judge((replace(NITRO, pcrs=NITRO.pcrs | {index: bytes(47) + b"x"}),), (NITRO_CLAUSE,))
    rest = {key: value for key, value in NITRO.pcrs.items() if key != index}
    with pytest.raises(EvidenceRefusedError, match=f"^nitro pcr {index}: found none"):
        judge((replace(NITRO, pcrs=rest),), (NITRO_CLAUSE,))


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"issuer": "https://example.org"}, "workload issuer"),
        ({"audience": "other"}, "workload audience"),
        ({"hardware": "GCP_SHIELDED_VM"}, "workload hardware"),
        ({"software": "GCE"}, "workload software"),
        ({"support": frozenset({"USABLE"})}, "workload support: found USABLE, agreed STABLE"),
        ({"support": frozenset()}, "workload support: found none"),
        ({"secure_boot": False}, "workload secure boot"),
        ({"project": "other"}, "workload project"),
        ({"service_accounts": frozenset({"x"})}, "workload service account"),
        ({"image": Digest.of(b"x")}, "workload image"),
        ({"arguments": ("cleanroom", "shell")}, "workload arguments"),
        ({"environment": {"LANG": "C", "LD_PRELOAD": "x"}}, "workload environment"),
        ({"overrides": ("cmd=sh",)}, "workload override"),
    ],
)
def test_one_changed_claim_of_a_workload_is_refused_by_name(change, subject):
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        judge((replace(WORKLOAD, **change),), (WORKLOAD_CLAUSE,))


def test_every_term_of_every_clause_is_part_of_the_policy_digest():
    profile = make_profile(clauses=(SNP_CLAUSE,))
    changes = [
        {name: replace(SNP_CLAUSE, **{name: frozenset()})}
        for name in ("products", "launch", "vmpl", "signing_keys", "chip_ids", "host_data")
    ]
    clauses = [next(iter(change.values())) for change in changes]
    clauses += [
        replace(SNP_CLAUSE, signers=(SIGNER,)),
        replace(SNP_CLAUSE, risks={"Milan": "x"}),
        replace(SNP_CLAUSE, minimum_tcb={}),
        *(replace(SNP_CLAUSE, **{name: WAIVED}) for name in ("committed", "alias_check")),
        replace(SNP_CLAUSE, revocation=WAIVED),
    ]
    digests = {profile_digest(make_profile(clauses=(clause,))) for clause in clauses}
    assert len(digests | {profile_digest(profile)}) == len(clauses) + 1
    assert all(isinstance(clause, SnpClause) for clause in clauses)


def test_debug_is_judged_whatever_the_clauses_say():
    with pytest.raises(EvidenceRefusedError, match="^debug:"):
        judge((SNP,), (SNP_CLAUSE,), debug=True)
    claims = make_claims(facts=(SNP,), carried=carried(bind64(RUNTIME.raw)), debug=True)
    profile = make_profile(
        platforms=frozenset({"sev-snp"}),
        clauses=(replace(SNP_CLAUSE, revocation=WAIVED),),
        debug=waived("trial"),
    )
    result = appraise(genuine(claims), profile=profile, runtime=RUNTIME, at=NOW)
    assert "DEBUG MODE" in result.banner
