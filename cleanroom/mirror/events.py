# SPDX-License-Identifier: Apache-2.0
"""Hear what happens in a room of a hub, from where one was.

Nothing that is heard is believed: an event says where to look, and what lies there is
verified like everything of a hub. A hub that is silent about something is found out by
the next pull.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.errors import MalformedError
from cleanroom.hub.events import Event, EventKind
from cleanroom.kernel.clock import parse_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import KIB, MAX_SAFE_INTEGER
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape
from cleanroom.mirror.client import HubClient

MAX_LINE_BYTES = 4 * KIB
_FIELDS = ("id", "event", "data")
_POSITIONS = frozenset({"start", "gap"})

_Number = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
_Subject = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/-]{0,255}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a stream of events stands; not an event.

    Attributes:
        after: Number of the event after which the stream goes on.
        gap: Whether events were missed: the room is to be pulled.
    """

    after: int
    gap: bool


class _EventWire(WireModel):
    format: Literal["cleanroom.hub-event.v0"]
    room: str
    number: _Number
    kind: Annotated[str, Field(max_length=32)]
    subject: _Subject
    digest: str
    at: str


class _PositionWire(WireModel):
    format: Literal["cleanroom.hub-event.v0"]
    room: str
    after: _Number


def follow(client: HubClient, *, after: int | None = None) -> Iterator[Event | Position]:
    """Hear a room's events until the hub ends the stream; then ask again from the last.

    Args:
        client: Asks in the name of a party of the room.
        after: The last event that was heard; ``None`` for what happens from now on.

    Raises:
        UnavailableError: The hub does not answer, or fell silent.
        MalformedError: It says something else than events, or goes back.
        CleanroomError: It refused.
    """
    fields = {} if after is None else {"last-event-id": str(after)}
    last = -1
    with client.lines("/events", fields=fields, limit=MAX_LINE_BYTES) as lines:
        for block in _blocks(lines):
            heard = _read(block)
            number = heard.after if isinstance(heard, Position) else heard.number
            if isinstance(heard, Event) and number <= last:
                raise MalformedError("hub events: an earlier one again", code="hub.events")
            last = number
            yield heard


def _blocks(lines: Iterable[bytes]) -> Iterator[dict[str, bytes]]:
    block: dict[str, bytes] = {}
    for line in lines:
        if not line:
            if block:
                yield block
            block = {}
            continue
        name, _, value = line.partition(b":")
        key = name.decode("latin-1")
        if not key:  # a comment, so that nobody takes silence for an end
            continue
        if key not in _FIELDS or key in block:
            raise MalformedError("hub events: not of the agreed form", code="hub.events")
        block[key] = value.removeprefix(b" ")


def _read(block: dict[str, bytes]) -> Event | Position:
    written = parse_json(block.get("data", b""), what="hub event", limit=MAX_LINE_BYTES)
    kind = block.get("event", b"").decode("latin-1")
    if kind in _POSITIONS:
        position = validate_shape(_PositionWire, written, what="hub event")
        return Position(after=position.after, gap=kind == "gap")
    wire = validate_shape(_EventWire, written, what="hub event")
    if wire.kind not in set(EventKind):
        raise MalformedError("hub event: of no known kind", code="hub.events")
    # A terminal shows it: what is no time could move its cursor.
    parse_time(wire.at, what="hub event")
    digest = Digest.parse(wire.digest, what="hub event") if wire.digest else None
    return Event(
        number=wire.number,
        kind=EventKind(wire.kind),
        subject=wire.subject,
        digest=digest,
        at=wire.at,
    )
