# SPDX-License-Identifier: Apache-2.0
"""A party signs only what speaks about parties it knows and policies it made."""

from dataclasses import replace

import pytest

from cleanroom import room as line
from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.signable import completes_amendment, require_signable, sign_signable
from cleanroom.contract.signing import SigningParty, publish_signed
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import IdentityUnprovenError, IntegrityError, RefusedError
from cleanroom.identity.pins import pin
from cleanroom.kernel.digest import Digest
from tests.support.keys import pins_of, throwaway_party, write_profile
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


AMENDED = build_room(contract={"predecessor": Digest.of(b"before")}).contract_bundle


def sign(bundle):
    keys = ROOM.parties["hospital"]
    party = SigningParty(document=keys.document, signer=keys.unlocked.signer)
    return sign_signable(bundle, party=party, pins=ROOM.pins)


def signed_by(bundle, **signatures):
    return replace(bundle, contract=SignedFile(data=bundle.contract.data, signatures=signatures))


def test_the_last_signature_of_an_amendment_that_fits_is_given():
    assert completes_amendment(AMENDED)
    assert sign(AMENDED).signatures.keys() == {"hospital"}


def test_the_last_signature_is_refused_while_a_document_does_not_fit():
    """T-20: it would end the predecessor and leave no contract to run under."""
    lineage = "insurer.claims"
    other = SignedFile(
        data=AMENDED.datasets[lineage].data + b"# changed\n",
        signatures=AMENDED.datasets[lineage].signatures,
    )
    bundle = replace(AMENDED, datasets={**AMENDED.datasets, lineage: other})
    with pytest.raises(IntegrityError, match=f"datasets/{lineage}/dataset.toml"):
        sign(bundle)


@pytest.mark.parametrize("signatures", [{}, {"insurer": b"of earlier bytes"}], ids=["none", "old"])
def test_a_signature_that_does_not_hold_neither_completes_nor_stops(signatures):
    bundle = signed_by(AMENDED, **signatures)
    assert not completes_amendment(bundle)
    assert sign(bundle).signatures.keys() == {"hospital"}


def test_a_first_contract_completes_no_amendment():
    assert not completes_amendment(BUNDLE)


def test_a_refused_signature_is_not_in_the_room(tmp_path):
    """T-20: sign and fail would be worse than either."""
    amended = build_room(contract={"predecessor": Digest.of(b"before")})
    room = amended.write(tmp_path / "room")
    mine = room.path / places.signature_file(places.CONTRACT, "hospital")
    mine.unlink()
    (room.path / places.signature_file(places.dataset_file("insurer.claims"), "insurer")).unlink()
    profile = write_profile(tmp_path / "homes", ROOM.parties["hospital"])
    insurer = ROOM.parties["insurer"].document
    pin(profile.pins_directory, insurer, confirmed=insurer.digest)
    signer = ROOM.parties["hospital"].unlocked.signer
    with pytest.raises(RefusedError, match=r"dataset\.toml: signature of insurer: missing"):
        line.sign_contract(profile, signer, room.path, digest=amended.contract_digest)
    assert not mine.exists()
