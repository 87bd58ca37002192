# SPDX-License-Identifier: Apache-2.0
"""Safe aggregates: count, count of distinct identifiers, sum and avg of a bounded measure.

None of them can return an input value, and each is linear in what a unit
contributes, which is what makes the rules on contributions meaningful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from cleanroom.admission.expressions import refuse_expression
from cleanroom.admission.measures import require_exact
from cleanroom.admission.node import PLACED, Node, Shape, class_of, open_node, place_of, unknown
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.scope import Scope, fold, resolve_column
from cleanroom.admission.tree import AggregateKind, SourceColumn
from cleanroom.contract.policy_terms import Role

_NO_ORDER = {"type": "ORDER_MODIFIER", "orders": []}
_FUNCTION = Shape(
    used=PLACED | {"alias", "function_name", "distinct", "qualified_name"},
    lists=frozenset({"arguments"}),
    neutral={
        "class": "FUNCTION",
        "type": "FUNCTION",
        "schema": "",
        "catalog": "",
        "filter": None,
        "order_bys": _NO_ORDER,
        "is_operator": False,
        "export_state": False,
    },
    rules={
        "schema": ("function", "a qualified function name", "write the bare function name"),
        "catalog": ("function", "a qualified function name", "write the bare function name"),
        "filter": ("filter", "FILTER", "filter with WHERE, or group by the column"),
        "order_bys": ("order-by", "ORDER BY in an aggregate", "leave it out"),
        "is_operator": ("arithmetic", "arithmetic", "release the plain aggregates"),
    },
)
_ARGUMENT = Shape(used=frozenset({"expression"}), neutral={"name": ""})
_NAMES = {
    ("count_star", False): AggregateKind.COUNT_ROWS,
    ("count", False): AggregateKind.COUNT,
    ("count", True): AggregateKind.COUNT_DISTINCT,
    ("sum", False): AggregateKind.SUM,
    ("avg", False): AggregateKind.AVG,
    ("mean", False): AggregateKind.AVG,
}
_IDENTIFIERS = frozenset({Role.KEY, Role.ROW_ID})


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAggregate:
    """One aggregate, before arguments and units are numbered."""

    name: str
    kind: AggregateKind
    source: tuple[SourceColumn, ...]


def lower_aggregate(node: Any, *, scope: Scope, place: Place) -> RawAggregate:  # noqa: ANN401
    """Lower one output that is not a group column.

    Raises:
        QueryRefusedError: Not a safe aggregate of a column that may be aggregated so.
    """
    if class_of(node) != "FUNCTION":
        refuse_expression(node, place=place)
    if node.get("is_operator"):
        refuse_expression(node, place=place)
    function = open_node(node, _FUNCTION, place=place)
    kind = _kind(function, place=place)
    source = _arguments(function, scope=scope, place=place)
    if len(source) != (0 if kind is AggregateKind.COUNT_ROWS else 1):
        refuse(
            "arguments",
            f"{kind.value} with {len(source)} arguments",
            fix="give the aggregate one bare column",
            place=place,
        )
    for column in source:
        _require_protected(column, scope=scope, place=place)
        _require_role(kind, column, place=place)
    alias = function["alias"]
    name = _default_name(kind, source) if alias == "" else fold(alias, what="alias", place=place)
    return RawAggregate(name=name, kind=kind, source=source)


def _kind(function: Node, *, place: Place) -> AggregateKind:
    name, distinct = str(function["function_name"]).lower(), function["distinct"]
    if function["qualified_name"] != {"path": [function["function_name"]]}:
        refuse("function", "a qualified function name", fix="write the bare name", place=place)
    if not isinstance(distinct, bool):
        unknown("an aggregate of another kind", place=place)
    kind = _NAMES.get((name, distinct))
    if kind is None:
        if (name, False) in _NAMES:
            refuse(
                "distinct",
                f"DISTINCT in {name}",
                fix="use DISTINCT in count of a key or row id only",
                place=place,
            )
        refuse_expression(function, place=place)
    return kind


def _arguments(function: Node, *, scope: Scope, place: Place) -> tuple[SourceColumn, ...]:
    found = []
    for argument in function["arguments"]:
        node = open_node(argument, _ARGUMENT, place=place)["expression"]
        at = place_of(node, locator=scope.locator, near=place)
        found.append(resolve_column(node, scope=scope, place=at))
    return tuple(found)


def _require_protected(column: SourceColumn, *, scope: Scope, place: Place) -> None:
    protected = any(source.scan.unit for source in scope.sources)
    if protected and scope.policy_of(column).is_public:
        refuse(
            "look-up",
            f"{column.reference} of a public dataset in an aggregate over protected rows",
            fix="group by the public column, or count(*)",
            place=place,
            column=column.reference,
        )


def _require_role(kind: AggregateKind, column: SourceColumn, *, place: Place) -> None:
    role = column.column.role
    if kind is AggregateKind.COUNT_DISTINCT and role not in _IDENTIFIERS:
        # The number of distinct values of anything else can hang on one person.
        refuse(
            "count-distinct",
            f"{column.reference} ({role.value}) is not a key or row id",
            fix="count(DISTINCT key), or group by the column",
            place=place,
            column=column.reference,
        )
    if kind in {AggregateKind.SUM, AggregateKind.AVG}:
        _require_measure(column, place=place)


def _require_measure(column: SourceColumn, *, place: Place) -> None:
    if column.column.role is not Role.MEASURE:
        _refuse_measure(column, place=place)
    if not column.type.is_number:
        refuse(
            "type",
            f"{column.reference} is a {column.type}",
            fix="sum numbers",
            place=place,
            column=column.reference,
        )
    require_exact(column, place=place)


def _refuse_measure(column: SourceColumn, *, place: Place) -> NoReturn:
    refuse(
        "measure",
        f"{column.reference} ({column.column.role.value}) is not a measure with bounds",
        fix="sum and average measures only",
        place=place,
        column=column.reference,
        grant=f"role measure with bounds for {column.column.name} in the policy of "
        f"{column.lineage}",
    )


def _default_name(kind: AggregateKind, source: tuple[SourceColumn, ...]) -> str:
    if kind is AggregateKind.COUNT_ROWS:
        return "count_rows"
    return f"{kind.value}_{source[0].column.name}"[:63]
