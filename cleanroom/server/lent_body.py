# SPDX-License-Identifier: Apache-2.0
"""A request's body straight from its socket into a few buffers.

The HTTP library copies a body three times on its way, which costs a hub more than hashing
and writing it. Here a connection lends its bytes, and no more of them than the head
announced, to buffers that are read in turn: while one is hashed, another fills. Who may
send what, and for how long, is the business of whoever reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from cleanroom.kernel.limits import KIB, MIB

LENDER = "cleanroom_lender"  # in a request's state
BUFFER_BYTES = MIB
MAX_BUFFERS = 48  # of a server, so that its memory does not grow with its callers
_SPILL_BYTES = 64 * KIB


class Buffers:
    """The buffers of one server, made when they are needed; for its event loop alone."""

    def __init__(self, most: int = MAX_BUFFERS) -> None:
        """Begin with none."""
        self._left = most
        self._idle: list[bytearray] = []

    def take(self) -> bytearray | None:
        """Return a buffer, or nothing if all are in use."""
        if self._idle:
            return self._idle.pop()
        if not self._left:
            return None
        self._left -= 1
        return bytearray(BUFFER_BYTES)

    def give(self, buffer: bytearray) -> None:
        """Take a buffer back that nobody reads any more."""
        self._idle.append(buffer)

    def abandon(self) -> None:
        """Leave a buffer to whoever may still read it, and make another when one is needed."""
        self._left += 1


class LentBody(asyncio.BufferedProtocol):
    """A body on its way; one task reads it, in a ``with`` block.

    Reading stops at the last byte that was announced: what follows is another request, and
    HTTP has the connection back before that is read.
    """

    def __init__(
        self,
        http: H11Protocol,
        *,
        first: bytes,
        rest: int,
        buffers: Buffers,
        filling: bytearray,
        arrived: Callable[[], None],
    ) -> None:
        """Prepare; bytes come once the transport has this for its protocol.

        Args:
            http: Has the connection otherwise, and hears all that is not a body's byte.
            first: What came with the head.
            rest: How many more bytes were announced.
            buffers: Where more of them come from.
            filling: The first one.
            arrived: Called after the last byte.
        """
        self.rest = rest
        self._http = http
        self._arrived = arrived
        self._buffers = buffers
        self._filling: bytearray | None = filling
        self._filled = 0
        self._first = first
        self._full: deque[tuple[bytearray, int]] = deque()
        self._read: bytearray | None = None
        self._left = False
        self._lost = False
        self._news = asyncio.Event()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go; what follows the body stays in the socket."""
        del sizehint
        if self._filling is None:
            raise BufferError("body: read while no buffer was free")
        return memoryview(self._filling)[self._filled : self._filled + self.rest]

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes; hand on what is full, and let the caller wait if no buffer is free."""
        self.rest -= nbytes
        self._filled += nbytes
        if self._left:
            self._filled = 0
        elif self._filled == BUFFER_BYTES or not self.rest:
            self._hand_on()
        if not self.rest:
            self._http.flow.pause_reading()
            self._arrived()

    @property
    def at_end(self) -> bool:
        """Tell whether what was read last is the end."""
        return not (self.rest or self._full or self._first)

    async def read(self) -> Sequence[bytes | memoryview]:
        """Return the next bytes, in order; they are good until the next call.

        Raises:
            ClientDisconnect: The caller went away.
        """
        self._give_back()
        if self._first:
            first, self._first = self._first, b""
            return (first,)
        while not self._full and self.rest:
            if self._lost:
                raise ClientDisconnect
            self._news.clear()
            await self._news.wait()
        if not self._full:
            return ()
        self._read, filled = self._full.popleft()
        return (memoryview(self._read)[:filled],)

    def __enter__(self) -> Self:
        """Read from here on."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep nothing of what is still to come, so that the caller sends on and hears why."""
        self._left = True
        if error is None:
            self._give_back()
        elif self._read is not None:
            # A thread may still hash or write it. Were it lent again, an object could be
            # kept under the digest of what lay in it before.
            self._buffers.abandon()
        for buffer, _ in self._full:
            self._buffers.give(buffer)
        self._full.clear()
        self._spill()

    def connection_lost(self, exc: Exception | None) -> None:
        """End whoever waits."""
        self._lost = True
        self._news.set()
        self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        """Leave answers to HTTP."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """Leave answers to HTTP."""
        self._http.resume_writing()

    def _hand_on(self) -> None:
        if self._filling is not None:
            self._full.append((self._filling, self._filled))
        self._news.set()
        self._filled = 0
        self._filling = self._buffers.take() if self.rest else None
        if self._filling is None:
            self._http.flow.pause_reading()

    def _give_back(self) -> None:
        buffer, self._read = self._read, None
        if buffer is None:
            return
        if self._filling is None and self.rest and not self._left:
            self._filling = buffer
            self._http.flow.resume_reading()
        else:
            self._buffers.give(buffer)

    def _spill(self) -> None:
        if self._filling is not None:
            self._buffers.give(self._filling)
        self._filled = 0
        self._filling = bytearray(_SPILL_BYTES) if self.rest else None
        if self.rest:
            self._http.flow.resume_reading()


def borrow_body(request: Request, *, size: int) -> LentBody | None:
    """Return a request's body of an announced size, if its connection can lend it.

    Nothing of it may have been read before.
    """
    lend: Callable[[int], LentBody | None] = getattr(request.state, LENDER, _lend_nothing)
    return lend(size)


def _lend_nothing(_size: int) -> None:
    return None
