# SPDX-License-Identifier: Apache-2.0
"""T-25: somebody on the network asks a broker in another's name, or keeps it from others.

The broker is the product's, served over TCP. The attacker sees every request and
can send whatever it likes; what it cannot do is sign as a pinned party.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl

import httpx2
import pytest

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.contract.broker_requests import ChallengeRequest, RevocationNotice
from cleanroom.contract.broker_wire import encode_challenge_request
from cleanroom.contract.document_render import render_revocation
from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.contract.statements import verify_refusal
from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import CleanroomError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.broker_client import BrokerClient
from cleanroom.server.rates import Rate
from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.host_certificates import host_certificate
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import RUN, build_room
from tests.support.served_brokers import (
    caller_of,
    free_loopback_address,
    served_to_network,
)

ROOM = build_room()
ASK = ChallengeRequest(contract=ROOM.contract_digest, run=RUN)
BODY = encode_challenge_request(ASK)


@pytest.fixture
def bench(tmp_path):
    with broker_bench(tmp_path, ROOM) as opened:
        yield opened


@pytest.fixture
def address(bench):
    with served_to_network(bench, free_loopback_address()) as place:
        yield place


@pytest.fixture
def wire(address):
    """Send raw requests, as an attacker does."""
    with httpx2.Client(base_url=address, trust_env=False) as client:
        yield client


def fields_of(bench, address, *, party="hospital", path="/v0/challenge", body=BODY, nonce="n"):
    """Sign a request as a party that the broker's owner pinned."""
    target = RequestTarget(method="POST", authority=address.removeprefix("http://"), path=path)
    caller = caller_of(ROOM.parties[party], bench.clock)
    return caller.sign(target, body, nonce=nonce * 22, at=bench.clock())


def refused(response, code):
    """Expect a refusal by its code; every rule's no is signed by the broker."""
    failure = decode_failure(response.content)
    assert failure.error.code == code
    if response.status_code == httpx2.codes.FORBIDDEN:
        said = verify_refusal(
            failure.refusal,
            party="hospital",
            broker_key=ROOM.parties["hospital"].document.broker_key,
        )
        assert said.code == code
    return failure


@pytest.mark.parametrize("path", ["challenge", "release", "commit", "notice"])
def test_an_unsigned_request_reaches_nothing(wire, path):
    refused(wire.post(f"/v0/{path}", content=BODY), "request.unsigned")


def test_entries_are_for_pinned_parties(wire):
    refused(wire.get(f"/v0/entries/{'0' * 64}"), "request.unsigned")
    refused(wire.post("/v0/entries", content=b"{}"), "request.unsigned")


def test_a_recorded_request_is_refused(bench, address, wire):
    """T-05: the same bytes a second time, over another connection."""
    fields = fields_of(bench, address)
    assert wire.post("/v0/challenge", content=BODY, headers=fields).status_code == 200
    refused(wire.post("/v0/challenge", content=BODY, headers=fields), "request.replayed")


def test_a_request_with_another_body_is_refused(bench, address, wire):
    fields = fields_of(bench, address)
    other = encode_challenge_request(ChallengeRequest(contract=ROOM.contract_digest, run="r" * 12))
    refused(wire.post("/v0/challenge", content=other, headers=fields), "request.digest")


def test_a_request_for_another_place_is_refused(bench, address, wire):
    fields = fields_of(bench, address, path="/v0/notice")
    refused(wire.post("/v0/challenge", content=BODY, headers=fields), "request.signature")
    # As if it had been recorded on its way to another owner's broker.
    fields = fields_of(bench, "http://127.0.0.1:1")
    refused(wire.post("/v0/challenge", content=BODY, headers=fields), "request.signature")
    stripped = fields_of(bench, address) | {"host": "insurer.example"}
    assert wire.post("/v0/challenge", content=BODY, headers=stripped).status_code == 200


def test_a_stranger_is_refused_by_name_and_uses_up_nothing(bench, address, wire):
    stranger = throwaway_party("stranger")
    target = RequestTarget(
        method="POST", authority=address.removeprefix("http://"), path="/v0/challenge"
    )
    fields = caller_of(stranger, bench.clock).sign(target, BODY, nonce="n" * 22, at=bench.clock())
    for _ in range(3):
        refused(wire.post("/v0/challenge", content=BODY, headers=fields), "request.party-unknown")
    assert bench.entropy["hospital"].drawn == 1  # the epoch; no nonce was drawn


def test_a_pinned_party_asks_under_its_own_contracts_only(bench):
    """A party of other contracts must not use up this one's nonces, or ask for its keys."""
    lab, runner = throwaway_party("lab"), ScriptedRunner(room=ROOM)
    request = runner.ask(bench)
    with served_to_network(bench, free_loopback_address(), guests=[lab]) as address:
        caller = caller_of(lab, bench.clock)
        with BrokerClient(address, caller=caller, clock=bench.clock) as client:
            with pytest.raises(RefusedError) as said:
                client.release(request)
            assert said.value.code == "request.not-yours"
            # The broker knows the contract from the first honest request on.
            bench.brokers["hospital"].release(request)
            with pytest.raises(RefusedError) as said:
                client.challenge(ASK)
            assert said.value.code == "request.not-yours"


