# SPDX-License-Identifier: Apache-2.0
"""Give a hub what this party made in its mirror: missing objects first, then entries together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from cleanroom.contract.places import signature_file
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.hub.rights import right_of
from cleanroom.hub.wire import MAX_ASKED, OBJECT_BYTES, Change, Content
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.sealed_parts import PARTS, SignedParts
from cleanroom.mirror.state import LocalFile, MirrorState, save_state
from cleanroom.mirror.straight import FILE_CHANGED, FilePiece

AT_ONCE = 6  # while some objects wait for the hub's disk, others are on their way


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
            IntegrityError: A signature does not match, or a file is not what was signed.
            UnavailableError: The hub does not answer, or a file cannot be read.
        """
        hashed = dict(self.state.files)
        changes = [self._change(place) for place in sorted(self._own_places())]
        changes = [change for change in changes if self._is_new(change)]
        # Sealed parts may be many: they come first, so that all documents fit together.
        changes.sort(key=lambda change: PARTS not in change.place)
        signed = SignedParts(self.mirror)
        for change in changes:
            signed.require(change.place, change.content)
        if self.state.files != hashed:
            # A push that is cut off goes on without hashing everything again.
            save_state(self.mirror, self.state)
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
        try:
            status = path.stat()
            known = self.state.files.get(place)
            found = status.st_mtime_ns, status.st_size
            if known and (known.changed, known.content.size) == found:
                return known.content
            content = _hash(path)
        except OSError as error:
            raise UnavailableError(
                f"{place}: cannot be read: {os.strerror(error.errno or 0)}",
                code="file.unreadable",
                hint="check that the file is still there, then push again",
            ) from None
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
            self._send(change, wanted)

    def _send(self, change: Change, wanted: Sequence[int]) -> None:
        if not wanted:
            return
        content = change.content
        pieces = [
            FilePiece(
                path=self.mirror / change.place,
                start=number * OBJECT_BYTES,
                size=min(OBJECT_BYTES, content.size - number * OBJECT_BYTES),
            )
            for number in wanted
        ]
        digests = [content.objects[number] for number in wanted]
        try:
            with ThreadPoolExecutor(AT_ONCE) as beside:
                _wait_for(
                    [
                        beside.submit(self._put, change.place, *each)
                        for each in zip(digests, pieces, strict=True)
                    ]
                )
        except IntegrityError as error:
            if error.code == FILE_CHANGED:
                # Hashed again next time, whatever its time of change says.
                self.state.files.pop(change.place, None)
                save_state(self.mirror, self.state)
            raise

    def _put(self, place: str, digest: Digest, piece: FilePiece) -> None:
        try:
            self.client.put_piece(digest, piece)
        except IntegrityError:
            # Either end may have it wrong: only one of them can be looked at.
            if _still(digest, piece):
                raise
        else:
            return
        raise IntegrityError(
            f"{place}: found other bytes than when it was hashed",
            code=FILE_CHANGED,
            hint="nothing refers to what was sent of it: restore the file or seal again, then push",
        )


def _hash(path: Path) -> Content:
    """Hash a file as one and in pieces, both at once."""
    whole, objects, size = hashlib.sha256(), list[Future[Digest]](), 0
    with path.open("rb") as file, ThreadPoolExecutor(1) as beside:
        while piece := file.read(OBJECT_BYTES):
            objects.append(beside.submit(Digest.of, piece))
            whole.update(piece)
            size += len(piece)
            # One piece at a time is held.
            objects[-1].result()
    digests = tuple(each.result() for each in objects)
    return Content(size=size, digest=Digest(whole.digest()), objects=digests)


def _still(digest: Digest, piece: FilePiece) -> bool:
    with suppress(IntegrityError):
        return Digest.of(piece.read()) == digest
    return False


def _wait_for(sending: Sequence[Future[None]]) -> None:
    """Wait for all; what has not begun does not begin once one has failed."""
    try:
        for each in sending:
            each.result()
    finally:
        for each in sending:
            each.cancel()
