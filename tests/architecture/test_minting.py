# SPDX-License-Identifier: Apache-2.0
"""A proof type is constructed in exactly one function, or it proves nothing."""

from __future__ import annotations

import pytest

from tests.support.source_tree import calls_by_name, classes_by_name

MINTERS = {
    "Agreement": "cleanroom.contract.agreement",
    "ApprovedRun": "cleanroom.contract.approved_run",
    "AttestationResult": "cleanroom.attestation.appraisal",
    "CheckedStatement": "cleanroom.bound_plan.check",
    "CommitGrant": "cleanroom.keybroker.commit_decision",
    "KeyGrant": "cleanroom.runner.grants",
    "Receipt": "cleanroom.receipt.countersign",
    "ReleaseGrant": "cleanroom.keybroker.decision",
    "Released": "cleanroom.disclosure.decide",
    "SignedCaller": "cleanroom.server.callers",
    "VerifiedReceipt": "cleanroom.receipt.verify",
    "VouchedKey": "cleanroom.contract.request_key",
}


@pytest.mark.parametrize(("proof", "module"), MINTERS.items())
def test_a_proof_is_constructed_in_one_function_only(proof, module):
    places = calls_by_name("cleanroom").get(proof, [])
    assert [place[0] for place in places] == [module]
    assert places[0][1]


@pytest.mark.parametrize("proof", MINTERS)
def test_a_proof_type_is_defined_once(proof):
    assert len(classes_by_name().get(proof, [])) == 1


@pytest.mark.parametrize("proof", MINTERS)
def test_tests_get_a_proof_by_going_through_its_minter(proof):
    assert calls_by_name("tests").get(proof, []) == []
