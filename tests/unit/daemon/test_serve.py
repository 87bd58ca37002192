# SPDX-License-Identifier: Apache-2.0
import contextlib
import threading

import pytest

from cleanroom.daemon.serve import RunnerDaemon
from tests.support.runner_bench import AWAY, LEASE, RUN, FakeChild, FakeRoom


@pytest.fixture
def room(tmp_path):
    return FakeRoom(tmp_path)


def daemon(*rooms, child, said=None):
    """Make a daemon that hardly pauses."""

    @contextlib.contextmanager
    def start():
        yield child

    lines = [] if said is None else said
    return RunnerDaemon(rooms=rooms, at_once=2, say=lines.append, start=start, grace=20, poll=0.01)


def test_jobs_are_taken_and_delivered_until_it_is_told_to_stop(room):
    room.offers = [LEASE]
    child = FakeChild()
    served = daemon(room, child=child)
    child.during = {"receipt": served.stop}
    served.serve()
    # It had its keys when it was told to stop.
    assert room.delivered == [RUN]


def test_a_second_room_is_served_although_the_first_has_work(tmp_path):
    first, second = FakeRoom(tmp_path / "one"), FakeRoom(tmp_path / "two")
    first.offers, second.offers = [LEASE], [LEASE]
    child = FakeChild()
    served = daemon(first, second, child=child)
    child.during = {"commit": lambda: second.heard["commit"].wait(20), "receipt": served.stop}
    served.serve()
    assert second.delivered == [RUN]


def test_a_hub_that_is_away_is_asked_again_and_told_of_once(room):
    room.fails["take"] = [AWAY, AWAY]
    room.offers = [LEASE]
    said = []
    child = FakeChild()
    served = daemon(room, child=child, said=said)
    child.during = {"receipt": served.stop}
    served.serve()
    assert room.delivered == [RUN]
    assert [line for line in said if AWAY.message in line] == said[:1]


def test_told_to_stop_twice_it_ends_what_runs(room):
    room.offers = [LEASE]
    child = FakeChild(stays_in="run")
    served = daemon(room, child=child)

    def stop_twice():
        served.stop()
        served.stop()

    child.during = {"run": stop_twice}
    served.serve()
    assert child.killed.is_set()
    assert room.again == [False]


def test_what_an_earlier_life_finished_is_delivered(room):
    room.journal.begin(RUN, lease=1)
    receipt = room.path / "runs" / RUN / "receipt.json"
    receipt.parent.mkdir(parents=True)
    receipt.write_bytes(b"receipt")
    served = daemon(room, child=FakeChild())
    room.deliver = lambda run: (room.delivered.append(run), served.stop())
    served.serve()
    assert room.delivered == [RUN]
    assert room.journal.unfinished() == {}


def test_what_an_earlier_life_began_and_asked_no_key_for_is_handed_back_and_begun_again(room):
    room.journal.begin(RUN, lease=1)
    served = daemon(room, child=FakeChild())
    told = room.give_up

    def give_up(lease, error, *, again):
        told(lease, error, again=again)
        room.offers.append(LEASE)

    room.give_up = give_up
    room.deliver = lambda run: (room.delivered.append(run), served.stop())
    served.serve()
    assert [error.code for error in room.given] == ["runner.killed-early"]
    assert room.again == [True]
    assert room.delivered == [RUN]


def test_a_run_that_goes_on_here_is_not_begun_beside_itself(room):
    room.offers = [LEASE, LEASE]
    child = FakeChild()
    served = daemon(room, child=child)
    declined = threading.Event()
    told = room.give_up

    def give_up(lease, error, *, again):
        told(lease, error, again=again)
        declined.set()

    room.give_up = give_up
    child.during = {"attest": lambda: declined.wait(20), "receipt": served.stop}
    served.serve()
    assert [error.code for error in room.given] == ["runner.busy"]
    assert room.again == [True]
    assert room.delivered == [RUN]


def test_what_an_earlier_life_did_not_finish_is_told_of_and_not_begun(room):
    room.journal.begin(RUN, lease=1)
    room.journal.ask(RUN, lease=1)
    room.offers = [LEASE]
    served = daemon(room, child=FakeChild())
    told = room.give_up

    def give_up(lease, error, *, again):
        told(lease, error, again=again)
        if len(room.given) > 1:
            served.stop()

    room.give_up = give_up
    served.serve()
    assert sorted(error.code for error in room.given) == [
        "runner.began-before",
        "runner.killed",
    ]
    assert room.delivered == []
