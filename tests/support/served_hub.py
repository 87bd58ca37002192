# SPDX-License-Identifier: Apache-2.0
"""A hub served by the product's server in a thread, and its clients."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from cleanroom.contract import places
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.hub.hub import Hub, admit_party
from cleanroom.hub.objects import Storage, local_storage
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.hub.wire import OBJECT_BYTES, Change, Content
from cleanroom.identity.pins import Replace
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MIB
from cleanroom.mirror.client import HubClient
from cleanroom.server.certificate import CertificateFiles
from cleanroom.server.doors import Network, open_network
from cleanroom.server.hub_app import MAX_AT_ONCE, make_hub_app
from cleanroom.server.hub_door import HubDoor
from cleanroom.server.lent_body import Buffers
from cleanroom.server.rates import Rate, RateLimit
from cleanroom.server.replays import ReplayStore
from cleanroom.server.request_body import BODY_TIME
from cleanroom.server.serve import AppServer
from cleanroom.server.watching import Watch
from tests.support.keys import ThrowawayParty
from tests.support.served_brokers import GENEROUS, caller_of, free_loopback_address

ROOM = "readmissions"
QUOTA = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedHub:
    """A hub that answers.

    Attributes:
        address: Where.
        directory: What its operator can change.
        clock: Everybody's clock.
    """

    address: str
    directory: Path
    clock: Clock

    def url(self, room: str = ROOM) -> str:
        """Return the address of a room."""
        return f"{self.address}/{room}"

    def client(
        self, party: ThrowawayParty, *, room: str = ROOM, authorities: str = ""
    ) -> HubClient:
        """Ask as a party."""
        return HubClient(
            self.url(room),
            authorities=authorities,
            caller=caller_of(party, self.clock),
            clock=self.clock,
            timeout=dt.timedelta(seconds=20),
        )


@contextmanager
def served_hub(  # noqa: PLR0913 - one knob a behaviour
    directory: Path,
    clock: Clock,
    *,
    rooms: Mapping[str, tuple[ThrowawayParty, ...]],
    quota: int = QUOTA,
    rate: Rate = GENEROUS,
    at_once: int = MAX_AT_ONCE,
    patience: dt.timedelta = BODY_TIME,
    address: str = "",
    seconds: Callable[[], float] = time.monotonic,
    watch: Watch | None = None,
    storage: Storage = local_storage,
    buffers: Buffers | None = None,
    certificate: CertificateFiles | None = None,
) -> Iterator[ServedHub]:
    """Serve a hub on loopback while the block runs."""
    for room, parties in rooms.items():
        admit(directory, room, *parties)
    address = address or free_loopback_address()
    if certificate is not None:
        address = address.replace("http://", "https://")
    with Hub(directory, quota=quota, clock=clock, storage=storage) as hub:
        replays = ReplayStore(hub.home)
        door = HubDoor(
            hub,
            address,
            clock=clock,
            replays=replays,
            strangers=RateLimit(rate, seconds=seconds),
            parties=rate,
            seconds=seconds,
        )
        network = Network(listen=address.rpartition("/")[2], certificate=certificate)
        opened = open_network(network, published=address, door=door)
        app = make_hub_app(hub, door=door, at_once=at_once, patience=patience)
        if watch is not None:
            watch.over([(opened, app)], require_ready=hub.require_ready)
        listening = Event()
        server = AppServer([(opened, app)], started=listening.set, buffers=buffers)
        thread = Thread(target=server.run, name="hub")
        thread.start()
        try:
            assert listening.wait(timeout=300)
            yield ServedHub(address=address, directory=directory, clock=clock)
        finally:
            server.stop()
            thread.join(timeout=300)
            opened.leave()
            replays.close()
            assert not thread.is_alive()


def admit(directory: Path, room: str, *parties: ThrowawayParty) -> None:
    """Let parties into a room, as the operator does."""
    for party in parties:
        admit_party(directory, room, party.document, replace=Replace.NO)


def content_of(data: bytes) -> Content:
    """Cut a file into objects."""
    return Content(
        size=len(data),
        digest=Digest.of(data),
        objects=tuple(Digest.of(piece) for piece in pieces_of(data)),
    )


def pieces_of(data: bytes) -> list[bytes]:
    """Return a file's objects."""
    return [data[start : start + OBJECT_BYTES] for start in range(0, len(data), OBJECT_BYTES)]


def files_of(documents: Mapping[str, SignedFile]) -> dict[str, bytes]:
    """Lay out documents and their signatures as files."""
    found = {}
    for place, file in documents.items():
        found[place] = file.data
        for party, armored in file.signatures.items():
            found[places.signature_file(place, party)] = armored
    return found


def store(room: StoredRoom, data: bytes) -> Content:
    """Put a file's objects into a room, past HTTP."""
    content = content_of(data)
    for digest, piece in zip(content.objects, pieces_of(data), strict=True):
        with room.objects.receive(digest) as incoming:
            incoming.write(piece)
            room.keep(incoming, digest)
    return content


def put_files(
    room: StoredRoom,
    party: str,
    files: Mapping[str, bytes],
    *,
    previous: Mapping[str, bytes] | None = None,
) -> int:
    """Put files into a room as a party, in one change, past HTTP."""
    before = previous or {}
    changes = [
        Change(
            place=place,
            previous=Digest.of(before[place]) if place in before else None,
            content=store(room, data),
        )
        for place, data in files.items()
    ]
    return room.change(party, changes)


def file_in(room: StoredRoom, place: str) -> bytes | None:
    """Return what lies at a place of a room in a hub."""
    for entry in room.entries(0).entries:
        if entry.place == place:
            return b"".join(room.objects.read(digest) for digest in entry.content.objects)
    return None
