# SPDX-License-Identifier: Apache-2.0
"""What a draft needs to know of every column of a table, in a few passes over the whole of it.

A pass a column would parse a text file of 2,000 columns thousands of times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import duckdb

from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import SealedColumn
from cleanroom.vault.session import fetch
from cleanroom.vault.source import Source

MOST_GROUPS = 100
LEAST_ROWS_A_GROUP = 10
# An estimate of distinct values is off by a fortieth; twice as many are surely more.
_SURELY_MANY = 2 * MOST_GROUPS
_COUNTED_AT_ONCE = 100  # columns; what a row unfolds into, and more take longer than two passes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a column.

    Attributes:
        has_empty: Whether some row has no value.
        few_values: Whether it holds few distinct values, each of them often.
        lower: Least finite number; 0 for other types.
        upper: Greatest finite number; 0 for other types.
    """

    has_empty: bool
    few_values: bool
    lower: Fraction
    upper: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extent:
    distinct: int
    has_empty: bool
    lower: str | None
    upper: str | None


def scan_columns(
    connection: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[SealedColumn]
) -> dict[str, Seen]:
    """Look at all columns as they will be sealed.

    Raises:
        MalformedError: The source cannot be read.
        UnavailableError: Memory ran out.
    """
    extents = _extents(connection, source, columns)
    few = set(_with_few_values(connection, source, columns, extents))
    return {
        name: Seen(
            has_empty=extent.has_empty,
            few_values=name in few,
            lower=Fraction(extent.lower or 0),
            upper=Fraction(extent.upper or 0),
        )
        for name, extent in extents.items()
    }


def most_rows_of_a_value(
    connection: duckdb.DuckDBPyConnection, source: Source, column: SealedColumn
) -> int:
    """Tell how often the most frequent value of a column occurs; 0 if it has none."""
    groups = (
        f"SELECT count(v) AS n FROM (SELECT {column.expression} AS v "  # noqa: S608 - quoted
        f"FROM {source.everything}) GROUP BY v"
    )
    ((most,),) = fetch(connection, f"SELECT coalesce(max(n), 0) FROM ({groups})")  # noqa: S608
    return int(most)


def _extents(
    connection: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[SealedColumn]
) -> dict[str, _Extent]:
    asked = [question for column in columns for question in _questions(column)]
    answers = _ask(connection, source, ["count(*)", *asked])
    rows = next(answers)
    found = {}
    for column in columns:
        filled, distinct = next(answers), next(answers)
        lower, upper = (next(answers), next(answers)) if column.type.is_number else (None, None)
        if "inf" in f"{lower}{upper}" or "nan" in f"{lower}{upper}":
            lower, upper = _finite_extent(connection, source, column)
        found[column.name] = _Extent(
            distinct=distinct, has_empty=filled < rows, lower=lower, upper=upper
        )
    return found


def _questions(column: SealedColumn) -> list[str]:
    # No FILTER: each one copies all columns of the rows that it keeps, thousands of times here.
    value = column.expression
    questions = [f"count({value})", f"approx_count_distinct({value})"]
    if column.type.is_number:
        questions += [f"CAST({which}({value}) AS VARCHAR)" for which in ("min", "max")]
    return questions


def _finite_extent(
    connection: duckdb.DuckDBPyConnection, source: Source, column: SealedColumn
) -> tuple[str | None, str | None]:
    numbers = f"SELECT {column.expression} AS n FROM {source.everything}"  # noqa: S608 - quoted
    sql = (
        "SELECT CAST(min(n) AS VARCHAR), CAST(max(n) AS VARCHAR) "  # noqa: S608 - our own
        f"FROM ({numbers}) WHERE isfinite(CAST(n AS DOUBLE))"
    )
    ((lower, upper),) = fetch(connection, sql)
    return lower, upper


def _with_few_values(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    columns: Iterable[SealedColumn],
    extents: dict[str, _Extent],
) -> Iterator[str]:
    perhaps = [column for column in columns if extents[column.name].distinct <= _SURELY_MANY]
    for start in range(0, len(perhaps), _COUNTED_AT_ONCE):
        some = perhaps[start : start + _COUNTED_AT_ONCE]
        for number, distinct, least in _counted(connection, source, some):
            if distinct <= MOST_GROUPS and least >= LEAST_ROWS_A_GROUP:
                yield some[number].name


def _counted(
    connection: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[SealedColumn]
) -> list[tuple[Any, ...]]:
    # Not histogram(), which keeps memory for every row.
    values = ", ".join(f"CAST({column.expression} AS VARCHAR)" for column in columns)
    unfolded = (
        f"SELECT unnest(range({len(columns)})) AS k, unnest([{values}]) AS v "  # noqa: S608 - quoted
        f"FROM {source.everything}"
    )
    groups = f"SELECT k, count(*) AS n FROM ({unfolded}) WHERE v IS NOT NULL GROUP BY k, v"  # noqa: S608
    return fetch(connection, f"SELECT k, count(*), min(n) FROM ({groups}) GROUP BY k")  # noqa: S608


def _ask(
    connection: duckdb.DuckDBPyConnection, source: Source, questions: Sequence[str]
) -> Iterator[Any]:
    sql = f"SELECT {', '.join(questions)} FROM {source.everything}"  # noqa: S608 - quoted
    return iter(fetch(connection, sql)[0])
