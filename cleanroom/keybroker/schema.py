# SPDX-License-Identifier: Apache-2.0
"""The tables of a broker's memory, and how SQLite is opened for them.

Statements are numbered without gaps: a statement's number is its index in the
log, so that a log longer than the table shows that the table was rolled back.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

SCHEMA_VERSION = 3
BUSY_TIMEOUT_MS = 5_000
# Execution options of a transaction that records nothing.
LOOKING = {"looking": True}
_CONNECTIONS = 16

metadata = sa.MetaData()

epoch = sa.Table(
    "epoch",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("identifier", sa.Text, nullable=False, unique=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("began_at", sa.Text, nullable=False),
)

nonces = sa.Table(
    "nonces",
    metadata,
    sa.Column("nonce", sa.LargeBinary, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("contract", sa.LargeBinary, nullable=False),
    sa.Column("expires", sa.Text, nullable=False, index=True),
)

statements = sa.Table(
    "statements",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("runtime_data", sa.LargeBinary, primary_key=True),
    sa.Column("statement", sa.ForeignKey("statements.number"), nullable=False, unique=True),
    # A second lock beside the nonces table: one nonce can never serve two releases.
    sa.Column("nonce", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("contract", sa.LargeBinary, nullable=False, index=True),
    sa.Column("touched", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
    sa.Column("released_at", sa.Text, nullable=False),
)

counts = sa.Table(
    "counts",
    metadata,
    sa.Column("lineage", sa.Text, primary_key=True),
    sa.Column("receiver", sa.Text, primary_key=True),
    sa.Column("statement", sa.ForeignKey("statements.number"), primary_key=True),
)

contracts = sa.Table(
    "contracts",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("predecessor", sa.LargeBinary, index=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signatures", sa.Text, nullable=False),
)

withdrawals = sa.Table(
    "withdrawals",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False, index=True),
    sa.Column("contract", sa.LargeBinary),
    sa.Column("query", sa.LargeBinary),
    sa.Column("sequence", sa.Integer),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signatures", sa.Text, nullable=False),
)

acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("document", sa.LargeBinary, primary_key=True),
    sa.Column("statement", sa.ForeignKey("statements.number"), nullable=False, unique=True),
)

commits = sa.Table(
    "commits",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("runtime_data", sa.LargeBinary, nullable=False),
    sa.Column("receipt", sa.LargeBinary, nullable=False),
    sa.Column("statement", sa.ForeignKey("statements.number"), nullable=False, unique=True),
)

heads = sa.Table(
    "heads",
    metadata,
    sa.Column("lineage", sa.Text, primary_key=True),
    sa.Column("head", sa.LargeBinary, nullable=False),
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("lineage", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.ForeignKey("entries.digest"), nullable=False),
    sa.Column("owners", sa.Text, nullable=False),
)

stops = sa.Table(
    "stops",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("contract", sa.LargeBinary, primary_key=True),
    sa.Column("per_day", sa.Integer, nullable=False),
)

# Allowances that were taken, each once; and what the last one says is left.
allowances = sa.Table(
    "allowances",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signatures", sa.Text, nullable=False),
)

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    # The count at which it is spent, in the terms in which releases are counted.
    sa.Column("most", sa.Integer, nullable=False),
)


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
