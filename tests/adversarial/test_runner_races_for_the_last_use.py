# SPDX-License-Identifier: Apache-2.0
"""T-19: two runners ask at the same moment for the last use, or while the memory is held."""

from __future__ import annotations

import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from cleanroom.contract.broker_requests import ReleaseRequest
from cleanroom.errors import CleanroomError, UnavailableError
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.room_documents import build_room
from tests.support.served_brokers import served, unix_address

RUNNERS = 4


def room_of(number: int):
    """Make the room of one run under a contract with a single one."""
    return build_room(contract={"max_runs": 1}, run={"run": f"racing-run-{number:04}"})


@pytest.fixture
def bench(tmp_path):
    with broker_bench(tmp_path, room_of(0)) as opened:
        yield opened


def test_of_runs_that_race_for_the_last_use_one_wins(bench):
    requests = [ScriptedRunner(room=room_of(number)).ask(bench) for number in range(RUNNERS)]
    ready = Barrier(RUNNERS)

    def ask(request: ReleaseRequest, address: str) -> str:
        with BrokerClient(address) as client:
            ready.wait(timeout=60)
            try:
                client.release(request)
            except CleanroomError as refused:
                return refused.code
        return "released"

    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        address = unix_address(Path(name))
        with served(bench.brokers["hospital"], address=address), ThreadPoolExecutor() as pool:
            told = list(pool.map(lambda request: ask(request, address), requests))
    assert sorted(told) == ["broker.uses-exhausted"] * (RUNNERS - 1) + ["released"]
    assert bench.brokers["hospital"].status().log_size == 1


@pytest.mark.slow
def test_while_the_memory_is_held_nothing_is_given_and_nothing_is_lost(bench):
    request = ScriptedRunner(room=room_of(0)).ask(bench)
    broker, path = bench.brokers["hospital"], bench.home("hospital") / "state.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError) as refused:
            broker.release(request)
        assert refused.value.code == "broker.state"
        holder.execute("ROLLBACK")
    # The very same request is answered afterwards: its nonce was not used up.
    broker.release(request)
    assert broker.status().log_size == 1
