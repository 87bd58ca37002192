# SPDX-License-Identifier: Apache-2.0
"""A directory that mirrors a room in a hub: pull, use, push."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.introduction import Introduction
from cleanroom.contract.layout import RoomDirectory
from cleanroom.errors import RefusedError
from cleanroom.identity.authorities import load_authorities
from cleanroom.identity.pins import load_pins
from cleanroom.identity.private_files import exclusive_lock, make_private_directory
from cleanroom.identity.profile import Profile
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.mirror.client import HubClient, split_url
from cleanroom.mirror.login import kept_introduction
from cleanroom.mirror.pull import Puller
from cleanroom.mirror.push import Pusher
from cleanroom.mirror.state import (
    STATE_FILE,
    MirrorState,
    load_state,
    require_mirror,
    save_state,
)

_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A mirror, and for whom it is kept.

    Attributes:
        path: The directory; works as a room.
        profile: The party that pulls and pushes.
        clock: Says when requests are signed.
    """

    path: Path
    profile: Profile
    clock: Clock = system_clock

    def clone(self, url: str, *, data: bool) -> tuple[str, ...]:
        """Make the directory a mirror of a room, and put this party's document there.

        Raises:
            RefusedError: It is another room's mirror.
            CleanroomError: As :meth:`pull` and :meth:`push`.
        """
        split_url(url)
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / STATE_FILE).exists():
            save_state(self.path, MirrorState(url=url))
        found = load_state(self.path).url
        if found != url:
            raise RefusedError(
                f"room: a mirror of {found}, agreed {url}",
                code="mirror.other-room",
                hint="clone into another directory",
            )
        changed = self.pull(data=data)
        own = self.profile.party
        place = places.party_file(own.name)
        if not (self.path / place).exists():
            signatures = {own.name: self.profile.party_signature}
            RoomDirectory(path=self.path).publish(place, own.raw, signatures)
            self.push()
        return changed

    def pull(self, *, data: bool, again: bool = False) -> tuple[str, ...]:
        """Take what is new in the hub.

        Args:
            data: Also fetch sealed parts.
            again: Compare everything, as after the hub was restored.

        Raises:
            IntegrityError: The hub shows something altered, swapped or older than before.
            RefusedError: Something changed here and there, or nobody is logged in.
            UnavailableError: The hub does not answer.
        """

        def act(client: HubClient, state: MirrorState) -> tuple[str, ...]:
            if again:
                state.revision, state.seen, state.known = 0, 0, {}
            pins = load_pins(self.profile.pins_directory)
            return Puller(client=client, mirror=self.path, state=state, pins=pins).pull(data=data)

        return self._with_hub(act)

    def push(self) -> tuple[str, ...]:
        """Give the hub what this party made.

        Raises:
            RefusedError: The room has changed meanwhile, or nobody is logged in.
            IntegrityError: A signature does not match.
            UnavailableError: The hub does not answer, or the room is full.
        """

        def act(client: HubClient, state: MirrorState) -> tuple[str, ...]:
            party = self.profile.name
            return Pusher(client=client, mirror=self.path, state=state, party=party).push()

        return self._with_hub(act)

    def _with_hub(
        self, act: Callable[[HubClient, MirrorState], tuple[str, ...]]
    ) -> tuple[str, ...]:
        require_mirror(self.path)
        with exclusive_lock(self.path):
            state = load_state(self.path)
            caller: Introduction = kept_introduction(self.profile, at=self.clock())
            authorities = load_authorities(self.profile.directory.parent)
            with HubClient(
                state.url, caller=caller, authorities=authorities, clock=self.clock
            ) as client:
                changed = act(client, state)
            save_state(self.path, state)
        return changed


@contextmanager
def mirrored(
    url: str, profile: Profile, *, data: bool, clock: Clock = system_clock
) -> Iterator[Path]:
    """Let a block work on a room in a hub as on a directory.

    What is new is pulled before; what the block made is pushed after it, if it ended well.

    Raises:
        CleanroomError: As :meth:`Mirror.pull` and :meth:`Mirror.push`.
    """
    mirror = mirror_of(url, profile, clock=clock)
    mirror.clone(url, data=data)
    yield mirror.path
    mirror.push()


def mirror_of(url: str, profile: Profile, *, clock: Clock = system_clock) -> Mirror:
    """Return the mirror that a party's commands keep of a room in a hub."""
    rooms = profile.directory / "rooms"
    make_private_directory(rooms)
    name = Digest.of(url.encode()).hex[:_NAME_DIGITS]
    return Mirror(path=rooms / name, profile=profile, clock=clock)
