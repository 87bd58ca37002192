# SPDX-License-Identifier: Apache-2.0
"""Bodies straight from their sockets keep every promise of those that the HTTP library reads."""

import asyncio
import datetime as dt
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.flow_control import FlowControl

from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.errors import IntegrityError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.server.lent_body import BUFFER_BYTES, Buffers, LentBody
from tests.support.brokers import TickingClock
from tests.support.host_certificates import host_certificate
from tests.support.keys import throwaway_party
from tests.support.served_brokers import caller_of
from tests.support.served_hub import ROOM, served_hub

HOSPITAL = throwaway_party("hospital")
DATA = os.urandom(OBJECT_BYTES)
WHOLE = Digest.of(DATA)
SHORT = dt.timedelta(milliseconds=300)
LIVE = b"GET /v0/live HTTP/1.1\r\nhost: hub\r\n\r\n"
# Bodies are read by the library alone, with a buffer for one of them, and with enough.
WAYS = pytest.mark.parametrize("most", [0, 1, 48], ids=["library", "one buffer", "buffers"])


class Counted(Buffers):
    """Buffers that tell how often one was asked for, and how many are out."""

    def __init__(self, most):
        super().__init__(most)
        self.taken, self.out = 0, 0

    def take(self):
        found = super().take()
        self.taken += found is not None
        self.out += found is not None
        return found

    def give(self, buffer):
        super().give(buffer)
        self.out -= 1

    def abandon(self):
        super().abandon()
        self.out -= 1


@contextmanager
def hub_with(tmp_path, most, **knobs):
    buffers = Counted(most)
    rooms = {ROOM: (HOSPITAL,)}
    with served_hub(
        tmp_path / "hub", TickingClock(), rooms=rooms, buffers=buffers, **knobs
    ) as opened:
        yield opened, buffers
    assert buffers.out == 0


