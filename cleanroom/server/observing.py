# SPDX-License-Identifier: Apache-2.0
"""Count and write down what a service answers: routes, states and times, never content.

Labels of a metric come from closed lists: the patterns of our own routes, known methods,
states, classes of errors. Whoever asks can make no new series, and a name that a party
chose is in none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cleanroom.errors import CleanroomError
from cleanroom.kernel.record import dataclass
from cleanroom.server.journal import NOWHERE, Journal, Value
from cleanroom.server.outcome import class_of

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD"})
_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60)
_MILLISECONDS = 1000


def _version() -> str:
    try:
        return version("cleanroom")
    except PackageNotFoundError:  # run from a source tree that nobody installed
        return "0.0.0"


VERSION = _version()


class Metrics:
    """The numbers of one process."""

    def __init__(self, service: str) -> None:
        """Begin to count for ``broker`` or ``hub``."""
        self.registry = CollectorRegistry()
        labels = ("service", "route", "method", "status")
        self._requests = Counter(
            "cleanroom_requests", "Requests answered", labels, registry=self.registry
        )
        self._errors = Counter(
            "cleanroom_errors",
            "Requests that ended in an error of our tree",
            ("service", "error"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "cleanroom_request_seconds",
            "Time to the end of an answer",
            ("service", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._open = Gauge(
            "cleanroom_open_requests",
            "Requests being answered",
            ("service",),
            registry=self.registry,
        ).labels(service)
        self._told = Counter(
            "cleanroom_webhook_deliveries",
            "Deliveries of events",
            ("service", "outcome"),
            registry=self.registry,
        )
        self._ready = Gauge(
            "cleanroom_ready",
            "Whether requests can be served",
            ("service",),
            registry=self.registry,
        ).labels(service)
        Gauge(
            "cleanroom_build_info", "Version", ("service", "version"), registry=self.registry
        ).labels(service, VERSION).set(1)
        self._service = service

    def answered(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(self._service, route, method, str(int(status))).inc()
        self._seconds.labels(self._service, route).observe(seconds)

    def failed(self, error: str) -> None:
        """Count one error by its class."""
        self._errors.labels(self._service, error).inc()

    def told(self, *, taken: int, failed: int) -> None:
        """Count deliveries of events."""
        self._told.labels(self._service, "taken").inc(taken)
        self._told.labels(self._service, "failed").inc(failed)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count a request as open while the block runs."""
        with self._open.track_inprogress():
            yield

    def write(self, *, ready: bool) -> bytes:
        """Write all numbers in the text format of Prometheus."""
        self._ready.set(int(ready))
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """What watches a service.

    Attributes:
        journal: Where lines go.
        metrics: What counts.
        seconds: A clock that never goes back.
    """

    journal: Journal
    metrics: Metrics
    seconds: Callable[[], float] = time.monotonic

    def noted(self, scope: Scope, error: CleanroomError) -> None:
        """Remember the error with which a request ends."""
        scope.setdefault("state", {})["cleanroom_error"] = error
        self.metrics.failed(class_of(error))

    def refused(self, error: CleanroomError, *, status: int) -> None:
        """Write and count what never became a request."""
        self.metrics.failed(class_of(error))
        self.metrics.answered(route=NOWHERE, method=NOWHERE, status=status, seconds=0)
        self.journal.say(
            "request",
            level="warning",
            route=NOWHERE,
            method=NOWHERE,
            status=status,
            code=error.code,
        )

    def started(self) -> None:
        """Write that requests are answered."""
        self.journal.say("started", version=VERSION)

    def told(self, *, taken: int, failed: int) -> None:
        """Write and count deliveries of events."""
        self.metrics.told(taken=taken, failed=failed)
        self.journal.say("told", taken=taken, failed=failed)


def observe(app: FastAPI, observer: Observer) -> None:
    """Let an application be watched."""
    app.state.observer = observer
    observer.journal.know(str(getattr(route, "path", NOWHERE)) for route in app.routes)
    app.add_middleware(_Watching, observer=observer)


class _Watching:
    """Outermost: sees how every request ends, and reads nothing of it."""

    def __init__(self, app: ASGIApp, *, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, self._observer.seconds()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._observer.metrics.answering():
                await self._app(scope, receive, sending)
        finally:
            self._tell(scope, status=status, seconds=self._observer.seconds() - began)

    def _tell(self, scope: Scope, *, status: int, seconds: float) -> None:
        route = self._observer.journal.route(getattr(scope.get("route"), "path", NOWHERE))
        method = scope["method"] if scope["method"] in METHODS else NOWHERE
        self._observer.metrics.answered(route=route, method=method, status=status, seconds=seconds)
        fields: dict[str, Value] = {}
        state = scope.get("state", {})
        if (error := state.get("cleanroom_error")) is not None:
            fields["code"] = error.code
        if (party := state.get("cleanroom_party")) is not None:
            fields["party"] = party
        self._observer.journal.say(
            "request",
            level="error" if status >= 500 else "info",  # noqa: PLR2004 - RFC 9110 section 15.6
            route=route,
            method=method,
            status=int(status),
            milliseconds=int(seconds * _MILLISECONDS),
            **fields,
        )
