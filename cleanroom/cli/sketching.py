# SPDX-License-Identifier: Apache-2.0
"""Look at one's own file to draft its policy: which column identifies, which ones group.

Only the owner's machine sees values. What goes into the draft are names, types, and
bounds rounded to powers of ten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import click

from cleanroom.cli.column_scan import Seen, most_rows_of_a_value, scan_columns
from cleanroom.cli.looking import naming
from cleanroom.cli.remarks import remarks, unheard
from cleanroom.contract.draft import ColumnSketch, draft_policy, widened
from cleanroom.contract.policy import Unit, parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.kernel.record import dataclass
from cleanroom.vault.columns import SealedColumn, is_held, plan_columns, require_columns
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import Source, open_source

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
        unit = _unit(wishes, planned, partial(most_rows_of_a_value, connection, source))
        seen = scan_columns(connection, source, planned)
    sketches = {
        column.name: _sketch(column, seen[column.name])
        for column in planned
        if column.name != unit.column
    }
    terms = draft_policy(
        dataset=wishes.dataset,
        columns=columns,
        unit=unit,
        sketches={name: sketch for name, sketch in sketches.items() if sketch is not None},
        receivers=wishes.receivers,
        joins=wishes.joins,
    )
    empty = {name for name, column in seen.items() if column.has_empty}
    for sentence in remarks(terms, empty=empty):
        remark(sentence)
    draft = render_policy(terms)
    # What was asked for on the command line is in it: a draft that nobody can seal with is none.
    parse_policy(draft, what="draft")
    return draft


def _planned(source: Source, stated: Mapping[str, str]) -> tuple[SealedColumn, ...]:
    names = [name for name, _ in source.columns]
    require_columns(names, agreed=frozenset(names))
    types = source.measure(stated=()).types
    return plan_columns(source.columns, types=types, stated=stated, normalisation={})


def _unit(
    wishes: PolicyWishes, columns: Sequence[SealedColumn], most_rows: Callable[[SealedColumn], int]
) -> Unit:
    column, most = _named(wishes.unit, columns, most_rows) or _guess(columns, most_rows)
    one_row = most <= 1
    return Unit(
        kind="person",
        namespace=wishes.namespace or column,
        column=column,
        one_row=one_row,
        max_rows=1 if one_row else int(widened(Fraction(0), Fraction(most))[1]),
    )


def _named(
    name: str, columns: Sequence[SealedColumn], most_rows: Callable[[SealedColumn], int]
) -> tuple[str, int] | None:
    # A name that no column has is refused by the draft, which lists those that there are.
    found = [column for column in columns if column.name == name]
    return (name, most_rows(found[0]) if found else 1) if name else None


def _guess(
    columns: Sequence[SealedColumn], most_rows: Callable[[SealedColumn], int]
) -> tuple[str, int]:
    # An identifier that repeats names somebody with several rows; one that never
    # repeats may only number the rows, so it is the second choice.
    candidates = [column for column in columns if _IDENTIFIER.fullmatch(column.name)]
    if not candidates:
        raise click.UsageError("no column looks like an identifier; name it with --unit COLUMN")
    counted = ((column.name, most_rows(column)) for column in candidates)
    repeated = next((found for found in counted if found[1] > 1), None)
    return repeated or (candidates[0].name, 1)


def _sketch(column: SealedColumn, seen: Seen) -> ColumnSketch | None:
    if seen.few_values:
        return ColumnSketch(few_values=True)
    if not column.type.is_number or _IDENTIFIER.fullmatch(column.name):
        return None
    return ColumnSketch(few_values=False, lower=seen.lower, upper=seen.upper)
