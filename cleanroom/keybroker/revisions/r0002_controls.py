# SPDX-License-Identifier: Apache-2.0
"""Stops and quotas; releases of before count as long past, as nobody had a quota then."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Add them."""
    long_past = "1970-01-01T00:00:00Z"
    op.add_column(
        "releases", sa.Column("released_at", _TEXT, nullable=False, server_default=long_past)
    )
    op.create_table(
        "stops",
        sa.Column("subject", _TEXT, primary_key=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("since", _TEXT, nullable=False),
    )
    op.create_table(
        "quotas",
        sa.Column("contract", sa.LargeBinary, primary_key=True),
        sa.Column("per_day", _NUMBER, nullable=False),
    )
