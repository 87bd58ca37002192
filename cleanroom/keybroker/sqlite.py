# SPDX-License-Identifier: Apache-2.0
"""How SQLite is opened for a broker's memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

BUSY_TIMEOUT_MS = 5_000
# Execution options of a transaction that records nothing.
LOOKING = {"looking": True}
_CONNECTIONS = 16


def open_database(path: Path) -> sa.Engine:
    """Open the database: write-ahead log, every commit on disk before it is answered."""
    # Parameters are documents and digests of other parties; they stay out of errors.
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        poolclass=sa.pool.QueuePool,
        pool_size=_CONNECTIONS,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    # The driver's own transactions start late and unlocked; ours start below.
    connection.isolation_level = None
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    # A decision reads and then writes. Taking the write lock first means that
    # nothing it read can change before it is recorded.
    looking = connection.get_execution_options().get("looking", False)
    connection.exec_driver_sql("BEGIN" if looking else "BEGIN IMMEDIATE")
