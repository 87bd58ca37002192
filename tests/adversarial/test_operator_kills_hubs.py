# SPDX-License-Identifier: Apache-2.0
"""T-19, T-29: hubs and runners die, fill their disks and lose their databases; nothing comes twice.

What is compared after each kill and on each full disk stands in ``tests/support/killed_hubs.py``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import resource
import sqlite3

import pytest

from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.hub.job import JobState
from cleanroom.mirror.client import HubClient
from tests.adversarial.test_broker_killed import kill_many_times
from tests.support.brokers import ScriptedRunner, TickingClock, broker_bench
from tests.support.keys import throwaway_party
from tests.support.queued_room import SUBMITTER, queued_room
from tests.support.receipt_room import RUN
from tests.support.room_documents import build_room
from tests.support.served_brokers import caller_of
from tests.support.served_hub import served_hub

OWNER = throwaway_party("hospital")


def test_a_hub_that_dies_loses_and_repeats_nothing(tmp_path):
    told = kill_many_times(tmp_path, rounds="kill 301", what="killed_hubs")
    assert told["disturbed"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("what", ["kill 37", "full 2"])
def test_a_hub_that_dies_anywhere_loses_and_repeats_nothing(tmp_path, what):
    told = kill_many_times(tmp_path, rounds=what, what="killed_hubs")
    assert told["disturbed"] > 0


@pytest.mark.slow
def test_a_broker_whose_disk_is_full_anywhere_counts_each_use_once(tmp_path):
    told = kill_many_times(tmp_path, rounds="full", what="killed_broker_steps")
    assert told["disturbed"] > 0


@contextlib.contextmanager
def full_disk():
    """Let no file grow: what is written beyond its first bytes fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_hub_goes_on_when_its_disk_has_space_again(tmp_path):
    with queued_room(tmp_path / "hub") as bench:
        with full_disk(), pytest.raises(UnavailableError) as full:
            bench.room.jobs.put(SUBMITTER, RUN)
        assert full.value.code == "hub.index"
        assert bench.room.jobs.latest() == ()
        assert bench.room.jobs.put(SUBMITTER, RUN).state is JobState.QUEUED


def test_a_broker_goes_on_when_its_disk_has_space_again(tmp_path):
    room = build_room()
    with broker_bench(tmp_path, room) as bench:
        broker, request = bench.brokers["hospital"], ScriptedRunner(room=room).ask(bench)
        with full_disk(), pytest.raises(UnavailableError) as full:
            broker.release(request)
        assert full.value.code == "broker.state"
        assert broker.status().log_size == 0
        # Its nonce was not used up, and no use was counted.
        broker.release(request)
        assert broker.status().log_size == 1


@pytest.mark.slow
def test_a_hub_whose_database_is_held_says_so_and_goes_on_afterwards(tmp_path):
    with queued_room(tmp_path / "hub") as bench:
        (path,) = (tmp_path / "hub").rglob("index.sqlite")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(UnavailableError) as held:
                bench.room.jobs.put(SUBMITTER, RUN)
            assert held.value.code == "hub.index"
            holder.execute("ROLLBACK")
        assert bench.room.jobs.put(SUBMITTER, RUN).state is JobState.QUEUED


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_ten_minutes_off_is_named_by_a_hub(tmp_path, minutes):
    clock = TickingClock()

    def wrong():
        return clock() + dt.timedelta(minutes=minutes)

    with (
        served_hub(tmp_path / "hub", clock, rooms={"stays": (OWNER,)}) as hub,
        HubClient(hub.url("stays"), caller=caller_of(OWNER, clock), clock=wrong) as client,
    ):
        with pytest.raises(CleanroomError) as said:
            client.entries(0)
        assert said.value.code == "request.clock"
        assert f"{wrong():%H:%M:%SZ}" in said.value.message
        assert f"{clock():%H:%M:%SZ}" in said.value.message
