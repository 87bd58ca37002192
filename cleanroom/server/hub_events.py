# SPDX-License-Identifier: Apache-2.0
"""A room's events as they happen, for its parties: server-sent events over one request.

A stream says what :mod:`cleanroom.hub.events` keeps and nothing more. It ends after some
minutes, and as soon as somebody's keys or membership may have changed: whoever comes back
signs again, says what it heard last, and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from cleanroom.errors import MalformedError
from cleanroom.hub.events import Event, EventKind, Events, event_json
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.server.callers import SignedCaller
from cleanroom.server.turns import Turns

EVENT_STREAM = "text/event-stream"
LAST_EVENT = "last-event-id"
MAX_STREAMS = 4  # of one party
MAX_ALL_STREAMS = 24  # of all: the other connections stay free for everybody's requests
STREAM_SECONDS = 300.0
ALIVE_SECONDS = 15.0
LOOK_SECONDS = 0.25
_FORMAT = "cleanroom.hub-event.v0"
_NUMBER_DIGITS = 15
# What may change who is let in: the next request is judged anew.
_ENDING = frozenset({EventKind.REVOCATION, EventKind.PARTY, EventKind.CONTRACT})

Answer = Callable[[StoredRoom, SignedCaller], Awaitable[Response]]
Hear = Callable[[Request, str, Answer], Awaitable[Response]]


class _Stream(StreamingResponse):
    """A stream that gives its turn back however it ends."""

    def __init__(self, content: AsyncIterator[bytes], *, turn: ExitStack) -> None:
        super().__init__(content, media_type=EVENT_STREAM, headers={"cache-control": "no-store"})
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._turn:
            await super().__call__(scope, receive, send)


def add_events(app: FastAPI, hear: Hear) -> None:
    """Let a hub's application answer ``GET /v0/rooms/R/events``."""
    own, all_streams = Turns(MAX_STREAMS), Turns(MAX_ALL_STREAMS)

    @app.get("/v0/rooms/{name}/events")
    async def events(request: Request, name: str) -> Response:
        async def answer(room: StoredRoom, caller: SignedCaller) -> Response:
            caller.require_body(b"")
            after = _resumed(request)
            if after is None:
                after = await run_in_threadpool(room.last_event)
            with ExitStack() as turn:
                turn.enter_context(all_streams.take("", ""))
                turn.enter_context(own.take(name, caller.party))
                said = _follow(app, room, name=name, after=after)
                return _Stream(said, turn=turn.pop_all())

        return await hear(request, name, answer)


async def _follow(app: FastAPI, room: StoredRoom, *, name: str, after: int) -> AsyncIterator[bytes]:
    now = asyncio.get_running_loop().time
    ends, said_at = now() + STREAM_SECONDS, now()
    yield _written("start", after, {"format": _FORMAT, "room": name, "after": after})
    # A server that is told to end does not wait for whoever listens.
    while now() < ends and not getattr(app.state, "ending", False):
        found = await run_in_threadpool(room.events, after)
        if found.gap:
            after = await _after_gap(room, found)
            yield _written("gap", after, {"format": _FORMAT, "room": name, "after": after})
        for event in found.events:
            yield _told(event, name)
            after = event.number
        if any(event.kind in _ENDING for event in found.events):
            return
        if found.events:
            said_at = now()
        elif now() - said_at > ALIVE_SECONDS:
            said_at = now()
            yield b":\n\n"
        await asyncio.sleep(LOOK_SECONDS)


async def _after_gap(room: StoredRoom, found: Events) -> int:
    if found.events:
        return found.events[0].number - 1
    return await run_in_threadpool(room.last_event)


def _resumed(request: Request) -> int | None:
    # Only where to start: a relay that changes it makes somebody hear twice or late.
    text = request.headers.get(LAST_EVENT)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _NUMBER_DIGITS:
        raise MalformedError("hub: not the number of an event", code="hub.event-number")
    return int(text)


def _told(event: Event, room: str) -> bytes:
    told = {"format": _FORMAT, "room": room, **event_json(event)}
    return _written(event.kind.value, event.number, told)


def _written(kind: str, number: int, data: dict[str, JSONValue]) -> bytes:
    # Canonical JSON has no line breaks, so it is one field of a server-sent event.
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), canonical_json(data))
