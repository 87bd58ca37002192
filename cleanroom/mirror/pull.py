# SPDX-License-Identifier: Apache-2.0
"""Bring a mirror up to date: what the hub shows is verified, then written, never the reverse.

Nothing is removed because a hub no longer shows it. A document that changed here and
there is left alone and named.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.room_files import read_below, write_below
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.hub.rights import Right, right_of, signature_place
from cleanroom.hub.wire import OBJECT_BYTES, Content, Entry
from cleanroom.identity.party import PartyDocument, parse_party
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import PUBLIC_FILE, sync_directory
from cleanroom.kernel.limits import MAX_PARTY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.mirror.admit import require_genuine, require_newer
from cleanroom.mirror.client import HubClient
from cleanroom.mirror.state import MirrorState

_ARCHIVE = "archive/"
_PARTS = "/parts/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Puller:
    """One pull of one mirror.

    Attributes:
        client: Asks the hub.
        mirror: The directory.
        state: What the mirror knows; changed as the pull goes on.
        pins: Whose documents the acting party compared.
    """

    client: HubClient
    mirror: Path
    state: MirrorState
    pins: Pins

    def pull(self, *, data: bool) -> tuple[str, ...]:
        """Take what is new.

        Args:
            data: Also fetch sealed parts, which only a runner and their owner need.

        Returns:
            Places that changed here.

        Raises:
            IntegrityError: The hub shows something altered, swapped or older than before.
            RefusedError: Something changed here and there.
            UnavailableError: The hub does not answer, or the disk refuses.
        """
        answer = self.client.entries(self.state.revision)
        seen = max(self.state.revision, self.state.seen)
        if answer.revision < seen:
            here = shlex.quote(str(self.mirror))
            raise IntegrityError(
                f"hub: shows revision {answer.revision}, agreed at least {seen}",
                code="mirror.rolled-back",
                hint="the hub was restored or rolled back; everything is still here: "
                f"cleanroom room pull --again {here}, then room push {here}",
            )
        shown = {entry.place: entry for entry in answer.entries}
        changed = [place for place in _in_order(shown) if self._take(place, shown)]
        self.state.show({place: entry.content for place, entry in shown.items()})
        self.state.revision = answer.revision
        if data:
            changed += self._fetch_parts()
        return tuple(changed)

    def _take(self, place: str, shown: Mapping[str, Entry]) -> bool:
        if place.startswith(_ARCHIVE):
            return self._take_archived(place, shown[place].content)
        right = right_of(place)
        if _PARTS in place:
            return False
        if right.kind:
            return self._take_document(place, shown, right)
        data = self._file(place, shown[place].content)
        return self._replaceable(place, data) and self._write(place, data)

    def _take_document(self, place: str, shown: Mapping[str, Entry], right: Right) -> bool:
        before = self._current(place)
        entry = shown.get(place)
        if entry is None and before is None:
            raise IntegrityError(
                f"{place}: the hub shows a signature and no document", code="mirror.no-document"
            )
        data = before if entry is None else self._file(place, entry.content)
        signatures = self._signatures(place, shown, since=0 if entry is None else entry.revision)
        if data is None:  # as one of both is there; for the type checker
            return False
        same = before == data
        kept = RoomDirectory(path=self.mirror).load(place).signatures if same else {}
        file = SignedFile(data=data, signatures={**kept, **signatures})
        require_genuine(place, file, right, find=self._party)
        if before is not None and not same:
            require_newer(place, data, before, right)
        if not same and not self._replaceable(place, data):
            return False
        RoomDirectory(path=self.mirror).publish(place, data, signatures)
        return True

    def _signatures(
        self, place: str, shown: Mapping[str, Entry], *, since: int
    ) -> dict[str, bytes]:
        # A signature that is older than its document was over what lay there before.
        return {
            found[1]: self._file(entry.place, entry.content)
            for entry in shown.values()
            if (found := signature_place(entry.place))
            and found[0] == place
            and entry.revision > since
        }

    def _take_archived(self, place: str, content: Content) -> bool:
        data = self._file(place, content)
        if signature_place(place) is None and place != places.archive_file(Digest.of(data)):
            raise IntegrityError(
                f"{place}: found other bytes than its name says", code="mirror.archive"
            )
        return self._current(place) is None and self._write(place, data)

    def _replaceable(self, place: str, data: bytes) -> bool:
        """Tell whether the hub's file may be written: false if it lies there already."""
        before = self._current(place)
        if before is None:
            return True
        if before == data:
            return False
        known = self.state.known.get(place)
        if known is None or known.digest != Digest.of(before):
            raise RefusedError(
                f"{place}: changed here and in the hub",
                code="mirror.conflict",
                hint="yours was kept; move it out of the mirror, pull, and compare",
            )
        return True

    def _current(self, place: str) -> bytes | None:
        return read_below(self.mirror, place, limit=places.limit_of(place))

    def _write(self, place: str, data: bytes) -> bool:
        write_below(self.mirror, place, data)
        return True

    def _file(self, place: str, content: Content) -> bytes:
        if content.size > places.limit_of(place):
            raise MalformedError(
                f"{place}: found more, agreed at most {places.limit_of(place)} bytes",
                code="format.oversize",
            )
        data = b"".join(self.client.get(digest) for digest in content.objects)
        content.digest.require(Digest.of(data), what=place)
        return data

    def _party(self, name: str) -> PartyDocument | None:
        pinned = self.pins.documents.get(name)
        if pinned is not None:
            return pinned
        data = read_below(self.mirror, places.party_file(name), limit=MAX_PARTY_BYTES)
        return None if data is None else parse_party(data)

    def _fetch_parts(self) -> list[str]:
        wanted = [
            place
            for place in sorted(self.state.known)
            if _PARTS in place and not (self.mirror / place).exists()
        ]
        for place in wanted:
            self._fetch_part(place, self.state.known[place])
        return wanted

    def _fetch_part(self, place: str, content: Content) -> None:
        """Fetch a sealed part, going on where an earlier pull was cut off."""
        right_of(place)  # a place below the mirror
        target = self.mirror / place
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{content.digest.hex}.pull")
        with os.fdopen(os.open(temporary, os.O_RDWR | os.O_CREAT, PUBLIC_FILE), "r+b") as file:
            digest, done = hashlib.sha256(), 0
            for expected in content.objects:
                piece = file.read(OBJECT_BYTES)
                if Digest.of(piece) != expected:
                    break
                digest.update(piece)
                done += 1
            file.seek(done * OBJECT_BYTES)
            file.truncate()
            for expected in content.objects[done:]:
                piece = self.client.get(expected)
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        content.digest.require(Digest(digest.digest()), what=place)
        temporary.replace(target)
        sync_directory(target.parent)


def _in_order(shown: Mapping[str, Entry]) -> list[str]:
    """Return documents and files to take: party documents first, a receipt after its result."""
    wanted = set()
    for place in shown:
        found = signature_place(place)
        archived = place.startswith(_ARCHIVE)
        wanted.add(place if found is None or archived else found[0])

    def rank(place: str) -> tuple[bool, bool, str]:
        return not place.startswith("parties/"), place.endswith(places.RECEIPT), place

    return sorted(wanted, key=rank)
