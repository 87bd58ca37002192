# SPDX-License-Identifier: Apache-2.0
import asyncio
import dataclasses
import datetime as dt
import json

import httpx2
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from cleanroom.contract.broker_answer import decode_failure
from cleanroom.contract.broker_requests import (
    ChallengeRequest,
    ContractNotice,
    RevocationNotice,
)
from cleanroom.contract.broker_wire import (
    MAX_SMALL_REQUEST_BYTES,
    decode_challenge,
    decode_entries,
    decode_status,
    encode_challenge_request,
    encode_commit_request,
    encode_entries_request,
    encode_release_request,
)
from cleanroom.contract.logged_statement import logged_from_json
from cleanroom.contract.notice_wire import encode_notice
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import StateStep, verify_refusal
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import CleanroomError, MalformedError, QueryFailedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.server.answers import BrokerAnswers
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.callers import LocalDoor
from cleanroom.server.request_body import read_body
from tests.support.brokers import SEALED_ENTRY
from tests.support.room_documents import RUN

SECRET = "a-value-that-nobody-may-see"


@pytest.fixture
def client(bench):
    with TestClient(
        make_broker_app(BrokerAnswers(bench.brokers["hospital"]), door=LocalDoor())
    ) as opened:
        yield opened


def statement(response):
    """Read a logged statement."""
    assert response.status_code == 200
    return logged_from_json(response.json(), what="answer")


