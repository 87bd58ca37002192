# SPDX-License-Identifier: Apache-2.0
"""T-06, T-20: the operator hides what parties took back, and offers what they replaced.

Every party tells every broker directly, so what the room shows does not matter.
"""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.approval import Decision
from cleanroom.contract.broker_requests import (
    ContractNotice,
    Notice,
    RejectionNotice,
    RevocationNotice,
)
from cleanroom.contract.revocation import RevocationKind
from cleanroom.contract.statements import verify_acknowledgement
from cleanroom.errors import CleanroomError
from cleanroom.kernel.digest import Digest
from tests.support.brokers import BrokerBench, ScriptedRunner, broker_bench
from tests.support.room_documents import NOW, build_room, with_file

ROOM = build_room()
RUNNER = ScriptedRunner(room=ROOM)
SIGNING_KEY = Digest.of(ROOM.parties["insurer"].document.signing_keys[0].blob)


def revoked(by: str, kind: RevocationKind, subject: Digest | str) -> Notice:
    """Take something back."""
    return RevocationNotice(document=ROOM.revocation(by, kind=kind, subject=subject))


WITHDRAWALS: dict[str, Notice] = {
    "the owner's rejection": RejectionNotice(
        document=ROOM.approval("hospital", decision=Decision.REJECT, sequence=2)
    ),
    "a partner's rejection": RejectionNotice(
        document=ROOM.approval("insurer", decision=Decision.REJECT, sequence=2)
    ),
    "a rejection with the approval's number": RejectionNotice(
        document=ROOM.approval("hospital", decision=Decision.REJECT)
    ),
    "the contract": revoked("insurer", RevocationKind.CONTRACT, ROOM.contract_digest),
    "a lineage": revoked("hospital", RevocationKind.DATASET, "hospital.patients"),
    "a version": revoked(
        "hospital",
        RevocationKind.DATASET,
        Digest.of(ROOM.contract_bundle.datasets["hospital.patients"].data),
    ),
    "the query": revoked("insurer", RevocationKind.QUERY, ROOM.query_digest),
    "a key": revoked("insurer", RevocationKind.KEY, SIGNING_KEY),
    "an approval": revoked(
        "hospital",
        RevocationKind.APPROVAL,
        Digest.of(ROOM.bundle.approvals["hospital"].data),
    ),
}


@pytest.fixture
def bench(tmp_path):
    with broker_bench(tmp_path, ROOM) as opened:
        yield opened


def refused(bench: BrokerBench, request) -> str:
    """Expect a refusal, that nothing was recorded, and return its code."""
    before = bench.brokers["hospital"].status().log_size
    with pytest.raises(CleanroomError) as error:
        bench.brokers["hospital"].release(request)
    assert bench.brokers["hospital"].status().log_size == before
    return error.value.code


@pytest.mark.parametrize("what", WITHDRAWALS)
def test_what_was_taken_back_stops_the_next_release_whatever_the_room_shows(
    bench: BrokerBench, what: str
) -> None:
    request = RUNNER.ask(bench)
    logged = bench.brokers["hospital"].notice(WITHDRAWALS[what])
    said = verify_acknowledgement(
        logged.statement,
        party="hospital",
        broker_key=ROOM.parties["hospital"].document.broker_key,
    )
    assert said.document == Digest.of(WITHDRAWALS[what].document.data)
    assert refused(bench, request) in {
        "approval.rejected",
        *(f"revoked.{kind.value}" for kind in RevocationKind),
    }


def test_the_same_room_without_the_notice_gets_its_keys(bench: BrokerBench) -> None:
    """Control: it was the notice, and nothing else, that stopped the release."""
    bench.brokers["hospital"].release(RUNNER.ask(bench))


@pytest.mark.parametrize("what", ["the owner's rejection", "the contract"])
def test_what_a_room_showed_once_cannot_be_hidden_again(bench: BrokerBench, what: str) -> None:
    request = RUNNER.ask(bench)
    document = WITHDRAWALS[what].document
    if what == "the contract":
        shown = with_file(ROOM.bundle, "revocations", document, name="0")
    else:
        shown = with_file(ROOM.bundle, "approvals", document, name="hospital")
    refused(bench, dataclasses.replace(request, bundle=shown))
    assert refused(bench, request) in {"approval.rejected", "revoked.contract"}


def test_a_revocation_counts_from_its_own_time(bench: BrokerBench) -> None:
    since = NOW.replace(hour=13)
    document = ROOM.revocation(
        "insurer", kind=RevocationKind.CONTRACT, subject=ROOM.contract_digest, since=since
    )
    bench.brokers["hospital"].notice(RevocationNotice(document=document))
    bench.brokers["hospital"].release(RUNNER.ask(bench))
    bench.clock.now = since
    other = ScriptedRunner(room=ROOM, label="later")
    assert refused(bench, other.ask(bench)) == "revoked.contract"


def test_a_party_cannot_take_back_what_is_not_its_own(bench: BrokerBench) -> None:
    theirs = revoked("insurer", RevocationKind.DATASET, "hospital.patients")
    bench.brokers["hospital"].notice(theirs)
    bench.brokers["hospital"].release(RUNNER.ask(bench))


def test_a_replaced_contract_gives_no_keys_although_it_has_not_expired(bench: BrokerBench) -> None:
    request = RUNNER.ask(bench)
    successor = build_room(contract={"predecessor": ROOM.contract_digest, "max_runs": 9})
    bench.brokers["hospital"].notice(ContractNotice(bundle=successor.contract_bundle))
    assert refused(bench, request) == "broker.superseded"


def test_a_replaced_contract_stays_replaced_after_its_successor_was_used(
    bench: BrokerBench,
) -> None:
    request = RUNNER.ask(bench)
    successor = build_room(contract={"predecessor": ROOM.contract_digest})
    later = ScriptedRunner(room=successor, label="later")
    bench.brokers["hospital"].release(later.ask(bench))
    bench.brokers["hospital"].close()
    bench.open("hospital")
    assert refused(bench, request) == "broker.superseded"


def test_an_approval_of_the_old_contract_does_not_count_under_the_new_one(
    bench: BrokerBench,
) -> None:
    successor = build_room(contract={"predecessor": ROOM.contract_digest})
    runner = ScriptedRunner(room=successor)
    request = runner.ask(bench)
    old = with_file(
        successor.bundle, "approvals", ROOM.bundle.approvals["hospital"], name="hospital"
    )
    assert refused(bench, dataclasses.replace(request, bundle=old)) == "approval.missing"


def test_amending_a_contract_does_not_give_runs_back(tmp_path) -> None:
    room = build_room(contract={"max_runs": 1})
    with broker_bench(tmp_path, room) as bench:
        bench.brokers["hospital"].release(ScriptedRunner(room=room).ask(bench))
        amended = build_room(contract={"max_runs": 1, "predecessor": room.contract_digest})
        request = ScriptedRunner(room=amended, label="second").ask(bench)
        assert refused(bench, request) == "broker.uses-exhausted"
