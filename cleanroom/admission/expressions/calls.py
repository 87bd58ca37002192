# SPDX-License-Identifier: Apache-2.0
"""Function calls and operators: from the allow-list, with arguments of the right types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.controls import as_condition, require_comparable
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.influence import is_number
from cleanroom.admission.context.types import NULL, common_type, require_type, typed_null
from cleanroom.admission.expressions.comparisons import Lower, compare
from cleanroom.admission.expressions.values import CAST, TYPE, read_integer, span
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import PLACED, Node, Shape, class_of, open_node, unknown
from cleanroom.admission.typed.expr import INTERVAL, Case, Expr, Literal, call
from cleanroom.admission.typed.functions import (
    AGGREGATE_ALIASES,
    FORMAT,
    FUNCTIONS,
    INSTEAD,
    PART_ALIASES,
    PARTS,
    SAME,
    STEPS,
    Function,
    is_aggregate,
)

MAX_ARGUMENTS = 64
_MOST_DIGITS = 12  # of a rounded number
_NUMBER_CASTS = ("DOUBLE", "INTEGER", "BIGINT")  # which leave the number of an interval as it is
NO_ORDER = {"type": "ORDER_MODIFIER", "orders": []}

FUNCTION = Shape(
    used=PLACED
    | {"function_name", "distinct", "qualified_name", "filter", "order_bys", "is_operator"},
    lists=frozenset({"arguments"}),
    neutral={
        "alias": "",
        "class": "FUNCTION",
        "type": "FUNCTION",
        "schema": "",
        "catalog": "",
        "export_state": False,
    },
    rules={
        "schema": ("function", "a qualified function name", "write the bare function name"),
        "catalog": ("function", "a qualified function name", "write the bare function name"),
    },
)
_ARGUMENT = Shape(used=frozenset({"expression"}), neutral={"name": ""})
_LIKES: Mapping[str, tuple[str, bool]] = {
    "~~": ("like", False),
    "!~~": ("like", True),
    "~~*": ("ilike", False),
    "!~~*": ("ilike", True),
}
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%"})
_POWERS = frozenset({"^", "**"})
_OPERATORS = frozenset({*_LIKES, *_ARITHMETIC, *_POWERS, "||"})
_SPAN_STEPS: Mapping[str, str] = {
    f"to_{step}s": step for step in ("second", "minute", "hour", "day", "week", "month", "year")
} | {"to_quarters": "quarter"}


def lower_function(node: Any, clause: Clause, *, place: Place, lower: Lower) -> Expr:  # noqa: ANN401
    """Lower a call.

    Raises:
        QueryRefusedError: Not a function of the allow-list, or wrong arguments.
    """
    opened = open_node(node, FUNCTION, place=place)
    name = str(opened["function_name"]).lower()
    written_so = opened["is_operator"] is (name in _OPERATORS)
    if not written_so or not isinstance(opened["distinct"], bool):
        unknown("a function of no known form", place=place)
    if opened["qualified_name"] != {"path": [opened["function_name"]]}:
        refuse("function", "a qualified function name", fix="write the bare name", place=place)
    if is_aggregate(name):
        return clause.aggregate(opened, AGGREGATE_ALIASES.get(name, name), place=place)
    _require_plain(opened, place=place)
    nodes = arguments(opened, place=place)
    if name in _LIKES:
        return _like(name, nodes, clause, place=place, lower=lower)
    if name in _ARITHMETIC:
        return _arithmetic(name, nodes, clause, place=place, lower=lower)
    if name in _SPAN_STEPS:
        return _span(_SPAN_STEPS[name], nodes, place=place)
    return _named(name, nodes, clause, place=place, lower=lower)


def arguments(opened: Node, *, place: Place) -> list[Any]:
    """Return the arguments of a call; named ones are unknown.

    Raises:
        QueryRefusedError: More than any function has, or named ones.
    """
    if len(opened["arguments"]) > MAX_ARGUMENTS:
        refuse("arguments", f"more than {MAX_ARGUMENTS} arguments", fix="use fewer", place=place)
    return [open_node(item, _ARGUMENT, place=place)["expression"] for item in opened["arguments"]]


def _require_plain(opened: Node, *, place: Place) -> None:
    plain = (
        opened["distinct"] is False and opened["filter"] is None and opened["order_bys"] == NO_ORDER
    )
    if not plain:
        refuse(
            "function",
            f"DISTINCT, FILTER or ORDER BY in {shown(opened['function_name'])}",
            fix="write it in aggregates only",
            place=place,
        )


def _named(name: str, nodes: list[Any], clause: Clause, *, place: Place, lower: Lower) -> Expr:
    if name in {"if", "nullif"}:
        return _choice(name, nodes, clause, place=place, lower=lower)
    if name in PART_ALIASES and len(nodes) == 1:
        nodes = [_string_node(PART_ALIASES[name]), *nodes]
        name = "date_part"
    name = "pow" if name in _POWERS else name
    function = _CONCAT if name == "||" else FUNCTIONS.get(name)
    if function is None:
        refuse_function(name, known=False, place=place)
    if not function.row and clause.level is not Level.RELEASED:
        refuse_function(name, known=True, place=place)
    return _call(function, nodes, clause, place=place, lower=lower)


def refuse_function(name: str, *, known: bool, place: Place) -> NoReturn:
    """Refuse a function by its name.

    Raises:
        QueryRefusedError: Always.
    """
    if known:
        refuse(
            "function",
            f"the function {shown(name)} of single rows",
            fix="apply it to aggregates, after grouping",
            place=place,
        )
    refuse(
        "function",
        f"the function {shown(name)}",
        fix=INSTEAD.get(name.lower(), "use the functions that docs/protocol/admission.md lists"),
        place=place,
    )


def _call(
    function: Function, nodes: list[Any], clause: Clause, *, place: Place, lower: Lower
) -> Expr:
    most = MAX_ARGUMENTS if function.variadic else len(function.params)
    if not len(function.params) - function.optional <= len(nodes) <= most:
        refuse(
            "arguments",
            f"{function.name} with {len(nodes)} arguments",
            fix=f"give it {len(function.params)}",
            place=place,
        )
    kinds = [*function.params, *(function.params[-1:] * (len(nodes) - len(function.params)))]
    args = [
        _argument(function, kind, node, clause, place=place, lower=lower)
        for kind, node in zip(kinds, nodes, strict=False)
    ]
    if function.compares or function.name in {"least", "greatest"}:
        require_comparable(clause, *args, place=place)
    return _typed_call(function, args, place=place)


def _argument(
    function: Function,
    kind: str,
    node: Any,  # noqa: ANN401 - the engine's JSON
    clause: Clause,
    *,
    place: Place,
    lower: Lower,
) -> Expr:
    constant = kind.endswith("!")
    wanted = kind.removesuffix("!")
    expr = lower(node, clause, near=place, wanted=INTERVAL if wanted == INTERVAL else "")
    require_type(expr, wanted, what=f"an argument of {function.name}", place=place)
    if constant and not isinstance(expr, Literal):
        refuse(
            "constant",
            f"an argument of {function.name} that is not constant",
            fix="write a literal",
            place=place,
        )
    return typed_null(expr, "string") if wanted == "any" and not function.variadic else expr


def _typed_call(function: Function, args: list[Expr], *, place: Place) -> Expr:
    if function.name in {"date_trunc", "date_part", "date_diff"}:
        args[0] = _part(function.name, args[0], place=place)
    if function.name == "strftime":
        _require_format(args[1], place=place)
    if function.type == SAME:
        kind = common_type(
            args[-1:] if function.name == "time_bucket" else args, what=function.name, place=place
        )
        return call(function.name, *(typed_null(arg, kind) for arg in args), type=kind)
    if function.type == "round":
        return _round(args)
    return call(function.name, *(typed_null(arg, "string") for arg in args), type=function.type)


def _round(args: list[Expr]) -> Expr:
    """Type a rounded number by its digits, so that it may be a group key."""
    digits = args[1].value if len(args) > 1 and isinstance(args[1], Literal) else 0
    scale = min(digits, _MOST_DIGITS) if isinstance(digits, int) else 0
    kind = f"decimal(38,{scale})" if scale > 0 else "integer"
    return call("round", *args, type=kind)


def _part(function: str, part: Expr, *, place: Place) -> Expr:
    text = part.value if isinstance(part, Literal) else ""
    name = PART_ALIASES.get(str(text).lower(), str(text).lower())
    if name not in (PARTS if function == "date_part" else STEPS):
        refuse(
            "function",
            f"{function} of {shown(text)}",
            fix="use year, quarter, month, week, day, hour and so on",
            place=place,
        )
    return Literal(value=name, type="string")


def _require_format(written: Expr, *, place: Place) -> None:
    text = written.value if isinstance(written, Literal) else None
    if not isinstance(text, str) or not FORMAT.fullmatch(text):
        refuse(
            "function",
            f"strftime with the format {shown(text)}",
            fix="write a text like '%Y-%m' of %Y %y %m %b %B %d %j %a %A %u %w %G %V %H %I %p %M, "
            "digits, letters, spaces and . / : - _",
            place=place,
        )


def _like(name: str, nodes: list[Any], clause: Clause, *, place: Place, lower: Lower) -> Expr:
    function, negated = _LIKES[name]
    if len(nodes) != 2 or class_of(nodes[1]) != "CONSTANT":  # noqa: PLR2004 - text and pattern
        refuse("function", "LIKE with a computed pattern", fix="write the pattern", place=place)
    text = lower(nodes[0], clause, near=place)
    require_type(text, "string", what="the text of LIKE", place=place)
    pattern = lower(nodes[1], clause, near=place, wanted="string")
    found = compare(function, [text, pattern], clause, place=place)
    return call("not", found) if negated else found


def _arithmetic(name: str, nodes: list[Any], clause: Clause, *, place: Place, lower: Lower) -> Expr:
    if name == "-" and len(nodes) == 1:
        operand = lower(nodes[0], clause, near=place)
        require_type(operand, "number", what="what is negated", place=place)
        return call("negate", operand, type=operand.type)
    if len(nodes) != 2:  # noqa: PLR2004 - two operands
        refuse("arguments", f"{name} with {len(nodes)} operands", fix="give it two", place=place)
    one, other = (lower(node, clause, near=place) for node in nodes)
    if not (is_number(one.type) and is_number(other.type)):
        return _of_moments(name, one, other, place=place)
    if name == "%" and clause.level is not Level.RELEASED:
        refuse_function(name, known=True, place=place)
    both_integers = one.type == other.type == "integer"
    kind = "integer" if (both_integers and name != "/") or name == "//" else "double"
    return call(name, one, other, type=kind)


def _of_moments(name: str, one: Expr, other: Expr, *, place: Place) -> Expr:
    """Type sums and differences of days, moments and spans of time."""
    kinds = (one.type, other.type)
    if name == "-" and kinds == ("date", "date"):
        return call(name, one, other, type="integer")
    if name in {"+", "-"} and kinds == ("date", "integer"):
        return call(name, one, other, type="date")
    if name in {"+", "-"} and kinds in {("date", INTERVAL), ("timestamp", INTERVAL)}:
        return call(name, one, other, type="timestamp")
    if NULL in kinds:
        kind = next((item for item in kinds if item != NULL), "integer")
        return call(name, typed_null(one, kind), typed_null(other, kind), type=kind)
    return refuse(
        "type",
        f"{name} of {kinds[0]} and {kinds[1]}",
        fix="compute with numbers; use date_diff('day', a, b) between moments",
        place=place,
    )


def _span(step: str, nodes: list[Any], *, place: Place) -> Expr:
    """Read ``INTERVAL 7 DAY``, which the engine writes as a call of ``to_days``."""
    node = nodes[0] if len(nodes) == 1 else None
    # The engine wraps the number in casts and trunc.
    while class_of(node) in {"CAST", "FUNCTION"}:
        unwrapped = _same_number if class_of(node) == "CAST" else _only_argument
        node = unwrapped(node, place=place)
    count = read_integer(node, what="an interval", place=place, quoted=True)
    return Literal(value=span(count, step), type=INTERVAL)


def _same_number(node: Any, *, place: Place) -> Any:  # noqa: ANN401 - the engine's JSON
    opened = open_node(node, CAST, place=place)
    kind = open_node(opened["type_expr"], TYPE, place=place)["type_name"]
    return opened["child"] if kind in _NUMBER_CASTS else None


def _only_argument(node: Any, *, place: Place) -> Any:  # noqa: ANN401 - the engine's JSON
    found = arguments(open_node(node, FUNCTION, place=place), place=place)
    return found[0] if node["function_name"] == "trunc" and len(found) == 1 else None


def _choice(name: str, nodes: list[Any], clause: Clause, *, place: Place, lower: Lower) -> Expr:
    count = 3 if name == "if" else 2
    if len(nodes) != count:
        refuse(
            "arguments", f"{name} with {len(nodes)} arguments", fix=f"give it {count}", place=place
        )
    if name == "if":
        return _if(nodes, clause, place=place, lower=lower)
    one = lower(nodes[0], clause, near=place)
    other = lower(nodes[1], clause, near=place, wanted="" if one.type == NULL else one.type)
    kind = common_type([one, other], what=name, place=place)
    args: Sequence[Expr] = (typed_null(one, kind), typed_null(other, kind))
    require_comparable(clause, *args, place=place)
    return call("nullif", *args, type=one.type if one.type != NULL else kind)


def _if(nodes: list[Any], clause: Clause, *, place: Place, lower: Lower) -> Expr:
    condition = lower(nodes[0], clause, near=place, wanted="boolean")
    condition = as_condition(condition, clause, place=place)
    values = [lower(node, clause, near=place) for node in nodes[1:]]
    kind = common_type(values, what="if", place=place)
    then, otherwise = (typed_null(value, kind) for value in values)
    return Case(arms=((condition, then),), otherwise=otherwise, type=kind)


def _string_node(text: str) -> dict[str, Any]:
    return {
        "class": "CONSTANT",
        "type": "VALUE_CONSTANT",
        "alias": "",
        "query_location": 1 << 63,
        "query_location_length": 0,
        "literal": {"kind": "STRING", "text": text},
    }


_CONCAT = Function(name="||", params=("any", "any"), type="string")
