# SPDX-License-Identifier: Apache-2.0
"""T-17: genuine signatures are shown for another kind, another document or another room."""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.agreement import agree
from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.bundle import RunBundle
from cleanroom.contract.revocation import RevocationKind
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import CleanroomError, IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.room_documents import NOW, build_room, with_file

ROOM = build_room()
OTHER = build_room(contract={"name": "another-room"})
LINEAGE = "hospital.patients"
KINDS = ("party", "contract", "policy", "dataset", "query", "approval", "run", "revocation")
WITHDRAWN = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=Digest.of(b"other"))
DOCUMENTS = [
    ("contract", "contract", "", "hospital"),
    ("party", "parties", "hospital", "hospital"),
    ("policy", "policies", LINEAGE, "hospital"),
    ("dataset", "datasets", LINEAGE, "hospital"),
    ("query", "query", "", "insurer"),
    ("approval", "approvals", "hospital", "hospital"),
    ("run", "run", "", "insurer"),
    ("revocation", "revocations", "0", "hospital"),
]


def decide(bundle: RunBundle) -> None:
    approve_run(agree(bundle.agreement, trust=ROOM.pins), bundle, at=NOW)


def file_of(place: str, name: str) -> SignedFile:
    bundle = with_file(ROOM.bundle, "revocations", WITHDRAWN, name="0")
    if place == "contract":
        return bundle.agreement.contract
    holder = bundle if hasattr(bundle, place) else bundle.agreement
    value = getattr(holder, place)
    if place in {"query", "run"}:
        return value
    return value[int(name)] if place == "revocations" else value[name]


@pytest.mark.parametrize(("kind", "place", "name", "signer"), DOCUMENTS)
def test_a_signature_for_another_kind_of_document_is_refused(kind, place, name, signer):
    file = file_of(place, name)
    for other in KINDS:
        signature = ROOM.parties[signer].sign(file.data, kind=other)
        moved = SignedFile(data=file.data, signatures={**file.signatures, signer: signature})
        bundle = with_file(ROOM.bundle, place, moved, name=name)
        if other == kind:
            decide(bundle)
        else:
            with pytest.raises(IntegrityError, match=f"signature of {signer}"):
                decide(bundle)


@pytest.mark.parametrize(("kind", "place", "name", "signer"), DOCUMENTS)
def test_a_signature_of_another_document_is_refused(kind, place, name, signer):
    file = file_of(place, name)
    signature = ROOM.parties[signer].sign(file.data + b"\n", kind=kind)
    moved = SignedFile(data=file.data, signatures={**file.signatures, signer: signature})
    with pytest.raises(IntegrityError, match=f"signature of {signer}"):
        decide(with_file(ROOM.bundle, place, moved, name=name))


@pytest.mark.parametrize(("kind", "place", "name", "signer"), DOCUMENTS)
def test_a_signature_under_the_name_of_the_other_party_is_refused(kind, place, name, signer):
    file = file_of(place, name)
    other = "insurer" if signer == "hospital" else "hospital"
    signature = ROOM.parties[other].sign(file.data, kind=kind)
    moved = SignedFile(data=file.data, signatures={**file.signatures, signer: signature})
    with pytest.raises(IntegrityError, match=f"signature of {signer}"):
        decide(with_file(ROOM.bundle, place, moved, name=name))


@pytest.mark.parametrize("place", ["run", "approvals"])
def test_a_document_of_another_room_is_refused(place):
    if place == "run":
        bundle = with_file(ROOM.bundle, "run", OTHER.bundle.run)
        words = "^run.toml: contract: found"
    else:
        file = OTHER.bundle.approvals["hospital"]
        bundle = with_file(ROOM.bundle, "approvals", file, name="hospital")
        words = "approval of hospital: found one for another contract"
    with pytest.raises(CleanroomError, match=words):
        decide(bundle)


def test_a_whole_run_of_another_room_is_refused():
    moved = dataclasses.replace(OTHER.bundle, agreement=ROOM.bundle.agreement)
    with pytest.raises(IntegrityError, match="^run.toml: contract: found"):
        decide(moved)


def test_an_approval_is_no_approval_of_whoever_shows_it():
    file = ROOM.bundle.approvals["hospital"]
    forged = file.data.replace(b'approver = "hospital"', b'approver = "insurer"')
    moved = SignedFile(data=forged, signatures={"insurer": file.signatures["hospital"]})
    with pytest.raises(IntegrityError, match="^approvals/insurer.toml: signature of insurer"):
        decide(with_file(ROOM.bundle, "approvals", moved, name="insurer"))


def test_a_document_without_any_signature_is_refused():
    for _, place, name, signer in DOCUMENTS:
        bare = SignedFile(data=file_of(place, name).data, signatures={})
        with pytest.raises(RefusedError, match=r"signature of \w+: missing") as refused:
            decide(with_file(ROOM.bundle, place, bare, name=name))
        assert refused.value.code == "signature.missing"
        assert signer in refused.value.message
