# SPDX-License-Identifier: Apache-2.0
"""What has happened in a room, in order: kinds, names and digests, never content.

An event is kept in the room's database in the transaction of what it tells, so there is
none of something that did not happen, and nothing happens without one. Whoever hears an
event knows where to look, and verifies what is there.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from enum import StrEnum

from cleanroom.errors import MalformedError, RefusedError
from cleanroom.hub.rights import right_of, signature_place
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

MAX_KEPT = 20_000  # of a room; whoever was away for longer pulls the room
MAX_ANSWER = 256
_SUBJECT = re.compile(r"[a-z0-9][a-z0-9._/-]{0,255}")

PREPARE = (
    # AUTOINCREMENT: a number is never given twice, even after old events were dropped.
    "CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind TEXT NOT NULL, subject TEXT NOT NULL, digest BLOB, at TEXT NOT NULL);"
)
_INSERT = "INSERT INTO event (kind, subject, digest, at) VALUES (?, ?, ?, ?)"
_SINCE = (
    "SELECT number, kind, subject, digest, at FROM event WHERE number > ? ORDER BY number LIMIT ?"
)
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'"
_FIRST = "SELECT min(number) FROM event"
_PLACES = {"receipt.json": "receipt", "result.sealed": "result"}


class EventKind(StrEnum):
    """Everything that an event can tell; a closed list, because metrics count by it."""

    PARTY = "party"
    CONTRACT = "contract"
    POLICY = "policy"
    DATASET = "dataset"
    QUERY = "query"
    APPROVAL = "approval"
    RUN = "run"
    REVOCATION = "revocation"
    SIGNATURE = "signature"
    RECEIPT = "receipt"
    RESULT = "result"
    JOB_QUEUED = "job-queued"
    JOB_STARTED = "job-started"
    JOB_PROGRESS = "job-progress"
    JOB_FINISHED = "job-finished"
    JOB_FAILED = "job-failed"
    JOB_CANCELLED = "job-cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a room.

    Attributes:
        number: Counts the room's events, from 1.
        kind: What happened.
        subject: Place in the room, or the id of a run.
        digest: Of what lies there now; absent where an event is about no file.
        at: By the hub's clock, as RFC 3339.
    """

    number: int
    kind: EventKind
    subject: str
    digest: Digest | None
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events of a room that came after some number.

    Attributes:
        events: In order, at most ``MAX_ANSWER``.
        gap: Whether older ones were dropped in between: then the room is to be pulled.
    """

    events: tuple[Event, ...]
    gap: bool


def publish(
    database: sqlite3.Connection,
    *,
    kind: EventKind,
    subject: str,
    at: dt.datetime,
    digest: Digest | None = None,
    kept: int = MAX_KEPT,
) -> None:
    """Keep an event, in the transaction that the caller has open.

    Args:
        database: The index of the room, between its BEGIN and its COMMIT.
        kind: What happened.
        subject: Place in the room, or the id of a run; nothing of what lies there.
        at: By the hub's clock.
        digest: Of what lies there now.
        kept: How many events a room keeps.

    Raises:
        MalformedError: Neither a place nor the id of a run.
        RefusedError: No transaction is open, so that it could tell what never happened.
    """
    if not database.in_transaction:
        raise RefusedError("hub event: outside of a transaction", code="hub.event-alone")
    if not _SUBJECT.fullmatch(subject):
        raise MalformedError("hub event: neither a place nor a run", code="hub.event-subject")
    raw = None if digest is None else digest.raw
    number = database.execute(_INSERT, (kind.value, subject, raw, format_time(at))).lastrowid
    database.execute("DELETE FROM event WHERE number <= ?", ((number or 0) - kept,))


def kind_of(place: str) -> EventKind | None:
    """Say what a file at a place is an event of.

    Returns:
        ``None`` where nobody waits for it: parts, code, copies of logs, the archive.
    """
    if signature_place(place) is not None:
        return EventKind.SIGNATURE
    if place.startswith("archive/"):
        return None
    kind = right_of(place).kind or _PLACES.get(place.rpartition("/")[2], "")
    return EventKind(kind) if kind else None


def read_events(database: sqlite3.Connection, *, after: int) -> Events:
    """Return what came after an event, oldest first."""
    rows = database.execute(_SINCE, (after, MAX_ANSWER)).fetchall()
    first = database.execute(_FIRST).fetchone()[0]
    gap = first is not None and after + 1 < first
    # A number that was never given: the hub was restored from an older copy.
    return Events(
        events=tuple(_event(row) for row in rows), gap=gap or after > last_event(database)
    )


def last_event(database: sqlite3.Connection) -> int:
    """Return the number of the last event; 0 before the first."""
    return int(database.execute(_LAST).fetchone()[0])


def event_json(event: Event) -> dict[str, JSONValue]:
    """Write an event as a value for canonical JSON."""
    return {
        "number": event.number,
        "kind": event.kind.value,
        "subject": event.subject,
        "digest": "" if event.digest is None else str(event.digest),
        "at": event.at,
    }


def _event(row: tuple[int, str, str, bytes | None, str]) -> Event:
    number, kind, subject, digest, at = row
    found = None if digest is None else Digest(digest)
    return Event(number=number, kind=EventKind(kind), subject=subject, digest=found, at=at)
