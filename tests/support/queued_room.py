# SPDX-License-Identifier: Apache-2.0
"""A room in a hub with one signed run request and its genuine receipt, and three parties.

The analyst submits and does not receive, the insurer receives, the hospital's runner works.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.contract_terms import ContractParty
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.hub.hub import Hub
from cleanroom.hub.job_wire import Delivery
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.digest import Digest
from tests.support.receipt_forge import HONEST, Forge, Lies
from tests.support.receipt_room import NOW, RUN, SEALED_RESULT, Documents, make_documents, people
from tests.support.served_hub import QUOTA, ROOM, admit, files_of, put_files, store

SUBMITTER, RECEIVER, OPERATOR = "analyst", "insurer", "hospital"
ROLES = {
    "analyst": frozenset({"analyst"}),
    "insurer": frozenset({"owner", "receiver"}),
    "hospital": frozenset({"owner", "operator"}),
}


@cache
def documents() -> Documents:
    """Return documents whose contract calls the hospital operator."""
    parties = tuple(
        ContractParty(name=name, document=Digest.of(party.signed_document.data), roles=ROLES[name])
        for name, party in people().items()
    )
    return make_documents(parties=parties)


def receipt(lies: Lies = HONEST) -> bytes:
    """Return the receipt of the one run."""
    return Forge(documents=documents(), lies=lies).receipt()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRoom:
    """The room, past HTTP."""

    room: StoredRoom

    def bring(self, data: bytes, *, result: bytes = SEALED_RESULT, party: str = OPERATOR) -> None:
        """Deliver a receipt and a result as a runner of a party."""
        delivery = Delivery(receipt=store(self.room, data), result=store(self.room, result))
        self.room.jobs.deliver(party, RUN, delivery)


@contextmanager
def queued_room(home: Path, clock: Clock = lambda: NOW) -> Iterator[QueuedRoom]:
    """Open a hub in which the parties have put all that the run needs."""
    admit(home, ROOM, *people().values())
    with Hub(home, quota=QUOTA, clock=clock) as hub:
        room = hub.room(ROOM)
        assert room is not None
        for party, files in shares().items():
            put_files(room, party, files)
        yield QueuedRoom(room=room)


def shares() -> dict[str, dict[str, bytes]]:
    """Return the files that each party puts into the room."""
    found: dict[str, dict[str, SignedFile]] = {name: {} for name in people()}
    for (place, _), file in documents().room.files.items():
        if place == places.result_file(RUN):
            continue
        signers = [
            name for name in file.signatures if f"/{name}" in place or len(file.signatures) == 1
        ]
        found[signers[0] if signers else SUBMITTER][place] = file
    split = {name: files_of(files) for name, files in found.items()}
    # Each puts its own signature of the contract.
    for place in [each for each in split[SUBMITTER] if each.startswith("contract.toml.sig/")]:
        owner = place.rpartition("/")[2].removesuffix(".sig")
        if owner != SUBMITTER:
            split[owner][place] = split[SUBMITTER].pop(place)
    return split
