# SPDX-License-Identifier: Apache-2.0
"""Constants: literals and parameters, typed here so that the engine never converts one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import PLACED, Shape, class_of, open_node, unknown
from cleanroom.admission.typed.expr import INTERVAL, Expr, Interval, Literal, Param, Value
from cleanroom.contract.types import ColumnType, ParameterType

MAX_TEXT = 1024
MAX_INTEGER = 2**63 - 1

CAST = Shape(
    used=PLACED | {"child", "type_expr", "try_cast"},
    neutral={"alias": "", "class": "CAST", "type": "OPERATOR_CAST"},
)
TYPE = Shape(
    used=PLACED | {"type_name", "qualified_name"},
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "TYPE", "type": "TYPE", "catalog": "", "schema": ""},
)
_CONSTANT = Shape(
    used=PLACED | {"literal"},
    neutral={"alias": "", "class": "CONSTANT", "type": "VALUE_CONSTANT"},
)
_PARAMETER = Shape(
    used=PLACED | {"identifier"},
    neutral={"alias": "", "class": "PARAMETER", "type": "VALUE_PARAMETER"},
)
_LITERAL = Shape(used=frozenset({"kind", "text"}), neutral={})
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{0,38})?(?:[eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
)
_SPAN = re.compile(
    r"([0-9]{1,6}) (second|minute|hour|day|week|month|quarter|year)s?", re.IGNORECASE
)
_TYPED_LITERALS = {"DATE": "date", "TIMESTAMP": "timestamp", "INTERVAL": INTERVAL}
_SPANS: Mapping[str, Interval] = {
    "second": Interval(micros=1_000_000),
    "minute": Interval(micros=60_000_000),
    "hour": Interval(micros=3_600_000_000),
    "day": Interval(days=1),
    "week": Interval(days=7),
    "month": Interval(months=1),
    "quarter": Interval(months=3),
    "year": Interval(months=12),
}

# Which parameter types a value of each type may meet.
_PARAMETERS: Mapping[str, frozenset[ParameterType]] = {
    "string": frozenset({ParameterType.STRING}),
    "integer": frozenset({ParameterType.INTEGER}),
    "decimal": frozenset({ParameterType.INTEGER}),
    "double": frozenset({ParameterType.INTEGER}),
    "date": frozenset({ParameterType.DATE}),
    "timestamp": frozenset({ParameterType.DATE}),
}


def typed_literal(node: Any, *, place: Place) -> tuple[str, str] | None:  # noqa: ANN401
    """Read ``DATE '2026-01-31'``, which the engine writes as a cast of a string."""
    if class_of(node) != "CAST" or class_of(node.get("child")) != "CONSTANT":
        return None
    kind, text = _plain_literal(node["child"], place=place)
    type_name = str(node.get("type_expr", {}).get("type_name", "")).upper()
    if kind != "STRING" or type_name not in _TYPED_LITERALS or node.get("try_cast") is True:
        return None
    cast = open_node(node, CAST, place=place)
    named = open_node(cast["type_expr"], TYPE, place=place)
    bare = named["qualified_name"] == {"path": [named["type_name"]]} and named["children"] == []
    if not bare or cast["try_cast"] is not False:
        unknown("a typed literal of no known form", place=place)
    return _TYPED_LITERALS[type_name], text


def is_constant_node(node: Any) -> bool:  # noqa: ANN401 - the engine's JSON
    """Tell whether a node is a literal or a parameter, rightly written or not."""
    if class_of(node) == "CAST":
        return class_of(node.get("child")) == "CONSTANT"
    return class_of(node) in {"CONSTANT", "PARAMETER"}


def lower_constant(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    builder: Builder,
    wanted: str,
    place: Place,
) -> Expr:
    """Lower a literal or parameter.

    Args:
        node: The node.
        builder: Knows the declared parameters.
        wanted: The type that it must have; empty for its own.
        place: Where it stands.

    Raises:
        QueryRefusedError: A value of another type, or an undeclared parameter.
    """
    if class_of(node) == "PARAMETER":
        return _lower_parameter(node, builder=builder, wanted=wanted, place=place)
    typed = typed_literal(node, place=place)
    kind, text = typed or _plain_literal(node, place=place)
    if wanted == "":
        wanted = _own_type(kind, text)
    if wanted == "integer" and kind == "NUMERIC":
        wanted = "double"
    if kind == "NULL_LITERAL":
        return Literal(value=None, type=wanted)
    reader = _READERS.get(_family(wanted))
    value = reader(kind, text, wanted) if reader else None
    if value is None:
        _refuse_type(wanted, found=_described(kind), place=place)
    return Literal(value=value, type=wanted)


def read_integer(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    what: str,
    place: Place,
    quoted: bool = False,
) -> int:
    """Read an integer constant of the query's form, such as a LIMIT.

    Args:
        node: The constant.
        what: What it is, for a refusal.
        place: Where it stands.
        quoted: Whether it may be written as text, as in ``INTERVAL '7' DAY``.

    Raises:
        QueryRefusedError: Anything else.
    """
    if class_of(node) == "CONSTANT":
        kind, text = _plain_literal(node, place=place)
        kind = "INTEGER" if quoted and kind == "STRING" else kind
        value = _integer(kind, text, "integer")
        if isinstance(value, int):
            return value
    return refuse("constant", f"{what} that is no plain number", fix="write a number", place=place)


def _lower_parameter(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    builder: Builder,
    wanted: str,
    place: Place,
) -> Param:
    name = open_node(node, _PARAMETER, place=place)["identifier"]
    if not isinstance(name, str) or name not in builder.parameters:
        refuse(
            "parameter",
            f"the parameter {shown(name)}, which the query document does not declare",
            fix="declare it with all its values (--param NAME=VALUE,VALUE), and write it $name",
            place=place,
        )
    declared = builder.parameters[name]
    wanted = wanted or declared.value
    if declared not in _PARAMETERS.get(_family(wanted), frozenset()):
        _refuse_type(wanted, found=f"a {declared.value} parameter", place=place)
    builder.used_parameters.add(name)
    return Param(name=name, type=wanted)


def _plain_literal(node: object, *, place: Place) -> tuple[str, str]:
    literal = open_node(node, _CONSTANT, place=place)["literal"]
    opened = open_node(literal, _LITERAL, place=place)
    return str(opened["kind"]), str(opened["text"])


def _own_type(kind: str, text: str) -> str:
    if kind == "INTEGER":
        # More digits than 64 bits have are a double, as in the engine.
        return "integer" if _integer(kind, text, kind) is not None else "double"
    return {
        "NUMERIC": "double",
        "STRING": "string",
        "BOOLEAN": "boolean",
        "NULL_LITERAL": "null",
    }.get(kind, kind)


def _described(kind: str) -> str:
    return f"a literal that is not a {kind.lower()} of this form"


def _family(kind: str) -> str:
    return "decimal" if kind.startswith("decimal(") else kind


def _refuse_type(wanted: str, *, found: str, place: Place) -> NoReturn:
    refuse(
        "type",
        f"a value of type {wanted} meets {found}",
        fix=f"write a value of type {wanted}, or CAST the other side",
        place=place,
    )


def _boolean(kind: str, text: str, _: str) -> Value:
    return {"true": True, "false": False}.get(text.lower()) if kind == "BOOLEAN" else None


def _integer(kind: str, text: str, _: str) -> Value:
    # The engine keeps the source text, so 1_970 and 0x10 arrive here unread.
    if kind != "INTEGER" or not _INTEGER.fullmatch(text) or abs(int(text)) > MAX_INTEGER:
        return None
    return int(text)


def _decimal(kind: str, text: str, wanted: str) -> Value:
    value = _double(kind, text, wanted)
    precision, scale = ColumnType(wanted).decimal or (38, 38)
    if not isinstance(value, Decimal):
        return None
    whole, _, fraction = f"{value:f}".lstrip("-").partition(".")
    fits = len(whole.lstrip("0")) <= precision - scale and len(fraction.rstrip("0")) <= scale
    return value if fits else None


def _double(kind: str, text: str, _: str) -> Value:
    if kind not in {"INTEGER", "NUMERIC"} or not _NUMBER.fullmatch(text):
        return None
    value = Decimal(text)
    return value if abs(value) < Decimal(10) ** 38 else None


def _string(kind: str, text: str, _: str) -> Value:
    fits = kind == "STRING" and len(text) <= MAX_TEXT and text.isprintable()
    return text if fits else None


def _date(kind: str, text: str, _: str) -> Value:
    if kind not in {"STRING", "date"} or not _DATE.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _timestamp(kind: str, text: str, _: str) -> Value:
    known = _DATE.fullmatch(text) or _TIMESTAMP.fullmatch(text)
    if kind not in {"STRING", "date", "timestamp"} or not known:
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def span(count: int, step: str) -> Interval:
    """Return so many steps as a span of time."""
    one = _SPANS[step]
    return Interval(months=count * one.months, days=count * one.days, micros=count * one.micros)


def _interval(kind: str, text: str, _: str) -> Interval | None:
    match = _SPAN.fullmatch(text.strip())
    if kind not in {"STRING", INTERVAL} or not match:
        return None
    return span(int(match[1]), match[2].lower())


_READERS: Mapping[str, Callable[[str, str, str], Value | Interval]] = {
    "boolean": _boolean,
    "integer": _integer,
    "decimal": _decimal,
    "double": _double,
    "string": _string,
    "date": _date,
    "timestamp": _timestamp,
    INTERVAL: _interval,
}
