# SPDX-License-Identifier: Apache-2.0
"""Who may ask a hub: the parties of the room that a request names, by signature."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Lock
from types import MappingProxyType

from cleanroom.hub.hub import Hub
from cleanroom.hub.stored_room import StoredRoom
from cleanroom.identity.pins import Pins
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.clock import Clock
from cleanroom.server.callers import Caller, Limits, NetworkDoor, RequestHead
from cleanroom.server.rates import Rate, RateLimit
from cleanroom.server.replays import ReplayStore

_ROOM = re.compile(r"/v0/rooms/([a-z0-9-]{1,64})/")
_NOBODY = Pins(documents=MappingProxyType({}))


class HubDoor:
    """A socket that anybody can reach, with a guard of its own for each room.

    Parties of different rooms may have one name; a request is judged by the parties of
    the room in its path, which is signed. A room that does not exist is answered like
    one that knows the caller not.
    """

    def __init__(
        self,
        hub: Hub,
        published: str,
        *,
        clock: Clock,
        replays: ReplayStore,
        strangers: RateLimit,
        parties: Rate,
        seconds: Callable[[], float],
    ) -> None:
        """Guard the hub at a published address.

        Args:
            hub: The rooms.
            published: Address for which requests are signed.
            clock: The hub's clock.
            replays: Requests that were heard, of all rooms.
            strangers: How often one network address may ask.
            parties: How often one party may ask, in each of its rooms.
            seconds: A clock that never goes back.
        """
        self._hub = hub
        self._published = published
        self._clock = clock
        self._replays = replays
        self._strangers = strangers
        self._rate = parties
        self._seconds = seconds
        self._turn = Lock()
        self._nowhere = self._guard(None)
        self._guards: dict[str, NetworkDoor] = {}

    def admit(self, head: RequestHead) -> Caller:
        """Return who asks if a party of the room signed this request, now, once.

        Raises:
            CleanroomError: As :meth:`NetworkDoor.admit`.
        """
        return self._guard_of(head.path).admit(head)

    def admit_reader(self, head: RequestHead) -> None:
        """Let anybody ask what is public, so often.

        Raises:
            UnavailableError: Too often.
        """
        self._strangers.take(head.peer)

    def _guard_of(self, path: str) -> NetworkDoor:
        found = _ROOM.match(path)
        room = None if found is None else self._hub.room(found[1])
        if found is None or room is None:
            return self._nowhere
        with self._turn:
            return self._guards.setdefault(found[1], self._guard(room))

    def _guard(self, room: StoredRoom | None) -> NetworkDoor:
        return NetworkDoor(
            self._published,
            pins=(lambda: _NOBODY) if room is None else room.members,
            is_revoked=_never if room is None else room.is_revoked,
            clock=self._clock,
            replays=self._replays,
            limits=Limits(
                strangers=self._strangers,
                parties=RateLimit(self._rate, seconds=self._seconds),
            ),
        )


def _never(_party: str, _key: SSHPublicKey) -> bool:
    return False
