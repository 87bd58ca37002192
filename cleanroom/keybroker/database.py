# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a broker's database, in the words of the one error tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.kernel.postgresql_refusal import refusal_to_connect

DATABASE_FILE = "state.sqlite"
# PostgreSQL refuses without contradicting itself: a server that only reads, a missing right.
_REFUSING = frozenset({"25006", "42501"})


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the database's errors into ours; their own text holds nothing of a document.

    Raises:
        UnavailableError: The database is locked, full, unreadable or not reached.
        IntegrityError: The database contradicts itself.
    """
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        cause: BaseException | None = getattr(error, "orig", None)
        told = refusal_to_connect(cause, subject="broker state", area="broker.database")
        raise told or _unusable() from error
    except sa.exc.DatabaseError as error:
        if getattr(error.orig, "sqlstate", None) in _REFUSING:
            raise _unusable() from error
        raise damaged() from error


def _unusable() -> UnavailableError:
    return UnavailableError(
        "broker state: the database cannot be used now",
        code="broker.state",
        hint="free some space, check the disk or the database server, then try again",
    )


def damaged() -> IntegrityError:
    """Make the error for a database that contradicts itself."""
    return IntegrityError(
        "broker state: the database is damaged",
        code="broker.state-damaged",
        hint="keep the broker's home as it is and ask for help; do not start it anew",
    )
