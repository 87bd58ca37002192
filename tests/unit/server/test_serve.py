# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.errors import UnavailableError
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.server.serve import BrokerServer
from tests.support.served_brokers import served, unix_address


def test_a_broker_is_served_until_it_is_stopped(bench, short_path):
    address = unix_address(short_path)
    with served(bench.brokers["hospital"], address=address), BrokerClient(address) as client:
        assert client.status().party == "hospital"
    assert list(short_path.iterdir()) == []


def test_two_brokers_never_share_an_address(bench, short_path):
    address = unix_address(short_path)
    with (
        served(bench.brokers["hospital"], address=address),
        pytest.raises(UnavailableError) as refused,
    ):
        BrokerServer(bench.brokers["hospital"], address=address, started=print)
    assert refused.value.code == "broker.address-in-use"


def test_many_callers_are_answered_at_once(bench, short_path):
    address = unix_address(short_path)
    with served(bench.brokers["hospital"], address=address):
        clients = [BrokerClient(address) for _ in range(8)]
        assert {client.status().party for client in clients} == {"hospital"}
        for client in clients:
            client.close()
