# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import socket

import pytest

from cleanroom.errors import UnavailableError
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.server.doors import open_local
from cleanroom.server.serve import MAX_CONNECTIONS
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
        open_local(address)
    assert refused.value.code == "broker.address-in-use"


def test_many_callers_are_answered_at_once(bench, short_path):
    address = unix_address(short_path)
    with served(bench.brokers["hospital"], address=address):
        clients = [BrokerClient(address) for _ in range(8)]
        assert {client.status().party for client in clients} == {"hospital"}
        for client in clients:
            client.close()


HALF = b"GET /v0/status HTTP/1.1\r\nhost: broker\r\n"
WHOLE = HALF + b"\r\n"


def connect(short_path):
    """Connect to the broker without a client's manners."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(short_path / "broker.sock"))
    connection.settimeout(20)
    return connection


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", (b"", b"")),
        (HALF, (b"HTTP/1.1 408 ", b'"code":"request.slow"')),
        (b"\x16\x03\x01 hello\r\n\r\n", (b"HTTP/1.1 400 ", b'"code":"request.no-http"')),
    ],
    ids=["silent", "half a request", "no HTTP"],
)
def test_a_caller_that_does_not_get_to_the_point_is_hung_up_on(bench, short_path, sent, told):
    patience = dt.timedelta(milliseconds=100)
    broker = bench.brokers["hospital"]
    with (
        served(broker, address=unix_address(short_path), patience=patience),
        connect(short_path) as connection,
    ):
        connection.sendall(sent)
        heard = b"".join(iter(lambda: connection.recv(1024), b""))
        assert heard.startswith(told[0])
        assert told[1] in heard
        assert bool(heard) == bool(told[0])


def test_a_second_request_must_get_to_the_point_too(bench, short_path):
    patience = dt.timedelta(milliseconds=300)
    broker = bench.brokers["hospital"]
    with (
        served(broker, address=unix_address(short_path), patience=patience),
        connect(short_path) as connection,
    ):
        connection.sendall(WHOLE)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
        connection.sendall(HALF)
        while connection.recv(4096):
            pass


def test_silent_callers_do_not_close_the_broker_to_others(bench, short_path):
    patience = dt.timedelta(milliseconds=100)
    address = unix_address(short_path)
    with served(bench.brokers["hospital"], address=address, patience=patience):
        silent = [connect(short_path) for _ in range(MAX_CONNECTIONS)]
        for connection in silent:
            assert connection.recv(1) == b""
            connection.close()
        with BrokerClient(address) as client:
            assert client.status().party == "hospital"


def test_a_crowd_is_told_to_come_back(bench, short_path):
    address = unix_address(short_path)
    with served(bench.brokers["hospital"], address=address):
        crowd = [connect(short_path) for _ in range(MAX_CONNECTIONS)]
        with BrokerClient(address) as client, pytest.raises(UnavailableError) as refused:
            client.status()
        assert refused.value.code == "broker.busy"
        for connection in crowd:
            connection.close()
