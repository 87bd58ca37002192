# SPDX-License-Identifier: Apache-2.0
"""Generate the row-level SQL of an admitted query: no byte of the analyst's text is in it.

Names come from the catalog and are quoted; every produced column has an opaque
name behind a per-run secret prefix, so no column can be taken for the unit's. Values
are typed literals or prepared parameters.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from cleanroom.admission.measures import grid_of
from cleanroom.admission.tree import (
    AdmittedQuery,
    Argument,
    ArgumentKind,
    Comparison,
    Condition,
    JoinEquality,
    Operand,
    Parameter,
    Scan,
    SourceColumn,
)
from cleanroom.contract.types import ColumnType, split_lineage
from cleanroom.errors import MalformedError

_PREFIX = re.compile(r"[a-z][a-z0-9]{7,47}_")
_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


_LAST_MOMENT = {"date": "9999-12-31", "timestamp": "9999-12-31 23:59:59.999999"}


def generate(admitted: AdmittedQuery, *, prefix: str) -> str:
    """Write the base SELECT: columns ``<prefix>k0..``, ``<prefix>a0..``, ``<prefix>u0..``.

    Raises:
        MalformedError: The prefix is not a secret of the expected form.
    """
    if not _PREFIX.fullmatch(prefix):
        raise MalformedError(
            "prefix: found another form, agreed 8 to 48 letters and digits and an underscore",
            code="admission.prefix",
        )
    writer = _Writer(prefix)
    return "\n".join(
        (
            f"SELECT {', '.join(writer.outputs(admitted))}",
            f"FROM {writer.scan(admitted.scans[0], admitted)}",
            *(writer.join(scan, admitted) for scan in admitted.scans[1:]),
            *writer.where(
                [item for item in admitted.conditions if not _in_look_up(item, admitted)]
            ),
        )
    )


def engine_type(kind: ColumnType) -> str:
    """Name the engine's type of a column."""
    if kind.decimal:
        return f"DECIMAL({kind.decimal[0]},{kind.decimal[1]})"
    return _TYPES[kind]


def quote(name: str) -> str:
    """Quote an identifier; a quote inside is doubled although no name may hold one."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object, kind: ColumnType) -> str:
    """Write a typed literal; the cast is of a constant of the column's own type."""
    return f"CAST({_text(value)} AS {engine_type(kind)})"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"'{value:f}'"
    if isinstance(value, dt.date):  # a datetime is a date too
        return f"'{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"


