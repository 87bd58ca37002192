# SPDX-License-Identifier: Apache-2.0
"""What an owner allows after a restoration."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Add allowances and budgets."""
    op.create_table(
        "allowances",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("epoch", _TEXT, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("signatures", _TEXT, nullable=False),
    )
    op.create_table(
        "budgets",
        sa.Column("subject", _TEXT, primary_key=True),
        sa.Column("most", _NUMBER, nullable=False),
    )
