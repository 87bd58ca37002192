# SPDX-License-Identifier: Apache-2.0
"""A request's body straight from its socket into a few buffers.

The HTTP library copies a body three times on its way, which costs a hub more than hashing
and writing it. Here a connection lends its bytes, and no more of them than the head
announced, to buffers that begin where a page of memory does, so that a disk can take them
without another copy. While a caller sends without a pause, one thread reads, hashes and writes
its body; the event loop, which waits for many at once, has those of slow callers. Who may
send what, and for how long, is the business of whoever reads.
"""

from __future__ import annotations

import asyncio
import mmap
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from cleanroom.kernel.limits import KIB, MIB

LENDER = "cleanroom_lender"  # in a request's state
BUFFER_BYTES = MIB
MAX_BUFFERS = 48  # of a server, so that its memory does not grow with its callers
MAX_THREADS = 8  # of a server; whoever finds none free is read by the event loop
PAUSE_SECONDS = 0.25  # in which a buffer must fill, else the event loop waits for the rest
_SPILL_BYTES = 64 * KIB


class Buffers:
    """The buffers and threads of one server, made when needed; for its event loop alone."""

    def __init__(self, most: int = MAX_BUFFERS, *, threads: int = MAX_THREADS) -> None:
        """Begin with none."""
        self._left = most
        self._idle: list[mmap.mmap] = []
        self._threads_left = threads
        self._threads = ThreadPoolExecutor(max(1, threads), thread_name_prefix="body")

    async def beside(self, work: Callable[[], bool]) -> bool:
        """Do something in a thread; false at once if none is free.

        It has ended when this has, however that is: what it uses is nobody else's meanwhile.
        """
        if not self._threads_left:
            return False
        self._threads_left -= 1
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            await asyncio.wait((doing,))
        except asyncio.CancelledError:
            await asyncio.wait((doing,))
            await asyncio.gather(doing, return_exceptions=True)
            raise
        finally:
            self._threads_left += 1
        return doing.result()

    def take(self) -> mmap.mmap | None:
        """Return a buffer, or nothing if all are in use."""
        if self._idle:
            return self._idle.pop()
        if not self._left:
            return None
        self._left -= 1
        return mmap.mmap(-1, BUFFER_BYTES)

    def give(self, buffer: mmap.mmap) -> None:
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
        filling: mmap.mmap,
        arrived: Callable[[], None],
    ) -> None:
        """Prepare; bytes come once the transport has this for its protocol.

        Args:
            http: Has the connection otherwise, and hears all that is not a body's byte.
            first: What came with the head; less than a buffer.
            rest: How many more bytes were announced.
            buffers: Where more of them come from.
            filling: The first one.
            arrived: Called after the last byte.
        """
        self.rest = rest
        self._http = http
        self._arrived = arrived
        self._buffers = buffers
        # Copied, so that all pieces but the last are whole buffers.
        filling[: len(first)] = first
        self._filling: mmap.mmap | None = filling
        self._filled = len(first)
        self._full: deque[tuple[mmap.mmap, int]] = deque()
        self._read: mmap.mmap | None = None
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

    async def rush(
        self, write: Callable[[memoryview], None], finish: Callable[[Sequence[memoryview]], None]
    ) -> bool:
        """Let a thread read, if one is free, for as long as the caller sends without a pause.

        Args:
            write: Takes all pieces but the last, in that thread.
            finish: Takes the last one there.

        Returns:
            Whether that was the whole body; if not, :meth:`read` has the rest.

        Raises:
            ClientDisconnect: The caller went away.
        """
        flow, filling = self._http.flow, self._filling
        if filling is None or not self.rest:
            return False
        flow.pause_reading()
        # Another descriptor: that of the connection may be closed, and its number given to
        # another one, while the thread reads.
        line: socket.socket = self._http.transport.get_extra_info("socket").dup()
        try:
            return await self._buffers.beside(lambda: self._rush(line, filling, write, finish))
        finally:
            line.close()
            if self.rest:
                flow.resume_reading()

    def _rush(
        self,
        line: socket.socket,
        filling: mmap.mmap,
        write: Callable[[memoryview], None],
        finish: Callable[[Sequence[memoryview]], None],
    ) -> bool:
        ready = select.poll()
        ready.register(line, select.POLLIN)
        view = memoryview(filling)
        try:
            while self._fill(line, view, ready):
                if not self.rest:
                    finish((view[: self._filled],))
                    return True
                write(view)
                self._filled = 0
        finally:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        return False

    def _fill(self, line: socket.socket, view: memoryview, ready: select.poll) -> bool:
        """Fill the buffer, or what the body needs of it; false if that takes too long."""
        end = min(BUFFER_BYTES, self._filled + self.rest)
        until = time.monotonic() + PAUSE_SECONDS
        while self._filled < end:
            try:
                count = line.recv_into(view[self._filled : end])
            except BlockingIOError:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                # Woken once for all of it, where there is room for that on the way.
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, end - self._filled)
                ready.poll(left * 1000)
                continue
            except OSError:
                count = 0
            if not count:
                self._lost = True
                raise ClientDisconnect
            self._filled += count
            self.rest -= count
        return True

    @property
    def at_end(self) -> bool:
        """Tell whether what was read last is the end."""
        return not (self.rest or self._full)

    async def read(self) -> Sequence[bytes | memoryview]:
        """Return the next bytes, in order; they are good until the next call.

        Raises:
            ClientDisconnect: The caller went away.
        """
        self._give_back()
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
        self._filling = mmap.mmap(-1, _SPILL_BYTES) if self.rest else None
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
