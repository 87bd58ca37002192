# SPDX-License-Identifier: Apache-2.0
"""Releases are numbered as they are recorded, so that nobody has to count them again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Number what was recorded, in the order in which it was."""
    op.add_column(
        "releases", sa.Column("position", _NUMBER, nullable=False, server_default=sa.text("0"))
    )
    op.execute(
        "UPDATE releases SET position = numbered.position FROM (SELECT statement, row_number()"
        " OVER (PARTITION BY contract ORDER BY statement) AS position FROM releases) AS numbered"
        " WHERE numbered.statement = releases.statement"
    )
    op.drop_index("ix_releases_contract", table_name="releases")
    op.create_index("releases_of_contract", "releases", ["contract", "position"], unique=True)
    op.create_index("releases_in_time", "releases", ["contract", "released_at"])
    op.create_table(
        "numbered",
        sa.Column("lineage", _TEXT, primary_key=True),
        sa.Column("receiver", _TEXT, primary_key=True),
        sa.Column("position", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("statement", _NUMBER, sa.ForeignKey("statements.number"), nullable=False),
    )
    op.execute(
        "INSERT INTO numbered (lineage, receiver, position, statement) SELECT lineage, receiver,"
        " row_number() OVER (PARTITION BY lineage, receiver ORDER BY statement), statement"
        " FROM counts"
    )
    op.drop_table("counts")
    op.rename_table("numbered", "counts")
    op.create_table("touched", sa.Column("lineages", _TEXT, primary_key=True))
    op.execute("INSERT INTO touched (lineages) SELECT DISTINCT touched FROM releases")
