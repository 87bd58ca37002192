# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from cleanroom.errors import QueryFailedError, RefusedError, UnavailableError
from cleanroom.hub import job_table
from cleanroom.hub.index import RoomIndex
from cleanroom.hub.job import (
    FIRST_PAUSE,
    LEASE_TIME,
    LONGEST_PAUSE,
    MAX_ATTEMPTS,
    RELEASING,
    STAGES,
    JobState,
    NewJob,
    pause_after,
)
from cleanroom.hub.job_table import Bearer

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
OPERATOR, SUBMITTER = "operator", "insurer"
FAILURE = QueryFailedError("engine: the query did not complete", code="engine.failed")


class Queue:
    """A queue whose time a test sets."""

    def __init__(self, home):
        self.index = RoomIndex(home)
        self.now = START

    def do(self, name, *arguments, **named):
        """Call one method of the queue in a transaction of its own."""
        with self.index.changing(durable=False) as change:
            return getattr(change.jobs(at=self.now), name)(*arguments, **named)

    def put(self, run, *lineages, hours=1, submitter=SUBMITTER):
        expires = self.now + dt.timedelta(hours=hours)
        job = NewJob(
            run=run, submitter=submitter, lineages=frozenset(lineages or (run,)), expires=expires
        )
        return self.do("put", job)

    def take(self, party=OPERATOR):
        lease = self.do("take", party)
        return None if lease is None else (lease.run, lease.number)

    def beat(self, run, number, party=OPERATOR, stage="run"):
        return self.do("beat", run, Bearer(party=party, lease=number), stage=stage)

    def state(self, run):
        return self.do("require", run).state

    def later(self, span=LEASE_TIME):
        self.now += span


@pytest.fixture
def queue(tmp_path):
    opened = Queue(tmp_path)
    yield opened
    opened.index.close()


def lost(act):
    """Expect that a lease counts no more."""
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.code == "hub.lease-lost"


def test_jobs_are_taken_once_and_in_the_order_in_which_they_came(queue):
    for run in ("r1", "r2", "r3"):
        queue.put(run)
    assert [queue.take() for _ in range(4)] == [("r1", 1), ("r2", 2), ("r3", 3), None]


def test_a_request_that_is_queued_again_changes_nothing(queue):
    queue.put("r1")
    assert queue.take() == ("r1", 1)
    assert queue.put("r1").state is JobState.LEASED
    assert queue.take() is None


def test_two_runs_over_one_lineage_wait_for_each_other(queue):
    queue.put("r1", "hospital.stays", "insurer.members")
    queue.put("r2", "insurer.members")
    queue.put("r3", "hospital.wards")
    assert queue.take() == ("r1", 1)
    # The second would be gated on a history that the first is about to move.
    assert queue.take() == ("r3", 2)
    assert queue.take() is None
    queue.do("finish", "r1")
    assert queue.take() == ("r2", 3)


def test_a_lease_that_runs_out_before_the_run_begins_goes_to_another_with_a_higher_number(queue):
    queue.put("r1")
    assert queue.take() == ("r1", 1)
    queue.later()
    assert queue.take("other") == ("r1", 2)
    # The slow one hears that it lost, whatever it says.
    lost(lambda: queue.beat("r1", 1))
    queue.beat("r1", 2, "other")


@pytest.mark.parametrize("stage", STAGES[:RELEASING])
def test_a_run_that_asked_for_no_keys_goes_to_another_when_its_runner_is_lost(queue, stage):
    queue.put("r1")
    queue.take()
    queue.beat("r1", 1, stage=stage)
    queue.later()
    assert queue.take("other") == ("r1", 2)
    assert queue.do("require", "r1").stage == ""
    # Whoever comes back too late hears it before it asks for keys.
    lost(lambda: queue.beat("r1", 1, stage="release keys"))
    queue.beat("r1", 2, "other", stage="agree")


def test_a_heartbeat_that_was_overtaken_does_not_hide_that_keys_are_asked_for(queue):
    queue.put("r1")
    queue.take()
    queue.beat("r1", 1, stage="release keys")
    queue.beat("r1", 1, stage="attest")
    assert queue.do("require", "r1").stage == "release keys"
    queue.later()
    assert queue.take() is None
    assert queue.state("r1") is JobState.FAILED


@pytest.mark.parametrize("stage", STAGES[RELEASING:])
def test_a_run_that_asked_for_keys_is_given_to_nobody_else(queue, stage):
    queue.put("r1")
    queue.take()
    queue.beat("r1", 1, stage=stage)
    queue.later()
    assert queue.take() is None
    job = queue.do("require", "r1")
    assert (job.state, job.error.code) == (JobState.FAILED, "hub.runner-lost")
    lost(lambda: queue.beat("r1", 1))


def test_a_late_result_ends_a_run_that_was_given_up(queue):
    queue.put("r1")
    queue.take()
    queue.beat("r1", 1)
    queue.later()
    assert queue.state("r1") is JobState.FAILED
    queue.do("finish", "r1")
    job = queue.do("require", "r1")
    assert (job.state, job.error) == (JobState.DONE, None)


