# SPDX-License-Identifier: Apache-2.0
"""Do sealed parts still say what their owner signed? Asked before a hub gets them.

Sealed files lie on disks for years. A damaged one would otherwise go to everybody, and be
found out by whoever runs a query, far from the only place where a good copy may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.dataset import Part, parse_dataset
from cleanroom.errors import IntegrityError
from cleanroom.hub.wire import Content
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_DATASET_BYTES

PARTS = "/parts/"


class SignedParts:
    """What the dataset documents of a directory say of their parts; each is read once."""

    def __init__(self, room: Path) -> None:
        """Take a room's directory."""
        self._room = room
        self._known: dict[str, Mapping[str, Part]] = {}

    def require(self, place: str, content: Content) -> None:
        """Raise unless a file is what its dataset's document says, if that names it.

        Raises:
            IntegrityError: It is not.
            CleanroomError: The document cannot be read.
        """
        directory, is_part, _ = place.rpartition(PARTS)
        if not is_part:
            return
        if directory not in self._known:
            self._known[directory] = self._parts(directory)
        part = self._known[directory].get(place.removeprefix(f"{directory}/"))
        if part is not None and (part.size, part.digest) != (content.size, content.digest):
            raise IntegrityError(
                f"{place}: found {content.size} bytes, {content.digest}, "
                f"its owner signed for {part.size}, {part.digest}",
                code="mirror.damaged-part",
                hint="the file was damaged here, nothing of it was sent: restore it, or seal again",
            )

    def _parts(self, directory: str) -> Mapping[str, Part]:
        place = places.dataset_file(directory.rpartition("/")[2])
        path = self._room / place
        if not path.exists():
            return {}
        data = read_limited(path, what=place, limit=MAX_DATASET_BYTES)
        return {part.file: part for part in parse_dataset(data, what=place).parts}
