# SPDX-License-Identifier: Apache-2.0
"""Which files a room has, in one small database; every change is whole or absent."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from cleanroom.errors import UnavailableError
from cleanroom.hub import events, job_table, webhooks
from cleanroom.hub.wire import MAX_ENTRIES_ANSWER, Content, Entries, Entry
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import PRIVATE_FILE

INDEX_FILE = "index.sqlite"
_BUSY_SECONDS = 5.0
_DIGEST_BYTES = 32
_AT = "SELECT place, revision, size, digest, objects FROM entry WHERE place = ?"
_BELOW = (
    "SELECT place, revision, size, digest, objects FROM entry"
    " WHERE place >= ? AND place < ? ORDER BY place"
)
_SINCE = (
    "SELECT place, revision, size, digest, objects FROM entry"
    " WHERE revision > ? ORDER BY revision LIMIT ?"
)
_PUT = (
    "INSERT OR REPLACE INTO entry (place, revision, size, digest, objects)"
    " SELECT ?, revision, ?, ?, ? FROM room"
)
_PREPARE = (
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE IF NOT EXISTS entry (place TEXT PRIMARY KEY, revision INTEGER NOT NULL UNIQUE,"
    " size INTEGER NOT NULL, digest BLOB NOT NULL, objects BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS object (digest BLOB PRIMARY KEY, size INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS room (only_row INTEGER PRIMARY KEY CHECK (only_row = 1),"
    " revision INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO room VALUES (1, 0, 0);"
)
_Row = tuple[str, int, int, bytes, bytes]


class RoomIndex:
    """The entries and objects of one room; one thread at a time."""

    def __init__(self, home: Path) -> None:
        """Open the index of a room's directory.

        Raises:
            UnavailableError: The disk refuses.
        """
        self._turn = RLock()
        path = home / INDEX_FILE
        with _answering():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(path, flags, PRIVATE_FILE))
            self._database = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for script in (_PREPARE, events.PREPARE, webhooks.PREPARE, job_table.PREPARE):
                self._database.executescript(script)

    @contextmanager
    def changing(self, *, durable: bool = True) -> Iterator[IndexChange]:
        """Change the index: all of it with the end of the block, nothing if it raises.

        Args:
            durable: Wait for the disk. An object that is forgotten after a loss of
                power is sent again; the next durable change waits for all before it.

        Raises:
            UnavailableError: The disk refuses; nothing has changed.
        """
        with self._turn, _answering():
            self._database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield IndexChange(self._database, read=self.entry)
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise

    def entry(self, place: str) -> Entry | None:
        """Return what lies at a place."""
        rows = self._rows(_AT, place)
        return _entry(rows[0]) if rows else None

    def below(self, directory: str) -> tuple[Entry, ...]:
        """Return what lies below a directory."""
        # "0" follows "/", so the range holds everything below the directory and nothing else.
        rows = self._rows(_BELOW, f"{directory}/", f"{directory}0")
        return tuple(_entry(row) for row in rows)

    def since(self, revision: int) -> Entries:
        """Return the entries that came after a revision, oldest first."""
        rows = self._rows(_SINCE, revision, MAX_ENTRIES_ANSWER + 1)
        entries = tuple(_entry(row) for row in rows[:MAX_ENTRIES_ANSWER])
        more = len(rows) > MAX_ENTRIES_ANSWER
        last = entries[-1].revision if entries else self.revision()
        return Entries(revision=last, more=more, entries=entries)

    def events(self, *, after: int) -> events.Events:
        """Return what happened after an event, oldest first."""
        with self._turn, _answering():
            return events.read_events(self._database, after=after)

    def last_event(self) -> int:
        """Return the number of the last event; 0 before the first."""
        with self._turn, _answering():
            return events.last_event(self._database)

    def webhooks(self) -> tuple[webhooks.Webhook, ...]:
        """Return the addresses that are told of this room's events."""
        with self._turn, _answering():
            return webhooks.read_webhooks(self._database)

    def revision(self) -> int:
        """Return how many entries have come so far."""
        return self._number("SELECT revision FROM room")

    def stored_bytes(self) -> int:
        """Return the size of all objects."""
        return self._number("SELECT bytes FROM room")

    def object_size(self, digest: Digest) -> int | None:
        """Return the size of an object; ``None`` if there is none of that digest."""
        with self._turn, _answering():
            row = self._database.execute(
                "SELECT size FROM object WHERE digest = ?", (digest.raw,)
            ).fetchone()
        return None if row is None else int(row[0])

    def missing(self, digests: Sequence[Digest]) -> tuple[Digest, ...]:
        """Return those objects that are not here, each once."""
        with self._turn:
            return tuple(
                digest for digest in dict.fromkeys(digests) if self.object_size(digest) is None
            )

    def close(self) -> None:
        """Close the index."""
        with self._turn:
            self._database.close()

    def _number(self, form: str) -> int:
        with self._turn, _answering():
            return int(self._database.execute(form).fetchone()[0])

    def _rows(self, form: str, *values: str | int) -> list[_Row]:
        with self._turn, _answering():
            return self._database.execute(form, values).fetchall()


