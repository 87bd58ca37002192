# SPDX-License-Identifier: Apache-2.0
"""How PostgreSQL is opened for a broker's memory: as strict as the file is.

Two advisory locks stand where SQLite has the file's. Who decides, or changes a control,
holds one for its transaction, taken before anything is read: what was read cannot change
before it is recorded. The broker holds the other for as long as it is connected, and on
the very connection on which it decides: a broker that lost its connection, and with it
the database, cannot decide before it has it back, and two never decide at once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from cleanroom.errors import UnavailableError

# Names of the locks; PostgreSQL keeps them apart for every database.
SERVING, WRITING = 0x636C65616E726D01, 0x636C65616E726D02
_LOOKING_CONNECTIONS = 8
_MILLISECONDS = {
    "lock_timeout": 5_000,
    "statement_timeout": 60_000,
    # A broker that stands still in a transaction must not keep its owner from stopping it.
    "idle_in_transaction_session_timeout": 60_000,
}
# What a server must say of itself, or a commit could be answered and lost.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class Access(Enum):
    """What a connection is for."""

    SERVE = "serve"
    CONTROL = "control"
    LOOK = "look"


def open_postgresql(url: sa.URL, access: Access) -> sa.Engine:
    """Open the database; nothing is asked of the server before a connection is needed.

    Raises:
        UnavailableError: The driver is not installed.
    """
    looks = access is Access.LOOK
    try:
        engine = sa.create_engine(
            url,
            hide_parameters=True,
            # READ COMMITTED sees what was there when the lock came; a snapshot of the whole
            # transaction would be taken before waiting for it.
            isolation_level="REPEATABLE READ" if looks else "READ COMMITTED",
            pool_size=_LOOKING_CONNECTIONS if looks else 1,
            max_overflow=0,
            pool_timeout=_MILLISECONDS["lock_timeout"] / 1000,
            pool_pre_ping=True,
            use_native_hstore=False,
            connect_args=_arguments(reads_only=looks),
        )
    except ModuleNotFoundError:
        raise UnavailableError(
            "broker state: the driver of PostgreSQL is not installed",
            code="broker.driver",
            hint="pip install 'cleanroom[postgresql]'",
        ) from None
    event.listen(engine, "connect", _closing(_require_durable))
    if access is Access.SERVE:
        event.listen(engine, "connect", _closing(_take_serving))
    if not looks:
        event.listen(engine, "begin", _begin)
    return engine


def _arguments(*, reads_only: bool) -> dict[str, str | int]:
    settings = {
        **_MILLISECONDS,
        "synchronous_commit": "on",
        "search_path": "public",
        "default_transaction_read_only": "on" if reads_only else "off",
    }
    return {
        "application_name": "cleanroom broker",
        # A copy of the server may be behind.
        "target_session_attrs": "primary",
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


def _closing(check: Callable[[Any], None]) -> Callable[[Any, Any], None]:
    def checked(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's and SQLAlchemy's
        try:
            check(connection)
            # The question opened a transaction, which must not hold anything.
            connection.rollback()
        except BaseException:
            connection.close()
            raise

    return checked


def _require_durable(connection: Any) -> None:  # noqa: ANN401 - the driver's
    for setting in _DURABLE:
        (found,) = connection.execute(f"SHOW {setting}").fetchone()
        if found != "on":
            raise UnavailableError(
                f"broker state: {setting} on agreed, the database server says {found}",
                code="broker.not-durable",
                hint="a use that the server forgets would be given back",
            )


def _take_serving(connection: Any) -> None:  # noqa: ANN401 - the driver's
    (taken,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (SERVING,)).fetchone()
    if not taken:
        raise UnavailableError(
            "broker state: another broker holds the database",
            code="broker.locked",
            hint="stop the other broker of this party first",
        )


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (WRITING,))
