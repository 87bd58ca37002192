# SPDX-License-Identifier: Apache-2.0
"""Serve a broker or a hub through its doors until told to stop."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from cleanroom.keybroker.broker import KeyBroker
from cleanroom.server.answers import BrokerAnswers
from cleanroom.server.broker_app import make_broker_app
from cleanroom.server.doors import OpenDoor
from cleanroom.server.lent_body import Buffers
from cleanroom.server.timed_protocol import HEAD_TIME, timed_protocol
from cleanroom.server.watching import Watch

MAX_CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 5
SHUTDOWN_SECONDS = 10


class AppServer:
    """Applications behind their doors; :meth:`stop` may be called from any thread."""

    def __init__(
        self,
        apps: Sequence[tuple[OpenDoor, FastAPI]],
        *,
        started: Callable[[], None],
        patience: dt.timedelta = HEAD_TIME,
        buffers: Buffers | None = None,
    ) -> None:
        """Take open sockets; nothing is answered before :meth:`run`.

        Args:
            apps: At least one; doors stay their opener's to leave.
            started: Called once requests are answered.
            patience: How long a connection may be silent before its request.
            buffers: For bodies straight from their sockets; of its own if not given.
        """
        self._server = _Server(
            [(door, _config(app)) for door, app in apps],
            started=started,
            patience=patience,
            buffers=buffers or Buffers(),
        )

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM or :meth:`stop`; open requests are finished."""
        self._server.run(sockets=[])

    def stop(self) -> None:
        """Ask the server to end; :meth:`run` returns soon after."""
        self._server.should_exit = True


class BrokerServer(AppServer):
    """One broker behind its doors."""

    def __init__(
        self,
        broker: KeyBroker,
        *,
        doors: Sequence[OpenDoor],
        started: Callable[[], None],
        patience: dt.timedelta = HEAD_TIME,
        watch: Watch | None = None,
    ) -> None:
        """Take open sockets; nothing is answered before :meth:`run`.

        Args:
            broker: An open broker.
            doors: At least one; each judges the requests of its own socket.
            started: Called once requests are answered.
            patience: How long a connection may be silent before its request.
            watch: Who watches; nobody needs to.
        """
        answers = BrokerAnswers(broker)
        apps = [(door, make_broker_app(answers, door=door.door)) for door in doors]
        beside = [] if watch is None else watch.over(apps, require_ready=broker.require_ready)
        super().__init__([*apps, *beside], started=started, patience=patience)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
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
    """uvicorn with an application for each socket, a word when it listens, a quiet end."""

    def __init__(
        self,
        doors: Sequence[tuple[OpenDoor, uvicorn.Config]],
        *,
        started: Callable[[], None],
        patience: dt.timedelta,
        buffers: Buffers,
    ) -> None:
        super().__init__(doors[0][1])
        self._buffers = buffers
        self._behind = doors
        self._heard = started
        self._patience = patience

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        loop = asyncio.get_running_loop()
        for door, config in self._behind:
            if not config.loaded:
                config.load()
            protocol = partial(
                timed_protocol(self._patience, self._buffers),
                config=config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            # A handshake that nobody finishes would hold a connection for a minute.
            waiting = self._patience.total_seconds() if door.tls else None
            server = await loop.create_server(
                protocol, sock=door.listening, ssl=door.tls, ssl_handshake_timeout=waiting
            )
            self.servers.append(server)
        self._heard()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for _, config in self._behind:
            # Answers without an end look at this, and end.
            cast("FastAPI", config.app).state.ending = True
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            # uvicorn would raise the signal again, and the process would end before
            # its home was given back.
            self._captured_signals.clear()
