# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from cleanroom.contract.approval import Decision
from cleanroom.contract.broker_requests import RejectionNotice, RevocationNotice
from cleanroom.contract.revocation import RevocationKind
from cleanroom.contract.state_chain import derive_head, genesis_head, next_head
from cleanroom.contract.statements import StateStep, verify_commit
from cleanroom.envelope.dsse import sign_statement
from cleanroom.envelope.statement import make_statement, parse_statement
from cleanroom.errors import (
    CleanroomError,
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    RefusedError,
)
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.build import build_receipt
from cleanroom.receipt.model import Named, SealedResult
from tests.support.brokers import (
    SEALED_ENTRY,
    SEALED_RESULT,
    ScriptedRunner,
    broker_bench,
    read_release,
    require_logged,
)
from tests.support.keys import signing_key
from tests.support.room_documents import NOW, RUN, build_room

OTHER = Digest.of(b"something else")
ENTRY = Digest.of(SEALED_ENTRY)
TOUCHED = ("hospital.encounters", "hospital.patients", "insurer.members")


def moved(lineage, *, previous=None, entry=ENTRY):
    """Move a lineage from its genesis, or from another head."""
    head = genesis_head(lineage) if previous is None else previous
    return StateStep(
        lineage=lineage, previous=head, next=head if entry is None else next_head(head, entry)
    )


STEPS = tuple(moved(lineage) for lineage in TOUCHED)


@pytest.fixture
def asked(bench, runner):
    """Ask for keys and get them from one broker."""
    request = runner.ask(bench)
    return request, {"hospital": bench.brokers["hospital"].release(request)}


@pytest.fixture
def prepare(runner, asked):
    """Prepare a commit with changes."""

    def make(*, steps=STEPS, entry=SEALED_ENTRY, releases=asked[1], **changes):
        return runner.commit(asked[0], releases, steps=steps, entry=entry, **changes)

    return make


def refuse(bench, request, *, code, kind=CleanroomError):
    """Expect a refusal by its code, and that nothing moved."""
    before = bench.brokers["hospital"].status()
    with pytest.raises(kind) as refused:
        bench.brokers["hospital"].commit(request)
    assert refused.value.code == code
    after = bench.brokers["hospital"].status()
    assert (after.log_size, after.heads) == (before.log_size, before.heads)
    return refused.value


def test_a_commit_moves_the_owners_heads_and_says_so(bench, room, prepare):
    request = prepare()
    logged = bench.brokers["hospital"].commit(request)
    commit = verify_commit(
        logged.statement,
        party="hospital",
        broker_key=room.parties["hospital"].document.broker_key,
    )
    status = bench.brokers["hospital"].status()
    assert (commit.epoch, commit.run) == (status.epoch, RUN)
    assert commit.receipt == Digest.of(request.receipt.payload)
    assert commit.result == Digest.of(SEALED_RESULT)
    assert commit.lineages == STEPS
    assert commit.entry == ENTRY
    assert commit.committed_at == NOW
    assert status.heads == {step.lineage: step.next for step in STEPS[:2]}
    assert bench.brokers["hospital"].entry(ENTRY) == SEALED_ENTRY
    require_logged(room, "hospital", logged)


def test_entries_come_in_order_until_they_are_too_many(bench, prepare):
    bench.brokers["hospital"].commit(prepare())
    broker, second = bench.brokers["hospital"], SEALED_ENTRY + b" of another run"
    runner = ScriptedRunner(room=build_room(run={"run": "a-later-run-0001"}))
    request, new, whole = runner.ask(bench), Digest.of(second), len(second + SEALED_ENTRY)
    steps = [
        dataclasses.replace(one, previous=one.next, next=next_head(one.next, new)) for one in STEPS
    ]
    kept = {"hospital": broker.release(request)}
    broker.commit(runner.commit(request, kept, steps=tuple(steps), entry=second))
    assert broker.first_entries((new, ENTRY), most=whole) == (second, SEALED_ENTRY)
    assert {broker.first_entries((new, ENTRY), most=most) for most in (whole - 1, 0)} == {(second,)}
    assert broker.entries((ENTRY, new)) == (SEALED_ENTRY, second)
    with pytest.raises(KeyRefusedError, match="no such entry"):
        broker.first_entries((new, ENTRY, Digest.of(b"another")), most=whole)


