# SPDX-License-Identifier: Apache-2.0
"""Exports against committed copies, and what they must never leave out in silence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.contract.attestation_draft import draft_profile
from cleanroom.contract.attestation_plain import describe_profile
from cleanroom.contract.attestation_profile import parse_profile
from cleanroom.contract.attestation_render import render_profile
from cleanroom.contract.attestation_terms import PLATFORM_CLAUSES, NoCollateral
from cleanroom.contract.export.clouds import export_aws, export_azure, export_gcp
from cleanroom.contract.export.exported import clause_of
from cleanroom.contract.export.trustee import export_rego
from cleanroom.contract.lint import Severity, lint_profile
from cleanroom.errors import MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import (
    ANY,
    AZURE_CLAUSE,
    MAA_CLAUSE,
    MAA_ISSUER,
    NITRO_CLAUSE,
    PCR_CLAUSE,
    SIGNER,
    SNP_CLAUSE,
    TDX_CLAUSE,
    WORKLOAD_CLAUSE,
)
from tests.support.attested_runs import MAX_AGE, make_profile, waived

GOLDEN = Path(__file__).parents[3] / "vectors" / "exports"
AUTHORITY = "https://attest.example"


def profile_of(platform, *clauses, **changes):
    dated = platform.startswith(("snp", "tdx", "maa"))
    return make_profile(
        platforms=frozenset({platform}),
        clauses=clauses,
        max_collateral_age=MAX_AGE if dated else NoCollateral(),
        **changes,
    )


SNP = profile_of("snp", SNP_CLAUSE)
AZURE_SNP = profile_of("snp-azure-vtpm", SNP_CLAUSE, PCR_CLAUSE, AZURE_CLAUSE)
TDX = profile_of("tdx", TDX_CLAUSE)
AZURE_TDX = profile_of("tdx-azure-vtpm", TDX_CLAUSE, PCR_CLAUSE, AZURE_CLAUSE)
NITRO = profile_of("nitro", NITRO_CLAUSE)
GOOGLE = profile_of("gcp-cs-jwt", WORKLOAD_CLAUSE)
MAA = profile_of("maa-jwt", MAA_CLAUSE)
EXPORTS = {
    "trustee-snp.rego": export_rego(SNP),
    "trustee-snp-azure-vtpm.rego": export_rego(AZURE_SNP),
    "trustee-tdx.rego": export_rego(TDX),
    "trustee-tdx-azure-vtpm.rego": export_rego(AZURE_TDX),
    "azure-snp.json": export_azure(AZURE_SNP, authority=AUTHORITY),
    "azure-tdx.json": export_azure(AZURE_TDX, authority=AUTHORITY),
    "azure-maa.json": export_azure(MAA, authority=MAA_ISSUER),
    "gcp.cel": export_gcp(GOOGLE),
    "aws.json": export_aws(NITRO),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_the_committed_one(name):
    assert EXPORTS[name].text == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", EXPORTS)
def test_every_term_is_expressed_or_named_as_left_out(name):
    profile = {
        "trustee-snp.rego": SNP,
        "trustee-snp-azure-vtpm.rego": AZURE_SNP,
        "trustee-tdx.rego": TDX,
        "trustee-tdx-azure-vtpm.rego": AZURE_TDX,
        "azure-snp.json": AZURE_SNP,
        "azure-tdx.json": AZURE_TDX,
        "azure-maa.json": MAA,
        "gcp.cel": GOOGLE,
        "aws.json": NITRO,
    }[name]
    export = EXPORTS[name]
    assert set(export.left_out) < set(describe_profile(profile))
    # What none of them can judge is always said.
    assert "attestation.measurements" in export.left_out
    assert "attestation.max_evidence_age_seconds" in export.left_out


def test_a_term_that_demands_nothing_is_not_left_out():
    clause = replace(SNP_CLAUSE, chip_ids=ANY)
    assert "attestation.snp.chip_ids" in export_rego(SNP).left_out
    assert "attestation.snp.chip_ids" not in export_rego(profile_of("snp", clause)).left_out


def test_the_rego_says_no_until_it_says_yes():
    text = EXPORTS["trustee-snp.rego"].text
    assert "default allow := false" in text
    assert text.count("allow if") == 1
    assert f'measurement in ["{(b"l" * 48).hex()}"]' in text
    assert "evidence.evidence.policy.debug_allowed == false" in text
    assert "evidence.evidence.reported_tcb.snp >= 23" in text


@pytest.mark.parametrize("name", ["azure-snp.json", "azure-tdx.json", "azure-maa.json", "aws.json"])
def test_json_exports_are_json(name):
    json.loads(EXPORTS[name].text)


def test_every_alternative_of_the_azure_policy_forbids_debug_and_names_one_authority():
    clause = replace(SNP_CLAUSE, signers=(SIGNER,), vmpl=frozenset({0, 1}))
    export = export_azure(
        profile_of("snp-azure-vtpm", clause, PCR_CLAUSE, AZURE_CLAUSE), authority=AUTHORITY
    )
    choices = json.loads(export.text)["anyOf"]
    assert len(choices) == 4
    for choice in choices:
        assert choice["authority"] == AUTHORITY
        claims = {item["claim"]: item for item in choice["allOf"]}
        assert claims["x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable"]["equals"] is False
        assert claims["secureboot"]["equals"] is True


def test_waived_debug_is_left_open_only_where_the_contract_says_so():
    profile = replace(AZURE_SNP, debug=waived("trial"))
    assert "is-debuggable" not in export_azure(profile, authority=AUTHORITY).text
    rego = export_rego(replace(SNP, debug=waived("trial"))).text
    assert "debug" not in rego
    assert "debug_allowed == false" in export_rego(AZURE_SNP).text


def test_every_alternative_of_a_tokens_policy_names_tee_image_and_no_debug():
    clause = replace(MAA_CLAUSE, id_keys=frozenset({b"i" * 48, bytes(48)}), compliance=ANY)
    export = export_azure(profile_of("maa-jwt", clause), authority=MAA_ISSUER)
    choices = [
        {item["claim"]: item for item in choice["allOf"]}
        for choice in json.loads(export.text)["anyOf"]
    ]
    # By launch measurement, by signer, and a domain by MRTD; a zero signer is nobody.
    assert len(choices) == 3
    for claims in choices:
        if claims["x-ms-attestation-type"]["equals"] == "tdxvm":
            assert claims["tdx_td_attributes_debug"]["equals"] is False
            assert {
                "tdx_mrtd",
                "tdx_rtmr3",
                "tdx_mrsignerseam",
                "attester_tcb_status",
            } < claims.keys()
        else:
            assert claims["x-ms-sevsnpvm-is-debuggable"]["equals"] is False
            assert claims["x-ms-sevsnpvm-snpfw-svn"]["greaterOrEquals"] == 23
            assert claims.keys() & {"x-ms-sevsnpvm-launchmeasurement", "x-ms-sevsnpvm-idkeydigest"}
        assert "x-ms-compliance-status" not in claims
    one = export_azure(
        profile_of("maa-jwt", replace(clause, tees=frozenset({"tdxvm"}))), authority=MAA_ISSUER
    )
    assert len(json.loads(one.text)["anyOf"]) == 1
    two = frozenset({MAA_ISSUER, "https://b.weu.attest.azure.net"})
    several = export_azure(
        profile_of("maa-jwt", replace(clause, issuers=two)), authority=MAA_ISSUER
    )
    assert "attestation.maa.issuers" in several.left_out
    snp_alone = replace(clause, tees=frozenset({"sevsnpvm"}))
    only = export_azure(profile_of("maa-jwt", snp_alone), authority=MAA_ISSUER)
    assert "attestation.maa.rtmr0" in only.left_out


def test_an_open_mrtd_gives_one_alternative():
    registers = dict(TDX_CLAUSE.registers, mrtd=ANY, rtmr3=ANY)
    clause = replace(TDX_CLAUSE, registers=registers)
    profile = profile_of("tdx-azure-vtpm", clause, PCR_CLAUSE, AZURE_CLAUSE)
    assert len(json.loads(export_azure(profile, authority=AUTHORITY).text)["anyOf"]) == 1
    assert "rtmr_3" not in export_rego(profile).text
    assert "tpm.pcr04 in" in export_rego(profile).text
    free = replace(PCR_CLAUSE, values={4: ANY})
    assert "pcr04" not in export_rego(profile_of("tdx-azure-vtpm", clause, free, AZURE_CLAUSE)).text


def test_open_terms_of_a_workload_and_an_enclave_are_no_conditions():
    clause = replace(
        WORKLOAD_CLAUSE,
        projects=ANY,
        service_accounts=ANY,
        overrides=frozenset({"cmd=x"}),
        secure_boot=waived("x"),
    )
    text = export_gcp(profile_of("gcp-cs-jwt", clause)).text
    for word in ("project_id", "service_accounts", "cmd_override", "secboot"):
        assert word in EXPORTS["gcp.cel"].text
        assert word not in text
    enclave = replace(NITRO_CLAUSE, pcrs=NITRO_CLAUSE.pcrs | {3: ANY})
    text = export_aws(profile_of("nitro", enclave)).text
    assert "PCR3" not in text
    assert "PCR0" in text


@pytest.mark.parametrize(
    ("export", "code"),
    [
        (lambda: export_rego(NITRO), "export.platform"),
        (lambda: export_rego(make_profile(platforms=frozenset())), "export.platform"),
        (lambda: export_rego(make_profile(platforms=frozenset({"snp", "tdx"}))), "export.platform"),
        (
            lambda: export_rego(profile_of("snp", replace(SNP_CLAUSE, signers=(SIGNER,)))),
            "export.signer",
        ),
        (
            lambda: export_rego(profile_of("snp", replace(SNP_CLAUSE, launch=frozenset()))),
            "export.empty",
        ),
        (
            lambda: export_rego(profile_of("snp", replace(SNP_CLAUSE, minimum_tcb={}))),
            "export.product",
        ),
        (lambda: export_azure(SNP, authority=AUTHORITY), "export.platform"),
        (lambda: export_azure(AZURE_SNP, authority=""), "export.authority"),
        (lambda: export_azure(AZURE_SNP, authority="http://attest.example"), "export.authority"),
        (lambda: export_azure(AZURE_SNP, authority="https://*.example"), "export.authority"),
        (
            lambda: export_azure(
                profile_of("snp-azure-vtpm", replace(SNP_CLAUSE, launch=frozenset())),
                authority=AUTHORITY,
            ),
            "export.empty",
        ),
        (
            lambda: export_azure(
                profile_of("snp-azure-vtpm", replace(SNP_CLAUSE, vmpl=frozenset())),
                authority=AUTHORITY,
            ),
            "export.empty",
        ),
        (
            lambda: export_azure(replace(AZURE_TDX, debug=waived("x")), authority=AUTHORITY),
            "export.debug",
        ),
        (lambda: export_gcp(NITRO), "export.platform"),
        (lambda: export_azure(MAA, authority=AUTHORITY), "export.authority"),
        (
            lambda: export_azure(replace(MAA, debug=waived("x")), authority=MAA_ISSUER),
            "export.debug",
        ),
        *(
            (
                lambda name=name: export_azure(
                    profile_of("maa-jwt", replace(MAA_CLAUSE, **{name: frozenset()})),
                    authority=MAA_ISSUER,
                ),
                "export.empty",
            )
            for name in ("tees", "compliance", "launch", "vmpl", "host_data", "tcb_statuses")
        ),
        (lambda: export_gcp(replace(GOOGLE, debug=waived("x"))), "export.debug"),
        (
            lambda: export_gcp(
                profile_of("gcp-cs-jwt", replace(WORKLOAD_CLAUSE, images=frozenset()))
            ),
            "export.empty",
        ),
        (lambda: export_aws(GOOGLE), "export.platform"),
        (lambda: export_aws(replace(NITRO, debug=waived("x"))), "export.debug"),
        (
            lambda: export_aws(
                profile_of(
                    "nitro", replace(NITRO_CLAUSE, pcrs=NITRO_CLAUSE.pcrs | {0: frozenset()})
                )
            ),
            "export.empty",
        ),
    ],
)
def test_what_a_target_would_get_wrong_is_refused(export, code):
    with pytest.raises(RefusedError) as refused:
        export()
    assert refused.value.code == code


def test_a_clause_is_found_by_its_kind():
    assert clause_of(AZURE_SNP, type(PCR_CLAUSE)) is PCR_CLAUSE


@pytest.mark.parametrize("platform", sorted(PLATFORM_CLAUSES))
@pytest.mark.parametrize("gpus", [0, 2])
def test_a_draft_reads_and_accepts_nothing(platform, gpus):
    alone = platform in {"simulated", "tpm", "vtpm-software"}
    draft = draft_profile([platform], measurements=(Digest.of(b"r"),), gpus=0 if alone else gpus)
    assert parse_profile(render_profile(draft), what="draft") == draft
    errors = [item for item in lint_profile(draft) if item.severity is Severity.ERROR]
    # Where nothing can be known beforehand, nothing is left to fill in.
    assert bool(errors) is (platform not in {"simulated", "vtpm-software"})


def test_a_draft_of_an_unknown_platform_is_refused():
    with pytest.raises(MalformedError, match="^platform: found 'sev'"):
        draft_profile(["sev"], measurements=(), gpus=0)


def test_a_filled_profile_lints_clean_and_an_open_one_does_not():
    assert lint_profile(SNP) == ()
    signed = replace(SNP_CLAUSE, launch=frozenset(), signers=(SIGNER,))
    assert lint_profile(profile_of("snp", signed)) == ()
    found = lint_profile(profile_of("snp", replace(SNP_CLAUSE, chip_ids=ANY)))
    assert [item.place for item in found] == ["contract.toml: attestation.snp.chip_ids"]
    assert lint_profile(AZURE_SNP) == ()
