# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.agreement import ContractDigest, agree
from cleanroom.contract.contract import ContractParty
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import (
    CleanroomError,
    IdentityUnprovenError,
    IntegrityError,
    RefusedError,
)
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from tests.support.keys import ThrowawayParty, pins_of, sign_by, throwaway_party
from tests.support.room_documents import LINEAGES, PARTIES, build_room, types_of, with_file

ROOM = build_room()
HOSPITAL, INSURER = throwaway_party("hospital"), throwaway_party("insurer")
MALLORY = throwaway_party("mallory")


def refused(error: type[CleanroomError], bundle, *, trust=None) -> CleanroomError:
    with pytest.raises(error) as raised:
        agree(bundle.agreement, trust=ROOM.pins if trust is None else trust)
    assert type(raised.value) is error
    return raised.value


def test_a_valid_bundle_is_agreed_with_pins():
    agreement = ROOM.agreement()
    assert agreement.contract.digest == ROOM.contract_digest
    assert set(agreement.parties) == set(PARTIES)
    assert set(agreement.policies) == set(agreement.datasets) == set(LINEAGES)
    assert agreement.signed_with == {
        name: {ROOM.parties[name].document.signing_keys[0].blob} for name in PARTIES
    }


def test_a_valid_bundle_is_agreed_with_the_digest_of_its_contract():
    trust = ContractDigest(digest=ROOM.contract_digest)
    assert ROOM.agreement(trust=trust).contract == ROOM.agreement().contract


def test_a_dataset_that_is_not_sealed_yet_is_absent():
    room = build_room()
    del room.bundle.agreement.datasets["insurer.claims"]
    agreement = room.agreement()
    assert "insurer.claims" not in agreement.datasets
    assert "insurer.claims" in agreement.policies


def test_another_contract_than_the_expected_one_is_refused():
    trust = ContractDigest(digest=Digest.of(b"another contract"))
    error = refused(IntegrityError, ROOM.bundle, trust=trust)
    assert error.message.startswith("contract.toml: found sha256:")


@pytest.mark.parametrize("pins", [Pins(documents={}), pins_of(HOSPITAL), pins_of(INSURER)])
def test_without_a_pin_of_every_party_identities_are_unproven(pins):
    error = refused(IdentityUnprovenError, ROOM.bundle, trust=pins)
    assert error.message.startswith("identities unproven: ")
    assert "pinned nothing" in error.message


def test_a_pin_of_another_document_leaves_the_identity_unproven():
    pins = pins_of(HOSPITAL, throwaway_party("insurer", edition=2))
    error = refused(IdentityUnprovenError, ROOM.bundle, trust=pins)
    assert error.message.startswith("identities unproven: insurer: found sha256:")


@pytest.mark.parametrize("place", ["parties", "policies", "datasets"])
def test_a_document_that_the_contract_does_not_name_is_refused(place):
    stranger = {"parties": "mallory"}.get(place, "mallory.things")
    bundle = with_file(ROOM.bundle, place, MALLORY.signed_document, name=stranger)
    error = refused(RefusedError, bundle)
    assert error.message == f"contract.toml: {place}: found a document of {stranger}, agreed none"


@pytest.mark.parametrize(("place", "name"), [("parties", "insurer"), ("policies", LINEAGES[0])])
def test_a_document_that_the_contract_names_must_be_there(place, name):
    room = build_room()
    del getattr(room.bundle.agreement, place)[name]
    error = refused(RefusedError, room.bundle)
    assert error.message == f"contract.toml: {place}: found no document of {name}, agreed one"


def test_another_party_document_than_the_signed_one_is_refused():
    swapped = throwaway_party("insurer", edition=2).signed_document
    error = refused(IntegrityError, with_file(ROOM.bundle, "parties", swapped, name="insurer"))
    assert error.message.startswith("parties/insurer.toml: found sha256:")


