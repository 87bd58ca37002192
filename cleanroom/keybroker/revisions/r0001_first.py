# SPDX-License-Identifier: Apache-2.0
"""The first form of a broker's memory."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "epoch",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("identifier", _TEXT, nullable=False, unique=True),
        sa.Column("party", _TEXT, nullable=False),
        sa.Column("began_at", _TEXT, nullable=False),
    )
    op.create_table(
        "nonces",
        sa.Column("nonce", sa.LargeBinary, primary_key=True),
        sa.Column("run", _TEXT, nullable=False),
        sa.Column("contract", sa.LargeBinary, nullable=False),
        sa.Column("expires", _TEXT, nullable=False, index=True),
    )
    op.create_table(
        "statements",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "releases",
        sa.Column("run", _TEXT, primary_key=True),
        sa.Column("runtime_data", sa.LargeBinary, primary_key=True),
        sa.Column(
            "statement", _NUMBER, sa.ForeignKey("statements.number"), nullable=False, unique=True
        ),
        sa.Column("nonce", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("contract", sa.LargeBinary, nullable=False, index=True),
        sa.Column("touched", _TEXT, nullable=False),
        sa.Column("expires", _TEXT, nullable=False),
    )
    op.create_table(
        "counts",
        sa.Column("lineage", _TEXT, primary_key=True),
        sa.Column("receiver", _TEXT, primary_key=True),
        sa.Column("statement", _NUMBER, sa.ForeignKey("statements.number"), primary_key=True),
    )
    op.create_table(
        "contracts",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("predecessor", sa.LargeBinary, index=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signatures", _TEXT, nullable=False),
    )
    op.create_table(
        "withdrawals",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("party", _TEXT, nullable=False, index=True),
        sa.Column("contract", sa.LargeBinary),
        sa.Column("query", sa.LargeBinary),
        sa.Column("sequence", _NUMBER),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signatures", _TEXT, nullable=False),
    )
    op.create_table(
        "acknowledgements",
        sa.Column("document", sa.LargeBinary, primary_key=True),
        sa.Column(
            "statement", _NUMBER, sa.ForeignKey("statements.number"), nullable=False, unique=True
        ),
    )
    op.create_table(
        "commits",
        sa.Column("run", _TEXT, primary_key=True),
        sa.Column("runtime_data", sa.LargeBinary, nullable=False),
        sa.Column("receipt", sa.LargeBinary, nullable=False),
        sa.Column(
            "statement", _NUMBER, sa.ForeignKey("statements.number"), nullable=False, unique=True
        ),
    )
    op.create_table(
        "heads",
        sa.Column("lineage", _TEXT, primary_key=True),
        sa.Column("head", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "history",
        sa.Column("lineage", _TEXT, primary_key=True),
        sa.Column("position", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.LargeBinary, sa.ForeignKey("entries.digest"), nullable=False),
        sa.Column("owners", _TEXT, nullable=False),
    )
