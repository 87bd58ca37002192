# SPDX-License-Identifier: Apache-2.0
"""All rooms of a hub: directories below one, opened when somebody first asks."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from cleanroom.contract.types import NAME, require_form
from cleanroom.errors import UnavailableError
from cleanroom.hub.objects import Storage, local_storage
from cleanroom.hub.stored_room import MEMBERS, StoredRoom
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.pins import Replace, pin
from cleanroom.identity.private_files import exclusive_lock, make_private_directory
from cleanroom.kernel.clock import Clock
from cleanroom.kernel.closing import Closing
from cleanroom.kernel.digest import Digest

_LOCK_DIRECTORY = "hub"
_ROOMS = "rooms"
_READY = "ready"
_PROBE = bytes(4096)


class Hub(Closing):
    """The rooms of one directory; one process at a time."""

    def __init__(
        self, directory: Path, *, quota: int, clock: Clock, storage: Storage = local_storage
    ) -> None:
        """Take the directory for this process.

        Args:
            directory: Made if it is absent.
            quota: Largest size of one room's objects, in bytes.
            clock: The hub's clock.
            storage: Where objects lie; documents and their index stay in the directory.

        Raises:
            UnavailableError: Another hub serves it, or the disk refuses.
            RefusedError: Others can read it.
        """
        self._directory = directory
        self._quota = quota
        self._clock = clock
        self._storage = storage
        self._turn = Lock()
        self._rooms: dict[str, StoredRoom] = {}
        make_private_directory(directory)
        make_private_directory(directory / _ROOMS)
        make_private_directory(directory / _LOCK_DIRECTORY)
        self._open = ExitStack()
        self._open.enter_context(exclusive_lock(directory / _LOCK_DIRECTORY))

    @property
    def home(self) -> Path:
        """Directory for what belongs to no room."""
        return hub_home(self._directory)

    def room(self, name: str) -> StoredRoom | None:
        """Return a room; ``None`` if the operator has made none of that name."""
        if re.fullmatch(NAME, name) is None:
            return None
        with self._turn:
            found = self._rooms.get(name)
            home = room_home(self._directory, name)
            if found is None and (home / MEMBERS).is_dir():
                objects = self._storage(home, name)
                found = StoredRoom(home, quota=self._quota, clock=self._clock, objects=objects)
                self._rooms[name] = self._open.enter_context(found)
            return found

    def require_ready(self) -> None:
        """Raise unless a change could be kept now.

        Raises:
            UnavailableError: The disk is full or refuses.
        """
        # Not synced: anybody may ask, and nobody's question waits for the disk.
        try:
            (self.home / _READY).write_bytes(_PROBE)
        except OSError:
            raise UnavailableError(
                "hub: cannot write now",
                code="hub.not-ready",
                hint="free some space, check the disk",
            ) from None

    def room_names(self) -> tuple[str, ...]:
        """Return the names of all rooms that the operator has made."""
        return room_names(self._directory)

    def close(self) -> None:
        """Close all rooms, and let another process have the directory."""
        self._open.close()


def admit_party(directory: Path, room: str, document: PartyDocument, *, replace: Replace) -> None:
    """Let a party into a room of a hub, making the room if it is new; the hub may be running.

    Raises:
        MalformedError: No name for a room.
        RefusedError: Another document of that party is admitted, or uses another party's key.
        UnavailableError: The disk refuses.
    """
    room = require_form(room, NAME, what="room", agreed="a name such as 'readmissions'")
    home = room_home(directory, room)
    for step in (directory, directory / _ROOMS, home, home / MEMBERS):
        make_private_directory(step)
    pin(home / MEMBERS, document, confirmed=Digest.of(document.raw), replace=replace)


def room_home(directory: Path, room: str) -> Path:
    """Return the directory in which a hub keeps a room."""
    return directory / _ROOMS / room


def hub_home(directory: Path) -> Path:
    """Return the directory of what belongs to no room."""
    return directory / _LOCK_DIRECTORY


def room_names(directory: Path) -> tuple[str, ...]:
    """Return the names of all rooms in a hub's directory, in order."""
    found = (path.parent.name for path in (directory / _ROOMS).glob(f"*/{MEMBERS}"))
    return tuple(sorted(name for name in found if re.fullmatch(NAME, name)))
