# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract import places
from cleanroom.contract.signable import require_signable
from cleanroom.contract.signing import SigningParty, publish_signed, sign_document
from cleanroom.errors import IdentityUnprovenError, IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.keys import pins_of, throwaway_party
from tests.support.room_documents import build_room, with_file

ROOM = build_room()
HOSPITAL = throwaway_party("hospital")
SIGNING = SigningParty(document=HOSPITAL.document, signer=HOSPITAL.unlocked.signer)


def signable(bundle=ROOM.contract_bundle, *, party="hospital", pins=ROOM.pins):
    return require_signable(bundle, party=party, pins=pins)


def test_a_document_is_signed_as_its_kind_by_its_party():
    file = ROOM.bundle.agreement.contract
    signed = sign_document(file.data, kind="contract", party=SIGNING)
    assert signed.signatures == {"hospital": file.signatures["hospital"]}
    assert "signer" not in repr(SIGNING)


def test_a_published_signature_joins_those_of_others(tmp_path):
    room = ROOM.write(tmp_path / "room")
    file = ROOM.bundle.agreement.contract
    publish_signed(room, places.CONTRACT, file.data, kind="contract", party=SIGNING)
    assert room.load(places.CONTRACT) == file


def test_a_party_signs_a_contract_that_names_it_and_whom_it_knows():
    assert signable().digest == ROOM.contract_digest


def test_a_stranger_signs_nothing():
    with pytest.raises(RefusedError, match="^contract.toml: parties: found no mallory, agreed one"):
        signable(party="mallory")


@pytest.mark.parametrize(
    ("others", "pinned"),
    [((), "nothing"), ((throwaway_party("insurer", edition=2),), "sha256:")],
)
def test_nobody_signs_with_a_party_whose_fingerprint_was_not_compared(others, pinned):
    with pytest.raises(IdentityUnprovenError) as refused:
        signable(pins=pins_of(HOSPITAL, *others))
    assert refused.value.message.startswith("contract.toml: parties.insurer: found sha256:")
    assert f"pinned {pinned}" in refused.value.message


def test_an_owner_signs_only_a_contract_over_its_own_policies():
    looser = build_room(policies={"hospital.patients": {"threshold": 3}}).bundle.agreement
    file = looser.policies["hospital.patients"]
    bundle = with_file(ROOM.bundle, "policies", file, name="hospital.patients").agreement
    with pytest.raises(IntegrityError, match="^datasets/hospital.patients/policy.toml: found"):
        signable(bundle)


def test_an_owner_signs_only_a_contract_over_policies_that_it_signed():
    file = ROOM.bundle.agreement.policies["hospital.patients"]
    unsigned = dataclasses.replace(file, signatures={})
    bundle = with_file(ROOM.bundle, "policies", unsigned, name="hospital.patients").agreement
    with pytest.raises(RefusedError, match=r"hospital.patients/policy.toml: signature of hospital"):
        signable(bundle)


def test_the_namespace_of_a_signature_is_the_kind_of_document():
    data = ROOM.bundle.agreement.contract.data
    as_query = sign_document(data, kind="query", party=SIGNING)
    as_contract = sign_document(data, kind="contract", party=SIGNING)
    assert as_query.signatures != as_contract.signatures
    assert Digest.of(as_query.data) == Digest.of(as_contract.data)
