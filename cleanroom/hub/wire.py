# SPDX-License-Identifier: Apache-2.0
"""What a hub and its callers say to each other: a room's entries, and changes of them.

A file is a list of objects, each named by the SHA-256 of its bytes. An entry says
which objects make up the file at a place of the room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_SAFE_INTEGER, MIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

OBJECT_BYTES = 4 * MIB  # every object of a file but its last
MAX_OBJECTS = 65_536  # of one file: 256 GiB
MAX_ASKED = 1024  # digests in one question, changes in one request
MAX_ENTRIES_ANSWER = 1024
MAX_MESSAGE_BYTES = 16 * MIB
MAX_PLACE = 256
ABSENT = ""

_Place = Annotated[str, Field(min_length=1, max_length=MAX_PLACE)]
_Size = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
_Objects = Annotated[list[str], Field(max_length=MAX_OBJECTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file consists of.

    Attributes:
        size: Bytes.
        digest: Of the whole file.
        objects: Digests of its pieces in order, each but the last of ``OBJECT_BYTES``.
    """

    size: int
    digest: Digest
    objects: tuple[Digest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a room.

    Attributes:
        place: Path below the room.
        revision: Of the room, when this entry came.
        content: What it consists of.
    """

    place: str
    revision: int
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file that somebody puts into a room.

    Attributes:
        place: Path below the room.
        previous: Digest of what the sender saw there; absent if nothing.
        content: What shall lie there.
    """

    place: str
    previous: Digest | None
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Entries of a room that came after some revision, in order.

    Attributes:
        revision: Of the last entry; what to ask for next.
        more: Whether there are more.
        entries: At most ``MAX_ENTRIES_ANSWER``.
    """

    revision: int
    more: bool
    entries: tuple[Entry, ...]


class ContentWire(WireModel):
    """What a file consists of, as it is written."""

    size: _Size
    digest: str
    objects: _Objects


class _EntryWire(WireModel):
    place: _Place
    revision: _Size
    content: ContentWire


class _EntriesWire(WireModel):
    format: Literal["cleanroom.hub-entries.v0"]
    revision: _Size
    more: bool
    entries: Annotated[list[_EntryWire], Field(max_length=MAX_ENTRIES_ANSWER)]


class _ChangeWire(WireModel):
    place: _Place
    previous: str
    content: ContentWire


class _ChangesWire(WireModel):
    format: Literal["cleanroom.hub-changes.v0"]
    changes: Annotated[list[_ChangeWire], Field(min_length=1, max_length=MAX_ASKED)]


class _ChangedWire(WireModel):
    revision: _Size


class _DigestsWire(WireModel):
    format: Literal["cleanroom.hub-objects.v0"]
    objects: Annotated[list[str], Field(max_length=MAX_ASKED)]


# What the public description of a hub's places is made of.
ENTRIES, CHANGES, OBJECTS = _EntriesWire, _ChangesWire, _DigestsWire


def encode_entries(answer: Entries) -> bytes:
    """Write entries as canonical JSON."""
    return canonical_json(
        {
            "format": "cleanroom.hub-entries.v0",
            "revision": answer.revision,
            "more": answer.more,
            "entries": [
                {
                    "place": entry.place,
                    "revision": entry.revision,
                    "content": content_json(entry.content),
                }
                for entry in answer.entries
            ],
        }
    )


def decode_entries(data: bytes) -> Entries:
    """Read entries; a hub may say anything.

    Raises:
        MalformedError: Not of this shape.
    """
    wire = validate_shape(_EntriesWire, _parse(data), what="hub entries")
    entries = tuple(
        Entry(place=entry.place, revision=entry.revision, content=read_content(entry.content))
        for entry in wire.entries
    )
    return Entries(revision=wire.revision, more=wire.more, entries=entries)


def encode_changed(revision: int) -> bytes:
    """Write the revision to which a change brought the room."""
    return canonical_json({"revision": revision})


def decode_changed(data: bytes) -> int:
    """Read the revision to which a change brought the room; a hub may say anything.

    Raises:
        MalformedError: Not of this shape.
    """
    return validate_shape(_ChangedWire, _parse(data), what="hub revision").revision


def encode_changes(changes: Iterable[Change]) -> bytes:
    """Write changes as canonical JSON."""
    return canonical_json(
        {
            "format": "cleanroom.hub-changes.v0",
            "changes": [
                {
                    "place": change.place,
                    "previous": ABSENT if change.previous is None else str(change.previous),
                    "content": content_json(change.content),
                }
                for change in changes
            ],
        }
    )


def decode_changes(data: bytes) -> tuple[Change, ...]:
    """Read changes.

    Raises:
        MalformedError: Not of this shape, or one place twice.
    """
    wire = validate_shape(_ChangesWire, _parse(data), what="hub changes")
    changes = tuple(
        Change(
            place=change.place,
            previous=_previous(change.previous),
            content=read_content(change.content),
        )
        for change in wire.changes
    )
    if len({change.place for change in changes}) != len(changes):
        raise MalformedError("hub changes: one place twice", code="hub.changes")
    return changes


def encode_objects(digests: Iterable[Digest]) -> bytes:
    """Write a list of objects, asked for or missing."""
    return canonical_json(
        {"format": "cleanroom.hub-objects.v0", "objects": [str(digest) for digest in digests]}
    )


def decode_objects(data: bytes) -> tuple[Digest, ...]:
    """Read a list of objects.

    Raises:
        MalformedError: Not of this shape.
    """
    wire = validate_shape(_DigestsWire, _parse(data), what="hub objects")
    return _digests(wire.objects)


def object_sizes(size: int) -> tuple[int, ...]:
    """Say how large the objects of a file are: every file is cut in one way only."""
    whole, rest = divmod(size, OBJECT_BYTES)
    return (OBJECT_BYTES,) * whole + ((rest,) if rest else ())


def _parse(data: bytes) -> object:
    return parse_json(data, what="hub message", limit=MAX_MESSAGE_BYTES)


def content_json(content: Content) -> JSONValue:
    """Write what a file consists of, as a value for canonical JSON."""
    return {
        "size": content.size,
        "digest": str(content.digest),
        "objects": [str(digest) for digest in content.objects],
    }


def read_content(wire: ContentWire) -> Content:
    """Read what a file consists of.

    Raises:
        MalformedError: Its objects cannot make up its size.
    """
    if wire.size > OBJECT_BYTES * MAX_OBJECTS or len(wire.objects) != len(object_sizes(wire.size)):
        raise MalformedError("hub content: its objects do not make up its size", code="hub.content")
    digest = Digest.parse(wire.digest, what="hub content")
    objects = _digests(wire.objects)
    if len(objects) == 1 and objects[0] != digest:
        raise MalformedError("hub content: one object of another digest", code="hub.content")
    return Content(size=wire.size, digest=digest, objects=objects)


def _digests(written: Sequence[str]) -> tuple[Digest, ...]:
    return tuple(Digest.parse(text, what="hub object") for text in written)


def _previous(text: str) -> Digest | None:
    return None if text == ABSENT else Digest.parse(text, what="hub change")
