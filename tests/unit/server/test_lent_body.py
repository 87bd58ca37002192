# SPDX-License-Identifier: Apache-2.0
"""Bodies straight from their sockets keep every promise of those that the HTTP library reads."""

import asyncio
import datetime as dt
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.flow_control import FlowControl

from cleanroom.errors import IntegrityError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.server.lent_body import BUFFER_BYTES, Buffers, LentBody
from tests.support.host_certificates import host_certificate
from tests.support.raw_uploads import (
    DATA,
    ENOUGH,
    HOSPITAL,
    LIBRARY,
    LOOP,
    ONE_BUFFER,
    WHOLE,
    half_written,
    hub_with,
    stored,
    wire_to,
)

SHORT = dt.timedelta(milliseconds=300)
LIVE = b"GET /v0/live HTTP/1.1\r\nhost: hub\r\n\r\n"
# Bodies are read by the library alone, with a buffer for one of them, with buffers but by the
# event loop, and by threads.
WAYS = pytest.mark.parametrize(
    "way",
    [LIBRARY, ONE_BUFFER, LOOP, ENOUGH],
    ids=["library", "one buffer", "no thread", "threads"],
)


@WAYS
def test_objects_arrive_whole_and_the_connection_serves_on(tmp_path, way):
    with hub_with(tmp_path, way) as (hub, buffers), wire_to(hub) as wire:
        for nonce in "ab":
            wire.send(wire.head(nonce=nonce), DATA)
            assert wire.answer() == (200, "")
        assert stored(hub) == DATA
        # What follows a body is another request, however little lies between them.
        wire.send(wire.head(nonce="c") + DATA + LIVE)
        assert [wire.answer(), wire.answer()] == [(200, ""), (200, "")]
        assert bool(buffers.taken) == bool(way.buffers)


@WAYS
@pytest.mark.parametrize("size", [1, 70_000, MIB, MIB + 1, 2 * MIB, OBJECT_BYTES - 1])
def test_every_size_and_every_cut_arrives(tmp_path, way, size):
    data = DATA[:size]
    digest = Digest.of(data)
    with hub_with(tmp_path, way) as (hub, _), wire_to(hub) as wire:
        head = wire.head(digest, content_length=size)
        # The head in two pieces, the first byte with its end, the last alone.
        wire.send(head[:100], head[100:] + data[:1], data[1:-1], data[-1:] if size > 1 else b"")
        assert wire.answer() == (200, "")
        assert stored(hub, digest) == data


@WAYS
def test_many_at_once_take_turns_with_few_buffers(tmp_path, way):
    pieces = [os.urandom(2 * MIB + number) for number in range(12)]
    with hub_with(tmp_path, way) as (hub, _):
        with hub.client(HOSPITAL) as client, ThreadPoolExecutor(6) as beside:
            list(beside.map(lambda piece: client.put(Digest.of(piece), piece), pieces))
        assert [stored(hub, Digest.of(piece)) for piece in pieces] == pieces


@WAYS
def test_other_bytes_than_the_name_says_are_refused_and_gone(tmp_path, way):
    with hub_with(tmp_path, way) as (hub, _), wire_to(hub) as wire:
        wire.send(wire.head(), DATA[:-1], b"?")
        assert wire.answer() == (422, "hub.object-digest")
        assert (stored(hub), half_written(hub)) == (None, [])
        wire.send(wire.head(nonce="b"), DATA)
        assert wire.answer() == (200, "")


@WAYS
def test_what_is_there_is_not_replaced_by_other_bytes(tmp_path, way):
    with hub_with(tmp_path, way) as (hub, _), wire_to(hub) as wire:
        wire.send(wire.head(nonce="a"), DATA)
        assert wire.answer() == (200, "")
        wire.send(wire.head(nonce="b"), DATA[:-1], b"?")
        assert wire.answer() == (422, "hub.object-digest")
        assert stored(hub) == DATA


@WAYS
def test_a_caller_that_goes_away_leaves_nothing(tmp_path, way):
    with hub_with(tmp_path, way) as (hub, _):
        with wire_to(hub) as wire:
            wire.send(wire.head(), DATA[: 3 * MIB])
        with wire_to(hub) as wire:
            wire.send(wire.head(nonce="b"), DATA)
            assert wire.answer() == (200, "")
    assert half_written(hub) == []


@WAYS
def test_a_slow_caller_is_told_so_and_may_send_on(tmp_path, way):
    with hub_with(tmp_path, way, patience=SHORT) as (hub, _), wire_to(hub) as wire:
        wire.send(wire.head(), DATA[: 2 * MIB])
        assert wire.answer() == (503, "hub.slow-request")
        assert (stored(hub), half_written(hub)) == (None, [])
        # The rest of the body is no request, and kept nowhere.
        wire.send(DATA[2 * MIB :] + LIVE)
        assert wire.answer() == (200, "")
        assert stored(hub) is None


@WAYS
def test_a_full_room_takes_nothing_more(tmp_path, way):
    with (
        hub_with(tmp_path, way, quota=OBJECT_BYTES + MIB) as (hub, buffers),
        wire_to(hub) as wire,
    ):
        wire.send(wire.head(), DATA)
        assert wire.answer() == (200, "")
        taken = buffers.taken
        more = DATA[: 2 * MIB]
        wire.send(wire.head(Digest.of(more), nonce="b", content_length=len(more)), more)
        assert wire.answer() == (503, "hub.quota")
        assert (stored(hub, Digest.of(more)), half_written(hub)) == (None, [])
        assert buffers.taken == taken