def test_heartbeats_hold_a_lease(queue):
    queue.put("r1")
    queue.take()
    for _ in range(5):
        queue.later(LEASE_TIME - dt.timedelta(seconds=1))
        queue.beat("r1", 1, stage="attest")
    assert queue.do("require", "r1").stage == "attest"


@pytest.mark.parametrize(("party", "number"), [("stranger", 1), (OPERATOR, 2), (OPERATOR, 0)])
def test_who_does_not_hold_the_lease_can_do_nothing_with_it(queue, party, number):
    queue.put("r1")
    queue.take()
    bearer = Bearer(party=party, lease=number)
    for name, more in (
        ("beat", {"stage": "run"}),
        ("fail", {"error": FAILURE}),
        ("hand_back", {"error": FAILURE}),
    ):
        lost(lambda name=name, more=more: queue.do(name, "r1", bearer, **more))
    assert queue.state("r1") is JobState.LEASED


def test_a_job_that_is_handed_back_rests_longer_each_time_and_not_for_ever(queue):
    queue.put("r1", hours=1000)
    error = UnavailableError("broker: does not answer", code="broker.unreachable")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        _, number = queue.take()
        queue.beat("r1", number, stage="attest")
        queue.do("hand_back", "r1", Bearer(party=OPERATOR, lease=number), error=error)
        if attempt < MAX_ATTEMPTS:
            assert queue.take() is None
            queue.later(pause_after(attempt))
    job = queue.do("require", "r1")
    assert (job.state, job.error.code, job.attempts) == (
        JobState.FAILED,
        "broker.unreachable",
        MAX_ATTEMPTS,
    )


def test_pauses_grow_from_short_to_a_limit():
    assert pause_after(1) == FIRST_PAUSE
    assert pause_after(2) == 2 * FIRST_PAUSE
    assert pause_after(MAX_ATTEMPTS + 50) == LONGEST_PAUSE


@pytest.mark.parametrize("stage", ["", "attest"])
def test_a_job_that_kills_every_runner_ends(queue, stage):
    queue.put("r1", hours=1000)
    for number in range(1, MAX_ATTEMPTS + 1):
        assert queue.take() == ("r1", number)
        if stage:
            queue.beat("r1", number, stage=stage)
        queue.later()
    assert queue.take() is None
    job = queue.do("require", "r1")
    assert (job.state, job.error.code) == (JobState.FAILED, "hub.attempts")


def test_a_failure_is_told_in_its_own_words(queue):
    queue.put("r1")
    queue.take()
    queue.do("fail", "r1", Bearer(party=OPERATOR, lease=1), error=FAILURE)
    error = queue.do("require", "r1").error
    assert (type(error), error.code) == (QueryFailedError, "engine.failed")


@pytest.mark.parametrize("begin", [None, "take", "beat"])
def test_a_cancelled_job_is_neither_begun_nor_held(queue, begin):
    queue.put("r1")
    if begin:
        queue.take()
    if begin == "beat":
        queue.beat("r1", 1)
    assert queue.do("cancel", "r1").state is JobState.CANCELLED
    assert queue.take() is None
    lost(lambda: queue.beat("r1", 1))


def test_cancelling_what_ended_changes_nothing(queue):
    queue.put("r1")
    queue.take()
    queue.do("finish", "r1")
    assert queue.do("cancel", "r1").state is JobState.DONE


def test_a_request_that_expired_in_the_queue_is_not_begun(queue):
    queue.put("r1", hours=1)
    queue.later(dt.timedelta(hours=1))
    assert queue.take() is None
    assert queue.do("require", "r1").error.code == "hub.run-expired"


def test_nobody_fills_the_queue(queue, monkeypatch):
    monkeypatch.setattr(job_table, "MAX_OPEN_OF_PARTY", 2)
    monkeypatch.setattr(job_table, "MAX_OPEN_IN_ROOM", 3)
    for run, party in (("r1", "a"), ("r2", "a")):
        queue.put(run, submitter=party)
    for run, party in (("r3", "a"), ("r5", "c")):
        if party == "c":
            queue.put("r4", submitter="b")
        with pytest.raises(UnavailableError) as refused:
            queue.put(run, submitter=party)
        assert refused.value.code == "hub.too-many-jobs"


def test_a_run_that_was_never_queued_is_unknown(queue):
    with pytest.raises(RefusedError) as refused:
        queue.do("cancel", "r1")
    assert refused.value.code == "hub.no-job"


def test_a_thousand_jobs_are_neither_lost_nor_done_twice(queue):
    runs = [f"r{number}" for number in range(1000)]
    for run in runs:
        queue.put(run)
    ends = Counter()

    def runner(name):
        while (taken := queue.take(name)) is not None:
            run, number = taken
            if number % 7 == 0:
                continue  # this runner dies, and says nothing
            queue.beat(run, number, name)
            ends[run] += 1
            queue.do("finish", run)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(runner, ["one", "two", "three", "four"]))
        assert 800 < len(ends) < 1000
        while len(ends) < len(runs):
            queue.later()
            list(pool.map(runner, ["one", "two", "three", "four"]))
    assert ends == Counter(runs)
    assert all(job.state is JobState.DONE for job in queue.do("latest"))