def test_a_document_under_another_name_is_refused():
    room = build_room(parties={"hospital": HOSPITAL, "insurer": MALLORY})
    parties = tuple(
        dataclasses.replace(party, name="insurer") if party.name == "mallory" else party
        for party in room.contract_terms.parties
    )
    room = build_room(
        parties={"hospital": HOSPITAL, "insurer": MALLORY}, contract={"parties": parties}
    )
    error = refused(IntegrityError, room.bundle)
    assert error.message == "parties/insurer.toml: name: found 'mallory', agreed 'insurer'"


def test_a_party_document_must_be_signed_with_one_of_its_own_keys():
    unsigned = SignedFile(data=INSURER.document.raw, signatures={})
    error = refused(RefusedError, with_file(ROOM.bundle, "parties", unsigned, name="insurer"))
    assert error.message == "parties/insurer.toml: signature of insurer: missing"


def test_two_names_for_one_organisation_are_refused():
    twin = dataclasses.replace(
        throwaway_party("insurer", edition=3), signing_key=HOSPITAL.signing_key
    )
    room = build_room(parties={"hospital": HOSPITAL, "insurer": sharing_keys(twin)})
    error = refused(RefusedError, room.bundle, trust=room.pins)
    assert error.message.startswith("parties/insurer.toml: found a key of hospital")


def sharing_keys(party: ThrowawayParty) -> ThrowawayParty:
    """Make a document of this party with the hospital's signing key."""
    from cleanroom.identity.party import parse_party, render_party  # noqa: PLC0415

    raw = render_party(
        name=party.name,
        title="Another Name",
        signing_keys=HOSPITAL.document.signing_keys,
        receiving_key=party.document.receiving_key,
        broker_address=party.document.broker_address,
        broker_key=party.document.broker_key,
    )
    unlocked = dataclasses.replace(party.unlocked, signer=HOSPITAL.unlocked.signer)
    changed = dataclasses.replace(party, document=parse_party(raw), unlocked=unlocked)
    return dataclasses.replace(changed, document_signature=changed.sign(raw, kind="party"))


@pytest.mark.parametrize("absent", PARTIES)
def test_every_party_must_have_signed_the_contract(absent):
    file = ROOM.bundle.agreement.contract
    signatures = {name: data for name, data in file.signatures.items() if name != absent}
    bundle = with_file(ROOM.bundle, "contract", SignedFile(data=file.data, signatures=signatures))
    error = refused(RefusedError, bundle)
    assert error.message == f"contract.toml: signature of {absent}: missing"
    assert error.code == "signature.missing"


def test_a_signature_by_a_stranger_beside_the_contract_is_refused():
    data = ROOM.bundle.agreement.contract.data
    signed = sign_by(data, kind="contract", parties=(HOSPITAL, INSURER, MALLORY))
    error = refused(RefusedError, with_file(ROOM.bundle, "contract", signed))
    assert error.message.startswith("contract.toml: found a signature of mallory")


def test_a_contract_that_replaces_another_may_carry_the_signature_of_who_left():
    room = build_room(contract={"predecessor": Digest.of(b"before")})
    data = room.bundle.agreement.contract.data
    signed = sign_by(data, kind="contract", parties=(HOSPITAL, INSURER, MALLORY))
    bundle = with_file(room.bundle, "contract", signed)
    assert agree(bundle.agreement, trust=room.pins).contract.digest == room.contract_digest


@pytest.mark.parametrize(
    ("place", "name", "what"),
    [
        ("parties", "insurer", "parties/insurer.toml"),
        ("policies", "hospital.patients", "datasets/hospital.patients/policy.toml"),
        ("datasets", "hospital.patients", "datasets/hospital.patients/dataset.toml"),
    ],
)
def test_a_signature_by_somebody_else_beside_a_document_is_refused(place, name, what):
    file = getattr(ROOM.bundle.agreement, place)[name]
    signed = SignedFile(data=file.data, signatures={**file.signatures, "mallory": b"any"})
    error = refused(RefusedError, with_file(ROOM.bundle, place, signed, name=name))
    assert error.message.startswith(f"{what}: found a signature of mallory, agreed only one")


