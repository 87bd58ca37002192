# SPDX-License-Identifier: Apache-2.0
"""Give a hub what this party made in its mirror: missing objects first, then entries together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cleanroom.contract.places import signature_file
from cleanroom.errors import MalformedError
from cleanroom.hub.rights import right_of
from cleanroom.hub.wire import MAX_ASKED, OBJECT_BYTES, Change, Content
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.state import LocalFile, MirrorState

AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pusher:
    """One push of one mirror.

    Attributes:
        client: Asks the hub.
        mirror: The directory.
        state: What the mirror knows; changed as the push goes on.
        party: Who pushes; other parties' places are left to them.
    """

    client: HubClient
    mirror: Path
    state: MirrorState
    party: str

    def push(self) -> tuple[str, ...]:
        """Send what the hub has not shown; being cut off anywhere loses nothing.

        Returns:
            Places that changed in the hub.

        Raises:
            RefusedError: The room has changed meanwhile, or a place is another party's.
            IntegrityError: A signature does not match.
            UnavailableError: The hub does not answer.
        """
        changes = [self._change(place) for place in sorted(self._own_places())]
        changes = [change for change in changes if self._is_new(change)]
        # Sealed parts may be many: they come first, so that all documents fit together.
        changes.sort(key=lambda change: "/parts/" not in change.place)
        for change in changes:
            self._upload(change)
        for start in range(0, len(changes), MAX_ASKED):
            some = changes[start : start + MAX_ASKED]
            self.state.seen = max(self.state.seen, self.client.change(some))
            self.state.show({change.place: change.content for change in some})
        return tuple(change.place for change in changes)

    def _own_places(self) -> Iterator[str]:
        for directory, names, files in os.walk(self.mirror):
            names[:] = [name for name in names if not name.startswith(".")]
            below = Path(directory).relative_to(self.mirror)
            for name in files:
                place, path = (below / name).as_posix(), self.mirror / below / name
                if path.is_file() and not path.is_symlink() and self._is_own(place):
                    yield place

    def _is_own(self, place: str) -> bool:
        try:
            right = right_of(place)
        except MalformedError:
            return False  # what lies beside a room in a directory stays there
        if right.claim:
            return (self.mirror / signature_file(right.claim, self.party)).exists()
        brings = place.startswith("parties/") and place not in self.state.known
        return brings or right.writer in (None, self.party)

    def _is_new(self, change: Change) -> bool:
        return change.previous != change.content.digest

    def _change(self, place: str) -> Change:
        known = self.state.known.get(place)
        previous = None if known is None else known.digest
        return Change(place=place, previous=previous, content=self._content(place))

    def _content(self, place: str) -> Content:
        """Hash a file, unless it is the one that was hashed before."""
        path = self.mirror / place
        status = path.stat()
        known = self.state.files.get(place)
        if known and (known.changed, known.content.size) == (status.st_mtime_ns, status.st_size):
            return known.content
        whole, objects, size = hashlib.sha256(), [], 0
        with path.open("rb") as file:
            while piece := file.read(OBJECT_BYTES):
                whole.update(piece)
                objects.append(Digest.of(piece))
                size += len(piece)
        content = Content(size=size, digest=Digest(whole.digest()), objects=tuple(objects))
        self.state.files[place] = LocalFile(changed=status.st_mtime_ns, content=content)
        return content

    def _upload(self, change: Change) -> None:
        objects = change.content.objects
        for start in range(0, len(objects), MAX_ASKED):
            missing = set(self.client.missing(objects[start : start + MAX_ASKED]))
            wanted = [
                number
                for number in range(start, min(start + MAX_ASKED, len(objects)))
                if objects[number] in missing
            ]
            self._send(change.place, objects, wanted)

    def _send(self, place: str, objects: Sequence[Digest], wanted: Sequence[int]) -> None:
        if not wanted:
            return
        with (self.mirror / place).open("rb") as file, ThreadPoolExecutor(AT_ONCE) as beside:

            def send(number: int) -> None:
                piece = os.pread(file.fileno(), OBJECT_BYTES, number * OBJECT_BYTES)
                self.client.put(objects[number], piece)

            # Each thread holds one object; the first that fails ends the push.
            for _ in beside.map(send, wanted):
                pass