class Wire:
    """A connection without a client's manners."""

    def __init__(self, hub):
        self._hub = hub
        place = hub.address.rpartition("/")[2]
        host, _, port = place.rpartition(":")
        self._host = place
        self.socket = socket.create_connection((host, int(port)), timeout=120)
        self._answers = self.socket.makefile("rb")

    def head(self, digest=WHOLE, *, nonce="n", **fields):
        """Write the signed head of an upload; fields win over what belongs there."""
        path = f"/v0/rooms/{ROOM}/objects/{digest.hex}"
        target = RequestTarget(method="PUT", authority=self._host, path=path)
        caller = caller_of(HOSPITAL, self._hub.clock)
        signed = caller.sign(target, digest, nonce=nonce * 22, at=self._hub.clock())
        given = {name.replace("_", "-"): value for name, value in fields.items()}
        lines = {"host": self._host, "content-length": len(DATA), **signed, **given}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value != "")
        return f"PUT {path} HTTP/1.1\r\n{head}\r\n".encode()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def answer(self):
        """Return state and code of the next answer."""
        state = int(self._answers.readline().split()[1])
        length = 0
        while (line := self._answers.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        body = json.loads(self._answers.read(length)) if length else {}
        return state, body.get("error", {}).get("code", "")

    def close(self):
        self._answers.close()
        self.socket.close()


@contextmanager
def wire_to(hub):
    wire = Wire(hub)
    try:
        yield wire
    finally:
        wire.close()


def stored(hub, digest=WHOLE):
    path = hub.directory / "rooms" / ROOM / "objects" / digest.hex[:2] / digest.hex
    return path.read_bytes() if path.exists() else None


def half_written(hub):
    return list((hub.directory / "rooms" / ROOM / "incoming").iterdir())


@WAYS
def test_objects_arrive_whole_and_the_connection_serves_on(tmp_path, most):
    with hub_with(tmp_path, most) as (hub, buffers), wire_to(hub) as wire:
        for nonce in "ab":
            wire.send(wire.head(nonce=nonce), DATA)
            assert wire.answer() == (200, "")
        assert stored(hub) == DATA
        # What follows a body is another request, however little lies between them.
        wire.send(wire.head(nonce="c") + DATA + LIVE)
        assert [wire.answer(), wire.answer()] == [(200, ""), (200, "")]
        assert bool(buffers.taken) == bool(most)


@WAYS
@pytest.mark.parametrize("size", [1, 70_000, MIB, MIB + 1, 2 * MIB, OBJECT_BYTES - 1])
def test_every_size_and_every_cut_arrives(tmp_path, most, size):
    data = DATA[:size]
    digest = Digest.of(data)
    with hub_with(tmp_path, most) as (hub, _), wire_to(hub) as wire:
        head = wire.head(digest, content_length=size)
        # The head in two pieces, the first byte with its end, the last alone.
        wire.send(head[:100], head[100:] + data[:1], data[1:-1], data[-1:] if size > 1 else b"")
        assert wire.answer() == (200, "")
        assert stored(hub, digest) == data


@WAYS
def test_many_at_once_take_turns_with_few_buffers(tmp_path, most):
    pieces = [os.urandom(2 * MIB + number) for number in range(12)]
    with hub_with(tmp_path, most) as (hub, _):
        with hub.client(HOSPITAL) as client, ThreadPoolExecutor(6) as beside:
            list(beside.map(lambda piece: client.put(Digest.of(piece), piece), pieces))
        assert [stored(hub, Digest.of(piece)) for piece in pieces] == pieces


@WAYS
def test_other_bytes_than_the_name_says_are_refused_and_gone(tmp_path, most):
    with hub_with(tmp_path, most) as (hub, _), wire_to(hub) as wire:
        wire.send(wire.head(), DATA[:-1], b"?")
        assert wire.answer() == (422, "hub.object-digest")
        assert (stored(hub), half_written(hub)) == (None, [])
        wire.send(wire.head(nonce="b"), DATA)
        assert wire.answer() == (200, "")


@WAYS
def test_what_is_there_is_not_replaced_by_other_bytes(tmp_path, most):
    with hub_with(tmp_path, most) as (hub, _), wire_to(hub) as wire:
        wire.send(wire.head(nonce="a"), DATA)
        assert wire.answer() == (200, "")
        wire.send(wire.head(nonce="b"), DATA[:-1], b"?")
        assert wire.answer() == (422, "hub.object-digest")
        assert stored(hub) == DATA


@WAYS
def test_a_caller_that_goes_away_leaves_nothing(tmp_path, most):
    with hub_with(tmp_path, most) as (hub, _):
        with wire_to(hub) as wire:
            wire.send(wire.head(), DATA[: 3 * MIB])
        with wire_to(hub) as wire:
            wire.send(wire.head(nonce="b"), DATA)
            assert wire.answer() == (200, "")
    assert half_written(hub) == []


@WAYS
def test_a_slow_caller_is_told_so_and_may_send_on(tmp_path, most):
    with hub_with(tmp_path, most, patience=SHORT) as (hub, _), wire_to(hub) as wire:
        wire.send(wire.head(), DATA[: 2 * MIB])
        assert wire.answer() == (503, "hub.slow-request")
        assert (stored(hub), half_written(hub)) == (None, [])
        # The rest of the body is no request, and kept nowhere.
        wire.send(DATA[2 * MIB :] + LIVE)
        assert wire.answer() == (200, "")
        assert stored(hub) is None


@WAYS
def test_a_full_room_takes_nothing_more(tmp_path, most):
    with (
        hub_with(tmp_path, most, quota=OBJECT_BYTES + MIB) as (hub, buffers),
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
def test_a_body_that_may_not_come_takes_no_buffer(tmp_path, most, fields, told):
    with hub_with(tmp_path, most) as (hub, buffers), wire_to(hub) as wire:
        wire.send(wire.head(**fields), b"x")
        assert wire.answer() == told
        assert buffers.taken == 0


def test_framing_that_is_said_twice_is_the_librarys_to_judge(tmp_path):
    """Whoever else reads the connection must see the same end of the body (T-30)."""
    with hub_with(tmp_path, 48) as (hub, buffers), wire_to(hub) as wire:
        body = b"%x\r\n" % len(DATA) + DATA + b"\r\n0\r\n\r\n"
        wire.send(wire.head(transfer_encoding="chunked"), body)
        assert wire.answer() == (200, "")
        assert (stored(hub), buffers.taken) == (DATA, 0)


def test_a_caller_that_waits_to_be_asked_is_asked(tmp_path):
    with hub_with(tmp_path, 48) as (hub, buffers), wire_to(hub) as wire:
        wire.send(wire.head(expect="100-continue"))
        assert wire.answer() == (100, "")
        wire.send(DATA)
        assert wire.answer() == (200, "")
        assert (stored(hub), buffers.taken) == (DATA, 0)


def test_over_tls_the_library_reads_and_every_promise_holds(tmp_path):
    certificate = host_certificate(tmp_path / "tls")
    with (
        hub_with(tmp_path, 48, certificate=certificate.files) as (hub, buffers),
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
