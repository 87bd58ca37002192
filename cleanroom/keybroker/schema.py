# SPDX-License-Identifier: Apache-2.0
"""The tables of a broker's memory, the same on SQLite and PostgreSQL.

Statements are numbered without gaps: a statement's number is its index in the
log, so that a log longer than the table shows that the table was rolled back.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import event

# The last of ``revisions``; a test holds both together.
REVISION = "0004"

# Text sorts by its bytes everywhere, so that times of one form sort as times do.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")

metadata = sa.MetaData()

# Kept by Alembic: which revision the tables have.
revision = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),
)
# Programs of before Alembic look here, and refuse a file that they do not know.
_REFUSED_BY_OLDER = sa.DDL("PRAGMA user_version = 4")  # type: ignore[no-untyped-call]
event.listen(revision, "after_create", _REFUSED_BY_OLDER.execute_if(dialect="sqlite"))


epoch = sa.Table(
    "epoch",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True),
    sa.Column("identifier", _TEXT, nullable=False, unique=True),
    sa.Column("party", _TEXT, nullable=False),
    sa.Column("began_at", _TEXT, nullable=False),
)

nonces = sa.Table(
    "nonces",
    metadata,
    sa.Column("nonce", sa.LargeBinary, primary_key=True),
    sa.Column("run", _TEXT, nullable=False),
    sa.Column("contract", sa.LargeBinary, nullable=False),
    sa.Column("expires", _TEXT, nullable=False, index=True),
)

statements = sa.Table(
    "statements",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("run", _TEXT, primary_key=True),
    sa.Column("runtime_data", sa.LargeBinary, primary_key=True),
    sa.Column("statement", sa.ForeignKey("statements.number"), nullable=False, unique=True),
    # A second lock beside the nonces table: one nonce can never serve two releases.
    sa.Column("nonce", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("contract", sa.LargeBinary, nullable=False),
    sa.Column("touched", _TEXT, nullable=False),
    sa.Column("expires", _TEXT, nullable=False),
    sa.Column("released_at", _TEXT, nullable=False),
    # The how manieth of its contract: the last one tells how many there are, and a position
    # that is taken cannot be taken again. It stands in the record, so nothing can be set back.
    sa.Column("position", _NUMBER, nullable=False),
    sa.Index("releases_of_contract", "contract", "position", unique=True),
    sa.Index("releases_in_time", "contract", "released_at"),
)

# Numbered in the same way, for each lineage and receiver.
counts = sa.Table(
    "counts",
    metadata,
    sa.Column("lineage", _TEXT, primary_key=True),
    sa.Column("receiver", _TEXT, primary_key=True),
    sa.Column("position", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("statement", sa.ForeignKey("statements.number"), nullable=False),
)

# Every set of lineages that some release touched, once.
touched = sa.Table("touched", metadata, sa.Column("lineages", _TEXT, primary_key=True))

contracts = sa.Table(
    "contracts",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("predecessor", sa.LargeBinary, index=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signatures", _TEXT, nullable=False),
)

withdrawals = sa.Table(
    "withdrawals",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("party", _TEXT, nullable=False, index=True),
    sa.Column("contract", sa.LargeBinary),
    sa.Column("query", sa.LargeBinary),
    sa.Column("sequence", _NUMBER),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signatures", _TEXT, nullable=False),
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
    sa.Column("run", _TEXT, primary_key=True),
    sa.Column("runtime_data", sa.LargeBinary, nullable=False),
    sa.Column("receipt", sa.LargeBinary, nullable=False),
    sa.Column("statement", sa.ForeignKey("statements.number"), nullable=False, unique=True),
)

heads = sa.Table(
    "heads",
    metadata,
    sa.Column("lineage", _TEXT, primary_key=True),
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
    sa.Column("lineage", _TEXT, primary_key=True),
    sa.Column("position", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.ForeignKey("entries.digest"), nullable=False),
    sa.Column("owners", _TEXT, nullable=False),
)

stops = sa.Table(
    "stops",
    metadata,
    sa.Column("subject", _TEXT, primary_key=True),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("since", _TEXT, nullable=False),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("contract", sa.LargeBinary, primary_key=True),
    sa.Column("per_day", _NUMBER, nullable=False),
)

# Allowances that were taken, each once; and what the last one says is left.
allowances = sa.Table(
    "allowances",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("epoch", _TEXT, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signatures", _TEXT, nullable=False),
)

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("subject", _TEXT, primary_key=True),
    # The count at which it is spent, in the terms in which releases are counted.
    sa.Column("most", _NUMBER, nullable=False),
)