def test_only_a_dataset_s_owner_hears_how_its_history_moved(bench):
    with served_to_network(bench, free_loopback_address()) as address:
        for party, code in (("hospital", None), ("insurer", "request.not-yours")):
            caller = caller_of(ROOM.parties[party], bench.clock)
            with BrokerClient(address, caller=caller, clock=bench.clock) as client:
                if code is None:
                    assert client.commits("hospital.patients") == ()
                    continue
                with pytest.raises(RefusedError) as said:
                    client.commits("hospital.patients")
                assert said.value.code == code


def test_a_party_takes_a_stolen_key_back(bench, address, wire):
    signer = ROOM.parties["hospital"].unlocked.signer
    terms = RevocationTerms(
        party="hospital",
        kind=RevocationKind.KEY,
        subject=Digest.of(signer.public_key.blob),
        since=bench.clock(),
        reason="stolen",
    )
    document = sign_by(
        render_revocation(terms), kind="revocation", parties=(ROOM.parties["hospital"],)
    )
    fields = fields_of(bench, address)
    assert wire.post("/v0/challenge", content=BODY, headers=fields).status_code == 200
    bench.brokers["hospital"].notice(RevocationNotice(document=document))
    fields = fields_of(bench, address, nonce="m")
    refused(wire.post("/v0/challenge", content=BODY, headers=fields), "request.key-revoked")


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_ten_minutes_off_is_named(bench, address, minutes):
    def wrong():
        return bench.clock() + dt.timedelta(minutes=minutes)

    caller = caller_of(ROOM.parties["hospital"], bench.clock)
    with (
        BrokerClient(address, caller=caller, clock=wrong) as client,
        pytest.raises(CleanroomError) as said,
    ):
        client.challenge(ASK)
    assert said.value.code == "request.clock"
    assert f"{wrong():%H:%M:%SZ}" in said.value.message
    assert f"{bench.clock():%H:%M:%SZ}" in said.value.message


def test_a_huge_body_of_a_stranger_is_never_read(address):
    """The head is refused while the body is still on its way."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        connection.sendall(
            b"POST /v0/commit HTTP/1.1\r\nhost: x\r\ncontent-length: 268435456\r\n\r\n"
        )
        answer = b""
        while b"request.unsigned" not in answer:
            piece = connection.recv(65536)
            assert piece, answer
            answer += piece


def test_a_caller_that_asks_too_often_is_told_to_come_back(bench):
    rate = Rate(per_second=1, burst=3)
    with (
        served_to_network(
            bench, free_loopback_address(), rate=rate, seconds=lambda: 0.0
        ) as address,
        httpx2.Client(base_url=address, trust_env=False) as wire,
    ):
        answers = [wire.get("/v0/status").status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        assert decode_failure(wire.get("/v0/live").content).error.code == "broker.too-many"


def test_whether_it_lives_and_is_ready_can_be_asked_by_anybody(wire):
    assert wire.get("/v0/live").json() == {"live": True}
    assert wire.get("/v0/ready").json() == {"ready": True}


def test_what_is_on_the_way_is_encrypted_by_the_owner_s_certificate(bench, tmp_path):
    made = host_certificate(tmp_path)
    address = free_loopback_address().replace("http", "https")
    caller = caller_of(ROOM.parties["insurer"], bench.clock)
    listen = address.removeprefix("https://")
    with served_to_network(bench, address, listen=listen, certificate=made.files):
        with BrokerClient(
            address, caller=caller, authorities=made.authorities, clock=bench.clock
        ) as client:
            assert client.challenge(ASK).party == "hospital"
        # An authority that nobody named vouches for nothing.
        with BrokerClient(address, caller=caller) as client, pytest.raises(UnavailableError):
            client.status()
        # Plain HTTP and old TLS are not spoken.
        host, _, port = listen.partition(":")
        with socket.create_connection((host, int(port)), timeout=300) as plain:
            plain.sendall(b"GET /v0/status HTTP/1.1\r\nhost: x\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP" not in plain.recv(4096)
        old = ssl.create_default_context(cadata=made.authorities)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection((host, int(port)), timeout=300) as plain,
            pytest.raises(ssl.SSLError),
        ):
            old.wrap_socket(plain, server_hostname=host)


def test_a_handshake_that_is_never_finished_is_hung_up_on(bench, tmp_path):
    made = host_certificate(tmp_path)
    address = free_loopback_address().replace("http", "https")
    listen = address.removeprefix("https://")
    patience = dt.timedelta(milliseconds=100)
    host, _, port = listen.partition(":")
    with (
        served_to_network(bench, address, listen=listen, certificate=made.files, patience=patience),
        socket.create_connection((host, int(port)), timeout=300) as silent,
        contextlib.suppress(ConnectionResetError),
    ):
        assert silent.recv(1) == b""
