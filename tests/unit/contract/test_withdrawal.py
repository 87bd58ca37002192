# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.approval import Decision
from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import DAY, NOW, RoomDocuments, build_room, with_file

ROOM = build_room()
PATIENTS = Digest.of(ROOM.bundle.agreement.datasets["hospital.patients"].data)
CLAIMS = Digest.of(ROOM.bundle.agreement.datasets["insurer.claims"].data)
KEY = Digest.of(ROOM.parties["hospital"].document.signing_keys[0].blob)
OWN = (
    ("hospital", RevocationKind.CONTRACT, ROOM.contract_digest),
    ("insurer", RevocationKind.CONTRACT, ROOM.contract_digest),
    ("hospital", RevocationKind.DATASET, "hospital.patients"),
    ("hospital", RevocationKind.DATASET, PATIENTS),
    ("hospital", RevocationKind.QUERY, ROOM.query_digest),
    ("insurer", RevocationKind.QUERY, ROOM.query_digest),
    ("hospital", RevocationKind.KEY, KEY),
    ("hospital", RevocationKind.KEY, ROOM.parties["hospital"].document.digest),
    ("hospital", RevocationKind.APPROVAL, Digest.of(ROOM.bundle.approvals["hospital"].data)),
)
FOREIGN = (
    ("insurer", RevocationKind.DATASET, "hospital.patients"),
    ("insurer", RevocationKind.DATASET, PATIENTS),
    ("insurer", RevocationKind.DATASET, CLAIMS),
    ("insurer", RevocationKind.KEY, KEY),
    ("insurer", RevocationKind.KEY, ROOM.parties["hospital"].document.digest),
    ("insurer", RevocationKind.APPROVAL, Digest.of(ROOM.bundle.approvals["hospital"].data)),
    ("hospital", RevocationKind.CONTRACT, Digest.of(b"another contract")),
    ("hospital", RevocationKind.QUERY, Digest.of(b"another query")),
)


def shown(by: str, kind: RevocationKind, subject: Digest | str, **changes) -> RoomDocuments:
    file = ROOM.revocation(by, kind=kind, subject=subject, **changes)
    return dataclasses.replace(ROOM, bundle=with_file(ROOM.bundle, "revocations", file, name="0"))


@pytest.mark.parametrize(("by", "kind", "subject"), OWN)
def test_what_a_party_took_back_stops_the_next_run(by, kind, subject):
    with pytest.raises(RefusedError) as raised:
        shown(by, kind, subject).approved()
    assert raised.value.message == (
        f"{kind.value} {subject}: withdrawn by {by}, agreed one in force"
    )
    assert raised.value.code == f"revoked.{kind.value}"
    assert raised.value.hint == "its reason: it was a mistake"


@pytest.mark.parametrize(("by", "kind", "subject"), OWN)
def test_what_only_a_broker_knows_stops_the_run_as_well(by, kind, subject):
    file = ROOM.revocation(by, kind=kind, subject=subject)
    with pytest.raises(RefusedError, match=f"withdrawn by {by}"):
        ROOM.approved(withdrawn=(file,))


@pytest.mark.parametrize(("by", "kind", "subject"), OWN)
def test_it_counts_from_its_first_second_and_not_before(by, kind, subject):
    room = shown(by, kind, subject, since=NOW)
    assert room.approved(at=NOW - DAY / 24)
    with pytest.raises(RefusedError, match="withdrawn"):
        room.approved(at=NOW)


@pytest.mark.parametrize(("by", "kind", "subject"), FOREIGN)
def test_nobody_takes_back_what_is_not_theirs(by, kind, subject):
    assert shown(by, kind, subject).approved()


def test_a_revocation_in_the_name_of_another_party_is_refused():
    file = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    forged = sign_by(file.data, kind="revocation", parties=(throwaway_party("mallory"),))
    forged = dataclasses.replace(forged, signatures={"hospital": forged.signatures["mallory"]})
    with pytest.raises(IntegrityError, match="^revocation 1: signature of hospital"):
        dataclasses.replace(
            ROOM, bundle=with_file(ROOM.bundle, "revocations", forged, name="0")
        ).approved()


