# SPDX-License-Identifier: Apache-2.0
"""Columns of a source: their names, their types, and the SQL that seals each one.

Both sides must agree on names before any row is read: a column without a role in
the policy has no rule about what may leave, so it is never sealed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cleanroom.contract.types import COLUMN, ColumnType
from cleanroom.errors import MalformedError, RefusedError
from cleanroom.kernel.record import dataclass
from cleanroom.vault.normalise import normalised

# A plain TIMESTAMP cast of these would drop the zone instead of applying it.
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
_PLAIN = {
    "BOOLEAN": "boolean",
    "TINYINT": "integer",
    "SMALLINT": "integer",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "UTINYINT": "integer",
    "USMALLINT": "integer",
    "UINTEGER": "integer",
    "UBIGINT": "decimal(20,0)",
    # What the engine's own sums of integers are; the few values beyond 38 digits do not fit.
    "HUGEINT": "decimal(38,0)",
    "FLOAT": "double",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "UUID": "string",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    **dict.fromkeys(_ZONED, "timestamp"),
    "JSON": "string",
    # A column without any value has no type of its own in Arrow.
    '"NULL"': "string",
}
_ENGINE = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_ENUM = "ENUM("
_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(.*|.*\]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """One column as it will be sealed.

    Attributes:
        name: Its name, in the source and in the part.
        type: Its type in the part.
        expression: SQL over the source that gives its values.
        check: SQL that is true for a row whose value would be lost, or ``""``
            when the conversion cannot lose one.
    """

    name: str
    type: ColumnType
    expression: str
    check: str


def require_columns(found: Iterable[str], *, agreed: frozenset[str]) -> None:
    """Raise unless the source has exactly the columns of the policy.

    A file without a header row would show its first person as column names, so a
    name is quoted only if it is well formed and its neighbours are in the policy.

    Raises:
        MalformedError: A name cannot be a column name, or appears twice.
        RefusedError: A column is missing in the source or in the policy.
    """
    names = list(found)
    if not agreed.intersection(names):
        raise RefusedError(
            "source: none of its columns is in the policy",
            code="vault.columns",
            hint="a CSV file needs a first line with the column names that the policy uses",
        )
    for place, name in enumerate(names, start=1):
        if not re.fullmatch(COLUMN, name):
            raise MalformedError(
                f"source: the name of column {place} is not of the form [a-z_][a-z0-9_]*",
                code="vault.column-name",
                hint="rename it in lower case, at most 63 characters",
            )
    if len(set(names)) != len(names):
        raise MalformedError("source: two columns share a name", code="vault.column-name")
    _require_same(frozenset(names), agreed)


def _require_same(names: frozenset[str], agreed: frozenset[str]) -> None:
    if extra := sorted(names - agreed):
        raise RefusedError(
            f"source: column {extra[0]} has no role in the policy",
            code="vault.columns",
            hint="give it a role in policy.toml, 'blocked' if in doubt, or drop it from the source",
        )
    if missing := sorted(agreed - names):
        raise RefusedError(
            f"source: column {missing[0]} of the policy is missing",
            code="vault.columns",
            hint="add it to the source, or take it out of policy.toml",
        )


def plan_columns(
    found: Iterable[tuple[str, str]],
    *,
    types: Mapping[str, str],
    stated: Mapping[str, str],
    normalisation: Mapping[str, str],
) -> tuple[SealedColumn, ...]:
    """Decide type and conversion of each column.

    Args:
        found: Name and engine type of each source column.
        types: Types that were found in the values, where the engine type says less.
        stated: Types that the owner states; whether the values fit is not known yet.
        normalisation: Identifier rules.

    Raises:
        MalformedError: A type that parts cannot hold, a rule that is not known, or
            a type or rule for a column that the source does not have.
    """
    columns = tuple(found)
    for name in sorted({*stated, *normalisation} - {name for name, _ in columns}):
        raise MalformedError(
            f"column {name}: a type or a rule is given, and the source has no such column",
            code="vault.columns",
        )
    return tuple(
        _normalised_column(name, normalisation[name])
        if name in normalisation
        else _converted_column(name, engine_type, types.get(name), stated.get(name))
        for name, engine_type in columns
    )


def quoted(identifier: str) -> str:
    """Quote a name for SQL."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def conversion(value: str, kind: str, *, engine_type: str, attempt: bool = False) -> str:
    """Convert a SQL value to a column type; ``attempt`` gives NULL where it cannot be done."""
    cast = "TRY_CAST" if attempt else "CAST"
    if _NESTED.fullmatch(engine_type) and kind == "string":
        # The engine's own text of a list does not tell a missing value from the word NULL.
        return f"CAST(to_json({value}) AS VARCHAR)"
    if kind != "timestamp":
        return f"{cast}({value} AS {_ENGINE.get(kind, kind.upper())})"
    if engine_type.startswith("TIMESTAMP") and engine_type not in _ZONED:
        return f"{cast}({value} AS TIMESTAMP)"
    # A plain TIMESTAMP cast ignores an offset such as +02:00; through the zoned
    # type it is applied, and a text without one is read as UTC.
    return f"{cast}({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"


def is_held(engine_type: str) -> bool:
    """Tell whether parts hold values of a type as they are; others can be stated as strings."""
    decimal = _DECIMAL.fullmatch(engine_type)
    return bool(decimal) or engine_type in _PLAIN or engine_type.startswith(_ENUM)


def _normalised_column(name: str, rule: str) -> SealedColumn:
    text = f"CAST({quoted(name)} AS VARCHAR)"
    expression = normalised(text, rule=rule, column=name)
    return SealedColumn(name=name, type=ColumnType("string"), expression=expression, check="")


def _converted_column(
    name: str, engine_type: str, found: str | None, stated: str | None
) -> SealedColumn:
    known = stated or found
    kind = ColumnType(known, what=name) if known else _natural_type(name, engine_type)
    attempt = conversion(quoted(name), kind, engine_type=engine_type, attempt=True)
    return SealedColumn(
        name=name,
        type=kind,
        expression=conversion(quoted(name), kind, engine_type=engine_type),
        check=f"{quoted(name)} IS NOT NULL AND ({attempt}) IS NULL" if stated else "",
    )


def _natural_type(name: str, engine_type: str) -> ColumnType:
    if match := _DECIMAL.fullmatch(engine_type):
        return ColumnType(f"decimal({match[1]},{match[2]})")
    if not is_held(engine_type):
        how = "as JSON" if _NESTED.fullmatch(engine_type) else "as text"
        raise MalformedError(
            f"column {name}: parts hold no values of its type",
            code="vault.column-type",
            hint=f"seal it {how} with --type {name}=string, convert it, or drop it",
        )
    return ColumnType(_PLAIN.get(engine_type, "string"))
