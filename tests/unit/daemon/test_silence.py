# SPDX-License-Identifier: Apache-2.0
"""A connection that is half open: somebody accepts it, and nothing ever comes."""

import datetime as dt
import socket

import pytest

from cleanroom.daemon.served_room import is_passing
from cleanroom.errors import CleanroomError
from cleanroom.hub.job import Lease
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.jobs import JobClient
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import TickingClock
from tests.support.keys import throwaway_party
from tests.support.receipt_room import NOW, RUN
from tests.support.served_brokers import caller_of

BRIEF = dt.timedelta(milliseconds=200)
LEASE = Lease(run=RUN, number=1, until=NOW)


@pytest.fixture
def silent():
    """Give the address of somebody who listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    "ask",
    [
        lambda jobs: jobs.take(),
        lambda jobs: jobs.beat(LEASE, stage="run"),
        lambda jobs: jobs.deliver(RUN, receipt=b"receipt", result=b"result"),
    ],
    ids=["take", "beat", "deliver"],
)
def test_a_silent_hub_is_one_that_may_come_back(silent, ask):
    clock = TickingClock()
    caller = caller_of(throwaway_party("hospital"), clock)
    with (
        HubClient(f"{silent}/room", caller=caller, clock=clock, timeout=BRIEF) as client,
        pytest.raises(CleanroomError) as error,
    ):
        ask(JobClient(client=client))
    assert error.value.code == "hub.unreachable"
    assert is_passing(error.value)


def test_a_silent_broker_is_one_that_may_come_back(silent):
    with (
        BrokerClient(silent, timeout=BRIEF) as client,
        pytest.raises(CleanroomError) as error,
    ):
        client.status()
    assert error.value.code == "broker.unreachable"
    assert is_passing(error.value)
