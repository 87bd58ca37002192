# SPDX-License-Identifier: Apache-2.0
"""Take an object into a room as it arrives: however large it is, little of it is in memory.

Both ways to read a body, straight from the connection and through the HTTP library, go
through the same limits, the same digest and the same files.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from cleanroom.errors import UnavailableError
from cleanroom.hub.objects import IncomingObject
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.server.lent_body import borrow_body
from cleanroom.server.request_body import oversize

AT_ONCE_BYTES = MIB  # between two hops to another thread


class Body(Protocol):
    """Bytes on their way."""

    async def rush(
        self, write: Callable[[memoryview], None], finish: Callable[[Sequence[memoryview]], None]
    ) -> bool:
        """Let a thread take all of it, the last piece with ``finish``; false if it could not."""

    @property
    def at_end(self) -> bool:
        """Tell whether what was read last is the end."""

    async def read(self) -> Sequence[bytes | memoryview]:
        """Return the next bytes, in order; they are good until the next call."""


class ParsedBody:
    """A body as the HTTP library hands it out, in pieces that come together before they go on.

    Pieces stay what they are, because joining them would copy everything twice more.
    """

    def __init__(self, request: Request) -> None:
        """Begin before the first byte."""
        self._stream = request.stream()
        self.at_end = False

    async def rush(
        self, write: Callable[[memoryview], None], finish: Callable[[Sequence[memoryview]], None]
    ) -> bool:
        """Leave everything to :meth:`read`: only the library knows where the body ends."""
        del write, finish
        return False

    async def read(self) -> Sequence[bytes]:
        """Return the next bytes.

        Raises:
            ClientDisconnect: The caller went away.
        """
        waiting: list[bytes] = []
        size = 0
        async for piece in self._stream:
            waiting.append(piece)
            size += len(piece)
            if size >= AT_ONCE_BYTES:
                return waiting
        self.at_end = True
        return waiting


async def take_object(
    request: Request, room: StoredRoom, digest: Digest, *, patience: dt.timedelta
) -> None:
    """Store the object that a request brings.

    Raises:
        MalformedError: Announced or found to be larger than an object may be.
        IntegrityError: Other bytes than its name says.
        UnavailableError: The room is full, the disk refuses, or it did not arrive in time.
    """
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal() or int(announced) > OBJECT_BYTES:
        raise oversize(OBJECT_BYTES)
    room.require_space(int(announced))
    with room.objects.receive(digest) as incoming, _body(request, int(announced)) as body:
        finish = partial(_keep, room, incoming, digest)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                if await body.rush(incoming.write, finish):
                    return
                last = await _receive(body, incoming)
        except (TimeoutError, ClientDisconnect):
            raise UnavailableError(
                "request: did not arrive in time",
                code="hub.slow-request",
                hint="check the network, then send it again; what has arrived is kept",
            ) from None
        await run_in_threadpool(finish, last)


def _body(request: Request, size: int) -> AbstractContextManager[Body]:
    return borrow_body(request, size=size) or nullcontext(ParsedBody(request))


async def _receive(body: Body, incoming: IncomingObject) -> Sequence[bytes | memoryview]:
    # Hashed and written beside the loop: what arrives for others is read meanwhile. The last
    # bytes go with what makes the object whole, which saves a hop.
    pieces = await body.read()
    while not body.at_end:
        await run_in_threadpool(incoming.write, *pieces)
        pieces = await body.read()
    return pieces


def _keep(
    room: StoredRoom,
    incoming: IncomingObject,
    digest: Digest,
    last: Sequence[bytes | memoryview],
) -> None:
    incoming.write(*last)
    room.keep(incoming, digest)
