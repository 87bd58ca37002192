# SPDX-License-Identifier: Apache-2.0
"""A party signs only what speaks about parties it knows and policies it made."""

from dataclasses import replace

import pytest

from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.signable import require_signable
from cleanroom.contract.signing import SigningParty, publish_signed
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import IdentityUnprovenError, IntegrityError, RefusedError
from tests.support.keys import pins_of, throwaway_party
from tests.support.room_documents import build_room

ROOM = build_room()
BUNDLE = ROOM.contract_bundle


def signable(bundle=BUNDLE, *, party="hospital", pins=ROOM.pins):
    return require_signable(bundle, party=party, pins=pins)


@pytest.mark.parametrize("party", ["hospital", "insurer"])
def test_a_contract_between_parties_that_know_each_other_is_signable(party):
    assert signable(party=party).digest == ROOM.contract_digest


def test_a_stranger_does_not_sign():
    with pytest.raises(RefusedError, match="found no bank") as refused:
        signable(party="bank")
    assert refused.value.code == "contract.not-a-party"


@pytest.mark.parametrize(
    "pins",
    [
        pins_of(ROOM.parties["hospital"]),
        pins_of(ROOM.parties["hospital"], throwaway_party("insurer", edition=2)),
    ],
    ids=["not pinned", "another document pinned"],
)
def test_a_contract_with_a_party_nobody_compared_is_not_signed(pins):
    with pytest.raises(IdentityUnprovenError, match=r"parties\.insurer"):
        signable(pins=pins)


def test_a_policy_with_other_bytes_on_my_data_is_refused():
    lineage = "hospital.encounters"
    policy = BUNDLE.policies[lineage]
    changed = replace(policy, data=policy.data + b"\n")
    bundle = replace(BUNDLE, policies={**BUNDLE.policies, lineage: changed})
    with pytest.raises(IntegrityError, match="policy.toml"):
        signable(bundle)


def test_a_policy_on_my_data_that_i_did_not_sign_is_refused():
    lineage = "hospital.encounters"
    unsigned = replace(BUNDLE.policies[lineage], signatures={})
    bundle = replace(BUNDLE, policies={**BUNDLE.policies, lineage: unsigned})
    with pytest.raises(RefusedError, match="signature of hospital: missing"):
        signable(bundle)
    # What others put on their own data is theirs to answer for, here.
    assert signable(bundle, party="insurer")


def test_a_document_is_published_with_its_signature(tmp_path):
    hospital = ROOM.parties["hospital"]
    room = RoomDirectory(path=tmp_path)
    party = SigningParty(document=hospital.document, signer=hospital.unlocked.signer)
    assert party.name == "hospital"
    publish_signed(room, "contract.toml", b"text\n", kind="contract", party=party)
    verify_file(
        room.load("contract.toml"), kind="contract", signer=hospital.document, what="contract.toml"
    )
