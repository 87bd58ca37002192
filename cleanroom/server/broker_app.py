# SPDX-License-Identifier: Apache-2.0
"""A key broker over HTTP: bytes in, one call, bytes out.

No decision is made here and nothing is echoed. Bodies are read as bytes and
parsed by the same strict readers that the runner writes for; the framework sees
paths and sizes only. Interactive documentation pages are off: they load scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, cast

from fastapi import FastAPI, Path
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cleanroom.contract.broker_answer import encode_failure
from cleanroom.contract.broker_wire import (
    MAX_COMMIT_REQUEST_BYTES,
    MAX_RELEASE_REQUEST_BYTES,
    MAX_SMALL_REQUEST_BYTES,
    decode_challenge_request,
    decode_commit_request,
    decode_release_request,
    encode_challenge,
    encode_commits,
    encode_status,
)
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.logged_statement import logged_to_json
from cleanroom.contract.notice_wire import decode_notice
from cleanroom.contract.run_request import parse_run_request
from cleanroom.contract.statements import LoggedStatement
from cleanroom.contract.types import LINEAGE, require_form, split_lineage
from cleanroom.errors import CleanroomError, RefusedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_BUNDLE_BYTES
from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.callers import Caller, Door, SignedCaller
from cleanroom.server.described import BROKER
from cleanroom.server.http import BYTES, JSON, answer_errors, head_of, observed, status_of
from cleanroom.server.openapi import add_document
from cleanroom.server.request_body import read_body

NO_RUN = "none"  # a run id has at least eight characters
Place = Annotated[int, Path(ge=0, le=2**53)]  # of a commit among those of a history


class _Denied(Exception):  # noqa: N818 - carries an error of the tree to its answer
    """What a rule said no to, on the way to a signed refusal about one run."""

    def __init__(self, error: RefusedError, *, run: str) -> None:
        super().__init__()
        self.error = error
        self.run = run


def make_broker_app(broker: KeyBroker, *, door: Door) -> FastAPI:
    """Return the application that serves one broker to those whom a door lets in."""
    app = FastAPI(title="cleanroom key broker", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)
    app.add_exception_handler(CleanroomError, partial(_failed, broker))
    app.add_exception_handler(_Denied, partial(_denied, broker))
    _add_statements(app, broker, door)
    _add_reading(app, broker, door)
    _add_health(app, broker, door)
    add_document(app, door=door, described=BROKER)
    return app


def _add_statements(app: FastAPI, broker: KeyBroker, door: Door) -> None:
    @app.post("/v0/challenge")
    async def challenge(request: Request) -> Response:
        caller, body = await _hear(request, door, limit=MAX_SMALL_REQUEST_BYTES)
        return await run_in_threadpool(_challenge, broker, caller, body)

    @app.post("/v0/release")
    async def release(request: Request) -> Response:
        caller, body = await _hear(request, door, limit=MAX_RELEASE_REQUEST_BYTES)
        return await run_in_threadpool(_release, broker, caller, body)

    @app.post("/v0/commit")
    async def commit(request: Request) -> Response:
        caller, body = await _hear(request, door, limit=MAX_COMMIT_REQUEST_BYTES)
        return await run_in_threadpool(_commit, broker, caller, body)

    @app.post("/v0/notice")
    async def notice(request: Request) -> Response:
        caller, body = await _hear(request, door, limit=MAX_BUNDLE_BYTES)
        return await run_in_threadpool(_notice, broker, caller, body)


def _add_reading(app: FastAPI, broker: KeyBroker, door: Door) -> None:
    @app.get("/v0/status")
    def status(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return Response(encode_status(broker.status()), media_type=JSON)

    @app.get("/v0/commits/{lineage}/{start}")
    def commits(request: Request, lineage: str, start: Place) -> Response:
        require_form(lineage, LINEAGE, what="lineage", agreed="owner.table")
        caller = door.admit(head_of(request))
        caller.require_body(b"")
        caller.require_one_of([split_lineage(lineage)[0]])
        return Response(encode_commits(broker.commits(lineage, start=start)), media_type=JSON)

    @app.get("/v0/entries/{written}")
    def entry(request: Request, written: str) -> Response:
        door.admit(head_of(request)).require_body(b"")
        digest = Digest.parse(f"sha256:{written}", what="state entry")
        return Response(broker.entry(digest), media_type=BYTES)

    @app.get("/v0/log/{path:path}")
    def log_file(request: Request, path: str) -> Response:
        door.admit_reader(head_of(request))
        return Response(broker.log_file(path), media_type=BYTES)


def _add_health(app: FastAPI, broker: KeyBroker, door: Door) -> None:
    @app.get("/v0/live")
    def live(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return Response(canonical_json({"live": True}), media_type=JSON)

    @app.get("/v0/ready")
    def ready(request: Request) -> Response:
        door.admit_reader(head_of(request))
        broker.require_ready()
        return Response(canonical_json({"ready": True}), media_type=JSON)


async def _hear(request: Request, door: Door, *, limit: int) -> tuple[Caller, bytes]:
    # The head first: a body is read only for somebody who may send one.
    caller = await run_in_threadpool(door.admit, head_of(request))
    if isinstance(caller, SignedCaller):
        request.state.cleanroom_party = caller.party
    body = await read_body(request, limit=limit)
    return caller, body


def _challenge(broker: KeyBroker, caller: Caller, body: bytes) -> Response:
    caller.require_body(body)
    request = decode_challenge_request(body)
    parties = broker.parties_of(request.contract)
    if parties:
        caller.require_one_of(parties)
    return Response(encode_challenge(broker.challenge(request)), media_type=JSON)


def _release(broker: KeyBroker, caller: Caller, body: bytes) -> Response:
    caller.require_body(body)
    request = decode_release_request(body)
    run = parse_run_request(request.bundle.run.data).run
    # These bytes are verified by the decision; here they only say whose business it is.
    caller.require_one_of(parse_contract(request.bundle.agreement.contract.data).party_names)
    return _answered(lambda: broker.release(request), run=run)


def _commit(broker: KeyBroker, caller: Caller, body: bytes) -> Response:
    caller.require_body(body)
    request = decode_commit_request(body)
    return _answered(lambda: broker.commit(request), run=request.run)


def _notice(broker: KeyBroker, caller: Caller, body: bytes) -> Response:
    caller.require_body(body)
    notice = decode_notice(body)
    return _answered(lambda: broker.notice(notice), run=NO_RUN)


def _answered(ask: Callable[[], LoggedStatement], *, run: str) -> Response:
    """Answer with the statement; where a rule says no, a signed refusal names the run."""
    try:
        return Response(canonical_json(logged_to_json(ask())), media_type=JSON)
    except RefusedError as error:
        raise _Denied(error, run=run) from error


def _denied(broker: KeyBroker, request: Request, raised: Exception) -> Response:
    denied = cast("_Denied", raised)  # registered for this class alone
    return _refuse(broker, request, denied.error, run=denied.run)


def _failed(broker: KeyBroker, request: Request, error: Exception) -> Response:
    # Registered for this class alone; no run is known.
    return _refuse(broker, request, cast("CleanroomError", error), run=NO_RUN)


def _refuse(broker: KeyBroker, request: Request, error: CleanroomError, *, run: str) -> Response:
    observed(request.scope, error)
    refused = isinstance(error, RefusedError)
    body = encode_failure(error, refusal=broker.refusal(error, run=run) if refused else None)
    return Response(body, status_code=status_of(error), media_type=JSON)