def test_a_rejection_that_only_a_broker_knows_wins():
    no = ROOM.approval("hospital", decision=Decision.REJECT, sequence=2)
    with pytest.raises(RefusedError, match="rejected by hospital"):
        ROOM.approved(withdrawn=(no,))


def test_an_approval_that_only_a_broker_knows_counts():
    room = build_room(approvals={"insurer": {}})
    with pytest.raises(RefusedError, match="approval of hospital: found none"):
        room.approved()
    assert room.approved(withdrawn=(room.approval("hospital"),))


def test_what_strangers_to_the_contract_withdraw_is_left_aside():
    mallory = throwaway_party("mallory")
    room = dataclasses.replace(ROOM, parties={**ROOM.parties, "mallory": mallory})
    file = room.revocation("mallory", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    assert ROOM.approved(withdrawn=(file,))


def test_what_strangers_to_the_contract_reject_is_left_aside():
    mallory = throwaway_party("mallory")
    room = dataclasses.replace(ROOM, parties={**ROOM.parties, "mallory": mallory})
    no = room.approval("mallory", decision=Decision.REJECT)
    assert len(ROOM.approved(withdrawn=(no,)).approvals) == 2


@pytest.mark.parametrize("data", [b"", b"approver = [1]", b"party = {}", b'format = "other"'])
def test_something_else_among_the_withdrawals_is_refused_by_number(data):
    good = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=Digest.of(b"other"))
    with pytest.raises(MalformedError, match="^known withdrawal 2: "):
        ROOM.approved(withdrawn=(good, dataclasses.replace(good, data=data)))


def test_a_revocation_by_a_stranger_in_the_bundle_is_refused():
    mallory = throwaway_party("mallory")
    terms = RevocationTerms(
        party="mallory",
        kind=RevocationKind.QUERY,
        subject=ROOM.query_digest,
        since=NOW,
        reason="no",
    )
    room = build_room(
        parties={**ROOM.parties, "mallory": mallory},
        contract={"parties": ROOM.contract_terms.parties},
        revocations=(terms,),
    )
    bundle = dataclasses.replace(ROOM.bundle, revocations=room.bundle.revocations)
    with pytest.raises(RefusedError, match="^revocation 1: found 'mallory' as its signer"):
        dataclasses.replace(ROOM, bundle=bundle).approved()


def test_a_forged_withdrawal_that_a_broker_keeps_is_refused():
    no = ROOM.approval("hospital", decision=Decision.REJECT, sequence=2)
    forged = dataclasses.replace(no, data=no.data.replace(b"sequence = 2", b"sequence = 3"))
    with pytest.raises(IntegrityError, match="^known withdrawal 1: signature of hospital"):
        ROOM.approved(withdrawn=(forged,))


def signed_with_older_keys(by: str, **changes) -> SignedFile:
    """Sign a revocation with keys that the party has changed since."""
    file = ROOM.revocation(by, **changes)
    return sign_by(file.data, kind="revocation", parties=(throwaway_party(by, edition=2),))


def test_a_revocation_outlives_the_keys_that_signed_it():
    known = signed_with_older_keys("hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    with pytest.raises(RefusedError) as raised:
        ROOM.approved(withdrawn=(known,))
    assert raised.value.code == "revoked.query"


def test_a_party_that_changed_its_keys_is_not_locked_out_by_an_old_revocation():
    known = signed_with_older_keys(
        "hospital", kind=RevocationKind.QUERY, subject=Digest.of(b"another query")
    )
    assert ROOM.approved(withdrawn=(known,)).query.digest == ROOM.query_digest


def test_a_forged_revocation_that_a_broker_keeps_is_refused():
    no = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    forged = dataclasses.replace(no, data=no.data + b"# one line more\n")
    with pytest.raises(IntegrityError, match="^known withdrawal 1: signature of hospital"):
        ROOM.approved(withdrawn=(forged,))