@WAYS
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"content_length": OBJECT_BYTES + 1}, (400, "format.oversize")),
        ({"content_length": "", "transfer_encoding": "chunked"}, (400, "format.oversize")),
        ({"signature": ""}, (403, "request.unsigned")),
    ],
    ids=["too large", "of no size", "unsigned"],
)
def test_a_body_that_may_not_come_takes_no_buffer(tmp_path, way, fields, told):
    with hub_with(tmp_path, way) as (hub, buffers), wire_to(hub) as wire:
        wire.send(wire.head(**fields), b"x")
        assert wire.answer() == told
        assert buffers.taken == 0


def test_framing_that_is_said_twice_is_the_librarys_to_judge(tmp_path):
    """Whoever else reads the connection must see the same end of the body (T-30)."""
    with hub_with(tmp_path, ENOUGH) as (hub, buffers), wire_to(hub) as wire:
        body = b"%x\r\n" % len(DATA) + DATA + b"\r\n0\r\n\r\n"
        wire.send(wire.head(transfer_encoding="chunked"), body)
        assert wire.answer() == (200, "")
        assert (stored(hub), buffers.taken) == (DATA, 0)


def test_a_caller_that_waits_to_be_asked_is_asked(tmp_path):
    with hub_with(tmp_path, ENOUGH) as (hub, buffers), wire_to(hub) as wire:
        wire.send(wire.head(expect="100-continue"))
        assert wire.answer() == (100, "")
        wire.send(DATA)
        assert wire.answer() == (200, "")
        assert (stored(hub), buffers.taken) == (DATA, 0)


def test_over_tls_the_library_reads_and_every_promise_holds(tmp_path):
    certificate = host_certificate(tmp_path / "tls")
    with (
        hub_with(tmp_path, ENOUGH, certificate=certificate.files) as (hub, buffers),
        hub.client(HOSPITAL, authorities=certificate.authorities) as client,
    ):
        client.put(WHOLE, DATA)
        assert stored(hub) == DATA
        other = Digest.of(b"other")
        with pytest.raises(IntegrityError, match="^hub object: found"):
            client.put(other, DATA)
        assert (stored(hub, other), half_written(hub)) == (None, [])
        client.put(WHOLE, DATA)
        # A socket of TLS holds no plain byte of a body.
        assert buffers.taken == 0


class Http:
    """Who has the connection otherwise."""

    def __init__(self, transport):
        self.flow = FlowControl(transport)
        self.lost = []

    def connection_lost(self, exc):
        self.lost.append(exc)


class Transport(asyncio.Transport):
    """A transport on which reading stops and begins."""

    def pause_reading(self):
        """Stop."""

    def resume_reading(self):
        """Begin."""


def body_of(buffers, *, rest):
    http = Http(Transport())
    filling = buffers.take()
    body = LentBody(
        http, first=b"", rest=rest, buffers=buffers, filling=filling, arrived=lambda: None
    )
    return body, http, filling


def arrive(body, data):
    """Let bytes arrive as a transport does."""
    while data:
        room = body.get_buffer(-1)
        count = min(len(room), len(data))
        room[:count] = data[:count]
        body.buffer_updated(count)
        data = data[count:]


def test_a_buffer_that_somebody_may_still_read_is_never_lent_again():
    """Else a thread could write what another caller sent under this one's digest."""

    async def read_and(end):
        buffers = Buffers(1)
        body, _, first = body_of(buffers, rest=BUFFER_BYTES + 1)
        with suppress(TimeoutError), body:
            arrive(body, b"x" * BUFFER_BYTES)
            (piece,) = await body.read()
            assert piece.obj is first
            end()
        return buffers.take() is first

    def run_out_of_time():
        raise TimeoutError

    assert asyncio.run(read_and(lambda: None))
    assert not asyncio.run(read_and(run_out_of_time))


def test_nothing_is_read_while_no_buffer_is_free():
    async def fill():
        body, http, _ = body_of(Buffers(1), rest=2 * BUFFER_BYTES)
        with body:
            arrive(body, b"a" * BUFFER_BYTES)
            assert http.flow.read_paused
            with pytest.raises(BufferError):
                body.get_buffer(-1)
            assert bytes((await body.read())[0]) == b"a" * BUFFER_BYTES
            reading = asyncio.ensure_future(body.read())
            await asyncio.sleep(0)
            assert not http.flow.read_paused
            arrive(body, b"b" * BUFFER_BYTES)
            assert bytes((await reading)[0]) == b"b" * BUFFER_BYTES
            assert body.at_end
            assert http.flow.read_paused

    asyncio.run(fill())


def test_what_follows_a_body_that_nobody_wants_stays_in_the_socket():
    async def leave():
        body, http, _ = body_of(Buffers(1), rest=3 * BUFFER_BYTES)
        with suppress(TimeoutError), body:
            arrive(body, b"x" * BUFFER_BYTES)
            raise TimeoutError
        assert not http.flow.read_paused
        arrive(body, b"x" * 2 * BUFFER_BYTES)
        assert http.flow.read_paused

    asyncio.run(leave())


def test_a_body_that_ends_early_is_no_body():
    async def lose():
        body, http, _ = body_of(Buffers(2), rest=10)
        with body:
            arrive(body, b"12345")
            reading = asyncio.ensure_future(body.read())
            await asyncio.sleep(0)
            body.connection_lost(None)
            with pytest.raises(ClientDisconnect):
                await reading
        assert http.lost == [None]

    asyncio.run(lose())
