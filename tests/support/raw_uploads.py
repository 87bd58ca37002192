# SPDX-License-Identifier: Apache-2.0
"""Uploads to a hub byte by byte, without a client's manners."""

import json
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass

from cleanroom.envelope.http_signature import RequestTarget
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.server.lent_body import Buffers
from tests.support.brokers import TickingClock
from tests.support.keys import throwaway_party
from tests.support.served_brokers import caller_of
from tests.support.served_hub import ROOM, served_hub

HOSPITAL = throwaway_party("hospital")
DATA = os.urandom(OBJECT_BYTES)
WHOLE = Digest.of(DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a hub has to read bodies with."""

    buffers: int
    threads: int = 8


LIBRARY = Way(buffers=0)
ENOUGH = Way(buffers=48)
ONE_BUFFER = Way(buffers=1)
LOOP = Way(buffers=48, threads=0)


class Counted(Buffers):
    """Buffers that tell how often one was asked for, how many are out, and what threads did."""

    def __init__(self, way):
        super().__init__(way.buffers, threads=way.threads)
        self.taken, self.out, self.rushed = 0, 0, 0

    async def beside(self, work):
        whole = await super().beside(work)
        self.rushed += whole
        return whole

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
def hub_with(tmp_path, way, **knobs):
    buffers = Counted(way)
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
