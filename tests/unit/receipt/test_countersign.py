# SPDX-License-Identifier: Apache-2.0
"""The runner's last gate: no receipt without every owner, and none that would fail later."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanroom.errors import CleanroomError, IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.countersign import countersign_receipt
from cleanroom.receipt.steps import Found, Journal, StepLine, unheard
from cleanroom.receipt.verify import verify_receipt
from tests.support.receipt_forge import HONEST, Forge, Lies
from tests.support.receipt_room import NOW, OWNERS

OTHER = Digest.of(b"something else")


def countersigned(lies=HONEST, *, without=()):
    forge = Forge(lies=lies)
    body = forge.body()
    envelope = forge.envelope(body)
    signatures = forge.countersignatures(body, envelope)
    return countersign_receipt(
        envelope,
        agreement=forge.agreement(),
        countersignatures={
            owner: item for owner, item in signatures.items() if owner not in without
        },
    )


def test_what_comes_out_is_what_a_reader_verifies():
    forge = Forge()
    receipt = countersigned()
    verified = verify_receipt(receipt.data, room=forge.room, trust=forge.documents.pins)
    assert verified.digest == receipt.digest
    assert verified.body == receipt.body


@pytest.mark.parametrize("owner", OWNERS)
def test_without_one_countersignature_there_is_no_receipt(owner):
    with pytest.raises(IntegrityError, match=f"none of {owner}"):
        countersigned(without=(owner,))


@pytest.mark.parametrize(
    "lies",
    [
        Lies(commit={"insurer": {"result": OTHER}}),
        Lies(commit={"insurer": {"receipt": OTHER}}),
        Lies(commit={"insurer": {"entry": OTHER}}),
        Lies(commit={"insurer": {"committed_at": NOW - dt.timedelta(seconds=1)}}),
        Lies(commit_log={"insurer": {"index": 0}}),
        Lies(release={"insurer": {"nonce": b"m" * 32}}),
        Lies(broker_keys={"insurer": "mallory"}),
        Lies(runtime={"run": "run-99999999"}),
        Lies(signed_with="mallory"),
        Lies(body={"state": ()}),
    ],
)
def test_a_broker_cannot_make_the_runner_hand_out_what_would_fail_later(lies):
    with pytest.raises(CleanroomError):
        countersigned(lies)


def test_a_journal_keeps_its_lines_in_order_and_names_the_step_that_failed():
    heard: list[StepLine] = []
    journal = Journal(heard.append)
    assert journal.check("first", lambda: Found(text="fine", value=7)) == 7

    def refuse() -> Found[None]:
        raise IntegrityError("seal: broken", code="test.broken")

    with pytest.raises(IntegrityError):
        journal.check("second", refuse)
    assert [(line.step, line.held) for line in heard] == [("first", True), ("second", False)]
    assert journal.lines == tuple(heard)


def test_a_verification_may_go_unheard():
    unheard(StepLine(step="any", found="thing", held=True))
    assert Forge().verify().lines
