# SPDX-License-Identifier: Apache-2.0
"""Bring a broker's memory from an older version's form to this one's, in one transaction.

Alembic takes the steps of ``revisions`` and keeps in the database which one was the last.
It is loaded only where a step is to be taken: no start, and no command, waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cleanroom.errors import MalformedError, RefusedError
from cleanroom.keybroker import schema
from cleanroom.keybroker.memory import absent

REVISIONS = Path(__file__).with_name("revisions")
# SQLite files of before Alembic say 1 to 3 here; these numbers are of the same revisions.
_OWN_VERSION = {"sqlite": "PRAGMA user_version"}
_LAST_OWN = 3


def require_empty(connection: sa.Connection) -> None:
    """Raise unless nothing is remembered here.

    Raises:
        RefusedError: There is a memory.
    """
    if read_revision(connection) is not None:
        raise taken()


def taken() -> RefusedError:
    """Make the error for a memory in the place of another one."""
    return RefusedError(
        "broker home: it has a memory, which a copy must not replace",
        code="broker.home-taken",
        hint="move state.sqlite and log away first, and keep both; or name an empty database",
    )


def make_tables(connection: sa.Connection) -> None:
    """Make the tables of an empty memory in this version's form.

    Raises:
        sqlalchemy.exc.DBAPIError: Somebody else's tables are in the way.
    """
    schema.metadata.create_all(connection, checkfirst=False)
    _stamp(connection, schema.REVISION)


def migrate(connection: sa.Connection, *, found: str) -> None:
    """Take every step from the revision found to this version's.

    Raises:
        MalformedError: No step leads from there.
    """
    if not _has_revision(connection):
        _stamp(connection, found)
    if found == schema.REVISION:
        return
    # Here alone: see above.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    steps = ScriptDirectory(REVISIONS, version_locations=[REVISIONS])
    if found not in {step.revision for step in steps.walk_revisions()}:
        raise _other_version(found)

    def upgrade(revision: Any, _context: Any) -> Iterable[Any]:  # noqa: ANN401 - Alembic's
        return steps._upgrade_revs(schema.REVISION, revision)  # type: ignore[no-any-return,unused-ignore] # noqa: SLF001 - as Alembic's own command does

    with EnvironmentContext(Config(), steps, fn=upgrade) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()


def read_revision(connection: sa.Connection) -> str | None:
    """Return the revision of the memory's form; None for an empty database."""
    if _has_revision(connection):
        return str(connection.execute(sa.select(schema.revision)).scalars().first())
    own = _own_version(connection)
    return None if own == 0 else f"{own:04}"


def require_current_schema(connection: sa.Connection) -> None:
    """Refuse a memory of another form.

    Raises:
        MalformedError: Another version wrote it.
        UnavailableError: No broker has begun one.
    """
    found = read_revision(connection)
    if found is None:
        raise absent()
    if found != schema.REVISION:
        raise _other_version(found)


def _has_revision(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_table(schema.revision.name)


def _own_version(connection: sa.Connection) -> int:
    question = _OWN_VERSION.get(connection.dialect.name, "SELECT 0")
    version: int = connection.exec_driver_sql(question).scalar_one()
    return version


def _stamp(connection: sa.Connection, revision: str) -> None:
    if _own_version(connection) not in range(_LAST_OWN + 1):
        raise _other_version(revision)
    schema.revision.create(connection)
    connection.execute(sa.insert(schema.revision).values(version_num=revision))


def _other_version(found: str) -> MalformedError:
    return MalformedError(
        f"broker state: version {found[:40]} against {schema.REVISION}",
        code="broker.schema",
        hint="serve the broker once with this version, or use the version that wrote it",
    )
