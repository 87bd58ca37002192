# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.approval import Approval, Decision, parse_approval
from cleanroom.contract.contract import Quorum
from cleanroom.contract.document_render import render_approval
from cleanroom.contract.quorum import require_quorum, required_approvers
from cleanroom.errors import RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.room_documents import NOW, PARTIES, approval_terms, build_room

ROOM = build_room()
CONTRACT = ROOM.agreement().contract
QUERY = ROOM.approved().query


def approval(by: str, **changes) -> Approval:
    terms = approval_terms(by, contract=CONTRACT.digest, query=QUERY.digest)
    return parse_approval(render_approval(dataclasses.replace(terms, **changes)))


def quorum(*approvals: Approval, contract=CONTRACT, at: dt.datetime = NOW):
    return require_quorum(approvals, contract=contract, query=QUERY, at=at)


def refusal(*approvals: Approval, contract=CONTRACT) -> str:
    with pytest.raises(RefusedError) as raised:
        quorum(*approvals, contract=contract)
    return raised.value.message


def test_the_contract_says_who_must_approve():
    touched = dataclasses.replace(QUERY, datasets={"hospital.patients": ("sex",)})
    assert required_approvers(CONTRACT, touched) == {"hospital"}
    owners = dataclasses.replace(CONTRACT, quorum=Quorum.ALL_OWNERS)
    assert required_approvers(owners, touched) == set(PARTIES)
    parties = dataclasses.replace(CONTRACT, quorum=Quorum.ALL_PARTIES)
    assert required_approvers(parties, touched) == set(PARTIES)


def test_the_order_of_approvals_does_not_matter():
    one, two = approval("hospital"), approval("insurer")
    assert quorum(one, two) == quorum(two, one) == (one, two)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"contract": Digest.of(b"before")}, "one for another contract or query"),
        ({"query": Digest.of(b"before")}, "one for another contract or query"),
        ({"expires": NOW}, "one that has expired"),
    ],
)
def test_a_stale_approval_does_not_count(change, found):
    message = refusal(approval("hospital"), approval("insurer", **change))
    assert message == (
        f"query plans-and-wards: approval of insurer: found {found}, agreed one in force"
    )


def test_a_stale_approval_does_not_harm_a_good_one():
    stale = approval("insurer", contract=Digest.of(b"before"), sequence=9)
    assert len(quorum(approval("hospital"), approval("insurer"), stale)) == 2


def test_a_rejection_refuses_although_the_contract_lists_the_query():
    listed = dataclasses.replace(CONTRACT, queries=frozenset({QUERY.digest}))
    no = approval("hospital", decision=Decision.REJECT)
    assert refusal(no, contract=listed).startswith("query plans-and-wards: rejected by hospital")


def test_a_rejection_never_expires():
    no = approval("hospital", decision=Decision.REJECT, sequence=2, expires=NOW)
    assert "rejected by hospital" in refusal(approval("hospital"), no, approval("insurer"))


def test_the_latest_word_counts():
    no = approval("hospital", decision=Decision.REJECT, sequence=2)
    yes = approval("hospital", sequence=3)
    assert "rejected" in refusal(approval("hospital"), no, approval("insurer"))
    assert quorum(no, yes, approval("insurer"))[0] == yes


def test_of_two_decisions_with_one_number_the_rejection_counts():
    no = approval("hospital", decision=Decision.REJECT)
    assert "rejected" in refusal(approval("hospital"), no, approval("insurer"))
    assert "rejected" in refusal(no, approval("hospital"), approval("insurer"))


def test_a_later_approval_that_expired_does_not_revive_an_earlier_one():
    later = approval("hospital", sequence=2, expires=NOW)
    assert "expired" in refusal(approval("hospital"), later, approval("insurer"))


def test_a_rejection_by_somebody_who_has_no_say_does_not_count():
    touched = dataclasses.replace(QUERY, datasets={"hospital.patients": ("sex",)})
    no = approval("insurer", decision=Decision.REJECT)
    counted = require_quorum((approval("hospital"), no), contract=CONTRACT, query=touched, at=NOW)
    assert [item.approver for item in counted] == ["hospital"]


def test_a_rejection_gives_its_reason_as_a_hint():
    no = approval("hospital", decision=Decision.REJECT, reason="too many columns")
    with pytest.raises(RefusedError) as raised:
        quorum(no)
    assert raised.value.hint == "its reason: too many columns"
    assert raised.value.code == "approval.rejected"
