# SPDX-License-Identifier: Apache-2.0
"""Look at one's own file to draft its policy: which column identifies, which ones group.

Only the owner's machine sees values. What goes into the draft are names, types, and
bounds rounded to powers of ten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import click
import duckdb

from cleanroom.cli.looking import naming
from cleanroom.cli.remarks import remarks, unheard
from cleanroom.contract.draft import ColumnSketch, draft_policy, widened
from cleanroom.contract.policy import Unit, parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import SealedColumn, is_held, plan_columns, quoted, require_columns
from cleanroom.vault.session import fetch, sealing_session
from cleanroom.vault.source import Source, open_source

MOST_GROUPS = 100
LEAST_ROWS_A_GROUP = 10
_IDENTIFIER = re.compile(r".*(?:_key|_id|id|email|e_mail|phone|ssn|_no|_nr|number)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWishes:
    """What the owner says about a draft; the file says the rest.

    Attributes:
        dataset: Lineage, ``owner.table``.
        unit: Column that identifies the protected unit; empty means a guess.
        namespace: What identifiers of that column name; empty means the column's name.
        receivers: Who may receive results.
        joins: Datasets that it may be joined with.
    """

    dataset: str
    unit: str
    namespace: str
    receivers: tuple[str, ...]
    joins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    distinct: int
    least: int
    most: int


def suggest_policy(
    file: Path, wishes: PolicyWishes, *, remark: Callable[[str], None] = unheard
) -> bytes:
    """Draft a policy for a file, a folder of Parquet files or a table of a database.

    Args:
        file: The table.
        wishes: What the owner says.
        remark: Told what the draft costs the owner's analysts, column by column.

    Raises:
        MalformedError: It is no table that can be sealed, or a wish has not the form of its clause.
        click.UsageError: No column looks like an identifier and none was named.
    """
    with naming(file), sealing_session() as connection:
        source = open_source(file, connection, table=wishes.dataset.partition(".")[2])
        stated = {name: "string" for name, kind in source.columns if not is_held(kind)}
        for name in stated:
            remark(f"column {name} is sealed as a string: data seal --type {name}=string")
        planned = _planned(source, stated)
        columns = tuple((column.name, column.type) for column in planned)
        counts = {name: _count(connection, source, name) for name, _ in columns}
        unit = _unit(wishes, columns, counts)
        sketches = {
            column.name: _sketch(connection, source, column, counts=counts[column.name])
            for column in planned
            if column.name != unit.column
        }
        empty = {column.name for column in planned if _has_empty_cells(connection, source, column)}
    terms = draft_policy(
        dataset=wishes.dataset,
        columns=columns,
        unit=unit,
        sketches={name: sketch for name, sketch in sketches.items() if sketch is not None},
        receivers=wishes.receivers,
        joins=wishes.joins,
    )
    for sentence in remarks(terms, empty=empty):
        remark(sentence)
    draft = render_policy(terms)
    # What was asked for on the command line is in it: a draft that nobody can seal with is none.
    parse_policy(draft, what="draft")
    return draft


def _planned(source: Source, stated: Mapping[str, str]) -> tuple[SealedColumn, ...]:
    names = frozenset(name for name, _ in source.columns)
    require_columns(names, agreed=names)
    types = source.measure(stated=()).types
    return plan_columns(source.columns, types=types, stated=stated, normalisation={})


def _count(connection: duckdb.DuckDBPyConnection, source: Source, name: str) -> _Counts:
    column = quoted(name)
    groups = (
        f"SELECT count(*) AS n FROM ({source.everything}) "  # noqa: S608 - quoted
        f"WHERE {column} IS NOT NULL GROUP BY {column}"
    )
    extent = f"SELECT count(*), coalesce(min(n), 0), coalesce(max(n), 0) FROM ({groups})"  # noqa: S608
    ((distinct, least, most),) = fetch(connection, extent)
    return _Counts(distinct=distinct, least=least, most=most)


def _has_empty_cells(
    connection: duckdb.DuckDBPyConnection, source: Source, column: SealedColumn
) -> bool:
    values = f"SELECT {column.expression} AS v FROM ({source.everything})"  # noqa: S608 - quoted
    ((found,),) = fetch(connection, f"SELECT count(*) > count(v) FROM ({values})")  # noqa: S608
    return bool(found)


def _unit(
    wishes: PolicyWishes,
    columns: Sequence[tuple[str, ColumnType]],
    counts: dict[str, _Counts],
) -> Unit:
    column = wishes.unit or _guess([name for name, _ in columns], counts)
    most = counts[column].most if column in counts else 1
    one_row = most <= 1
    return Unit(
        kind="person",
        namespace=wishes.namespace or column,
        column=column,
        one_row=one_row,
        max_rows=1 if one_row else int(widened(Fraction(0), Fraction(most))[1]),
    )


def _guess(names: Sequence[str], counts: dict[str, _Counts]) -> str:
    # An identifier that repeats names somebody with several rows; one that never
    # repeats may only number the rows, so it is the second choice.
    candidates = [name for name in names if _IDENTIFIER.fullmatch(name)]
    repeated = [name for name in candidates if counts[name].most > 1]
    if not candidates:
        raise click.UsageError("no column looks like an identifier; name it with --unit COLUMN")
    return (repeated or candidates)[0]


def _sketch(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    column: SealedColumn,
    *,
    counts: _Counts,
) -> ColumnSketch | None:
    few = 0 < counts.distinct <= MOST_GROUPS and counts.least >= LEAST_ROWS_A_GROUP
    if few or not column.type.is_number or _IDENTIFIER.fullmatch(column.name):
        return ColumnSketch(few_values=True) if few else None
    # A text file holds text: only the converted value is ordered as a number.
    numbers = f"SELECT {column.expression} AS n FROM ({source.everything})"  # noqa: S608 - quoted
    sql = (
        "SELECT CAST(min(n) AS VARCHAR), CAST(max(n) AS VARCHAR) "  # noqa: S608 - our own
        f"FROM ({numbers}) WHERE isfinite(CAST(n AS DOUBLE))"
    )
    ((lower, upper),) = fetch(connection, sql)
    return ColumnSketch(few_values=False, lower=Fraction(lower or 0), upper=Fraction(upper or 0))
