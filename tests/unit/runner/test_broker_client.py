# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import socket
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from cleanroom.contract.broker_requests import ChallengeRequest, ContractNotice
from cleanroom.contract.broker_wire import (
    encode_entries,
)
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import StateStep, verify_refusal
from cleanroom.errors import (
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    UnavailableError,
)
from cleanroom.kernel.digest import Digest
from cleanroom.runner.broker_carriers import SocketCarrier
from cleanroom.runner.broker_client import BrokerClient
from tests.support.brokers import (
    SEALED_ENTRY,
    ScriptedRunner,
    broker_bench,
    read_release,
    require_logged,
)
from tests.support.host_certificates import host_certificate
from tests.support.room_documents import RUN, build_room
from tests.support.served_brokers import (
    caller_of,
    free_loopback_address,
    served,
    served_to_network,
    unix_address,
)


@pytest.fixture
def short_path():
    with tempfile.TemporaryDirectory(prefix="cr-") as name:
        yield Path(name)


@contextmanager
def reached(bench, short_path, kind):
    """Serve a broker in one of the ways, and connect to it."""
    if kind == "unix":
        address = unix_address(short_path)
        with served(bench.brokers["hospital"], address=address), BrokerClient(address) as client:
            yield client
        return
    caller = caller_of(bench.room.parties["hospital"], bench.clock)
    if kind == "http":
        address, certificate, authorities = free_loopback_address(), None, ""
    else:
        made = host_certificate(short_path)
        certificate, authorities = made.files, made.authorities
        address = free_loopback_address().replace("http", "https")
    listen = address.rpartition("/")[2]
    with (
        served_to_network(bench, address, listen=listen, certificate=certificate),
        BrokerClient(address, caller=caller, authorities=authorities, clock=bench.clock) as client,
    ):
        yield client


@pytest.mark.parametrize("kind", ["unix", "http", "https"])
def test_the_same_bytes_go_over_a_socket_and_over_http(tmp_path, short_path, kind):
    room = build_room()
    runner = ScriptedRunner(room=room)
    with (
        broker_bench(tmp_path, room) as bench,
        reached(bench, short_path, kind) as client,
    ):
        ask = ChallengeRequest(contract=room.contract_digest, run=RUN)
        nonces = {"hospital": client.challenge(ask).nonce, "insurer": b"n" * 32}
        request = runner.request(runner.runtime(nonces))
        released = client.release(request)
        require_logged(room, "hospital", released)
        assert read_release(room, "hospital", released).uses.used == 1
        steps = tuple(
            StateStep(
                lineage=lineage,
                previous=genesis_head(lineage),
                next=next_head(genesis_head(lineage), Digest.of(SEALED_ENTRY)),
            )
            for lineage in sorted(room.query_terms.datasets)
        )
        commit = runner.commit(request, {"hospital": released}, steps=steps)
        countersigned = client.commit(commit)
        require_logged(room, "hospital", countersigned)
        assert client.commits("hospital.patients") == (countersigned.statement,)
        assert client.entry(Digest.of(SEALED_ENTRY)) == SEALED_ENTRY
        assert client.entries([Digest.of(SEALED_ENTRY)]) == (SEALED_ENTRY,)
        assert client.entries([]) == ()
        require_logged(room, "hospital", client.notice(ContractNotice(bundle=room.contract_bundle)))
        status = client.status()
        assert (status.party, status.log_size) == ("hospital", 3)
        assert client.log_file("checkpoint").startswith(b"cleanroom/log/v0/hospital\n3\n")


def test_a_refusal_arrives_as_its_class_with_its_signature(tmp_path, short_path):
    room = build_room()
    runner = ScriptedRunner(room=room)
    address = unix_address(short_path)
    with (
        broker_bench(tmp_path, room) as bench,
        served(bench.brokers["hospital"], address=address),
        BrokerClient(address) as client,
    ):
        nonces = {"hospital": b"x" * 32, "insurer": b"n" * 32}
        with pytest.raises(KeyRefusedError) as refused:
            client.release(runner.request(runner.runtime(nonces)))
        assert refused.value.code == "broker.nonce-foreign"
        said = verify_refusal(
            client.refusal,
            party="hospital",
            broker_key=room.parties["hospital"].document.broker_key,
        )
        assert said.code == "broker.nonce-foreign"
        client.status()
        assert client.refusal is None
        with pytest.raises(KeyRefusedError) as refused:
            client.entry(Digest.of(b"unknown"))
        assert refused.value.code == "broker.entry-unknown"
        with pytest.raises(KeyRefusedError) as refused:
            client.entries([Digest.of(b"unknown")])
        assert refused.value.code == "broker.entry-unknown"


