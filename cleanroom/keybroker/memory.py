# SPDX-License-Identifier: Apache-2.0
"""A broker's memory wherever it lies: a file of the home, or a database that it names."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.kernel.files import PRIVATE_FILE, sync_directory
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.database import DATABASE_FILE
from cleanroom.keybroker.database_url import URL_FILE, find_url
from cleanroom.keybroker.postgresql import Access, open_postgresql
from cleanroom.keybroker.sqlite import LOOKING, open_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The database of one broker, as its own process uses it.

    Attributes:
        deciding: Transactions that may record; each has the database for itself.
        looking: Transactions that record nothing and wait for nobody.
    """

    deciding: sa.Engine
    looking: sa.Engine

    def close(self) -> None:
        """Close every connection."""
        self.looking.dispose()
        self.deciding.dispose()


def open_memory(home: Path) -> Memory:
    """Open the memory of a home for its broker; an empty one is made where none is.

    Raises:
        IntegrityError: The home has a file and names a database.
        MalformedError: What it names is no database of ours.
        RefusedError: Others may read what it names.
        UnavailableError: The disk refuses, or the driver is not installed.
    """
    url = _one_url(home)
    if url is None:
        engine = open_database(_private_file(home / DATABASE_FILE))
        return Memory(deciding=engine, looking=engine.execution_options(**LOOKING))
    return Memory(
        deciding=open_postgresql(url, Access.SERVE), looking=open_postgresql(url, Access.LOOK)
    )


def open_controls(home: Path) -> sa.Engine:
    """Open a memory beside its broker, to change a control.

    Raises:
        UnavailableError: No broker has started here yet.
        IntegrityError: The home has a file and names a database.
        MalformedError: What it names is no database of ours.
        RefusedError: Others may read what it names.
    """
    url = _one_url(home)
    if url is None:
        return open_database(require_file(home))
    return open_postgresql(url, Access.CONTROL)


def open_looking(home: Path) -> sa.Engine:
    """Open a memory beside its broker, to look and never to record.

    Raises:
        UnavailableError: No broker has started here yet.
        IntegrityError: The home has a file and names a database.
        MalformedError: What it names is no database of ours.
        RefusedError: Others may read what it names.
    """
    url = _one_url(home)
    if url is None:
        return open_database(require_file(home)).execution_options(**LOOKING)
    return open_postgresql(url, Access.LOOK)


def require_memory(home: Path) -> None:
    """Raise unless a broker has a memory here, or names one.

    Raises:
        UnavailableError: There is none.
    """
    if _one_url(home) is None:
        require_file(home)


def require_file(home: Path) -> Path:
    """Return the database of a home in which a broker has started once.

    Raises:
        UnavailableError: There is none.
    """
    path = home / DATABASE_FILE
    if not path.is_file():
        raise absent()
    return path


def absent() -> UnavailableError:
    """Make the error for a home in which no broker has started."""
    return UnavailableError(
        "broker state: none on this machine yet",
        code="broker.state-absent",
        hint="cleanroom broker serve",
    )


def _one_url(home: Path) -> sa.URL | None:
    url = find_url(home)
    if url is not None and (home / DATABASE_FILE).exists():
        raise IntegrityError(
            f"broker home: holds {DATABASE_FILE}, and {URL_FILE} names another memory",
            code="broker.two-memories",
            hint="keep both files and move away the one that is not this broker's",
        )
    return url


def _private_file(path: Path) -> Path:
    # SQLite gives its side files the mode of the database, so this one call keeps
    # all of them from other users.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE))
    sync_directory(path.parent)
    return path