def test_the_next_release_shows_the_history_that_was_committed(bench, room, prepare):
    bench.brokers["hospital"].commit(prepare())
    later = build_room(run={"run": "a-later-run-0001"})
    logged = bench.brokers["hospital"].release(ScriptedRunner(room=later).ask(bench))
    for dataset in read_release(room, "hospital", logged).datasets:
        assert [(item.digest, item.owners) for item in dataset.entries] == [
            (ENTRY, ("hospital", "insurer"))
        ]
        assert dataset.head == derive_head(dataset.lineage, [ENTRY])


def test_a_stored_answer_moves_nothing(bench, room, prepare):
    steps = tuple(moved(lineage, entry=None) for lineage in TOUCHED)
    logged = bench.brokers["hospital"].commit(prepare(steps=steps, entry=None))
    commit = verify_commit(
        logged.statement,
        party="hospital",
        broker_key=room.parties["hospital"].document.broker_key,
    )
    assert commit.entry is None
    assert bench.brokers["hospital"].status().heads == {}


def test_an_owner_whose_data_is_not_touched_keeps_the_entry_for_those_whose_is(tmp_path):
    room = build_room(
        query={"datasets": {"insurer.members": ("plan", "member_id")}}, approvals={"insurer": {}}
    )
    with broker_bench(tmp_path, room) as bench:
        runner = ScriptedRunner(room=room)
        request = runner.ask(bench)
        releases = {"hospital": bench.brokers["hospital"].release(request)}
        logged = bench.brokers["hospital"].commit(
            runner.commit(request, releases, steps=(moved("insurer.members"),))
        )
        commit = verify_commit(
            logged.statement,
            party="hospital",
            broker_key=room.parties["hospital"].document.broker_key,
        )
        assert commit.entry == ENTRY
        assert bench.brokers["hospital"].status().heads == {}
        assert Digest.of(bench.brokers["hospital"].entry(ENTRY)) == ENTRY
        with pytest.raises(KeyRefusedError) as refused:
            bench.brokers["hospital"].entry(Digest.of(b"another"))
        assert refused.value.code == "broker.entry-unknown"


def test_the_same_entry_may_be_committed_twice(bench, room, prepare):
    bench.brokers["hospital"].commit(prepare())
    later = build_room(run={"run": "a-later-run-0001"})
    runner = ScriptedRunner(room=later)
    request = runner.ask(bench)
    releases = {"hospital": bench.brokers["hospital"].release(request)}
    heads = bench.brokers["hospital"].status().heads
    steps = tuple(moved(lineage, previous=heads.get(lineage)) for lineage in TOUCHED)
    bench.brokers["hospital"].commit(runner.commit(request, releases, steps=steps))
    assert bench.brokers["hospital"].status().heads == {
        lineage: derive_head(lineage, [ENTRY, ENTRY]) for lineage in TOUCHED[:2]
    }


def test_committing_again_gives_the_same_statement_and_moves_nothing(bench, prepare):
    request = prepare()
    first = bench.brokers["hospital"].commit(request)
    bench.clock.advance(days=2)
    heads = bench.brokers["hospital"].status().heads
    again = bench.brokers["hospital"].commit(request)
    assert again.statement == first.statement
    assert bench.brokers["hospital"].status().log_size == 2
    assert bench.brokers["hospital"].status().heads == heads


def test_committing_again_after_a_restart_gives_the_same_statement(bench, prepare):
    request = prepare()
    first = bench.brokers["hospital"].commit(request)
    bench.brokers["hospital"].close()
    assert bench.open("hospital").commit(request).statement == first.statement


# 1. Keys went to exactly this runtime data.


@pytest.mark.parametrize("kind", ["revoked.contract", "approval.rejected"])
def test_what_is_taken_back_after_the_release_ends_its_retries_and_not_its_commit(
    bench, asked, prepare, kind
):
    # What was released counts as released for ever; who wants to hold the result back stops.
    broker, room = bench.brokers["hospital"], bench.room
    revocation = room.revocation(
        "insurer", kind=RevocationKind.CONTRACT, subject=room.contract_digest
    )
    rejection = room.approval("insurer", decision=Decision.REJECT, sequence=2)
    broker.notice(
        RevocationNotice(document=revocation)
        if kind == "revoked.contract"
        else RejectionNotice(document=rejection)
    )
    with pytest.raises(RefusedError) as refused:
        broker.release(asked[0])
    assert refused.value.code == kind
    require_logged(room, "hospital", broker.commit(prepare()))
    assert broker.status().heads == {step.lineage: step.next for step in STEPS[:2]}


