# SPDX-License-Identifier: Apache-2.0
"""A hub over HTTP: six places for each room, all of them for its parties."""

from __future__ import annotations

import datetime as dt
from typing import cast

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.hub.hub import Hub
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.hub.wire import (
    MAX_MESSAGE_BYTES,
    decode_changes,
    decode_objects,
    encode_changed,
    encode_entries,
    encode_objects,
)
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.server.callers import Door, SignedCaller
from cleanroom.server.described import HUB
from cleanroom.server.http import answer_errors, head_of
from cleanroom.server.hub_events import Answer, Hear, add_events
from cleanroom.server.hub_jobs import add_jobs
from cleanroom.server.hub_upload import take_object
from cleanroom.server.openapi import add_document
from cleanroom.server.outcome import BYTES, JSON
from cleanroom.server.request_body import BODY_TIME, read_body
from cleanroom.server.turns import Turns

ROOM = "/v0/rooms/{name}"
MAX_AT_ONCE = 16  # requests of one party, so that no party takes every connection
MAX_QUESTION_BYTES = MIB
_REVISION_DIGITS = 15


def make_hub_app(
    hub: Hub,
    *,
    door: Door,
    patience: dt.timedelta = BODY_TIME,
    at_once: int = MAX_AT_ONCE,
) -> FastAPI:
    """Return the application that serves a hub's rooms to their parties.

    Args:
        hub: The rooms.
        door: Judges the head of every request.
        patience: How long a body may take.
        at_once: How many requests one party may have open.
    """
    app = FastAPI(title="cleanroom hub", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)
    turns = Turns(at_once)

    async def hear(request: Request, name: str, answer: Answer) -> Response:
        # The head first: a body is read only from a party of this room.
        caller = await run_in_threadpool(door.admit, head_of(request))
        room = _room(hub, name)
        signed = cast("SignedCaller", caller)  # a hub has no other door
        request.state.cleanroom_party = signed.party
        with turns.take(name, signed.party):
            return await answer(room, signed)

    _add_entries(app, hear, patience)
    _add_objects(app, hear, patience)
    add_events(app, hear)
    add_jobs(app, hear, patience, room=ROOM)

    @app.get("/v0/live")
    def live(request: Request) -> Response:
        door.admit_reader(head_of(request))
        return Response(canonical_json({"live": True}), media_type=JSON)

    @app.get("/v0/ready")
    def ready(request: Request) -> Response:
        door.admit_reader(head_of(request))
        hub.require_ready()
        return Response(canonical_json({"ready": True}), media_type=JSON)

    add_document(app, door=door, described=HUB)
    return app


def _add_entries(app: FastAPI, hear: Hear, patience: dt.timedelta) -> None:
    @app.get(ROOM + "/entries/{since}")
    async def entries(request: Request, name: str, since: str) -> Response:
        async def answer(room: StoredRoom, caller: SignedCaller) -> Response:
            caller.require_body(b"")
            found = await run_in_threadpool(room.entries, _revision(since))
            return Response(encode_entries(found), media_type=JSON)

        return await hear(request, name, answer)

    @app.post(ROOM + "/entries")
    async def change(request: Request, name: str) -> Response:
        async def answer(room: StoredRoom, caller: SignedCaller) -> Response:
            body = await read_body(request, limit=MAX_MESSAGE_BYTES, within=patience)
            caller.require_body(body)
            changes = await run_in_threadpool(decode_changes, body)
            revision = await run_in_threadpool(room.change, caller.party, changes)
            return Response(encode_changed(revision), media_type=JSON)

        return await hear(request, name, answer)


def _add_objects(app: FastAPI, hear: Hear, patience: dt.timedelta) -> None:
    @app.post(ROOM + "/missing")
    async def missing(request: Request, name: str) -> Response:
        async def answer(room: StoredRoom, caller: SignedCaller) -> Response:
            body = await read_body(request, limit=MAX_QUESTION_BYTES, within=patience)
            caller.require_body(body)
            found = await run_in_threadpool(room.missing, decode_objects(body))
            return Response(encode_objects(found), media_type=JSON)

        return await hear(request, name, answer)

    @app.get(ROOM + "/objects/{written}")
    async def fetch(request: Request, name: str, written: str) -> Response:
        async def answer(room: StoredRoom, caller: SignedCaller) -> Response:
            caller.require_body(b"")
            path = await run_in_threadpool(room.require_object, _digest(written))
            if path is None:
                found = await run_in_threadpool(room.objects.read, _digest(written))
                return Response(found, media_type=BYTES)
            return FileResponse(path, media_type=BYTES)

        return await hear(request, name, answer)

    @app.put(ROOM + "/objects/{written}")
    async def store(request: Request, name: str, written: str) -> Response:
        async def answer(room: StoredRoom, caller: SignedCaller) -> Response:
            digest = _digest(written)
            # The name is the digest, so the body is judged before it has arrived.
            caller.require_digest(digest)
            await take_object(request, room, digest, patience=patience)
            return Response(canonical_json({"stored": str(digest)}), media_type=JSON)

        return await hear(request, name, answer)


def _room(hub: Hub, name: str) -> StoredRoom:
    room = hub.room(name)
    if room is None:  # the door lets nobody into a room that there is not
        raise UnavailableError("hub: no such room", code="hub.no-room")
    return room


def _digest(written: str) -> Digest:
    return Digest.parse(f"sha256:{written}", what="hub object")


def _revision(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _REVISION_DIGITS:
        raise MalformedError("hub: not a revision", code="hub.revision")
    return int(text)