class _Writer:
    """Writes clauses behind one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def outputs(self, admitted: AdmittedQuery) -> list[str]:
        keys = [
            f"{self._column(key.source)} AS {self._name('k', i)}"
            for i, key in enumerate(admitted.keys)
        ]
        arguments = [
            f"{self._argument(argument)} AS {self._name('a', i)}"
            for i, argument in enumerate(admitted.arguments)
        ]
        # The scans of one unit are equal by the join, so the first stands for all.
        units = [
            f"{self._column(unit.source)} AS {self._name('u', i)}"
            for i, unit in enumerate(admitted.units)
        ]
        return [*keys, *arguments, *units] or ["1"]

    def scan(self, scan: Scan, admitted: AdmittedQuery) -> str:
        """Write one dataset: declared types, opaque names, no row without its unit."""
        name = self._name("s", scan.index)
        columns = _columns_of(scan, admitted)
        if scan.unit or admitted.public:
            return f"({self._rows(scan, columns)}) AS {name}"
        return f"({self._look_up(scan, columns, admitted)}) AS {name}"

    def _rows(self, scan: Scan, columns: Mapping[str, ColumnType]) -> str:
        listed = ", ".join(
            f"{_typed(name, kind)} AS {self._opaque(scan.index, name)}"
            for name, kind in sorted(columns.items())
        )
        owner, table = split_lineage(scan.lineage)
        # A NULL unit is counted by nobody although its row would count.
        kept = f" WHERE {quote(scan.unit)} IS NOT NULL" if scan.unit else ""
        # Every name is quoted and comes from the catalog.
        return f"SELECT {listed or '1'} FROM {quote(owner)}.{quote(table)}{kept}"  # noqa: S608

    def _look_up(
        self, scan: Scan, columns: Mapping[str, ColumnType], admitted: AdmittedQuery
    ) -> str:
        """Write a public dataset that protected rows are looked up in.

        Rows that agree in what the query joins and groups by count once. Repeated rows would
        be weights: with a million copies of common diagnoses and a thousand of a rare one,
        the digits of one count spell how often each occurs.
        """
        mine = [item for item in admitted.conditions if item.column.scan == scan.index]
        kept = {key.source for key in admitted.keys}
        kept |= {column for join in admitted.joins for column in (join.earlier, join.later)}
        names = sorted({item.column.name for item in kept if item.scan == scan.index})
        listed = ", ".join(self._opaque(scan.index, name) for name in names)
        source = f"({self._rows(scan, columns)}) AS {self._name('s', scan.index)}"
        where = " ".join(self.where(mine))
        return f"SELECT DISTINCT {listed} FROM {source} {where}"  # noqa: S608

    def join(self, scan: Scan, admitted: AdmittedQuery) -> str:
        equalities = " AND ".join(
            self._equality(join) for join in admitted.joins if join.later.scan == scan.index
        )
        return f"JOIN {self.scan(scan, admitted)} ON {equalities}"

    def where(self, conditions: Sequence[Condition]) -> list[str]:
        if not conditions:
            return []
        return ["WHERE " + " AND ".join(f"({self._condition(item)})" for item in conditions)]

    def _equality(self, join: JoinEquality) -> str:
        return f"{self._column(join.earlier)} = {self._column(join.later)}"

    def _condition(self, condition: Condition) -> str:
        column = self._column(condition.column)
        operands = [_operand(item, condition.column.type) for item in condition.operands]
        if condition.comparison in {Comparison.IS_NULL, Comparison.IS_NOT_NULL}:
            return f"{column} {condition.comparison.value}"
        if condition.comparison is Comparison.IN:
            return f"{column} IN ({', '.join(operands)})"
        if condition.comparison is Comparison.BETWEEN:
            return f"{column} BETWEEN {operands[0]} AND {operands[1]}"
        return f"{column} {condition.comparison.value} {operands[0]}"

    def _argument(self, argument: Argument) -> str:
        column = self._column(argument.source)
        if argument.kind is ArgumentKind.MEASURE:
            return f"TRY({_measure(column, argument.source)})"
        if argument.kind is ArgumentKind.DISTINCT:
            return column
        present = f"{column} IS NOT NULL"
        if argument.source.type == "double":
            present = f"isfinite({column})"
        return f"CASE WHEN {present} THEN 1 END"

    def _column(self, column: SourceColumn) -> str:
        return self._scan_column(column.scan, column.column.name)

    def _scan_column(self, scan: int, name: str) -> str:
        return f"{self._name('s', scan)}.{self._opaque(scan, name)}"

    def _opaque(self, scan: int, name: str) -> str:
        return quote(f"{self._prefix}c{scan}_{name}")

    def _name(self, kind: str, index: int) -> str:
        return quote(f"{self._prefix}{kind}{index}")


def _typed(name: str, kind: ColumnType) -> str:
    """Write a column in its declared type; values that have none are absent.

    Days that the calendar of a receiver cannot tell apart, infinity among them, are absent
    as well: two group keys that arrive as one would make an error that tells about rows.
    """
    value = f"TRY_CAST({quote(name)} AS {engine_type(kind)})"
    last = _LAST_MOMENT.get(kind)
    if last is None:
        return value
    first = f"{engine_type(kind)} '0001-01-01'"
    return f"CASE WHEN {value} BETWEEN {first} AND {engine_type(kind)} '{last}' THEN {value} END"


def _measure(column: str, source: SourceColumn) -> str:
    """Clamp a measure to its bounds, on its exact grid; NaN and infinity become NULL."""
    grid = grid_of(source)
    target = f"DECIMAL({grid.precision},{grid.scale})"
    bounded = ColumnType("double" if source.type == "double" else f"decimal(38,{grid.scale})")
    lower, upper = literal(grid.lower, bounded), literal(grid.upper, bounded)
    wide = column if source.type == "double" else f"CAST({column} AS {engine_type(bounded)})"
    clamped = f"CAST(least(greatest({wide}, {lower}), {upper}) AS {target})"
    # least and greatest pass over NULL, which would turn an absent value into a bound.
    present = f"isfinite({column})" if source.type == "double" else f"{column} IS NOT NULL"
    return f"CASE WHEN {present} THEN {clamped} END"


def _operand(operand: Operand, kind: ColumnType) -> str:
    if isinstance(operand, Parameter):
        # A bound integer may not fit a narrow decimal: then it equals no value of it.
        return f"TRY_CAST(${operand.name} AS {engine_type(kind)})"
    return literal(operand, kind)


def _in_look_up(condition: Condition, admitted: AdmittedQuery) -> bool:
    return not admitted.public and not admitted.scans[condition.column.scan].unit


def _columns_of(scan: Scan, admitted: AdmittedQuery) -> dict[str, ColumnType]:
    used = [condition.column for condition in admitted.conditions]
    used += [key.source for key in admitted.keys]
    used += [argument.source for argument in admitted.arguments]
    used += [column for join in admitted.joins for column in (join.earlier, join.later)]
    used += [unit.source for unit in admitted.units]
    return {column.column.name: column.type for column in used if column.scan == scan.index}
