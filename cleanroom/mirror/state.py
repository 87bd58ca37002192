# SPDX-License-Identifier: Apache-2.0
"""What a mirror knows of its hub: where it is, what it showed, and what lies here.

The file is a memory, not a proof: whoever can change it can change the mirror.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.errors import UnavailableError
from cleanroom.hub.wire import Content, ContentWire, content_json, read_content
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.files import PRIVATE_FILE, read_limited, write_atomic
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

STATE_FILE = ".hub.json"
MAX_STATE_BYTES = 256 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file that was hashed, and how to tell that it is still the same.

    Attributes:
        changed: Time of its last change, in nanoseconds.
        content: What it consists of.
    """

    changed: int
    content: Content


@dataclass(slots=True, kw_only=True)
class MirrorState:
    """The memory of one mirror; the only thing here that changes over time.

    Attributes:
        url: The room's address.
        revision: Up to which the hub's entries were taken.
        seen: To which the hub's revision came when this party put files there; a hub that shows
            less was restored.
        known: What the hub showed at each place.
        files: What was hashed here, by place.
    """

    url: str
    revision: int = 0
    seen: int = 0
    known: dict[str, Content] = field(default_factory=dict)
    files: dict[str, LocalFile] = field(default_factory=dict)

    def show(self, shown: Mapping[str, Content]) -> None:
        """Remember what the hub shows now; a new document has lost its old signatures."""
        for place in shown:
            for signature in [each for each in self.known if each.startswith(f"{place}.sig/")]:
                del self.known[signature]
        self.known |= shown


class _FileWire(WireModel):
    changed: str
    content: ContentWire


class _StateWire(WireModel):
    format: Literal["cleanroom.mirror.v0"]
    url: str
    revision: Annotated[int, Field(ge=0)]
    seen: Annotated[int, Field(ge=0)] = 0
    known: dict[str, ContentWire]
    files: dict[str, _FileWire]


def require_mirror(directory: Path) -> None:
    """Refuse a directory that mirrors no room, before anything is written there.

    Raises:
        UnavailableError: It is no mirror, or no directory.
    """
    if not (directory / STATE_FILE).exists():
        raise UnavailableError(
            "room: this directory is no mirror of a room in a hub",
            code="mirror.absent",
            hint="cleanroom room clone https://hub.example:8443/ROOM DIRECTORY",
        )


def load_state(mirror: Path) -> MirrorState:
    """Read a mirror's memory.

    Raises:
        UnavailableError: The directory is no mirror.
        MalformedError: Not of this shape.
    """
    require_mirror(mirror)
    data = read_limited(mirror / STATE_FILE, what=STATE_FILE, limit=MAX_STATE_BYTES)
    value = parse_json(data, what=STATE_FILE, limit=MAX_STATE_BYTES)
    wire = validate_shape(_StateWire, value, what=STATE_FILE)
    return MirrorState(
        url=wire.url,
        revision=wire.revision,
        seen=wire.seen,
        known=_contents(wire.known),
        files={
            place: LocalFile(changed=int(file.changed), content=read_content(file.content))
            for place, file in wire.files.items()
        },
    )


def save_state(mirror: Path, state: MirrorState) -> None:
    """Write a mirror's memory, whole.

    Raises:
        UnavailableError: The disk refuses.
    """
    data = canonical_json(
        {
            "format": "cleanroom.mirror.v0",
            "url": state.url,
            "revision": state.revision,
            "seen": state.seen,
            "known": {place: content_json(content) for place, content in state.known.items()},
            "files": {
                # A time in nanoseconds is more than JSON numbers hold exactly.
                place: {"changed": str(file.changed), "content": content_json(file.content)}
                for place, file in state.files.items()
            },
        }
    )
    write_atomic(mirror / STATE_FILE, data, mode=PRIVATE_FILE)


def _contents(wires: Mapping[str, ContentWire]) -> dict[str, Content]:
    return {place: read_content(wire) for place, wire in wires.items()}
