# SPDX-License-Identifier: Apache-2.0
"""A broker's memory: one database, one process, whole transactions.

SQLite with a write-ahead log and ``synchronous = FULL``, and PostgreSQL with
``synchronous_commit``, have the commit on disk before it returns, so a broker killed at
any point has either recorded an outcome or never reached it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.kernel.files import PRIVATE_FILE
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker import asking, schema
from cleanroom.keybroker.database import database_errors
from cleanroom.keybroker.memory import open_memory
from cleanroom.keybroker.migrations import make_tables, migrate, read_revision
from cleanroom.keybroker.recorder import Recorder
from cleanroom.keybroker.sql_standing import SqlStanding

LOCK_FILE = "broker.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One look at the memory, and one chance to add to it."""

    standing: SqlStanding
    recorder: Recorder

    @contextmanager
    def part(self) -> Iterator[None]:
        """Undo what the block recorded, and nothing else, if it raises."""
        with asking.part(self.recorder.connection):
            yield


class BrokerState:
    """The memory of one broker, held by this process alone."""

    def __init__(self, home: Path) -> None:
        """Lock a home directory and open its database.

        Raises:
            UnavailableError: Another broker holds the home, or the disk refuses.
            CleanroomError: As :func:`cleanroom.keybroker.memory.open_memory`.
        """
        self._lock = _lock_home(home)
        try:
            self._memory = open_memory(home)
        except BaseException:
            os.close(self._lock)
            raise

    def begin(self, *, party: str, epoch: str, at: dt.datetime) -> None:
        """Make the tables of an empty memory, or bring those of an older version forward.

        Raises:
            MalformedError: Written by another version.
            IntegrityError: The memory of another party, or damaged.
            UnavailableError: The disk refuses.
        """
        with self.transaction() as opened:
            connection = opened.recorder.connection
            found = read_revision(connection)
            if found is None:
                make_tables(connection)
                opened.recorder.begin_epoch(identifier=epoch, party=party, at=at)
            else:
                migrate(connection, found=found)
            owner = connection.execute(sa.select(schema.epoch.c.party).limit(1)).scalar_one()
            if owner != party:
                raise IntegrityError(
                    f"broker state: of party {owner}, not of {party}", code="broker.other-party"
                )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Look and record as one step; an exception records nothing.

        Raises:
            UnavailableError: The database is locked, full or unreadable.
            IntegrityError: The database contradicts itself.
        """
        with database_errors(), self._memory.deciding.begin() as connection:
            yield Transaction(
                standing=SqlStanding(connection=connection),
                recorder=Recorder(connection=connection),
            )

    @contextmanager
    def look(self) -> Iterator[SqlStanding]:
        """Look at what is recorded, without waiting for whoever records just now.

        Raises:
            UnavailableError: The database is locked or unreadable.
            IntegrityError: The database contradicts itself.
        """
        with database_errors(), self._memory.looking.begin() as connection:
            yield SqlStanding(connection=connection)

    def close(self) -> None:
        """Close the database and give the home back; a second call does nothing."""
        self._memory.close()
        descriptor, self._lock = self._lock, -1
        if descriptor >= 0:
            os.close(descriptor)


def _lock_home(home: Path) -> int:
    # The kernel drops the lock with the process, however it ends, so no stale lock
    # keeps an owner from starting the broker again.
    try:
        descriptor = os.open(
            home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE
        )
    except OSError as error:
        raise UnavailableError(
            f"broker home: cannot be opened: {os.strerror(error.errno or 0)}", code="broker.home"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UnavailableError(
            "broker home: another broker holds it",
            code="broker.locked",
            hint="stop the other broker of this party first",
        ) from None
    return descriptor
