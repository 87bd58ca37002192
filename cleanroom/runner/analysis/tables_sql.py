# SPDX-License-Identifier: Apache-2.0
"""Generate what reads the tables of an analysis: declared columns, opaque units, parts.

A unit is told apart by a token, a keyed digest that is new in every run. Code never
sees an identifier, and cannot know which token a person of the outside world has.
Everything is quoted and comes from signed documents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from cleanroom.admission.analysis import UNIT, AdmittedAnalysis, AnalysisColumn, AnalysisInput
from cleanroom.admission.typed.sql_expressions import engine_type, literal, quote
from cleanroom.contract.analysis import MeasureColumn
from cleanroom.contract.policy_terms import Role
from cleanroom.contract.types import ColumnType, split_lineage

TOKEN_SALT = "token"  # noqa: S105 - the name of a parameter
PART_SALT = "part"
FRAME = "frame"

_TOKEN_DIGITS = 32  # of a SHA-256 in hexadecimal: 128 bits, no two people share one


def units_sql(admitted: AdmittedAnalysis, *, parts: int) -> str:
    """Write the statement that lists every unit with its part.

    Its columns are the part, and the token.
    """
    return (
        f"SELECT {_part('u0', parts)} AS part, {_token('u0', TOKEN_SALT)} AS {quote(UNIT)} "  # noqa: S608 - quoted
        f"FROM ({_people(admitted)}) ORDER BY ALL"
    )


def table_sql(admitted: AdmittedAnalysis, item: AnalysisInput, *, parts: int) -> str:
    """Write the statement that reads one table for one part of the units.

    Its columns are the part, the token of the unit and what the code may see. A public table
    has no units and is part 0 as a whole.
    """
    columns = [f"{_value(given)} AS {quote(given.column.name)}" for given in item.columns]
    if not item.unit:
        listed = ", ".join(["0 AS part", *columns])
        return f"SELECT {listed} FROM {_source(item)} ORDER BY ALL"  # noqa: S608 - quoted
    inner = ", ".join([f"CAST({quote(item.unit)} AS VARCHAR) AS u", *columns])
    names = "".join(f", r.{quote(given.column.name)}" for given in item.columns)
    # The order within a unit must not depend on who else is there, or a sum of
    # floating-point numbers would differ between two rounds.
    return (
        f"SELECT {_part('r.u', parts)} AS part, "  # noqa: S608 - quoted
        f"{_token('r.u', TOKEN_SALT)} AS {quote(UNIT)}{names} "
        f"FROM (SELECT {inner} FROM {_source(item)}) AS r "
        f"JOIN ({_people(admitted)}) AS p ON r.u = p.u0 ORDER BY ALL"
    )


def frame_sql(admitted: AdmittedAnalysis, *, frame: str, salt: str, prefix: str) -> str:
    """Write the base statement: one row a unit, from the frame that was checked.

    Its columns are those that disclosure knows: keys ``k``, arguments ``a`` and one unit
    column ``u`` for every owner's units.

    Args:
        admitted: The analysis.
        frame: Name of the frame's table, quoted.
        salt: Parameter that holds the secret of tokens.
        prefix: Secret of the statement's own names.
    """
    analysis = admitted.analysis
    keys = [
        f"f.{quote(group.name)} AS {quote(f'{prefix}k{index}')}"
        for index, group in enumerate(analysis.groups)
    ]
    arguments = [
        f"{_exact(measure)} AS {quote(f'{prefix}a{index}')}"
        for index, measure in enumerate(analysis.measures)
    ]
    units = [
        f"m.u{place} AS {quote(f'{prefix}u{index}')}"
        for index, (place, _) in enumerate(unit_inputs(admitted))
    ]
    people = _people(admitted)
    return (
        f"SELECT {', '.join([*keys, *arguments, *units])} "  # noqa: S608 - quoted
        f"FROM {frame} AS f "
        f"JOIN (SELECT *, {_token('u0', salt)} AS t FROM ({people})) AS m "
        f"ON f.{quote(UNIT)} = m.t"
    )


def unit_inputs(admitted: AdmittedAnalysis) -> tuple[tuple[int, AnalysisInput], ...]:
    """Return one protected table for each owner's kind of unit, with its place among all.

    Every unit of a frame is in all of them, so each place holds the same people.
    """
    found: dict[tuple[str, str], tuple[int, AnalysisInput]] = {}
    for place, item in enumerate(admitted.protected):
        owner, _ = split_lineage(item.lineage)
        found.setdefault((owner, item.namespace), (place, item))
    return tuple(found.values())


def engine_columns(columns: Iterable[tuple[str, ColumnType]]) -> tuple[tuple[str, str], ...]:
    """Name the engine's types of a frame's columns."""
    return tuple((name, engine_type(kind)) for name, kind in columns)


def _people(admitted: AdmittedAnalysis) -> str:
    """Write the units that every protected table knows: ``u0`` and so on, all equal."""
    first, *others = [_distinct(item) for item in admitted.protected]
    joins = "".join(
        f" JOIN {other} AS i{index} ON i0.u = i{index}.u" for index, other in enumerate(others, 1)
    )
    listed = ", ".join(f"i{index}.u AS u{index}" for index in range(len(others) + 1))
    return f"SELECT {listed} FROM {first} AS i0{joins}"  # noqa: S608 - quoted


def _distinct(item: AnalysisInput) -> str:
    unit = quote(item.unit)
    return (
        f"(SELECT CAST({unit} AS VARCHAR) AS u FROM {_source(item)} "  # noqa: S608 - quoted
        f"WHERE {unit} IS NOT NULL GROUP BY CAST({unit} AS VARCHAR))"
    )


def _source(item: AnalysisInput) -> str:
    owner, table = split_lineage(item.lineage)
    return f"{quote(owner)}.{quote(table)}"


def _token(unit: str, salt: str) -> str:
    return f"left(sha256(${salt}::VARCHAR || {unit}), {_TOKEN_DIGITS})"


def _part(unit: str, parts: int) -> str:
    # A party must not be able to choose identifiers that always land beside a victim.
    return f"(hash(sha256(${PART_SALT}::VARCHAR || {unit})) % {parts})::INTEGER"


def _value(given: AnalysisColumn) -> str:
    """Write one column as code sees it: a measure within the bounds that its policy declares."""
    name, column, kind = quote(given.column.name), given.column, given.type
    if column.role is not Role.MEASURE or column.lower is None or column.upper is None:
        return name
    least, most = _bounds(column.lower, column.upper, kind)
    # least and greatest pass over NULL, which would turn an absent value into a bound.
    present = f"isfinite({name})" if kind == "double" else f"{name} IS NOT NULL"
    clamped = f"CAST(least(greatest({name}, {least}), {most}) AS {engine_type(kind)})"
    return f"CASE WHEN {present} THEN {clamped} END"


def _bounds(lower: Fraction, upper: Fraction, kind: ColumnType) -> tuple[str, str]:
    if kind == "double":
        return literal(repr(float(lower)), kind), literal(repr(float(upper)), kind)
    scale = kind.decimal[1] if kind.decimal else 0
    unit = 10**scale
    bounds = (math.ceil(lower * unit), math.floor(upper * unit))
    least, most = (
        literal(Decimal((bound < 0, _digits(bound), -scale)), f"decimal(38,{scale})")
        for bound in bounds
    )
    return least, most


def _digits(number: int) -> tuple[int, ...]:
    return tuple(map(int, str(abs(number))))


def _exact(measure: MeasureColumn) -> str:
    return f"CAST(f.{quote(measure.name)} AS DECIMAL(18,{measure.scale}))"
