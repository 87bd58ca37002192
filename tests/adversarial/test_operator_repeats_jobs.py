# SPDX-License-Identifier: Apache-2.0
"""T-29: a hub repeats or withholds jobs, others take them, or somebody brings a false result."""

from __future__ import annotations

import contextlib

import pytest

from cleanroom.contract import places
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.hub.job import JobState
from cleanroom.kernel.digest import Digest
from tests.adversarial.test_broker_killed import kill_many_times
from tests.support.queued_room import RECEIVER, SUBMITTER, queued_room, receipt
from tests.support.receipt_forge import Lies
from tests.support.receipt_room import RUN, SEALED_RESULT
from tests.support.runner_bench import Bench, FakeChild
from tests.support.served_hub import file_in


@pytest.fixture
def bench(tmp_path):
    with queued_room(tmp_path / "hub") as opened:
        opened.room.jobs.put(SUBMITTER, RUN)
        yield opened


@contextlib.contextmanager
def refused(kind, code):
    """Expect a refusal by its code."""
    with pytest.raises(kind) as error:
        yield
    assert error.value.code == code


@pytest.mark.parametrize("party", [SUBMITTER, RECEIVER, "stranger"])
def test_a_party_that_is_no_operator_takes_no_job_and_brings_no_result(bench, party):
    with refused(RefusedError, "hub.not-operator"):
        bench.room.jobs.take(party)
    with refused(RefusedError, "hub.not-operator"):
        bench.bring(receipt(), party=party)
    assert bench.room.jobs.find(RUN).state is JobState.QUEUED


@pytest.mark.parametrize(
    ("lies", "subject"),
    [
        (Lies(broker_keys={"insurer": "another broker"}), "countersignature of insurer: "),
        (
            Lies(commit={"insurer": {"run": "another-run"}}),
            "countersignature of insurer: of another",
        ),
        (
            Lies(commit={"insurer": {"receipt": Digest.of(b"another receipt")}}),
            "countersignature of insurer: receipt",
        ),
    ],
    ids=["another key countersigned", "another run was countersigned", "another receipt was"],
)
def test_a_result_that_not_every_broker_countersigned_is_refused(bench, lies, subject):
    with pytest.raises(IntegrityError, match=subject):
        bench.bring(receipt(lies))
    assert file_in(bench.room, places.receipt_file(RUN)) is None


def test_another_result_under_a_genuine_receipt_is_refused(bench):
    with pytest.raises(IntegrityError):
        bench.bring(receipt(), result=b"another" + SEALED_RESULT)
    assert file_in(bench.room, places.result_file(RUN)) is None


def test_a_receipt_without_one_countersignature_is_refused(bench):
    data = receipt()
    at = data.index(b'"insurer":{', data.index(b'"countersignatures"'))
    with refused(IntegrityError, "hub.countersignature"):
        bench.bring(data[:at] + data[at:].replace(b'"insurer":{', b'"nobody":{', 1))


def kill_runners(directory, *, stride):
    """Kill a runner at every n-th step of a job; tell how the job ended, and how often."""
    return kill_many_times(directory, rounds=stride, what="killed_runners")


def test_no_kill_of_a_runner_asks_for_keys_twice_or_loses_what_cost_nothing(tmp_path):
    """What is compared stands in ``tests/support/killed_runners.py``."""
    ended = kill_runners(tmp_path, stride=17)
    assert ended["done"] >= 4


@pytest.mark.slow
def test_no_kill_of_a_runner_at_any_step_asks_for_keys_twice(tmp_path):
    ended = kill_runners(tmp_path, stride=1)
    # Most steps come before keys are asked for, and the job goes on after a kill in any of them.
    assert ended["done"] > 20


def test_a_hub_that_offers_a_run_again_makes_nobody_begin_it_again(tmp_path):
    """A hub that was restored, or lies: keys are asked for once."""
    bench = Bench(tmp_path)
    for _ in range(3):
        bench.work(FakeChild(dies_in="run"))
    assert bench.begun == 1
    assert bench.room.given[-1].code == "runner.began-before"
