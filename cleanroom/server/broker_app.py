# SPDX-License-Identifier: Apache-2.0
"""A key broker over HTTP: bytes in, one call, bytes out.

No decision is made here, nothing is parsed and nothing is echoed: a body is handed on as
bytes, with the name of whoever a door let in. The framework sees paths and sizes only.
Interactive documentation pages are off: they load scripts.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, cast

from fastapi import FastAPI, Path
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cleanroom.contract.broker_wire import (
    MAX_COMMIT_REQUEST_BYTES,
    MAX_ENTRIES_REQUEST_BYTES,
    MAX_RELEASE_REQUEST_BYTES,
    MAX_SMALL_REQUEST_BYTES,
)
from cleanroom.contract.types import LINEAGE, require_form
from cleanroom.errors import CleanroomError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_BUNDLE_BYTES
from cleanroom.server.answers import Answer, Answers, Question
from cleanroom.server.callers import Caller, Door, SignedCaller
from cleanroom.server.described import BROKER
from cleanroom.server.http import answer_errors, head_of, observed
from cleanroom.server.openapi import add_document
from cleanroom.server.outcome import JSON
from cleanroom.server.request_body import read_body

Place = Annotated[int, Path(ge=0, le=2**53)]  # of a commit among those of a history


def make_broker_app(answers: Answers, *, door: Door) -> FastAPI:
    """Return the application that serves one broker to those whom a door lets in."""
    app = FastAPI(title="cleanroom key broker", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)
    app.add_exception_handler(CleanroomError, partial(_failed, answers))
    _add_statements(app, answers, door)
    _add_reading(app, answers, door)
    _add_health(app, answers, door)
    add_document(app, door=door, described=BROKER)
    return app


def _add_statements(app: FastAPI, answers: Answers, door: Door) -> None:
    @app.post("/v0/challenge")
    async def challenge(request: Request) -> Response:
        heard = await _hear(request, door, limit=MAX_SMALL_REQUEST_BYTES)
        return await run_in_threadpool(_ask, answers, request, "challenge", heard)

    @app.post("/v0/release")
    async def release(request: Request) -> Response:
        heard = await _hear(request, door, limit=MAX_RELEASE_REQUEST_BYTES)
        return await run_in_threadpool(_ask, answers, request, "release", heard)

    @app.post("/v0/commit")
    async def commit(request: Request) -> Response:
        heard = await _hear(request, door, limit=MAX_COMMIT_REQUEST_BYTES)
        return await run_in_threadpool(_ask, answers, request, "commit", heard)

    @app.post("/v0/notice")
    async def notice(request: Request) -> Response:
        heard = await _hear(request, door, limit=MAX_BUNDLE_BYTES)
        return await run_in_threadpool(_ask, answers, request, "notice", heard)


def _add_reading(app: FastAPI, answers: Answers, door: Door) -> None:
    @app.get("/v0/status")
    def status(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return _told(request, answers.ask(Question(kind="status")))

    @app.get("/v0/commits/{lineage}/{start}")
    def commits(request: Request, lineage: str, start: Place) -> Response:
        require_form(lineage, LINEAGE, what="lineage", agreed="owner.table")
        caller = door.admit(head_of(request))
        caller.require_body(b"")
        question = Question(kind="commits", caller=caller.party, place=lineage, start=start)
        return _told(request, answers.ask(question))

    @app.post("/v0/entries")
    async def entries(request: Request) -> Response:
        heard = await _hear(request, door, limit=MAX_ENTRIES_REQUEST_BYTES)
        return await run_in_threadpool(_ask, answers, request, "entries", heard)

    @app.get("/v0/entries/{written}")
    def entry(request: Request, written: str) -> Response:
        caller = door.admit(head_of(request))
        caller.require_body(b"")
        question = Question(kind="entry", caller=caller.party, place=written)
        return _told(request, answers.ask(question))

    @app.get("/v0/log/{path:path}")
    def log_file(request: Request, path: str) -> Response:
        door.admit_reader(head_of(request))
        return _told(request, answers.ask(Question(kind="log", place=path)))


def _add_health(app: FastAPI, answers: Answers, door: Door) -> None:
    @app.get("/v0/live")
    def live(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return Response(canonical_json({"live": True}), media_type=JSON)

    @app.get("/v0/ready")
    def ready(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return _told(request, answers.ask(Question(kind="ready")))


async def _hear(request: Request, door: Door, *, limit: int) -> tuple[Caller, bytes]:
    # The head first: a body is read only for somebody who may send one.
    caller = await run_in_threadpool(door.admit, head_of(request))
    if isinstance(caller, SignedCaller):
        request.state.cleanroom_party = caller.party
    body = await read_body(request, limit=limit)
    return caller, body


def _ask(answers: Answers, request: Request, kind: str, heard: tuple[Caller, bytes]) -> Response:
    caller, body = heard
    # Before anybody else sees the body: it is the one whose digest the caller signed.
    caller.require_body(body)
    return _told(request, answers.ask(Question(kind=kind, caller=caller.party, body=body)))


def _told(request: Request, answer: Answer) -> Response:
    if answer.error is not None:
        observed(request.scope, answer.error)
    return Response(answer.body, status_code=answer.status, media_type=answer.media)


def _failed(answers: Answers, request: Request, error: Exception) -> Response:
    # Registered for this class alone: what a door or the reading of a body ended in.
    return _told(request, answers.refuse(cast("CleanroomError", error)))