class IndexChange:
    """One change that has begun; :meth:`RoomIndex.changing` ends it."""

    def __init__(
        self, database: sqlite3.Connection, *, read: Callable[[str], Entry | None]
    ) -> None:
        """Take the database of an index in a transaction."""
        self._database = database
        self.entry = read

    def put(self, place: str, content: Content) -> None:
        """Let a file lie at a place, as the room's next revision."""
        objects = b"".join(digest.raw for digest in content.objects)
        self._database.execute("UPDATE room SET revision = revision + 1")
        self._database.execute(
            _PUT,
            (place, content.size, content.digest.raw, objects),
        )

    def remove(self, place: str) -> None:
        """Let nothing lie at a place."""
        self._database.execute("DELETE FROM entry WHERE place = ?", (place,))

    def publish(
        self, kind: events.EventKind, subject: str, *, at: dt.datetime, digest: Digest | None = None
    ) -> None:
        """Tell the room's parties of this change, once it has happened.

        Raises:
            MalformedError: The subject is neither a place nor the id of a run.
        """
        events.publish(self._database, kind=kind, subject=subject, at=at, digest=digest)

    def add_webhook(self, url: str, *, private: bool) -> None:
        """Tell an address of what happens from now on.

        Raises:
            MalformedError: No address.
            RefusedError: No TLS, or there are enough.
        """
        webhooks.add_webhook(self._database, url, private=private)

    def remove_webhook(self, url: str) -> None:
        """Tell an address nothing more.

        Raises:
            UnavailableError: It is not told anything.
        """
        webhooks.remove_webhook(self._database, url)

    def webhook_took(self, hook: webhooks.Webhook, *, upto: int) -> None:
        """Remember that an address took all events up to one."""
        webhooks.took(self._database, hook, upto=upto)

    def webhook_failed(self, hook: webhooks.Webhook, *, at: int) -> None:
        """Remember that an address is told again later."""
        webhooks.failed(self._database, hook, at=at)

    def jobs(self, *, at: dt.datetime) -> job_table.JobTable:
        """Return the room's jobs, to be changed together with its entries."""
        return job_table.JobTable(self._database, at=at)

    def add_object(self, digest: Digest, size: int) -> None:
        """Count an object that is on the disk."""
        added = self._database.execute(
            "INSERT OR IGNORE INTO object VALUES (?, ?)", (digest.raw, size)
        ).rowcount
        if added:
            self._database.execute("UPDATE room SET bytes = bytes + ?", (size,))


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise UnavailableError(
            "hub: its index cannot be read or written",
            code="hub.index",
            hint="the hub's operator checks the disk and the space left",
        ) from error


def _entry(row: _Row) -> Entry:
    place, revision, size, digest, objects = row
    pieces = range(0, len(objects), _DIGEST_BYTES)
    content = Content(
        size=size,
        digest=Digest(digest),
        objects=tuple(Digest(objects[start : start + _DIGEST_BYTES]) for start in pieces),
    )
    return Entry(place=place, revision=revision, content=content)