def test_a_run_without_a_release_is_refused(bench, runner):
    request = runner.commit(runner.ask(bench), {}, steps=STEPS)
    refuse(bench, request, code="broker.no-release", kind=KeyRefusedError)


def test_another_runtime_data_of_the_same_run_is_refused(bench, room, asked):
    other = ScriptedRunner(room=room, label="other")
    request = other.commit(other.ask(bench), asked[1], steps=STEPS)
    refuse(bench, request, code="broker.no-release", kind=KeyRefusedError)


def test_the_release_of_one_run_does_not_commit_another(bench, prepare):
    request = dataclasses.replace(prepare(), run="another-run-0001")
    refuse(bench, request, code="broker.no-release", kind=KeyRefusedError)


# 2. Signed by the run key.


def test_a_receipt_that_the_run_key_did_not_sign_is_refused(bench, room, runner, asked):
    body = runner.body(*asked, state=STEPS)
    forged = sign_statement(build_receipt(body), signing_key("somebody else"))
    request = dataclasses.replace(runner.commit(*asked, steps=STEPS), receipt=forged)
    with pytest.raises(IntegrityError):
        bench.brokers["hospital"].commit(request)
    assert bench.brokers["hospital"].status().heads == {}


# 3. One receipt a run.


def test_another_receipt_of_a_committed_run_is_refused(bench, prepare):
    bench.brokers["hospital"].commit(prepare())
    other = prepare(result=SealedResult(digest=OTHER, size=3))
    refuse(bench, other, code="broker.other-receipt", kind=KeyRefusedError)


def test_a_committed_run_gets_no_keys_for_another_runner(bench, room, prepare):
    bench.brokers["hospital"].commit(prepare())
    request = ScriptedRunner(room=room, label="other").ask(bench)
    with pytest.raises(KeyRefusedError) as refused:
        bench.brokers["hospital"].release(request)
    assert refused.value.code == "broker.run-committed"


def test_of_two_runners_of_one_run_only_one_commits(bench, room, prepare):
    other = ScriptedRunner(room=room, label="other")
    asked = other.ask(bench)
    releases = {"hospital": bench.brokers["hospital"].release(asked)}
    bench.brokers["hospital"].commit(prepare())
    request = other.commit(asked, releases, steps=STEPS)
    refuse(bench, request, code="broker.other-receipt", kind=KeyRefusedError)


# 4. In time.


def test_a_release_commits_until_it_expires(bench, room, asked, prepare):
    expires = read_release(room, "hospital", asked[1]["hospital"]).expires
    bench.clock.now = expires
    refuse(bench, prepare(), code="broker.release-expired", kind=KeyRefusedError)
    bench.clock.advance(seconds=-1)
    bench.brokers["hospital"].commit(prepare())


# 5. About the release that was given.


def test_a_receipt_of_another_run_is_refused(bench, prepare):
    request = prepare(run="another-run-0001")
    refuse(bench, request, code="broker.receipt-release", kind=IntegrityError)


def test_a_receipt_without_this_brokers_release_is_refused(bench, prepare):
    refuse(bench, prepare(releases={}), code="broker.receipt-release", kind=IntegrityError)


def test_a_receipt_with_another_release_of_this_broker_is_refused(bench, room, prepare):
    other = ScriptedRunner(room=room, label="other").ask(bench)
    foreign = {"hospital": bench.brokers["hospital"].release(other)}
    refuse(bench, prepare(releases=foreign), code="digest.mismatch", kind=IntegrityError)


