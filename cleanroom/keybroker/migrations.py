# SPDX-License-Identifier: Apache-2.0
"""Bring a broker's memory from an older version's form to this one's, in one transaction.

Each step is written once and never changed: it says what was true of its version,
which the tables in ``schema`` no longer do.
"""

from __future__ import annotations

import sqlalchemy as sa

from cleanroom.errors import MalformedError
from cleanroom.keybroker import schema

# Releases before version 2 count as long past: nobody had a quota then.
_TWO = """\
ALTER TABLE releases ADD COLUMN released_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00Z';
CREATE TABLE stops (subject TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE quotas (contract BLOB NOT NULL PRIMARY KEY, per_day INTEGER NOT NULL)"""

_THREE = """\
CREATE TABLE allowances (digest BLOB NOT NULL PRIMARY KEY, epoch TEXT NOT NULL,
    document BLOB NOT NULL, signatures TEXT NOT NULL);
CREATE TABLE budgets (subject TEXT NOT NULL PRIMARY KEY, most INTEGER NOT NULL)"""

# What leads from each version to the next one.
STEPS = {1: _TWO, 2: _THREE}


def migrate(connection: sa.Connection, *, found: int) -> None:
    """Take every step from the version found to this one.

    Raises:
        MalformedError: No step leads from there.
    """
    while found != schema.SCHEMA_VERSION:
        if found not in STEPS:
            raise _other_version(found)
        for statement in STEPS[found].split(";"):
            connection.exec_driver_sql(statement)
        found += 1
    write_version(connection)


def read_version(connection: sa.Connection) -> int:
    """Return the version of the memory's form; 0 for an empty database."""
    version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return version


def write_version(connection: sa.Connection) -> None:
    """Say that the memory has this version's form."""
    connection.exec_driver_sql(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")


def require_current_schema(connection: sa.Connection) -> None:
    """Refuse a memory of another form.

    Raises:
        MalformedError: Another version wrote it.
    """
    found = read_version(connection)
    if found != schema.SCHEMA_VERSION:
        raise _other_version(found)


def _other_version(found: int) -> MalformedError:
    return MalformedError(
        f"broker state: version {found} against {schema.SCHEMA_VERSION}",
        code="broker.schema",
        hint="serve the broker once with this version, or use the version that wrote it",
    )
