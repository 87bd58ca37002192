# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.hub.job import COMMITTING, RELEASING, STAGES
from tests.support.runner_bench import AWAY, DIED, LOST, RUN, Bench, FakeChild

BEFORE, AFTER = STAGES[:RELEASING], STAGES[RELEASING:COMMITTING]
NO = RefusedError("contract: expired", code="contract.expired")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_run_is_told_of_and_delivered(bench):
    bench.work(FakeChild())
    assert bench.room.beats[0] == "agree"
    assert bench.room.delivered == [RUN]
    assert bench.room.given == []
    assert bench.room.journal.unfinished() == {}


@pytest.mark.parametrize("stage", BEFORE)
def test_what_dies_before_keys_are_asked_for_is_tried_again(bench, stage):
    bench.work(FakeChild(dies_in=stage))
    assert bench.room.again == [True]
    bench.work(FakeChild())
    assert (bench.begun, bench.room.delivered) == (2, [RUN])


@pytest.mark.parametrize("stage", AFTER)
def test_what_dies_afterwards_is_never_begun_again(bench, stage):
    bench.work(FakeChild(dies_in=stage))
    assert bench.room.again == [False]
    bench.work(FakeChild())
    assert (bench.begun, bench.room.delivered) == (1, [])


def test_a_refusal_is_final_whenever_it_comes(bench):
    bench.work(FakeChild(dies_in="agree", error=NO))
    assert (bench.room.given, bench.room.again) == ([NO], [False])


@pytest.mark.parametrize("what", ["pull", "reach"])
def test_a_room_that_cannot_be_pulled_is_handed_back(bench, what):
    bench.room.fails[what] = [AWAY]
    bench.work(FakeChild())
    assert (bench.begun, bench.room.again) == (0, [True])


@pytest.mark.parametrize("error", [AWAY, LOST])
def test_nothing_begins_before_the_hub_heard_of_it(bench, error):
    bench.room.fails["beat agree"] = [error]
    bench.work(FakeChild())
    assert bench.begun == 0
    assert bench.room.journal.unfinished() == {}


@pytest.mark.parametrize("stage", ["admit", "attest", "run"])
def test_a_lost_lease_kills_the_child(bench, stage):
    bench.room.fails[f"beat {stage}"] = [LOST]
    child = FakeChild(stays_in=stage)
    bench.work(child)
    assert child.killed.is_set()
    # The hub knows already: nothing is handed back.
    assert (bench.room.given, bench.room.delivered) == ([], [])


def test_what_is_being_committed_is_finished_and_delivered_all_the_same(bench):
    bench.room.fails["beat commit"] = [LOST]
    child = FakeChild(during={"commit": lambda: bench.room.heard["commit"].wait(20)})
    bench.work(child)
    assert not child.killed.is_set()
    assert bench.room.delivered == [RUN]


def test_a_hub_that_is_away_stops_nothing(bench):
    for stage in STAGES[1:]:
        # Before keys are asked for it must have heard of that, so it is asked until it does.
        bench.room.fails[f"beat {stage}"] = [AWAY] * (3 if stage == "release keys" else 100)
    bench.work(FakeChild())
    assert bench.room.delivered == [RUN]


def asks_for_keys(bench, *, fails=(), **knobs):
    """Let a hub answer so when it hears that keys are to be asked for; tell whether they were."""
    asked = []
    bench.room.fails["beat release keys"] = list(fails)
    child = FakeChild(
        during={"release keys": lambda: asked.append(bench.room.journal.unfinished())}
    )
    bench.worker(child, **knobs).work()
    return asked


def test_keys_are_asked_for_once_that_is_written_down(bench):
    (found,) = asks_for_keys(bench)
    assert [each.asked for each in found.values()] == [True]


def test_no_key_is_asked_for_under_a_lease_that_counts_no_more(bench):
    assert asks_for_keys(bench, fails=[LOST]) == []
    # The hub knows, and gives it to somebody else.
    assert (bench.room.given, bench.room.journal.unfinished()) == ([], {})


def test_no_key_is_asked_for_while_the_hub_did_not_hear_of_it(bench):
    assert asks_for_keys(bench, fails=[AWAY] * 1000, lease_seconds=0.05) == []
    assert bench.room.again == [True]
    assert bench.room.journal.unfinished() == {}


def test_a_hub_that_says_no_before_keys_are_asked_for_ends_the_job(bench):
    assert asks_for_keys(bench, fails=[NO]) == []
    assert (bench.room.given, bench.room.again) == ([NO], [False])


def test_told_to_stop_it_does_not_wait_for_a_hub_to_ask_for_keys(bench):
    bench.stopping.soon.set()
    assert asks_for_keys(bench, fails=[AWAY] * 1000) == []
    assert bench.room.again == [True]


def test_no_key_is_asked_for_that_could_not_be_written_down(bench):
    directory = bench.room.journal.directory

    def lose_the_disk():
        directory.rename(directory.with_name("gone"))
        directory.touch()

    asked = []
    during = {"attest": lose_the_disk, "release keys": lambda: asked.append(True)}
    bench.work(FakeChild(during=during))
    assert asked == []
    assert bench.room.again == [True]


def test_a_result_is_brought_until_the_hub_takes_it(bench):
    bench.room.fails["deliver"] = [AWAY]
    bench.work(FakeChild())
    assert bench.room.delivered == [RUN]


def test_a_result_that_the_hub_refuses_stays_here_and_is_told_of(bench):
    bench.room.fails["deliver"] = [NO]
    bench.work(FakeChild())
    assert bench.room.delivered == []
    assert list(bench.room.journal.unfinished()) == [RUN]
    assert "does not take" in bench.said[-1]


def test_a_killed_child_that_left_a_receipt_is_delivered(bench):
    receipt = bench.room.path / "runs" / RUN / "receipt.json"
    receipt.parent.mkdir(parents=True)
    leave = {"receipt": lambda: receipt.write_bytes(b"receipt")}
    bench.work(FakeChild(dies_in="receipt", during=leave))
    assert bench.room.delivered == [RUN]


def test_stopping_hands_back_what_has_no_keys(bench):
    child = FakeChild(stays_in="attest", during={"attest": bench.stopping.soon.set})
    bench.work(child)
    assert child.killed.is_set()
    assert bench.room.again == [True]


def test_after_a_stop_runs_with_keys_go_on(bench):
    child = FakeChild(during={"run": bench.stopping.soon.set})
    bench.work(child)
    assert not child.killed.is_set()
    assert bench.room.delivered == [RUN]


def test_stopping_now_ends_everything(bench):
    child = FakeChild(stays_in="run", during={"run": bench.stopping.now.set})
    bench.work(child)
    assert child.killed.is_set()
    assert bench.room.again == [False]


def test_an_earlier_life_is_told_of(bench):
    bench.worker(FakeChild()).tell_killed()
    assert [error.code for error in bench.room.given] == ["runner.killed"]
    assert isinstance(bench.room.given[0], UnavailableError)


def test_a_hub_that_does_not_hear_that_a_job_is_given_up_stops_nothing(bench):
    bench.room.fails["give up"] = [AWAY]
    bench.work(FakeChild(dies_in="run", error=DIED))
    assert bench.room.journal.unfinished() == {}
