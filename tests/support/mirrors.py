# SPDX-License-Identifier: Apache-2.0
"""Two parties with homes and mirrors of their own, and a hub between them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cleanroom.envelope.signed_file import SignedFile
from cleanroom.hub.index import RoomIndex
from cleanroom.hub.rights import right_of
from cleanroom.identity.homes import SIGNING_KEY_FILE
from cleanroom.identity.pins import pin
from cleanroom.identity.private_files import make_private_directory
from cleanroom.identity.profile import Profile
from cleanroom.identity.profile_file import SigningFile
from cleanroom.kernel.digest import Digest
from cleanroom.mirror.login import log_in
from cleanroom.mirror.mirror import Mirror
from tests.support.brokers import TickingClock
from tests.support.keys import ThrowawayParty
from tests.support.room_documents import RoomDocuments
from tests.support.served_brokers import free_loopback_address
from tests.support.served_hub import (
    ROOM,
    ServedHub,
    admit,
    content_of,
    files_of,
    pieces_of,
    served_hub,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorBench:
    """A room in a hub, and each party's mirror of it.

    Attributes:
        hub: The hub.
        mirrors: By party.
        documents: The room that the parties want.
        clock: Everybody's clock.
    """

    hub: ServedHub
    mirrors: Mapping[str, Mirror]
    documents: RoomDocuments
    clock: TickingClock

    def write(self, party: str) -> None:
        """Lay what a party makes of the standard room into its mirror."""
        for place, data in files_by(self.documents, party).items():
            path = self.mirrors[party].path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def share(self) -> None:
        """Let both parties put what they make of the room into the hub, and get the rest."""
        for party, mirror in self.mirrors.items():
            mirror.clone(self.hub.url(), data=True)
            self.write(party)
            mirror.push()
        for mirror in self.mirrors.values():
            mirror.pull(data=True)

    @contextmanager
    def operator(self, room: str = ROOM) -> Iterator[Operator]:
        """Change the hub's directory, as its operator can."""
        home = self.hub.directory / "rooms" / room
        index = RoomIndex(home)
        yield Operator(home=home, index=index)
        index.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Somebody who can change everything that a hub keeps.

    Attributes:
        home: The room's directory.
        index: Its index.
    """

    home: Path
    index: RoomIndex

    def show(self, files: Mapping[str, bytes]) -> None:
        """Show files that nobody put there."""
        with self.index.changing() as change:
            for place, data in files.items():
                content = content_of(data)
                for digest, piece in zip(content.objects, pieces_of(data), strict=True):
                    self.write_object(digest, piece)
                    change.add_object(digest, len(piece))
                change.put(place, content)

    def write_object(self, digest: Digest, data: bytes) -> None:
        """Put bytes under the name of an object."""
        path = self.home / "objects" / digest.hex[:2] / digest.hex
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def restore(self, revision: int) -> None:
        """Go back to what the room was after a few files, as from a backup."""
        with closing(sqlite3.connect(self.home / "index.sqlite")) as database, database:
            database.execute("DELETE FROM entry WHERE revision > ?", (revision,))
            database.execute("UPDATE room SET revision = ?", (revision,))

    def hide(self, place: str) -> None:
        """Show a place no more."""
        with self.index.changing() as change:
            change.remove(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRoom:
    """A room that two parties have shared through a hub, to be copied for each test.

    Attributes:
        directory: Holds the hub, both homes and both mirrors.
        address: Where the hub was; every copy answers there.
        documents: The room.
    """

    directory: Path
    address: str
    documents: RoomDocuments

    @contextmanager
    def copied(self, target: Path) -> Iterator[MirrorBench]:
        """Serve a copy while the block runs."""
        shutil.copytree(self.directory, target, dirs_exist_ok=True)
        with _served(target, self.documents, address=self.address) as bench:
            yield bench


def share_room(directory: Path, documents: RoomDocuments) -> SharedRoom:
    """Let both parties put the standard room into a hub."""
    address = free_loopback_address()
    clock = TickingClock()
    for name, party in documents.parties.items():
        profile = _profile(directory / f"{name}-home" / name, party, documents.parties.values())
        log_in(profile, party.unlocked.signer, at=clock())
    for room in (ROOM, "other"):
        admit(directory / "hub", room, *documents.parties.values())
    with _served(directory, documents, address=address) as bench:
        bench.share()
    return SharedRoom(directory=directory, address=address, documents=documents)


@contextmanager
def _served(directory: Path, documents: RoomDocuments, *, address: str) -> Iterator[MirrorBench]:
    clock = TickingClock()
    with served_hub(directory / "hub", clock, rooms={}, address=address) as hub:
        mirrors = {
            name: Mirror(
                path=directory / f"{name}-room",
                profile=_load(directory / f"{name}-home" / name, party),
                clock=clock,
            )
            for name, party in documents.parties.items()
        }
        yield MirrorBench(hub=hub, mirrors=mirrors, documents=documents, clock=clock)


def _profile(home: Path, party: ThrowawayParty, known: Iterable[ThrowawayParty]) -> Profile:
    """Make a profile without the seeds, which cost a second and open nothing here."""
    profile = _load(home, party)
    make_private_directory(profile.pins_directory)
    for other in known:
        digest = Digest.of(other.document.raw)
        pin(profile.pins_directory, other.document, confirmed=digest)
    return profile


def _load(home: Path, party: ThrowawayParty) -> Profile:
    return Profile(
        name=party.name,
        directory=home,
        party=party.document,
        party_signature=party.document_signature,
        signing=SigningFile(path=home / SIGNING_KEY_FILE),
    )


def files_by(documents: RoomDocuments, party: str) -> dict[str, bytes]:
    """Pick the files of a room that a party alone puts there."""
    files: Mapping[str, SignedFile] = documents.files()
    everything = files_of(files)
    first = next(iter(documents.parties))
    return {
        place: data
        for place, data in everything.items()
        if _writer(place, everything, first) == party
    }


def _writer(place: str, files: Mapping[str, bytes], first: str) -> str:
    right = right_of(place)
    if right.writer is not None:
        return right.writer
    signers = [name for name in files if name.startswith(f"{right.claim}.sig/")]
    return signers[0].rpartition("/")[2].removesuffix(".sig") if signers and right.claim else first
