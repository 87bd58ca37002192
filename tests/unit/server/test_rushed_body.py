# SPDX-License-Identifier: Apache-2.0
"""A body that one thread reads while its caller sends without a pause."""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.flow_control import FlowControl

from cleanroom.errors import IntegrityError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.server.lent_body import BUFFER_BYTES, Buffers, LentBody
from tests.support.raw_uploads import DATA, ENOUGH, HOSPITAL, WHOLE, hub_with, stored, wire_to


class Transport(asyncio.Transport):
    """One end of a connection on which reading stops and begins."""

    def __init__(self, line):
        super().__init__({"socket": line})

    def pause_reading(self):
        """Stop."""

    def resume_reading(self):
        """Begin."""


class Http:
    """Who has the connection otherwise."""

    def __init__(self, line):
        self.transport = Transport(line)
        self.flow = FlowControl(self.transport)

    def connection_lost(self, exc):
        """Hear of the end."""


@contextmanager
def connected():
    """Give a caller's end, and a hub's as an event loop has it."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(60)
        there.settimeout(0)
        yield here, there


def lent(line, buffers, *, rest, first=b""):
    http = Http(line)
    body = LentBody(
        http, first=first, rest=rest, buffers=buffers, filling=buffers.take(), arrived=lambda: None
    )
    return body, http


def send_beside(line, data):
    sender = ThreadPoolExecutor(1)
    sender.submit(line.sendall, data)
    sender.shutdown(wait=False)


def test_one_thread_takes_a_whole_body_in_whole_buffers():
    data = os.urandom(3 * BUFFER_BYTES + 5)
    pieces, last = [], []

    async def take(line, buffers):
        body, http = lent(line, buffers, rest=len(data) - 10, first=data[:10])
        with body:
            taken = await body.rush(lambda view: pieces.append(bytes(view)), last.extend)
            last[:] = [bytes(view) for view in last]
            assert http.flow.read_paused
            assert body.at_end
        return taken

    with connected() as (here, there):
        send_beside(here, data[10:] + b"the next request")
        assert asyncio.run(take(there, Buffers(1)))
        # What follows stays where it is, and whoever waits for it hears of one byte.
        assert there.recv(100) == b"the next request"
        assert there.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    assert [len(piece) for piece in pieces] == [BUFFER_BYTES] * 3
    assert b"".join(pieces + last) == data


def test_a_caller_that_pauses_gives_its_thread_back_and_loses_nothing():
    """T-18: else a few silent callers would have all threads."""
    data = os.urandom(2 * BUFFER_BYTES)
    pieces = []

    async def take(here, there, buffers):
        body, http = lent(there, buffers, rest=len(data))
        with body:
            here.sendall(data[:1000])
            assert not await body.rush(pieces.append, pieces.append)
            assert pieces == []
            assert not http.flow.read_paused
            rest = data[1000:]
            while rest:
                room = body.get_buffer(-1)
                count = min(len(room), len(rest))
                room[:count] = rest[:count]
                body.buffer_updated(count)
                rest = rest[count:]
            while not body.at_end:
                pieces.extend(bytes(view) for view in await body.read())

    with connected() as (here, there):
        asyncio.run(take(here, there, Buffers(3, threads=1)))
        assert there.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    assert b"".join(pieces) == data


def test_whoever_finds_no_thread_is_read_by_the_event_loop():
    async def take(line):
        body, _ = lent(line, Buffers(1, threads=0), rest=10)
        with body:
            assert not await body.rush(print, print)
            assert body.rest == 10

    with connected() as (here, there):
        here.sendall(b"0123456789")
        asyncio.run(take(there))
        assert there.recv(10) == b"0123456789"


def test_a_caller_that_goes_away_is_missed_at_once():
    async def take(line):
        body, _ = lent(line, Buffers(1), rest=10)
        with body:
            await body.rush(print, print)

    with connected() as (here, there):
        here.sendall(b"12345")
        here.shutdown(socket.SHUT_WR)
        with pytest.raises(ClientDisconnect):
            asyncio.run(take(there))


def test_a_thread_reads_on_where_it_began_when_the_connection_is_closed():
    """Its number may be another caller's by then (T-30)."""
    data = os.urandom(2 * BUFFER_BYTES)
    last = []

    async def take(line):
        body, _ = lent(line, Buffers(1), rest=len(data))
        with body:
            await body.rush(
                lambda view: (last.append(bytes(view)), line.close()),
                lambda views: last.extend(bytes(view) for view in views),
            )

    with connected() as (here, there):
        send_beside(here, data)
        asyncio.run(take(there))
    assert b"".join(last) == data


def test_nobody_goes_on_before_a_thread_has_ended():
    """Else its buffer, its file or its socket would be another's while it uses them."""
    begun, go_on, ended = Event(), Event(), Event()

    def work():
        begun.set()
        assert go_on.wait(timeout=60)
        ended.set()
        return True

    async def cancel():
        buffers = Buffers(1, threads=1)
        working = asyncio.ensure_future(buffers.beside(work))
        await asyncio.to_thread(begun.wait, 60)
        assert not await buffers.beside(work)
        working.cancel()
        await asyncio.sleep(0)
        assert not working.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert ended.is_set()
        assert await buffers.beside(lambda: True)

    asyncio.run(cancel())


def test_uploads_go_through_threads_and_every_check_holds(tmp_path):
    with hub_with(tmp_path, ENOUGH) as (hub, buffers), wire_to(hub) as wire:
        wire.send(wire.head(nonce="a"), DATA)
        assert wire.answer() == (200, "")
        assert stored(hub) == DATA
        assert buffers.rushed == 1
        with hub.client(HOSPITAL) as client:
            small = Digest.of(b"small")
            with pytest.raises(IntegrityError, match="^hub object: found"):
                client.put(small, DATA)
        assert stored(hub, small) is None
        # The connection is good for the next one, whatever the first was told.
        wire.send(wire.head(nonce="b"), DATA[:-1], b"?")
        assert wire.answer() == (422, "hub.object-digest")
        wire.send(wire.head(nonce="c"), DATA)
        assert wire.answer() == (200, "")
        assert stored(hub, WHOLE) == DATA
        assert len(DATA) == OBJECT_BYTES
