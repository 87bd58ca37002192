# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.contract import places
from cleanroom.errors import (
    CleanroomError,
    IntegrityError,
    QueryFailedError,
    RefusedError,
)
from cleanroom.hub.job import Job, JobState, Lease
from cleanroom.mirror.jobs import JobClient
from tests.support.queued_room import (
    OPERATOR,
    RECEIVER,
    SUBMITTER,
    queued_room,
    receipt,
)
from tests.support.receipt_room import NOW, RUN, SEALED_RESULT, people
from tests.support.served_hub import served_hub


@pytest.fixture
def hub(tmp_path):
    with queued_room(tmp_path / "hub"):
        pass
    with served_hub(tmp_path / "hub", lambda: NOW, rooms={}) as opened:
        yield opened


@pytest.fixture
def ask(hub):
    clients = {}

    def as_party(party):
        if party not in clients:
            clients[party] = hub.client(people()[party])
        return JobClient(client=clients[party])

    yield as_party
    for client in clients.values():
        client.close()


def test_a_run_goes_through_a_hub_from_its_submitter_to_its_receiver(ask):
    submitter, runner = ask(SUBMITTER), ask(OPERATOR)
    queued = submitter.put(RUN)
    assert queued == Job(
        run=RUN,
        submitter=SUBMITTER,
        state=JobState.QUEUED,
        stage="",
        attempts=0,
        queued=NOW,
        error=None,
    )
    lease = runner.take()
    assert (lease.run, lease.number) == (RUN, 1)
    assert runner.take() is None
    runner.beat(lease, stage="run")
    assert [job.stage for job in submitter.latest()] == ["run"]
    for _ in range(2):
        runner.deliver(RUN, receipt=receipt(), result=SEALED_RESULT)
    assert submitter.find(RUN).state is JobState.DONE
    # Sealed to its receiver, and there for everybody who verifies the receipt.
    for party in (RECEIVER, SUBMITTER, OPERATOR):
        client, place = ask(party).client, places.result_file(RUN)
        (entry,) = [entry for entry in client.entries(0).entries if entry.place == place]
        assert client.get(entry.content.digest) == SEALED_RESULT


def test_a_failure_is_told_in_its_own_words(ask):
    ask(SUBMITTER).put(RUN)
    runner = ask(OPERATOR)
    failure = QueryFailedError("engine: \x1b[2Jfailed", code="engine.failed", hint="none")
    runner.give_up(runner.take(), failure, again=False)
    error = ask(SUBMITTER).find(RUN).error
    assert isinstance(error, QueryFailedError)
    assert (error.code, error.message) == ("engine.failed", "engine: ?[2Jfailed")


def test_a_cancelled_run_is_lost_to_its_runner(ask):
    ask(SUBMITTER).put(RUN)
    lease = ask(OPERATOR).take()
    assert ask(SUBMITTER).cancel(RUN).state is JobState.CANCELLED
    with pytest.raises(RefusedError) as refused:
        ask(OPERATOR).beat(lease, stage="run")
    assert refused.value.code == "hub.lease-lost"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/jobs/..%2Fx", b""),
        ("GET", "/jobs/X", b""),
        ("POST", "/jobs", b"{}"),
        ("POST", "/jobs", b'{"format":"cleanroom.hub-job.v0","run":"../x"}'),
        ("POST", f"/jobs/{RUN}/beat", b'{"format":"cleanroom.hub-beat.v0","lease":1,"stage":"x"}'),
        (
            "POST",
            f"/jobs/{RUN}/beat",
            b'{"format":"cleanroom.hub-beat.v0","lease":-1,"stage":"run"}',
        ),
        ("POST", f"/jobs/{RUN}/giving", b"[]"),
        ("POST", f"/jobs/{RUN}/delivery", b"{}"),
    ],
)
def test_what_is_no_question_about_jobs_is_refused(ask, method, path, body):
    with pytest.raises(CleanroomError) as refused:
        ask(OPERATOR).client.send(method, path, body, limit=10_000)
    assert refused.value.exit_code == 4


def test_a_hub_that_answers_about_another_job_is_not_believed():
    class Liar:
        """Answers every question about a job with another one."""

        def send(self, method, path, body, *, limit):
            assert (method, path, body, limit > 0) == ("GET", f"/jobs/{RUN}", b"", True)
            return (
                b'{"format":"cleanroom.hub-jobs.v0","jobs":[{"attempts":0,"error":null,'
                b'"queued":"2026-11-22T12:00:00Z","run":"run-20261122-99","stage":"",'
                b'"state":"done","submitter":"analyst"}]}'
            )

    with pytest.raises(IntegrityError) as refused:
        JobClient(client=Liar()).find(RUN)
    assert refused.value.code == "hub.other-job"


def test_a_lease_of_nothing_can_do_nothing(ask):
    ask(SUBMITTER).put(RUN)
    with pytest.raises(RefusedError):
        ask(OPERATOR).beat(Lease(run=RUN, number=0, until=NOW), stage="agree")