@pytest.mark.parametrize(
    "change",
    [
        {"contract": Named(name="readmissions-2026", digest=OTHER)},
        {"query": Named(name="plans-and-wards", digest=OTHER)},
        {"run_request": OTHER},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_receipt_about_other_documents_is_refused(bench, prepare, change):
    refuse(bench, prepare(**change), code="digest.mismatch", kind=IntegrityError)


def test_a_receipt_whose_subject_is_not_its_result_is_refused(bench, runner, asked, prepare):
    good = runner.body(*asked, state=STEPS)
    predicate = parse_statement(
        build_receipt(good), predicate_type="urn:cleanroom:receipt:v0", what="receipt"
    ).predicate
    payload = make_statement(
        subjects={"result.sealed": OTHER},
        predicate_type="urn:cleanroom:receipt:v0",
        predicate=dict(predicate),
    )
    signed = sign_statement(payload, signing_key("first run"))
    request = dataclasses.replace(prepare(), receipt=signed)
    refuse(bench, request, code="statement.subject", kind=IntegrityError)


def test_something_else_than_a_receipt_is_malformed(bench, asked, prepare):
    release = asked[1]["hospital"].statement
    request = dataclasses.replace(prepare(), receipt=release)
    refuse(bench, request, code="statement.type", kind=MalformedError)


# 6. Every lineage moves over the same entry.


@pytest.mark.parametrize(
    "steps",
    [STEPS[:2], STEPS[1:], (*STEPS, moved("insurer.claims")), (*STEPS, STEPS[0])],
    ids=["without theirs", "without mine", "one more", "one twice"],
)
def test_exactly_the_touched_lineages_are_listed(bench, prepare, steps):
    refuse(bench, prepare(steps=steps), code="broker.lineages", kind=KeyRefusedError)


@pytest.mark.parametrize("owners", [(), ("hospital",), ("insurer", "hospital"), ("a", "b", "c")])
def test_the_entry_is_sealed_for_exactly_the_touched_owners(bench, prepare, owners):
    request = dataclasses.replace(prepare(), owners=owners)
    refuse(bench, request, code="broker.entry-owners", kind=KeyRefusedError)


@pytest.mark.parametrize(
    "state", [(), STEPS[:2], (*STEPS, STEPS[0])], ids=["none", "less", "twice"]
)
def test_the_steps_are_those_of_the_receipt(bench, prepare, state):
    refuse(bench, prepare(state=state), code="broker.receipt-state", kind=IntegrityError)


def test_a_step_that_does_not_follow_from_the_entry_is_refused(bench, prepare):
    wrong = (dataclasses.replace(STEPS[0], next=OTHER), *STEPS[1:])
    error = refuse(bench, prepare(steps=wrong), code="digest.mismatch", kind=IntegrityError)
    assert error.message.startswith("hospital.encounters: next head")


def test_another_entry_than_the_steps_lead_over_is_refused(bench, prepare):
    request = dataclasses.replace(prepare(), entry=b"another entry")
    refuse(bench, request, code="digest.mismatch", kind=IntegrityError)


def test_heads_that_move_without_an_entry_are_refused(bench, prepare):
    request = dataclasses.replace(prepare(), entry=None)
    refuse(bench, request, code="digest.mismatch", kind=IntegrityError)


# 7. Compare and set.


def test_a_step_from_another_head_is_refused(bench, prepare):
    wrong = (moved("hospital.encounters", previous=OTHER), *STEPS[1:])
    refuse(bench, prepare(steps=wrong), code="broker.head-moved", kind=KeyRefusedError)


def test_a_foreign_head_is_for_its_own_broker_to_judge(bench, prepare):
    steps = (*STEPS[:2], moved("insurer.members", previous=OTHER))
    bench.brokers["hospital"].commit(prepare(steps=steps))


def test_of_two_runs_on_one_head_the_second_gates_again(bench, prepare):
    later = build_room(run={"run": "a-later-run-0001"})
    runner = ScriptedRunner(room=later)
    asked = runner.ask(bench)
    releases = {"hospital": bench.brokers["hospital"].release(asked)}
    bench.brokers["hospital"].commit(prepare())
    request = runner.commit(asked, releases, steps=STEPS)
    refuse(bench, request, code="broker.head-moved", kind=KeyRefusedError)
    heads = bench.brokers["hospital"].status().heads
    steps = tuple(moved(lineage, previous=heads.get(lineage)) for lineage in TOUCHED)
    bench.brokers["hospital"].commit(runner.commit(asked, releases, steps=steps))
