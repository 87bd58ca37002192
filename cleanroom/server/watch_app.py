# SPDX-License-Identifier: Apache-2.0
"""How a service is, for whoever operates it: numbers, alive, ready; on this machine alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from cleanroom.errors import CleanroomError, RefusedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.server.callers import LocalDoor
from cleanroom.server.doors import Network, OpenDoor, open_network, read_place
from cleanroom.server.http import answer_errors
from cleanroom.server.observing import Metrics
from cleanroom.server.outcome import JSON

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def make_watch_app(metrics: Metrics, *, require_ready: Callable[[], None]) -> FastAPI:
    """Return the application that tells how a service is."""
    app = FastAPI(title="cleanroom operation", docs_url=None, redoc_url=None, openapi_url=None)
    answer_errors(app)

    @app.get("/metrics")
    def numbers() -> Response:
        return Response(metrics.write(ready=_is_ready(require_ready)), media_type=TEXT)

    @app.get("/v0/live")
    def live() -> Response:
        return Response(canonical_json({"live": True}), media_type=JSON)

    @app.get("/v0/ready")
    def ready(_request: Request) -> Response:
        require_ready()
        return Response(canonical_json({"ready": True}), media_type=JSON)

    return app


def open_watch_door(listen: str) -> OpenDoor:
    """Listen for whoever operates this machine.

    Raises:
        MalformedError: Not ``HOST:PORT``.
        RefusedError: Other machines could reach it; nobody signs there.
        UnavailableError: The address is in use.
    """
    host, _ = read_place(listen)
    if not ipaddress.ip_address(host).is_loopback:
        raise RefusedError(
            f"metrics: {listen} can be reached from other machines, agreed this machine alone",
            code="metrics.listen",
            hint="listen on 127.0.0.1 and let the collector run there",
        )
    network = Network(listen=listen, certificate=None)
    return open_network(network, published=f"http://{listen}", door=LocalDoor())


def _is_ready(require_ready: Callable[[], None]) -> bool:
    try:
        require_ready()
    except CleanroomError:
        return False
    return True
