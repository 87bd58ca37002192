# SPDX-License-Identifier: Apache-2.0
"""The operator passes simulated evidence off as a real platform's (T-21)."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanroom.attestation.result import Status
from cleanroom.contract.contract import AttestationProfile, Forbidden, NoCollateral
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from tests.support.receipt_forge import Forge, Lies
from tests.support.receipt_room import OWNERS, RUNNER, make_documents


def documents_that_want(*platforms):
    profile = AttestationProfile(
        platforms=frozenset(platforms),
        measurements=frozenset({RUNNER}),
        debug=Forbidden(),
        max_evidence_age=dt.timedelta(minutes=5),
        max_collateral_age=NoCollateral(),
        clauses=(),
    )
    return make_documents(attestation=profile)


def test_simulated_evidence_does_not_satisfy_a_contract_about_hardware():
    # T-21: the operator controls runner, evidence and receipt, and both brokers look away.
    lies = Lies(
        release={owner: {"appraisal": {}} for owner in OWNERS},
        body={"platform": "sev-snp", "banner": ""},
    )
    step, error = Forge(documents=documents_that_want("sev-snp"), lies=lies).refusal()
    assert (step, type(error)) == ("attestation", EvidenceRefusedError)


@pytest.mark.parametrize("banner", ["", "simulated", "NOT SIMULATED - CONFIDENTIAL"])
def test_the_banner_cannot_be_left_out_or_softened(banner):
    step, error = Forge(lies=Lies(body={"banner": banner})).refusal()
    assert (step, type(error)) == ("attestation", IntegrityError)
    assert error.message.startswith("banner:")


def test_the_platform_cannot_be_renamed():
    step, error = Forge(lies=Lies(body={"platform": "sev-snp"})).refusal()
    assert (step, type(error)) == ("attestation", IntegrityError)


def test_a_simulated_run_never_reads_as_affirmed():
    verified = Forge().verify()
    assert {result.status for result in verified.attestation.values()} == {Status.CONTRAINDICATED}
    line = next(line for line in verified.lines if line.step == "attestation")
    assert "NOT CONFIDENTIAL" in line.found
    assert "affirming" not in line.found