def test_a_broker_that_is_not_there_says_what_to_start(short_path):
    with BrokerClient(unix_address(short_path)) as client:
        with pytest.raises(UnavailableError) as refused:
            client.status()
        assert refused.value.code == "broker.unreachable"
        assert "cleanroom broker serve" in refused.value.hint


@pytest.mark.parametrize("address", ["", "/run/x", "http://example.org", "ftp://127.0.0.1"])
def test_an_address_of_another_form_is_malformed(address):
    with pytest.raises(MalformedError):
        BrokerClient(address)


@contextmanager
def liar(path, answer):
    """Listen on a socket and answer every connection with the same bytes."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path / "broker.sock"))
    listening.listen()

    def answer_all():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(answer)

    thread = Thread(target=answer_all)
    thread.start()
    try:
        yield unix_address(path)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=300)


def answer(body, *, status="200 OK", kind="application/json", more=""):
    """Make an HTTP answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


OTHER_BYTES = answer(b"other bytes", kind="application/octet-stream")


def test_a_state_entry_of_other_bytes_is_refused(short_path):
    with (
        liar(short_path, OTHER_BYTES) as address,
        BrokerClient(address) as client,
        pytest.raises(IntegrityError),
    ):
        client.entry(Digest.of(SEALED_ENTRY))


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([b"an older entry"], IntegrityError),
        ([b"two", b"one"], IntegrityError),
        ([], MalformedError),
        ([b"one", b"two", b"three"], MalformedError),
    ],
    ids=["older", "swapped", "none", "more"],
)
def test_entries_other_than_those_asked_for_are_refused(short_path, entries, error):
    said = answer(encode_entries(entries), kind="application/octet-stream")
    with (
        liar(short_path, said) as address,
        BrokerClient(address) as client,
        pytest.raises(error),
    ):
        client.entries([Digest.of(b"one"), Digest.of(b"two")])


def test_entries_that_do_not_fit_into_one_answer_are_asked_for_again(short_path):
    said = answer(encode_entries([b"one"]), kind="application/octet-stream")
    with liar(short_path, said) as address, BrokerClient(address) as client:
        assert client.entries([Digest.of(b"one")]) == (b"one",)
        # The same answer once more is not what comes next.
        with pytest.raises(IntegrityError):
            client.entries([Digest.of(b"one"), Digest.of(b"two")])


def test_an_answer_counts_although_it_came_before_all_was_said(short_path):
    # More than sockets hold: the other end has answered and closed before all of it is sent.
    much = bytes(8_000_000)
    with liar(short_path, OTHER_BYTES) as address:
        carrier = SocketCarrier(address.removeprefix("unix:"), timeout=dt.timedelta(minutes=5))
        assert carrier.send("POST", "/", much, limit=100).data == b"other bytes"


def test_a_broker_that_fails_by_itself_says_where_to_look(short_path):
    said = answer(b"Internal Server Error", status="500 Oh", kind="text/plain")
    with (
        liar(short_path, said) as address,
        BrokerClient(address) as client,
        pytest.raises(UnavailableError) as refused,
    ):
        client.status()
    assert refused.value.code == "broker.failed"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(b"Service Unavailable", status="503 Busy", kind="text/plain"), UnavailableError),
        (answer(b"<html>", status="404 Not Found", kind="text/html"), UnavailableError),
        (answer(b"{}"), MalformedError),
        (answer(b"{}", status="403 Forbidden"), MalformedError),
        (answer(b"x" * 2_000_000), MalformedError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", UnavailableError),
        (b"no http at all\r\n\r\n", UnavailableError),
        (b"", UnavailableError),
        (
            answer(b"", status="302 Found", more="location: http://evil.example/\r\n"),
            MalformedError,
        ),
    ],
    ids=["busy", "page", "shape", "failure", "huge", "cut", "noise", "silence", "redirect"],
)
def test_whatever_answers_instead_of_a_broker_is_an_error(short_path, said, error):
    with (
        liar(short_path, said) as address,
        BrokerClient(address) as client,
        pytest.raises(error),
    ):
        client.status()


def test_a_broker_that_never_answers_is_given_up(short_path):
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(short_path / "broker.sock"))
    listening.listen()
    timeout = dt.timedelta(milliseconds=50)
    with BrokerClient(unix_address(short_path), timeout=timeout) as client:
        with pytest.raises(UnavailableError) as refused:
            client.status()
        assert refused.value.code == "broker.unreachable"
    listening.close()


def test_no_environment_variable_sends_a_request_elsewhere(short_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with (
        liar(short_path, OTHER_BYTES) as address,
        BrokerClient(address) as client,
    ):
        assert client.log_file("checkpoint") == b"other bytes"
