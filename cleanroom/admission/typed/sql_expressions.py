# SPDX-License-Identifier: Apache-2.0
"""Write expressions as SQL: from the typed tree alone, every name quoted, every literal typed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal

from cleanroom.admission.typed.expr import (
    INTERVAL,
    Call,
    Case,
    Cast,
    Expr,
    Interval,
    Literal,
    Param,
    Ref,
)
from cleanroom.admission.typed.measures import MeasureGrid
from cleanroom.contract.types import ColumnType

Name = Callable[[int], str]

_TYPES: Mapping[str, str] = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "null": "VARCHAR",
}
_INFIX = frozenset(
    {"+", "-", "*", "=", "<>", "<", "<=", ">", ">=", "and", "or", "||", "like", "ilike"}
    | {"is distinct from", "is not distinct from"}
)
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%"})
# What can raise an error on some value; an error of one row would tell about that row.
_FAILING = _ARITHMETIC | {
    "negate", "round", "floor", "ceil", "date_trunc", "date_part", "date_diff", "time_bucket",
    "make_date", "left", "right", "substr", "dayname", "monthname", "strftime", "sqrt", "ln",
    "log10", "exp", "pow", "abs",
}  # fmt: skip


def engine_type(kind: str) -> str:
    """Name the engine's type of a value."""
    decimal = ColumnType(kind).decimal if kind.startswith("decimal(") else None
    return f"DECIMAL({decimal[0]},{decimal[1]})" if decimal else _TYPES[kind]


def quote(name: str) -> str:
    """Quote an identifier; a quote inside is doubled although no name may hold one."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object, kind: str) -> str:
    """Write a typed literal; the cast is of a constant of the literal's own type."""
    if isinstance(value, Interval):
        return (
            f"(to_months({value.months}) + to_days({value.days}) + to_microseconds({value.micros}))"
        )
    return f"CAST({_text(value)} AS {engine_type(kind)})"


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"'{value:f}'"
    if isinstance(value, dt.date):  # a datetime is a date too
        return f"'{value.isoformat()}'"
    return "'" + str(value).replace("'", "''") + "'"


class ExpressionWriter:
    """Writes expressions over columns with the names of one statement."""

    def __init__(self, name: Name) -> None:
        """Take what names a column."""
        self._name = name

    def write(self, expr: Expr) -> str:
        """Write an expression that gives NULL, or is unknown, where its evaluation fails.

        Every operation that can fail stands under a TRY of its own. The engine computes what
        occurs twice beforehand, outside of any TRY that is further out; but it never takes
        apart a TRY whose whole content occurs again.
        """
        match expr:
            case Ref():
                return self._name(expr.column)
            case Literal():
                return literal(expr.value, expr.type)
            case Param():
                # A bound integer may not fit a narrow decimal: then it equals no value of it.
                return f"TRY_CAST(${expr.name} AS {engine_type(expr.type)})"
            case Cast():
                return f"TRY_CAST({self.write(expr.child)} AS {engine_type(expr.type)})"
            case Case():
                return self._case(expr)
            case _:
                text = self._call(expr)
                return f"TRY({text})" if _can_fail(expr) else text

    def measure(self, expr: Expr, grid: MeasureGrid) -> str:
        """Clamp a number to its bounds, on its exact grid; NaN and infinity become NULL."""
        value = self.write(expr)
        target = f"DECIMAL({grid.precision},{grid.scale})"
        exact = expr.type == "integer" or expr.type.startswith("decimal(")
        bounds = f"decimal(38,{grid.scale})" if exact else "double"
        lower, upper = literal(grid.lower, bounds), literal(grid.upper, bounds)
        wide = f"TRY_CAST({value} AS {engine_type(bounds)})" if exact else value
        clamped = f"CAST(least(greatest({wide}, {lower}), {upper}) AS {target})"
        # least and greatest pass over NULL, which would turn an absent value into a bound.
        present = f"({wide}) IS NOT NULL" if exact else f"isfinite({value})"
        return f"TRY(CASE WHEN {present} THEN {clamped} END)"

    def _case(self, expr: Case) -> str:
        arms = " ".join(
            f"WHEN {self.write(condition)} THEN {self.write(value)}"
            for condition, value in expr.arms
        )
        return f"CASE {arms} ELSE {self.write(expr.otherwise)} END"

    def _call(self, expr: Call) -> str:
        if expr.function in _ARITHMETIC:
            return self._arithmetic(expr)
        args = [self.write(arg) for arg in expr.args]
        if expr.function in _COUNTED:
            # Digits and lengths: the engine wants narrow integers, and admission constants.
            args[1:] = [str(arg.value) for arg in expr.args[1:] if isinstance(arg, Literal)]
        if expr.function in _INFIX:
            return "(" + f" {expr.function} ".join(args) + ")"
        special = _SPECIAL.get(expr.function)
        if special:
            return special(args, expr)
        call = f"{expr.function}({', '.join(args)})"
        # Typed numbers: the engine's own types of rounded values are wider.
        return f"CAST({call} AS {engine_type(expr.type)})" if expr.function in _CAST else call

    def _arithmetic(self, expr: Call) -> str:
        args = [self._operand(arg) for arg in expr.args]
        if expr.function in {"/", "//", "%"}:
            # Dividing by zero raises in the engine; nothing is what it means here.
            args[1] = f"nullif({args[1]}, 0)"
        if expr.type == "date":
            # Days are added to dates as narrow integers only.
            args[1] = f"CAST({args[1]} AS INTEGER)"
        text = "(" + f" {expr.function} ".join(args) + ")"
        wanted = expr.function == "//" or expr.type == "date"
        return f"CAST({text} AS {engine_type(expr.type)})" if wanted else text

    def _operand(self, arg: Expr) -> str:
        text = self.write(arg)
        # Products of decimals may have more digits than the engine has.
        return f"CAST({text} AS DOUBLE)" if arg.type.startswith("decimal(") else text


def _can_fail(expr: Call) -> bool:
    return expr.function in _FAILING or any(arg.type == INTERVAL for arg in expr.args)


def _between(args: list[str], _: Call) -> str:
    return f"({args[0]} BETWEEN {args[1]} AND {args[2]})"


def _in(args: list[str], _: Call) -> str:
    return f"({args[0]} IN ({', '.join(args[1:])}))"


def _present(args: list[str], expr: Call) -> str:
    if expr.args[0].type == "double":
        return f"coalesce(isfinite({args[0]}), FALSE)"
    return f"({args[0]} IS NOT NULL)"


_COUNTED = frozenset({"round", "left", "right", "substr"})
_CAST = frozenset({"floor", "ceil", "round", "date_part", "date_diff"})
_SPECIAL: Mapping[str, Callable[[list[str], Call], str]] = {
    "negate": lambda args, _: f"(- {args[0]})",
    "not": lambda args, _: f"(NOT {args[0]})",
    "holds": lambda args, _: f"coalesce({args[0]}, FALSE)",
    "is null": lambda args, _: f"({args[0]} IS NULL)",
    "is not null": lambda args, _: f"({args[0]} IS NOT NULL)",
    "present": _present,
    "between": _between,
    "in": _in,
    "unit_or": lambda args, _: f"coalesce(CAST({args[0]} AS VARCHAR), CAST({args[1]} AS VARCHAR))",
    "ends_with": lambda args, _: f"suffix({args[0]}, {args[1]})",
}
