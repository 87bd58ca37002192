# SPDX-License-Identifier: Apache-2.0
"""Serve a broker on the address that its party document names, until told to stop."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.listen import forget, listen
from cleanroom.server.timed_protocol import HEAD_TIME, timed_protocol

MAX_CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 5
SHUTDOWN_SECONDS = 10


class BrokerServer:
    """One broker on one socket; :meth:`stop` may be called from any thread."""

    def __init__(
        self,
        broker: KeyBroker,
        *,
        address: str,
        started: Callable[[str], None],
        patience: dt.timedelta = HEAD_TIME,
    ) -> None:
        """Open the socket; nothing is answered before :meth:`run`.

        Args:
            broker: An open broker.
            address: As in its party document.
            started: Hears the address once requests are answered.
            patience: How long a connection may be silent before its request.

        Raises:
            MalformedError: No broker address.
            RefusedError: An address of another machine, or one that is taken.
            UnavailableError: Somebody else listens there, or the system refuses.
        """
        self._address = address
        self._socket = listen(address)
        self._server = _Server(_config(broker, patience), started=lambda: started(address))

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM or :meth:`stop`; open requests are finished."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            forget(self._address, self._socket)

    def stop(self) -> None:
        """Ask the server to end; :meth:`run` returns soon after."""
        self._server.should_exit = True


def serve_broker(broker: KeyBroker, *, address: str, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``started`` hears the address once it listens.

    Raises:
        MalformedError: No broker address.
        RefusedError: An address of another machine, or one that is taken.
        UnavailableError: Somebody else listens there, or the system refuses.
    """
    BrokerServer(broker, address=address, started=started).run()


def _config(broker: KeyBroker, patience: dt.timedelta) -> uvicorn.Config:
    return uvicorn.Config(
        make_broker_app(broker),
        loop="asyncio",
        http=timed_protocol(patience),
        ws="none",
        lifespan="off",
        # Request lines hold digests of what somebody asked for; none are written down.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn, with a word when it listens and a quiet end."""

    def __init__(self, config: uvicorn.Config, *, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._heard = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._heard()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            # uvicorn would raise the signal again, and the process would end before
            # the broker gave its home back.
            self._captured_signals.clear()
