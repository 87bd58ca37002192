# SPDX-License-Identifier: Apache-2.0
"""HTTP whose callers must get to the point: a request's head arrives in time or never.

uvicorn waits for ever for the first line of a request. A few dozen silent
connections would then close the broker to everybody else.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from cleanroom.contract.broker_answer import encode_failure
from cleanroom.errors import CleanroomError, MalformedError, UnavailableError

_SLOW = UnavailableError("request: its head did not arrive in time", code="request.slow")
_NO_HTTP = MalformedError("request: not HTTP", code="request.no-http")

HEAD_TIME = dt.timedelta(seconds=10)


class TimedProtocol(H11Protocol):
    """Close a connection that has no request in progress and none arriving in time."""

    patience = HEAD_TIME
    _deadline: asyncio.TimerHandle | None = None
    _begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; stop to wait once a request's head is complete."""
        self._begun = True
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        super().connection_lost(exc)
        self._stop()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the one form of errors; the library's own words stay here."""
        del msg
        self._refuse(_NO_HTTP, HTTPStatus.BAD_REQUEST)

    def _refuse(self, error: CleanroomError, status: HTTPStatus) -> None:
        self._stop()
        observer = getattr(cast("FastAPI", self.config.app).state, "observer", None)
        if observer is not None:
            observer.refused(error, status=status)
        body = encode_failure(error, refusal=None)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._begun = False
            self._stop()
        elif self._deadline is None:
            seconds = self.patience.total_seconds()
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self._begun and not self.transport.is_closing():
            self._refuse(_SLOW, HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def timed_protocol(patience: dt.timedelta) -> type[TimedProtocol]:
    """Return the protocol with another patience."""
    return type("TimedProtocol", (TimedProtocol,), {"patience": patience})
