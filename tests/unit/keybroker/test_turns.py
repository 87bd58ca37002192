# SPDX-License-Identifier: Apache-2.0
"""Requests that are recorded together: one commit, and no answer before it."""

import os
import threading

import pytest

from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.errors import IntegrityError, KeyRefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.state import BrokerState
from cleanroom.keybroker.turns import MAX_TOGETHER, Turns
from tests.support.room_documents import NOW

ASK = ChallengeRequest(contract=Digest.of(b"contract"), run="some-run-0001")


class Settling:
    """What follows a commit: counts, can be held back, and can fail."""

    def __init__(self):
        self.groups = 0
        self.error = None
        self.began = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def __call__(self):
        self.groups += 1
        self.began.set()
        assert self.free.wait(60)
        if self.error is not None:
            raise self.error


class Asking:
    """Requests in threads of their own, which arrive one after another."""

    def __init__(self, turns):
        self.turns = turns
        self.threads = []
        self.heard = {}

    def ask(self, name, decide, *, first=None):
        """Ask; with others ahead, return once the request waits behind them."""

        def run():
            try:
                self.heard[name] = self.turns.take(decide, first=first)
            except Exception as error:  # noqa: BLE001 - compared by the test
                self.heard[name] = error

        before = self.turns.waiting
        thread = threading.Thread(target=run)
        thread.start()
        while self.threads and self.turns.waiting == before:
            os.sched_yield()
        self.threads.append(thread)

    def finish(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def settling():
    return Settling()


@pytest.fixture
def turns(tmp_path, settling):
    state = BrokerState(tmp_path)
    state.begin(party="hospital", epoch="e1", at=NOW)
    yield Turns(state, begin=lambda _: None, settle=settling)
    state.close()


@pytest.fixture
def group(turns, settling):
    """Hold the first request back after its commit, so that the others are one group."""
    asking = Asking(turns)
    settling.free.clear()
    asking.ask("ahead", lambda _: "ahead")
    assert settling.began.wait(60)
    yield asking
    settling.free.set()
    asking.finish()


def noting(mark):
    """Record a nonce made of one letter, and answer with the letter."""

    def decide(opened):
        opened.recorder.nonce(mark.encode() * 32, request=ASK, expires=NOW)
        return mark

    return decide


def refusing(mark):
    """Record a nonce, then refuse."""

    def decide(opened):
        noting(mark)(opened)
        raise KeyRefusedError(mark, code="a.b")

    return decide


def known(turns, marks):
    return {
        mark
        for mark in marks
        if turns.take(lambda opened, m=mark: opened.standing.issued(m.encode() * 32)) is not None
    }


def test_those_who_wait_share_one_commit_and_nobody_hears_before_it(group, settling):
    for mark in "abc":
        group.ask(mark, noting(mark))
    assert group.heard == {}
    settling.free.set()
    group.finish()
    assert group.heard == {"ahead": "ahead", "a": "a", "b": "b", "c": "c"}
    assert settling.groups == 2
    assert known(group.turns, "abc") == set("abc")


def test_each_decision_sees_what_the_one_before_it_recorded(group, settling):
    group.ask("a", noting("a"))
    group.ask("b", lambda opened: opened.standing.issued(b"a" * 32) is not None)
    settling.free.set()
    group.finish()
    assert group.heard["b"] is True


def test_a_refusal_undoes_what_it_recorded_and_nothing_of_the_others(group, settling):
    group.ask("a", noting("a"))
    group.ask("b", refusing("b"), first=noting("f"))
    group.ask("c", noting("c"))
    settling.free.set()
    group.finish()
    assert isinstance(group.heard["b"], KeyRefusedError)
    assert known(group.turns, "abcf") == {"a", "c", "f"}


def test_what_comes_first_can_refuse_as_well(turns):
    with pytest.raises(KeyRefusedError):
        turns.take(noting("a"), first=refusing("f"))
    assert known(turns, "af") == set()


def test_what_the_database_refuses_of_one_is_recorded_of_the_others(group, settling):
    group.ask("a", noting("a"))
    group.ask("twice", noting("a"))
    group.ask("c", noting("c"))
    settling.free.set()
    group.finish()
    assert (group.heard["a"], group.heard["c"]) == ("a", "c")
    assert isinstance(group.heard["twice"], IntegrityError)
    assert known(group.turns, "ac") == set("ac")


def test_a_mistake_of_ours_records_nothing_and_leaves_nobody_waiting(group, settling):
    group.ask("leads", noting("a"))
    group.ask("mistaken", lambda _: 1 // 0)
    group.ask("beside", noting("b"))
    settling.free.set()
    group.finish()
    assert isinstance(group.heard["leads"], ZeroDivisionError)
    assert {group.heard[name].code for name in ("mistaken", "beside")} == {"broker.ended"}
    assert known(group.turns, "ab") == set()


def test_no_decision_is_told_that_could_not_be_logged(group, settling):
    group.ask("a", noting("a"))
    group.ask("b", refusing("b"))
    settling.error = UnavailableError("log: full", code="file.unwritable")
    settling.free.set()
    group.finish()
    assert group.heard["ahead"] is group.heard["a"] is settling.error
    assert isinstance(group.heard["b"], KeyRefusedError)


def test_no_decision_is_told_that_a_mistake_of_ours_kept_from_the_log(group, settling):
    group.ask("a", noting("a"))
    group.ask("b", refusing("b"))
    settling.error = ZeroDivisionError()
    settling.free.set()
    group.finish()
    assert group.heard["ahead"] is settling.error
    # The second group: whoever led it hears the mistake, nobody of it a decision.
    assert group.heard["a"] is settling.error
    assert group.heard["b"].code in {"a.b", "broker.ended"}
    settling.error = None
    assert known(group.turns, "a") == {"a"}


def test_nobody_beside_whoever_met_a_mistake_of_ours_hears_a_decision(group, settling):
    group.ask("leads", noting("a"))
    group.ask("beside", noting("b"))
    settling.error = ZeroDivisionError()
    settling.free.set()
    group.finish()
    assert group.heard["leads"] is settling.error
    assert group.heard["beside"].code == "broker.ended"


def test_no_more_than_so_many_are_recorded_together(group, settling):
    for number in range(MAX_TOGETHER + 1):
        group.ask(number, lambda _: None)
    settling.free.set()
    group.finish()
    assert settling.groups == 3
    assert len(group.heard) == MAX_TOGETHER + 2


def test_an_end_in_the_middle_leaves_nobody_waiting(group, settling):
    def end(_):
        raise SystemExit

    group.ask("end", end)
    group.ask("beside", noting("a"))
    with pytest.MonkeyPatch.context() as patched:
        # A thread that ends this way is reported; here it is what is meant.
        patched.setattr(threading, "excepthook", lambda _: None)
        settling.free.set()
        group.finish()
    assert group.heard["beside"].code == "broker.ended"
    assert known(group.turns, "a") == set()
