# SPDX-License-Identifier: Apache-2.0
"""T-07, T-06: the operator starts runs nobody signed, or hides that somebody objected."""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.agreement import agree
from cleanroom.contract.approval import Decision
from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.document_render import render_run_request
from cleanroom.contract.revocation import RevocationKind
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, RefusedError
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import DAY, NOW, build_room, with_file

ROOM = build_room()
OPERATOR = throwaway_party("operator")


def start(run: SignedFile) -> None:
    agreement = agree(ROOM.bundle.agreement, trust=ROOM.pins)
    approve_run(agreement, with_file(ROOM.bundle, "run", run), at=NOW)


def request(**changes) -> bytes:
    return render_run_request(dataclasses.replace(ROOM.run_terms, **changes))


def test_a_run_that_nobody_signed_does_not_start():
    with pytest.raises(RefusedError, match="^run.toml: signature of insurer: missing"):
        start(SignedFile(data=request(run="another-run"), signatures={}))


def test_a_run_signed_by_the_operator_in_its_own_name_does_not_start():
    data = request(submitter="operator")
    with pytest.raises(RefusedError, match="^run.toml: found 'operator' as its signer"):
        start(sign_by(data, kind="run", parties=(OPERATOR,)))


def test_a_run_signed_by_the_operator_in_anothers_name_does_not_start():
    data = request(run="another-run")
    forged = {"insurer": OPERATOR.sign(data, kind="run")}
    with pytest.raises(IntegrityError, match="^run.toml: signature of insurer"):
        start(SignedFile(data=data, signatures=forged))


def test_a_party_that_may_not_submit_does_not_start_a_run():
    data = request(submitter="hospital")
    with pytest.raises(RefusedError, match="^run.toml: submitter: found 'hospital'"):
        start(sign_by(data, kind="run", parties=(ROOM.parties["hospital"],)))


@pytest.mark.parametrize(
    "change",
    [
        {"run": "another-run"},
        {"parameters": {"region": "south", "born": 1960, "since": "2025-01-01"}},
        {"receivers": frozenset({"hospital"})},
        {"expires": NOW + 400 * DAY},
    ],
)
def test_a_signature_starts_exactly_the_run_that_was_signed(change):
    with pytest.raises(IntegrityError, match="^run.toml: signature of insurer"):
        start(SignedFile(data=request(**change), signatures=ROOM.bundle.run.signatures))


def test_a_request_cannot_be_kept_for_later():
    with pytest.raises(RefusedError, match="^run.toml: expires"):
        ROOM.approved(at=ROOM.run_terms.expires)


def test_a_hidden_rejection_stops_the_run_where_it_is_known():
    assert ROOM.approved()
    rejection = ROOM.approval("hospital", decision=Decision.REJECT, sequence=2)
    with pytest.raises(RefusedError, match="rejected by hospital"):
        ROOM.approved(withdrawn=(rejection,))


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (RevocationKind.CONTRACT, ROOM.contract_digest),
        (RevocationKind.DATASET, "hospital.patients"),
        (RevocationKind.QUERY, ROOM.query_digest),
    ],
)
def test_a_hidden_revocation_stops_the_run_where_it_is_known(kind, subject):
    with pytest.raises(RefusedError, match="withdrawn by hospital"):
        ROOM.approved(withdrawn=(ROOM.revocation("hospital", kind=kind, subject=subject),))


def test_an_older_approval_shown_again_does_not_undo_a_rejection():
    rejection = ROOM.approval("hospital", decision=Decision.REJECT, sequence=2)
    shown = with_file(ROOM.bundle, "approvals", rejection, name="hospital")
    room = dataclasses.replace(ROOM, bundle=shown)
    with pytest.raises(RefusedError, match="rejected by hospital"):
        room.approved(withdrawn=(ROOM.bundle.approvals["hospital"],))
