# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a broker's database, in the words of the one error tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from cleanroom.errors import IntegrityError, UnavailableError

DATABASE_FILE = "state.sqlite"


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the database's errors into ours; their own text holds nothing of a document.

    Raises:
        UnavailableError: The database is locked, full or unreadable.
        IntegrityError: The database contradicts itself.
    """
    try:
        yield
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            "broker state: the database cannot be used now",
            code="broker.state",
            hint="free some space, check the disk, then try again",
        ) from error
    except sa.exc.DatabaseError as error:
        raise damaged() from error


def damaged() -> IntegrityError:
    """Make the error for a database that contradicts itself."""
    return IntegrityError(
        "broker state: the database is damaged",
        code="broker.state-damaged",
        hint="keep the broker's home as it is and ask for help; do not start it anew",
    )


def require_memory(home: Path) -> Path:
    """Return the database of a home in which a broker has started once.

    Raises:
        UnavailableError: There is none.
    """
    path = home / DATABASE_FILE
    if not path.is_file():
        raise UnavailableError(
            "broker state: none on this machine yet",
            code="broker.state-absent",
            hint="cleanroom broker serve",
        )
    return path
