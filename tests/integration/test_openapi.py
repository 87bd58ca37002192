# SPDX-License-Identifier: Apache-2.0
"""The running services answer what their OpenAPI documents say, whatever they are asked."""

import json
import secrets

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cleanroom.envelope.http_signature import RequestTarget
from tests.support.brokers import TickingClock, broker_bench
from tests.support.keys import throwaway_party
from tests.support.openapi_documents import document
from tests.support.room_documents import build_room
from tests.support.served_brokers import caller_of, free_loopback_address, served_to_network
from tests.support.served_hub import ROOM, served_hub

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MODES = list(schemathesis.GenerationMode)
HOSPITAL = throwaway_party("hospital")
ENDLESS = "/v0/rooms/{name}/events"


@pytest.fixture(scope="module", params=["broker", "hub"])
def service(request, tmp_path_factory):
    """Serve one, and say where and how to sign for it."""
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "hub":
        clock = TickingClock()
        with served_hub(home / "hub", clock, rooms={ROOM: (HOSPITAL,)}) as hub:
            yield request.param, hub.address, caller_of(HOSPITAL, clock), clock
        return
    room, address = build_room(), free_loopback_address()
    with broker_bench(home, room) as bench, served_to_network(bench, address):
        yield "broker", address, caller_of(room.parties["hospital"], bench.clock), bench.clock


def ask(service, *, examples, signed, modes):
    """Ask every operation what the document generates, and check every answer."""
    name, address, caller, clock = service
    served = requests.get(f"{address}/v0/openapi.json", timeout=300)
    assert json.loads(document(name)) == served.json()
    schema = schemathesis.openapi.from_dict(served.json())
    statuses = set()
    with requests.Session() as session:
        session.trust_env = False
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path == ENDLESS and signed:
                continue
            for mode in modes:

                @seed(20261122)
                @settings(
                    max_examples=examples,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(operation.as_strategy(generation_mode=mode))
                def one(case):
                    if signed and "name" in case.path_parameters:
                        case.path_parameters["name"] = ROOM
                    prepared = requests.Request(
                        **{
                            key: value
                            for key, value in case.as_transport_kwargs(base_url=address).items()
                            if key in {"method", "url", "headers", "data", "json", "params"}
                        }
                    ).prepare()
                    if signed:
                        prepared.headers.update(fields(prepared, address, caller, clock))
                    answer = session.send(prepared, timeout=300)
                    statuses.add(answer.status_code)
                    case.validate_response(answer, checks=CHECKS)

                try:
                    one()
                except Unsatisfiable:  # nothing of that kind can be made for it
                    continue
    return statuses


def fields(prepared, address, caller, clock):
    """Sign what is sent, as a party."""
    path, _, query = prepared.path_url.partition("?")
    body = prepared.body or b""
    target = RequestTarget(
        method=prepared.method, authority=address.removeprefix("http://"), path=path, query=query
    )
    body = body.encode() if isinstance(body, str) else body
    return caller.sign(target, body, nonce=secrets.token_urlsafe(16), at=clock())


@pytest.mark.parametrize("signed", [False, True], ids=["stranger", "party"])
def test_a_sample_of_requests_is_answered_as_documented(service, signed):
    statuses = ask(service, examples=2, signed=signed, modes=MODES[:1])
    assert 200 in statuses
    assert statuses & {400, 403}


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True], ids=["stranger", "party"])
def test_requests_of_all_kinds_are_answered_as_documented(service, signed):
    statuses = ask(service, examples=12, signed=signed, modes=MODES)
    assert 200 in statuses
    assert statuses & {400, 403}