@pytest.mark.parametrize(
    ("place", "kind", "file"), [("policies", "policy", "policy"), ("datasets", "dataset", "data")]
)
def test_only_the_owner_signs_its_policies_and_datasets(place, kind, file):
    signed = getattr(ROOM.bundle.agreement, place)["hospital.patients"]
    by_other = sign_by(signed.data, kind=kind, parties=(INSURER,))
    error = refused(RefusedError, with_file(ROOM.bundle, place, by_other, name="hospital.patients"))
    assert error.message.startswith(f"datasets/hospital.patients/{file}")
    assert error.message.endswith("signature of hospital: missing")


def test_another_policy_than_the_agreed_one_is_refused():
    looser = build_room(policies={"hospital.patients": {"threshold": 3}}).bundle.agreement
    file = looser.policies["hospital.patients"]
    error = refused(
        IntegrityError, with_file(ROOM.bundle, "policies", file, name="hospital.patients")
    )
    assert error.message.startswith("datasets/hospital.patients/policy.toml: found sha256:")


def test_a_policy_for_another_dataset_is_refused():
    swapped = dataclasses.replace(
        ROOM.contract_terms,
        datasets=tuple(
            dataclasses.replace(
                dataset, policy=ROOM.agreement().policies["hospital.encounters"].digest
            )
            if dataset.lineage == "hospital.patients"
            else dataset
            for dataset in ROOM.contract_terms.datasets
        ),
    )
    room = build_room(contract={"datasets": swapped.datasets})
    file = room.bundle.agreement.policies["hospital.encounters"]
    bundle = with_file(room.bundle, "policies", file, name="hospital.patients")
    error = refused(IntegrityError, bundle)
    assert error.message == (
        "datasets/hospital.patients/policy.toml: dataset: found 'hospital.encounters', "
        "agreed 'hospital.patients'"
    )


def test_a_dataset_under_the_name_of_another_is_refused():
    file = ROOM.bundle.agreement.datasets["hospital.encounters"]
    error = refused(
        IntegrityError, with_file(ROOM.bundle, "datasets", file, name="hospital.patients")
    )
    assert error.message.startswith("datasets/hospital.patients/dataset.toml: lineage: found")


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"policy": Digest.of(b"another policy")}, "policy"),
        ({"columns": types_of("hospital.patients")[::-1]}, "columns"),
    ],
)
def test_a_dataset_that_the_contract_does_not_describe_is_refused(change, clause):
    room = build_room(datasets={"hospital.patients": change})
    error = refused(IntegrityError, room.bundle)
    assert error.message.startswith(f"datasets/hospital.patients/dataset.toml: {clause}: found")


def test_only_the_pinned_version_of_a_dataset_counts():
    pinned = tuple(
        dataclasses.replace(dataset, version=Digest.of(ROOM.bundle.agreement.datasets[name].data))
        if (name := dataset.lineage) == "hospital.patients"
        else dataset
        for dataset in ROOM.contract_terms.datasets
    )
    assert build_room(contract={"datasets": pinned}).agreement()
    room = build_room(contract={"datasets": pinned}, datasets={"hospital.patients": {"version": 2}})
    room_bundle = room.bundle
    error = refused(IntegrityError, room_bundle)
    assert error.message.startswith("datasets/hospital.patients/dataset.toml: found sha256:")


def test_contract_parties_are_bound_to_documents_and_not_to_names():
    parties = tuple(
        ContractParty(name=party.name, document=Digest.of(b"no"), roles=party.roles)
        if party.name == "insurer"
        else party
        for party in ROOM.contract_terms.parties
    )
    error = refused(IntegrityError, build_room(contract={"parties": parties}).bundle)
    assert error.message.startswith("parties/insurer.toml: found")
