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

import h11
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from cleanroom.contract.broker_answer import encode_failure
from cleanroom.errors import CleanroomError, MalformedError, UnavailableError
from cleanroom.server.lent_body import BUFFER_BYTES, LENDER, Buffers, LentBody

_SLOW = UnavailableError("request: its head did not arrive in time", code="request.slow")
_NO_HTTP = MalformedError("request: not HTTP", code="request.no-http")

HEAD_TIME = dt.timedelta(seconds=10)


class TimedProtocol(H11Protocol):
    """Close a connection that has no request in progress and none arriving in time."""

    patience = HEAD_TIME
    buffers = Buffers(0)
    _deadline: asyncio.TimerHandle | None = None
    _begun = False
    _lent: LentBody | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, LENDER: self._lend}
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; stop to wait once a request's head is complete."""
        self._begun = True
        super().data_received(data)
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            # A body waits in its socket until somebody asks for it: what comes before its
            # caller is known, or before it is lent, would be copied by the library.
            self.flow.pause_reading()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        super().connection_lost(exc)
        self._stop()

    def on_response_complete(self) -> None:
        """Take the connection back for the next request."""
        self._take_back()
        super().on_response_complete()

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

    def _lend(self, size: int) -> LentBody | None:
        """Let bytes of the body that have not come yet go past the HTTP library.

        Its framing is the library's word: a body of a known length, and only where the
        socket holds what the caller wrote. Everything else is read by the library.
        """
        cycle, names = self.cycle, {name for name, _ in self.headers}
        rest = size - len(cycle.body)
        if (
            rest <= 0
            or len(cycle.body) >= BUFFER_BYTES
            or not cycle.more_body
            or cycle.waiting_for_100_continue
            or cycle.disconnected
            or b"transfer-encoding" in names
            or self.scope["http_version"] != "1.1"
            or self.transport.get_extra_info("sslcontext") is not None
            or (filling := self.buffers.take()) is None
        ):
            return None
        self._lent = LentBody(
            self,
            first=bytes(cycle.body),
            rest=rest,
            buffers=self.buffers,
            filling=filling,
            arrived=self._take_back_answered,
        )
        cycle.body = bytearray()
        self.transport.set_protocol(self._lent)
        self.flow.resume_reading()
        return self._lent

    def _take_back_answered(self) -> None:
        # A caller that was refused early sends on: the next request comes after its body.
        if self.cycle.response_complete:
            self._take_back()
            self.flow.resume_reading()

    def _take_back(self) -> None:
        if self._lent is not None and not self._lent.rest:
            # The library still waits for the body, so another one reads what follows it.
            self.conn = h11.Connection(h11.SERVER)
            self.transport.set_protocol(self)
            self._lent = None

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


def timed_protocol(patience: dt.timedelta, buffers: Buffers) -> type[TimedProtocol]:
    """Return the protocol of one server, with its patience and its buffers."""
    return type("TimedProtocol", (TimedProtocol,), {"patience": patience, "buffers": buffers})
