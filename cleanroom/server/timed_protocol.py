# SPDX-License-Identifier: Apache-2.0
"""HTTP whose callers must get to the point: a request's head arrives in time or never.

uvicorn waits for ever for the first line of a request. A few dozen silent
connections would then close the broker to everybody else.
"""

from __future__ import annotations

import asyncio
import datetime as dt

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIME = dt.timedelta(seconds=10)


class TimedProtocol(H11Protocol):
    """Close a connection that has no request in progress and none arriving in time."""

    patience = HEAD_TIME
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; stop to wait once a request's head is complete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None:
            seconds = self.patience.total_seconds()
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.close()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def timed_protocol(patience: dt.timedelta) -> type[TimedProtocol]:
    """Return the protocol with another patience."""
    return type("TimedProtocol", (TimedProtocol,), {"patience": patience})