def failure(response, status):
    """Read an error."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    return decode_failure(response.content)


def test_the_whole_exchange_over_http(client, bench, room, runner):
    ask = ChallengeRequest(contract=room.contract_digest, run=RUN)
    answer = client.post("/v0/challenge", content=encode_challenge_request(ask))
    nonce = decode_challenge(answer.content).nonce
    runtime = runner.runtime({"hospital": nonce, "insurer": b"n" * 32})
    request = runner.request(runtime)
    released = statement(client.post("/v0/release", content=encode_release_request(request)))
    steps = tuple(
        StateStep(
            lineage=lineage,
            previous=genesis_head(lineage),
            next=next_head(genesis_head(lineage), Digest.of(SEALED_ENTRY)),
        )
        for lineage in sorted(room.query_terms.datasets)
    )
    commit = runner.commit(request, {"hospital": released}, steps=steps)
    statement(client.post("/v0/commit", content=encode_commit_request(commit)))
    notice = ContractNotice(bundle=room.contract_bundle)
    statement(client.post("/v0/notice", content=encode_notice(notice)))
    status = decode_status(client.get("/v0/status").content)
    assert status.log_size == 3
    asked = encode_entries_request([Digest.of(SEALED_ENTRY)])
    assert decode_entries(client.post("/v0/entries", content=asked).content) == (SEALED_ENTRY,)
    entry = client.get(f"/v0/entries/{Digest.of(SEALED_ENTRY).hex}")
    assert entry.content == SEALED_ENTRY
    assert client.get("/v0/log/checkpoint").content.startswith(b"cleanroom/log/v0/hospital\n3\n")


def test_a_rule_that_says_no_is_a_signed_refusal(client, room, runner):
    runtime = runner.runtime({"hospital": b"x" * 32, "insurer": b"n" * 32})
    body = encode_release_request(runner.request(runtime))
    heard = failure(client.post("/v0/release", content=body), 403)
    assert heard.error.code == "broker.nonce-foreign"
    refusal = verify_refusal(
        heard.refusal, party="hospital", broker_key=room.parties["hospital"].document.broker_key
    )
    assert (refusal.code, refusal.run) == ("broker.nonce-foreign", RUN)


def test_a_commit_and_a_notice_are_refused_alike(client, room, runner):
    runtime = runner.runtime({"hospital": b"x" * 32, "insurer": b"n" * 32})
    commit = runner.commit(runner.request(runtime), {}, steps=())
    heard = failure(client.post("/v0/commit", content=encode_commit_request(commit)), 403)
    assert (heard.error.code, heard.refusal is None) == ("broker.no-release", False)
    notice = RevocationNotice(document=room.bundle.run)
    heard = failure(client.post("/v0/notice", content=encode_notice(notice)), 400)
    assert heard.refusal is None


@pytest.mark.parametrize("path", ["challenge", "release", "commit", "notice"])
@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 5000, SECRET.encode(), b"\xff"])
def test_strange_bodies_are_malformed_and_echo_nothing(client, path, body):
    response = client.post(f"/v0/{path}", content=body)
    assert isinstance(failure(response, 400).error, MalformedError)
    assert SECRET not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/{SECRET}", 404),
        ("GET", "/v0/release", 405),
        ("DELETE", "/v0/status", 405),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("GET", f"/v0/entries/{SECRET}", 400),
        ("GET", "/v0/commits/hospital.encounters/-1", 400),
        ("GET", f"/v0/commits/hospital.encounters/{10**20}", 400),
        ("GET", f"/v0/log/{SECRET}", 403),
        ("GET", "/v0/log/..%2Fstate.sqlite", 403),
        ("GET", f"/v0/entries/{'0' * 64}", 403),
        ("POST", "/v0/entries", 400),
        ("GET", "/v0/log/tile/0/999", 503),
    ],
)
def test_strange_places_are_refused_and_echo_nothing(client, method, path, status):
    response = client.request(method, path)
    failure(response, status)
    assert SECRET not in response.text


def test_a_body_that_announces_too_much_is_not_read(client):
    response = client.post("/v0/challenge", content=b"x" * (MAX_SMALL_REQUEST_BYTES + 1))
    assert failure(response, 400).error.code == "format.oversize"


@pytest.mark.parametrize("length", ["-1", "many", "1" * 30, b"\xb2"])
def test_a_length_that_is_none_is_refused(client, length):
    response = client.post("/v0/challenge", content=b"x", headers={"content-length": length})
    assert failure(response, 400).error.code == "format.oversize"


def test_a_body_without_a_length_stops_at_the_limit(client):
    def endless():
        yield from (b"x" * 1024 for _ in range(64))

    response = client.post("/v0/challenge", content=endless())
    assert failure(response, 400).error.code == "format.oversize"


def request_of(messages, headers=()):
    """Make a request whose body arrives in these messages."""
    waiting = list(messages)

    async def receive():
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        return {}

    return Request({"type": "http", "headers": list(headers)}, receive)


def read(messages, **limits):
    """Read a body."""
    options = {"limit": 100, "within": dt.timedelta(milliseconds=50)} | limits
    return asyncio.run(read_body(request_of(messages), **options))


PIECE = {"type": "http.request", "body": b"abc", "more_body": True}
END = {"type": "http.request", "body": b"d", "more_body": False}


def test_a_body_arrives_in_pieces():
    assert read([PIECE, PIECE, END]) == b"abcabcd"


def test_a_body_that_never_ends_is_given_up():
    with pytest.raises(UnavailableError) as refused:
        read([PIECE])
    assert refused.value.code == "broker.slow-request"


def test_a_caller_that_hangs_up_is_given_up():
    with pytest.raises(UnavailableError):
        read([PIECE, {"type": "http.disconnect"}])


def test_a_body_over_the_limit_is_refused_while_it_arrives():
    with pytest.raises(MalformedError):
        read([PIECE, PIECE, PIECE], limit=5)


def test_an_error_without_a_class_of_its_own_is_an_internal_one(bench):
    app = make_broker_app(BrokerAnswers(bench.brokers["hospital"]), door=LocalDoor())

    @app.get("/v0/broken")
    def broken():
        raise QueryFailedError("engine: the query did not complete", code="engine.failed")

    with TestClient(app) as opened:
        assert failure(opened.get("/v0/broken"), 500).error.code == "engine.failed"


def test_every_header_of_an_answer_is_known(client):
    headers = set(client.get("/v0/status").headers)
    assert headers == {"content-length", "content-type"}


def test_a_request_without_a_readable_run_is_not_signed_for(client, runner):
    runtime = runner.runtime({"hospital": b"x" * 32, "insurer": b"n" * 32})
    request = runner.request(runtime)
    bundle = dataclasses.replace(request.bundle, run=SignedFile(data=b"?", signatures={}))
    body = encode_release_request(dataclasses.replace(request, bundle=bundle))
    heard = failure(client.post("/v0/release", content=body), 400)
    assert heard.refusal is None
    assert isinstance(heard.error, CleanroomError)


def test_the_test_client_speaks_the_product_client_s_library(client):
    assert isinstance(client, httpx2.Client)
    assert json.loads(client.get("/v0/status").content)["party"] == "hospital"
