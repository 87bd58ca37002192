# SPDX-License-Identifier: Apache-2.0
"""The SELECT list and GROUP BY: group columns and safe aggregates, each with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cleanroom.admission.aggregates import RawAggregate, lower_aggregate
from cleanroom.admission.node import Node, class_of, open_node, place_of
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.scope import COLUMN_REF, Scope, fold, resolve_column
from cleanroom.admission.tree import KeyColumn, SourceColumn
from cleanroom.contract.policy_terms import Role

MAX_AGGREGATES = 32
MAX_KEYS = 16

_GROUPED = frozenset({Role.DIMENSION, Role.QUASI, Role.PUBLIC})
_NOT_GROUPED_TYPES = frozenset({"double"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a query releases, before units and arguments are numbered."""

    keys: tuple[KeyColumn, ...]
    aggregates: tuple[RawAggregate, ...]
    order: tuple[str, ...]


def lower_outputs(select: Node, *, scope: Scope) -> Outputs:
    """Lower GROUP BY and the SELECT list of one block.

    Raises:
        QueryRefusedError: An output that is neither a group column nor a safe aggregate.
    """
    groups = _lower_groups(select, scope=scope)
    names: dict[SourceColumn, str] = {}
    aggregates: list[RawAggregate] = []
    order: list[str] = []
    for node in select["select_list"]:
        place = place_of(node, locator=scope.locator, near=scope.locator.place(0))
        if class_of(node) == "COLUMN_REF":
            column = resolve_column({**node, "alias": ""}, scope=scope, place=place)
            _require_group_column(column, groups, names, place=place)
            names[column] = _key_name(node, column, scope=scope, place=place)
            name = names[column]
        else:
            aggregate = lower_aggregate(node, scope=scope, place=place)
            _require_free_alias(aggregate.name, scope=scope, own="", place=place)
            aggregates.append(aggregate)
            name = aggregate.name
        if name in order:
            refuse(
                "duplicate-name",
                f"two outputs called {name}",
                fix="give each output an alias of its own",
                place=place,
            )
        order.append(name)
    _require_outputs(groups, names, aggregates)
    keys = tuple(
        KeyColumn(name=names[column], type=column.type, source=column) for column in groups
    )
    return Outputs(keys=keys, aggregates=tuple(aggregates), order=tuple(order))


def _lower_groups(select: Node, *, scope: Scope) -> list[SourceColumn]:
    expressions = select["group_expressions"]
    # One grouping set that holds every expression: ROLLUP, CUBE and () are others.
    plain = [list(range(len(expressions)))] if expressions else []
    if select["group_sets"] != plain:
        refuse(
            "grouping-sets",
            "ROLLUP, CUBE or GROUPING SETS",
            fix="ask one query a grouping",
        )
    if len(expressions) > MAX_KEYS:
        refuse("keys", f"more than {MAX_KEYS} group columns", fix="group by fewer columns")
    groups: list[SourceColumn] = []
    for node in expressions:
        place = place_of(node, locator=scope.locator, near=scope.locator.place(0))
        if class_of(node) == "CONSTANT":
            refuse("positional", "GROUP BY a position", fix="name the column", place=place)
        column = resolve_column(node, scope=scope, place=place)
        _require_groupable(column, place=place)
        if column in groups:
            refuse("duplicate-name", "a group column twice", fix="name it once", place=place)
        groups.append(column)
    return groups


def _require_groupable(column: SourceColumn, *, place: Place) -> None:
    if column.column.role not in _GROUPED:
        refuse(
            "group-key",
            f"{column.reference} ({column.column.role.value}) is not a dimension",
            fix="group by columns whose role is dimension, quasi or public",
            place=place,
            column=column.reference,
            grant=_grant_dimension(column),
        )
    if column.type in _NOT_GROUPED_TYPES:
        refuse(
            "type",
            f"{column.reference} is a {column.type} and cannot be a group",
            fix="group by a column with few, exact values",
            place=place,
            column=column.reference,
        )


def _grant_dimension(column: SourceColumn) -> str:
    if column.column.role is Role.MEASURE:
        return f"role dimension for {column.column.name} in the policy of {column.lineage}"
    return "none: identifiers are never group keys"


def _require_group_column(
    column: SourceColumn,
    groups: Sequence[SourceColumn],
    names: Mapping[SourceColumn, str],
    *,
    place: Place,
) -> None:
    if column not in groups:
        refuse(
            "row-level",
            f"{column.reference} of single rows",
            fix=f"aggregate it, or GROUP BY {column.column.name} if it is a dimension",
            place=place,
            column=column.reference,
        )
    if column in names:
        refuse("duplicate-name", "a group column twice", fix="select it once", place=place)


def _key_name(node: Any, column: SourceColumn, *, scope: Scope, place: Place) -> str:  # noqa: ANN401
    alias = open_node(node, COLUMN_REF, place=place)["alias"]
    if alias == "":
        return column.column.name
    name = fold(alias, what="alias", place=place)
    _require_free_alias(name, scope=scope, own=column.column.name, place=place)
    return name


def _require_free_alias(name: str, *, scope: Scope, own: str, place: Place) -> None:
    # The engine lets an alias stand for a column in WHERE and GROUP BY; a reader of
    # such a query cannot tell which one is meant, so neither does the gate.
    taken = any(name in source.types for source in scope.sources)
    if taken and name != own:
        refuse(
            "ambiguous-name",
            f"the alias {name}, which is also a column",
            fix="choose an alias that no dataset has as a column",
            place=place,
        )


def _require_outputs(
    groups: Sequence[SourceColumn],
    names: Mapping[SourceColumn, str],
    aggregates: Sequence[RawAggregate],
) -> None:
    if not aggregates:
        refuse("row-level", "no aggregate", fix="select count(*), or sum or avg of a measure")
    if len(aggregates) > MAX_AGGREGATES:
        refuse("aggregates", f"more than {MAX_AGGREGATES} aggregates", fix="ask several queries")
    for column in groups:
        if column not in names:
            refuse(
                "group-key",
                f"{column.reference} is grouped by and not selected",
                fix=f"select {column.column.name} too",
                column=column.reference,
            )
