# SPDX-License-Identifier: Apache-2.0
"""Literal values and parameters: typed here, so that the engine never converts one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from cleanroom.admission.expressions import refuse_expression, shown
from cleanroom.admission.node import PLACED, Shape, class_of, open_node
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.tree import Operand, Parameter, SourceColumn, Value
from cleanroom.contract.types import ParameterType

MAX_TEXT = 1024
MAX_INTEGER = 2**63 - 1

_CONSTANT = Shape(
    used=PLACED | {"literal"},
    neutral={"alias": "", "class": "CONSTANT", "type": "VALUE_CONSTANT"},
)
_PARAMETER = Shape(
    used=PLACED | {"identifier"},
    neutral={"alias": "", "class": "PARAMETER", "type": "VALUE_PARAMETER"},
)
_LITERAL = Shape(used=frozenset({"kind", "text"}), neutral={})
_CAST = Shape(
    used=PLACED | {"child", "type_expr"},
    neutral={"alias": "", "class": "CAST", "type": "OPERATOR_CAST", "try_cast": False},
)
_TYPE = Shape(
    used=PLACED | {"type_name", "qualified_name"},
    neutral={
        "alias": "",
        "class": "TYPE",
        "type": "TYPE",
        "catalog": "",
        "schema": "",
        "children": [],
    },
)
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
)
_TYPED_LITERALS = frozenset({"DATE", "TIMESTAMP"})

# Which parameter types a column of each type may meet.
_PARAMETERS: Mapping[str, frozenset[ParameterType]] = {
    "string": frozenset({ParameterType.STRING}),
    "integer": frozenset({ParameterType.INTEGER}),
    "decimal": frozenset({ParameterType.INTEGER}),
    "double": frozenset({ParameterType.INTEGER}),
    "date": frozenset({ParameterType.DATE}),
    "timestamp": frozenset({ParameterType.DATE}),
}


def is_operand(node: object) -> bool:
    """Tell whether a node could be a literal or a parameter, rightly written or not."""
    if isinstance(node, dict) and class_of(node) == "CAST":
        return is_operand(node.get("child"))
    return class_of(node) in {"CONSTANT", "PARAMETER"}


def lower_operand(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    column: SourceColumn,
    parameters: Mapping[str, ParameterType],
    place: Place,
) -> Operand:
    """Lower a literal or parameter that meets a column.

    Raises:
        QueryRefusedError: Another expression, or a value of another type than the column's.
    """
    kind = class_of(node)
    if kind == "PARAMETER":
        return _lower_parameter(node, column=column, parameters=parameters, place=place)
    if kind == "CAST":
        return _read_literal(*_typed_literal(node, place=place), column=column, place=place)
    if kind != "CONSTANT":
        refuse_expression(node, place=place)
    return _read_literal(*_plain_literal(node, place=place), column=column, place=place)


def _lower_parameter(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    column: SourceColumn,
    parameters: Mapping[str, ParameterType],
    place: Place,
) -> Parameter:
    name = open_node(node, _PARAMETER, place=place)["identifier"]
    if not isinstance(name, str) or name not in parameters:
        refuse(
            "parameter",
            f"the parameter {shown(name)}, which the query document does not declare",
            fix="declare the parameter with all its values, and write it $name",
            place=place,
        )
    if parameters[name] not in _PARAMETERS.get(_family(column), frozenset()):
        _refuse_type(column, found=f"a {parameters[name].value} parameter", place=place)
    return Parameter(name=name)


def _plain_literal(node: object, *, place: Place) -> tuple[str, str]:
    literal = open_node(node, _CONSTANT, place=place)["literal"]
    opened = open_node(literal, _LITERAL, place=place)
    return opened["kind"], opened["text"]


def _typed_literal(node: object, *, place: Place) -> tuple[str, str]:
    """Read ``DATE '2026-01-31'``, which the engine writes as a cast of a string."""
    cast = open_node(node, _CAST, place=place)
    child = cast["child"]
    if class_of(child) != "CONSTANT":
        refuse_expression(node, place=place)
    named = open_node(cast["type_expr"], _TYPE, place=place)
    kind, text = _plain_literal(child, place=place)
    type_name = str(named["type_name"]).upper()
    if (
        type_name not in _TYPED_LITERALS
        or named["qualified_name"] != {"path": [named["type_name"]]}
        or kind != "STRING"
    ):
        refuse_expression(node, place=place)
    return type_name, text


def _read_literal(kind: object, text: object, *, column: SourceColumn, place: Place) -> Value:
    reader = _READERS.get(_family(column))
    value = reader(str(kind), str(text), column) if reader else None
    if value is None:
        _refuse_type(column, found=_described(kind), place=place)
    return value


def _described(kind: object) -> str:
    if kind == "NULL_LITERAL":
        return "NULL (write IS NULL)"
    return f"a literal that is not a {str(kind).lower()} of this form"


def _family(column: SourceColumn) -> str:
    return "decimal" if column.type.decimal else str(column.type)


def _refuse_type(column: SourceColumn, *, found: str, place: Place) -> NoReturn:
    refuse(
        "type",
        f"{column.reference} is a {column.type} and meets {found}",
        fix=f"write a {column.type} value",
        place=place,
        column=column.reference,
    )


def _boolean(kind: str, text: str, _: SourceColumn) -> Value | None:
    return {"true": True, "false": False}.get(text.lower()) if kind == "BOOLEAN" else None


def _integer(kind: str, text: str, _: SourceColumn) -> Value | None:
    # The engine keeps the source text, so 1_970 and 0x10 arrive here unread.
    if kind != "INTEGER" or not _INTEGER.fullmatch(text) or abs(int(text)) > MAX_INTEGER:
        return None
    return int(text)


def _decimal(kind: str, text: str, column: SourceColumn) -> Value | None:
    if kind not in {"INTEGER", "NUMERIC"} or not _NUMBER.fullmatch(text):
        return None
    whole, _, fraction = text.lstrip("-").partition(".")
    precision, scale = column.type.decimal or (38, 38)
    if len(whole.lstrip("0")) > precision - scale or len(fraction.rstrip("0")) > scale:
        return None
    return Decimal(text)


def _double(kind: str, text: str, _: SourceColumn) -> Value | None:
    if kind not in {"INTEGER", "NUMERIC"} or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text)


def _string(kind: str, text: str, _: SourceColumn) -> Value | None:
    fits = kind == "STRING" and len(text) <= MAX_TEXT and text.isprintable()
    return text if fits else None


def _date(kind: str, text: str, _: SourceColumn) -> Value | None:
    if kind not in {"STRING", "DATE"} or not _DATE.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _timestamp(kind: str, text: str, _: SourceColumn) -> Value | None:
    known = _DATE.fullmatch(text) or _TIMESTAMP.fullmatch(text)
    if kind not in {"STRING", "DATE", "TIMESTAMP"} or not known:
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[str, str, SourceColumn], Value | None]] = {
    "boolean": _boolean,
    "integer": _integer,
    "decimal": _decimal,
    "double": _double,
    "string": _string,
    "date": _date,
    "timestamp": _timestamp,
}
