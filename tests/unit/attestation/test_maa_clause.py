# SPDX-License-Identifier: Apache-2.0
"""Tokens of Azure's service against the contract: one changed claim, one refusal by its name."""

from dataclasses import replace

import pytest

from cleanroom.attestation.appraise_maa import appraise_maa
from cleanroom.attestation.examine import warnings_about
from cleanroom.errors import EvidenceRefusedError
from tests.support.attested_machines import ANY, MAA_CLAUSE, MAA_SNP, MAA_TDX
from tests.support.platforms import make_claims

SNP, TDX = MAA_SNP.hardware, MAA_TDX.hardware
SIGNED = replace(MAA_CLAUSE, launch=frozenset(), id_keys=frozenset({SNP.id_key}))


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"issuer": "https://other.weu.attest.azure.net"}, "maa issuer"),
        ({"tee": "sgx"}, "maa tee"),
        ({"guest": True}, "maa interface: found guest attestation"),
        ({"compliance": ""}, "maa compliance"),
        ({"hardware": replace(SNP, launch=b"x" * 48)}, "maa launch"),
        ({"hardware": replace(SNP, host_data=bytes(32))}, "maa host data"),
        ({"hardware": replace(SNP, vmpl=2)}, "maa vmpl"),
        *(
            (
                {"hardware": replace(SNP, tcb=SNP.tcb | {name: SNP.tcb[name] - 1})},
                f"maa tcb {name}: found {SNP.tcb[name] - 1}, agreed at least {SNP.tcb[name]}",
            )
            for name in ("bootloader", "snp", "microcode")
        ),
    ],
)
def test_one_changed_claim_is_refused_by_its_name(change, subject):
    appraise_maa(MAA_SNP, MAA_CLAUSE)
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        appraise_maa(replace(MAA_SNP, **change), MAA_CLAUSE)


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"mrtd": b"x" * 48}, "maa launch"),
        ({"tcb_status": "OutOfDate"}, "maa tcb status"),
        ({"mrsignerseam": b"x" * 48}, "maa module"),
        ({"mrseam": b"x" * 48}, "maa mrseam"),
        ({"mrconfigid": b"x" * 48}, "maa mrconfigid"),
        ({"mrowner": b"x" * 48}, "maa mrowner"),
        ({"mrownerconfig": b"x" * 48}, "maa mrownerconfig"),
        *(
            (
                {"rtmrs": (*TDX.rtmrs[:index], b"x" * 48, *TDX.rtmrs[index + 1 :])},
                f"maa rtmr{index}",
            )
            for index in range(4)
        ),
    ],
)
def test_one_changed_claim_of_a_domain_is_refused_by_its_name(change, subject):
    appraise_maa(MAA_TDX, MAA_CLAUSE)
    with pytest.raises(EvidenceRefusedError, match=f"^{subject}"):
        appraise_maa(replace(MAA_TDX, hardware=replace(TDX, **change)), MAA_CLAUSE)


def test_an_image_counts_by_its_signer_and_least_version():
    appraise_maa(MAA_SNP, SIGNED)
    for change in ({"guest_svn": 6}, {"id_key": b"x" * 48}):
        with pytest.raises(EvidenceRefusedError, match="^maa launch: found .* from 7$"):
            appraise_maa(replace(MAA_SNP, hardware=replace(SNP, **change)), SIGNED)
    nobody = replace(SIGNED, id_keys=frozenset({bytes(48)}))
    with pytest.raises(EvidenceRefusedError, match="^maa launch"):
        appraise_maa(replace(MAA_SNP, hardware=replace(SNP, id_key=bytes(48))), nobody)


@pytest.mark.parametrize("name", ["issuers", "tees", "compliance", "launch", "host_data", "vmpl"])
def test_an_empty_list_accepts_nothing(name):
    with pytest.raises(EvidenceRefusedError, match="agreed none"):
        appraise_maa(MAA_SNP, replace(MAA_CLAUSE, **{name: frozenset()}))


def test_any_accepts_every_value():
    appraise_maa(replace(MAA_SNP, compliance=""), replace(MAA_CLAUSE, compliance=ANY))


def test_a_reader_is_told_what_guest_attestation_leaves_out():
    for guest, said in ((True, True), (False, False)):
        claims = make_claims(facts=(replace(MAA_SNP, guest=guest),), confidential=True)
        assert any("guest attestation" in line for line in warnings_about(claims)) is said
