# SPDX-License-Identifier: Apache-2.0
"""Jobs over HTTP: put, cancelled and watched by parties, worked on by an operator's runners."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cleanroom.contract import types
from cleanroom.contract.types import require_form
from cleanroom.hub.job_wire import (
    MAX_JOB_BYTES,
    decode_beat,
    decode_delivery,
    decode_giving,
    decode_put,
    encode_jobs,
    encode_lease,
)
from cleanroom.hub.room_jobs import RoomJobs
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.record import dataclass
from cleanroom.server.callers import SignedCaller
from cleanroom.server.outcome import JSON
from cleanroom.server.request_body import read_body

Answer = Callable[[StoredRoom, SignedCaller], Awaitable[Response]]
Hear = Callable[[Request, str, Answer], Awaitable[Response]]
_DONE = canonical_json({"done": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request about jobs.

    Attributes:
        party: Who signed it.
        run: The run in its path; empty where none is named.
        body: What it carries.
    """

    party: str
    run: str
    body: bytes


def add_jobs(app: FastAPI, hear: Hear, patience: dt.timedelta, *, room: str) -> None:
    """Answer for jobs below a room's path.

    Args:
        app: The hub's application.
        hear: Judges the head of a request, then lets it be answered.
        patience: How long a body may take.
        room: Path of a room.
    """
    for method, path, act in _ROUTES:
        answer = _answering(hear, patience, act)
        app.add_api_route(room + path, answer, methods=[method])


Act = Callable[[RoomJobs, Asked], bytes]


def _answering(
    hear: Hear, patience: dt.timedelta, act: Act
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        async def answered(stored: StoredRoom, caller: SignedCaller) -> Response:
            body = await read_body(request, limit=MAX_JOB_BYTES, within=patience)
            caller.require_body(body)
            run = request.path_params.get("run", "")
            if run:
                require_form(run, types.RUN, what="run", agreed="a run id")
            asked = Asked(party=caller.party, run=run, body=body)
            data = await run_in_threadpool(act, stored.jobs, asked)
            return Response(data, media_type=JSON)

        return await hear(request, request.path_params["name"], answered)

    return answer


def _put(jobs: RoomJobs, asked: Asked) -> bytes:
    return encode_jobs([jobs.put(asked.party, decode_put(asked.body))])


def _latest(jobs: RoomJobs, _: Asked) -> bytes:
    return encode_jobs(jobs.latest())


def _find(jobs: RoomJobs, asked: Asked) -> bytes:
    return encode_jobs([jobs.find(asked.run)])


def _cancel(jobs: RoomJobs, asked: Asked) -> bytes:
    return encode_jobs([jobs.cancel(asked.party, asked.run)])


def _take(jobs: RoomJobs, asked: Asked) -> bytes:
    return encode_lease(jobs.take(asked.party))


def _beat(jobs: RoomJobs, asked: Asked) -> bytes:
    jobs.beat(asked.party, asked.run, decode_beat(asked.body))
    return _DONE


def _give_up(jobs: RoomJobs, asked: Asked) -> bytes:
    jobs.give_up(asked.party, asked.run, decode_giving(asked.body))
    return _DONE


def _deliver(jobs: RoomJobs, asked: Asked) -> bytes:
    jobs.deliver(asked.party, asked.run, decode_delivery(asked.body))
    return _DONE


_ROUTES: tuple[tuple[str, str, Act], ...] = (
    ("POST", "/jobs", _put),
    ("GET", "/jobs", _latest),
    ("GET", "/jobs/{run}", _find),
    ("POST", "/jobs/{run}/cancel", _cancel),
    ("POST", "/lease", _take),
    ("POST", "/jobs/{run}/beat", _beat),
    ("POST", "/jobs/{run}/giving", _give_up),
    ("POST", "/jobs/{run}/delivery", _deliver),
)
