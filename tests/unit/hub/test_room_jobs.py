# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import dataclass, replace

import pytest

from cleanroom.contract import places
from cleanroom.errors import (
    CleanroomError,
    IntegrityError,
    MalformedError,
    QueryFailedError,
    RefusedError,
)
from cleanroom.hub.events import EventKind
from cleanroom.hub.job import JobState
from cleanroom.hub.job_wire import Beat, Delivery, Giving
from cleanroom.kernel.digest import Digest
from tests.support.queued_room import (
    OPERATOR,
    RECEIVER,
    SUBMITTER,
    queued_room,
    receipt,
)
from tests.support.receipt_forge import Lies
from tests.support.receipt_room import NOW, RUN, SEALED_RESULT
from tests.support.served_hub import content_of, file_in, store

FAILURE = QueryFailedError("engine: the query did not complete", code="engine.failed")


@pytest.fixture
def bench(tmp_path):
    with queued_room(tmp_path / "hub") as opened:
        yield opened


@pytest.fixture
def jobs(bench):
    return bench.room.jobs


@dataclass
class Showing:
    """A room as it is, but for what a test says: what no party could have put there."""

    documents: object
    changes: dict

    def __getattr__(self, name):
        return self.changes.get(name) or getattr(self.documents, name)


def showing(jobs, **changes):
    """Return the queue of a room that shows something else."""
    return replace(jobs, documents=Showing(jobs.documents, changes))


def refuse(code, kind, act):
    """Expect an error by its code."""
    with pytest.raises(kind) as refused:
        act()
    assert refused.value.code == code


def test_a_request_waits_is_taken_works_and_has_a_result(bench, jobs):
    assert jobs.put(SUBMITTER, RUN).state is JobState.QUEUED
    lease = jobs.take(OPERATOR)
    assert lease.run == RUN
    jobs.beat(OPERATOR, RUN, Beat(lease=lease.number, stage="run"))
    assert (jobs.find(RUN).state, jobs.find(RUN).stage) == (JobState.RUNNING, "run")
    bench.bring(receipt())
    assert [job.state for job in jobs.latest()] == [JobState.DONE]
    assert file_in(bench.room, places.receipt_file(RUN)) == receipt()
    assert file_in(bench.room, places.result_file(RUN)) == SEALED_RESULT


def test_every_step_is_an_event(bench, jobs):
    jobs.put(SUBMITTER, RUN)
    lease = jobs.take(OPERATOR)
    for stage in ("agree", "agree", "run"):
        jobs.beat(OPERATOR, RUN, Beat(lease=lease.number, stage=stage))
    for _ in range(2):  # the same result again is no event
        bench.bring(receipt())
    told = [event.kind for event in bench.room.events(0).events if event.subject.startswith(RUN)]
    told += [
        e.kind for e in bench.room.events(0).events if e.subject.endswith((".json", ".sealed"))
    ]
    assert told == [
        EventKind.JOB_QUEUED,
        EventKind.JOB_STARTED,
        EventKind.JOB_PROGRESS,
        EventKind.JOB_FINISHED,
        EventKind.RESULT,
        EventKind.RECEIPT,
    ]


@pytest.mark.parametrize("act", ["put", "cancel"])
def test_only_the_submitter_queues_and_cancels(jobs, act):
    jobs.put(SUBMITTER, RUN)
    for party in (OPERATOR, RECEIVER):
        refuse(
            "hub.not-submitter", RefusedError, lambda party=party: getattr(jobs, act)(party, RUN)
        )
    assert jobs.find(RUN).state is JobState.QUEUED


def test_a_run_without_a_request_in_the_room_is_not_queued(jobs):
    refuse("hub.no-run", RefusedError, lambda: jobs.put(SUBMITTER, "another-run"))


@pytest.mark.parametrize("what", ["unsigned", "of another run"])
def test_a_request_that_is_not_its_submitters_for_this_run_is_not_queued(jobs, what):
    """The room lets none in; a queue that is handed one does not believe the room."""

    def shown(document):
        file = jobs.documents.file(document)
        if what == "unsigned":
            return replace(file, signatures={})
        return replace(file, data=file.data.replace(RUN.encode(), b"another-run-0001"))

    refuse("hub.run-unsigned", RefusedError, lambda: showing(jobs, file=shown).put(SUBMITTER, RUN))


