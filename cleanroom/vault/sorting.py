# SPDX-License-Identifier: Apache-2.0
"""Put rows in order before they are sealed, so that a query skips what it does not ask for.

A part keeps the least and the most value of each column and row group. Rows that lie in
the order of what queries filter by are therefore read in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from cleanroom.errors import MalformedError
from cleanroom.vault.columns import quoted
from cleanroom.vault.plan import PartPlan
from cleanroom.vault.rows import Rows, Source
from cleanroom.vault.session import fetch

_SORTED = "cleanroom_sorted"
_NUMBER = '"cleanroom row"'


def sort_rows(
    table: Source, plan: PartPlan, *, by: Sequence[str], connection: duckdb.DuckDBPyConnection
) -> tuple[Rows, PartPlan]:
    """Sort a source by sealed values, and plan to seal what came of it as it is.

    Rows that are equal in every sorted column stay in the order of the source, so that an
    interrupted sealing sorts them in the same way again. All rows are held in memory.

    Raises:
        MalformedError: There is no such column, or the source cannot be read.
        UnavailableError: The rows do not fit into the memory that sealing may use.
    """
    if not by:
        return table, plan
    names = [column.name for column in plan.columns]
    for name in by:
        if name not in names:
            raise MalformedError(f"column {name}: to sort by, not in the source", code="vault.sort")
    values = [f"{column.expression} AS {quoted(column.name)}" for column in plan.columns]
    order = ", ".join([*map(quoted, by), _NUMBER])
    numbered = f"SELECT {', '.join(values)}, row_number() OVER () AS {_NUMBER}"
    query = (
        f"CREATE TEMP TABLE {_SORTED} AS SELECT * EXCLUDE ({_NUMBER}) "  # noqa: S608 - quoted
        f"FROM ({numbered} FROM {table.everything}) ORDER BY {order}"
    )
    fetch(connection, query)
    same = tuple(replace(column, expression=quoted(column.name)) for column in plan.columns)
    return _SortedRows(), replace(plan, columns=same)


class _SortedRows:
    def slice(self, start: int, count: int) -> str:
        return f"(FROM {_SORTED} WHERE rowid >= {start} AND rowid < {start + count})"