def test_an_expired_request_is_not_queued(tmp_path):
    late = NOW + dt.timedelta(hours=1)
    with queued_room(tmp_path / "hub", clock=lambda: late) as bench:
        refuse("hub.run-expired", RefusedError, lambda: bench.room.jobs.put(SUBMITTER, RUN))


def test_a_cancelled_job_is_not_taken(jobs):
    jobs.put(SUBMITTER, RUN)
    assert jobs.cancel(SUBMITTER, RUN).state is JobState.CANCELLED
    assert jobs.take(OPERATOR) is None


@pytest.mark.parametrize("again", [True, False])
def test_a_runner_gives_a_job_back_or_up(jobs, again):
    jobs.put(SUBMITTER, RUN)
    lease = jobs.take(OPERATOR)
    jobs.give_up(OPERATOR, RUN, Giving(lease=lease.number, again=again, error=FAILURE))
    assert jobs.find(RUN).state is (JobState.QUEUED if again else JobState.FAILED)


def test_a_result_of_a_run_that_nobody_queued_is_refused(bench):
    refuse("hub.no-job", RefusedError, lambda: bench.bring(receipt()))
    assert file_in(bench.room, places.receipt_file(RUN)) is None


@pytest.mark.parametrize("state", ["queued", "cancelled", "leased to another"])
def test_the_one_result_is_taken_however_late(bench, jobs, state):
    jobs.put(SUBMITTER, RUN)
    if state == "cancelled":
        jobs.cancel(SUBMITTER, RUN)
    if state == "leased to another":
        jobs.take(OPERATOR)
    for _ in range(2):  # and again, as after a lost answer
        bench.bring(receipt())
    assert jobs.find(RUN).state is JobState.DONE
    assert jobs.take(OPERATOR) is None


def test_an_object_that_never_arrived_makes_no_result(bench, jobs):
    jobs.put(SUBMITTER, RUN)
    delivery = Delivery(receipt=content_of(receipt()), result=content_of(SEALED_RESULT))
    refuse("hub.content", MalformedError, lambda: jobs.deliver(OPERATOR, RUN, delivery))


def test_a_result_over_its_limit_is_refused(bench, jobs):
    jobs.put(SUBMITTER, RUN)
    limit = places.limit_of(places.result_file(RUN))
    large = replace(content_of(SEALED_RESULT), size=limit + 1)
    delivery = Delivery(receipt=store(bench.room, receipt()), result=large)
    trusting = showing(jobs, require_whole=lambda _: None)
    refuse("format.oversize", MalformedError, lambda: trusting.deliver(OPERATOR, RUN, delivery))


def test_owners_are_those_of_the_contract_that_was_asked_under(bench, jobs):
    jobs.put(SUBMITTER, RUN)
    delivery = Delivery(receipt=store(bench.room, receipt()), result=content_of(SEALED_RESULT))

    def another(place, *, limit):
        return jobs.documents.read(place, limit=limit) + b"# another\n"

    store(bench.room, SEALED_RESULT)
    with pytest.raises(IntegrityError, match=r"contract\.toml"):
        showing(jobs, read=another).deliver(OPERATOR, RUN, delivery)
    # Nor does an owner whose document is not here go unasked.
    absent = showing(jobs, party_bytes=lambda _: None)
    refuse("hub.no-party", RefusedError, lambda: absent.deliver(OPERATOR, RUN, delivery))


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"countersignatures":{}}', b"\xff"])
def test_what_is_no_receipt_is_refused(bench, jobs, data):
    jobs.put(SUBMITTER, RUN)
    with pytest.raises(CleanroomError):
        bench.bring(data)
    assert file_in(bench.room, places.receipt_file(RUN)) is None


def test_a_second_receipt_that_all_brokers_signed_does_not_replace_the_first(bench, jobs):
    """No broker signs twice; if all of them did, the first stands and somebody is told."""
    jobs.put(SUBMITTER, RUN)
    bench.bring(receipt())
    another = receipt(Lies(entry=Digest.of(b"another entry")))
    refuse("hub.other-result", IntegrityError, lambda: bench.bring(another))
    assert file_in(bench.room, places.receipt_file(RUN)) == receipt()
