# SPDX-License-Identifier: Apache-2.0
"""Admit a query, or refuse it: one function, one list of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanroom.admission.aggregates import RawAggregate
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.conditions import lower_conditions
from cleanroom.admission.joins import lower_joins
from cleanroom.admission.node import Node, Shape, open_node, type_of
from cleanroom.admission.outputs import Outputs, lower_outputs
from cleanroom.admission.parser import parse
from cleanroom.admission.refusal import START, Locator, refuse
from cleanroom.admission.sources import lower_sources
from cleanroom.admission.tree import (
    AdmittedQuery,
    Aggregate,
    AggregateKind,
    Argument,
    ArgumentKind,
    Condition,
    JoinEquality,
    Parameter,
    Scan,
    SourceColumn,
    UnitColumn,
)
from cleanroom.admission.units import unit_of, units_of
from cleanroom.contract.types import ColumnType, ParameterType

_STATEMENT = Shape(used=frozenset({"node", "named_param_map"}), neutral={})
_SELECT = Shape(
    used=frozenset({"type", "from_table", "where_clause", "group_sets"}),
    lists=frozenset({"select_list", "group_expressions"}),
    neutral={
        "modifiers": [],
        "cte_map": {"map": []},
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    },
    rules={
        "modifiers": (
            "order-limit",
            "DISTINCT, ORDER BY, LIMIT or OFFSET",
            "leave it out: rows come back in canonical order",
        ),
        "cte_map": ("with", "WITH", "write one SELECT over the datasets themselves"),
        "aggregate_handling": ("group-by-all", "GROUP BY ALL", "name the group columns"),
        "having": ("having", "HAVING", "filter the released result instead"),
        "sample": ("sampling", "a sample", "read the whole dataset"),
        "qualify": ("window", "QUALIFY", "aggregate with GROUP BY instead"),
    },
)
_ARGUMENTS = {
    AggregateKind.COUNT: ArgumentKind.PRESENCE,
    AggregateKind.COUNT_DISTINCT: ArgumentKind.DISTINCT,
    AggregateKind.SUM: ArgumentKind.MEASURE,
    AggregateKind.AVG: ArgumentKind.MEASURE,
}
_COUNTS = frozenset({AggregateKind.COUNT_ROWS, AggregateKind.COUNT, AggregateKind.COUNT_DISTINCT})


def admit(
    sql: bytes, *, catalog: Catalog, parameters: Mapping[str, ParameterType]
) -> AdmittedQuery:
    """Admit a query under every policy it touches.

    Raises:
        QueryRefusedError: A rule says no; it names rule, place, column, fix and grant.
        UnavailableError: The engine is not the version whose tree is known.
    """
    # 1. One parser, the engine's own, so that no text can be read in two ways (T-10).
    statement, locator = parse(sql)
    return lower(statement, locator=locator, catalog=catalog, parameters=parameters)


def lower(
    statement: Any,  # noqa: ANN401 - the engine's JSON
    *,
    locator: Locator,
    catalog: Catalog,
    parameters: Mapping[str, ParameterType],
) -> AdmittedQuery:
    """Lower the engine's tree of one statement, trusting nothing in it.

    Raises:
        QueryRefusedError: A rule says no.
    """
    # 2. One SELECT block with nothing in it that is not listed (T-10).
    select = _open_select(statement)
    # 3. Datasets that the contract lists, whose owners let them meet (T-08, T-13).
    scope, on_conditions = lower_sources(select["from_table"], catalog=catalog, locator=locator)
    scans = tuple(source.scan for source in scope.sources)
    # 4. Joins on keys, so that a row belongs to the same person on both sides (T-13).
    joins = lower_joins(on_conditions, scope=scope)
    # 5. Filters on columns that their owners let meet a value, of the column's type (T-08, T-12).
    conditions = lower_conditions(
        select["where_clause"], scope=scope, parameters=parameters, near=START
    )
    # 6. Only group columns and safe aggregates leave (T-08).
    outputs = lower_outputs(select, scope=scope)
    # 7. Every declared parameter is used, so that approvers see what it does (T-12).
    used = _used_parameters(conditions, parameters)
    # 8. The unit of every protected input is counted (T-08, T-13).
    units = units_of(scope.sources, joins)
    arguments, aggregates = _number(outputs.aggregates, units=units)
    return AdmittedQuery(
        scans=scans,
        joins=joins,
        conditions=conditions,
        keys=outputs.keys,
        arguments=arguments,
        aggregates=aggregates,
        units=units,
        output=outputs.order,
        parameters=used,
        columns=_used_columns(scans, joins, conditions, outputs),
        public=not units,
    )


def _open_select(statement: Any) -> Node:  # noqa: ANN401 - the engine's JSON
    node = open_node(statement, _STATEMENT, place=START)["node"]
    kind = type_of(node)
    if kind == "SET_OPERATION_NODE":
        refuse("set-operation", "UNION, INTERSECT or EXCEPT", fix="ask one query a SELECT")
    if kind != "SELECT_NODE":
        refuse("statements", "a statement that is not one SELECT", fix="write one SELECT")
    return open_node(node, _SELECT, place=START)


def _used_parameters(
    conditions: tuple[Condition, ...], parameters: Mapping[str, ParameterType]
) -> tuple[str, ...]:
    used = {
        operand.name
        for condition in conditions
        for operand in condition.operands
        if isinstance(operand, Parameter)
    }
    for name in sorted(set(parameters) - used):
        refuse(
            "parameter",
            f"the parameter {name} is declared and not used",
            fix="use it, or take it out of the query document",
        )
    return tuple(sorted(used))


def _number(
    raw: tuple[RawAggregate, ...], *, units: tuple[UnitColumn, ...]
) -> tuple[tuple[Argument, ...], tuple[Aggregate, ...]]:
    """Give every distinct argument one row-level column; units have theirs already."""
    arguments: list[Argument] = []
    aggregates: list[Aggregate] = []
    for item in raw:
        unit, argument = -1, -1
        if item.kind is AggregateKind.COUNT_DISTINCT:
            unit = unit_of(item.source[0], units)
        if item.source and unit < 0:
            wanted = Argument(kind=_ARGUMENTS[item.kind], source=item.source[0])
            if wanted not in arguments:
                arguments.append(wanted)
            argument = arguments.index(wanted)
        aggregates.append(
            Aggregate(
                name=item.name,
                kind=item.kind,
                type=ColumnType("integer" if item.kind in _COUNTS else "double"),
                argument=argument,
                unit=unit,
                source=item.source,
            )
        )
    return tuple(arguments), tuple(aggregates)


def _used_columns(
    scans: tuple[Scan, ...],
    joins: tuple[JoinEquality, ...],
    conditions: tuple[Condition, ...],
    outputs: Outputs,
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    named: list[SourceColumn] = [condition.column for condition in conditions]
    named += [key.source for key in outputs.keys]
    named += [column for join in joins for column in (join.earlier, join.later)]
    named += [column for aggregate in outputs.aggregates for column in aggregate.source]
    used: dict[str, set[str]] = {scan.lineage: set() for scan in scans}
    for scan in scans:
        used[scan.lineage] |= {scan.unit} - {""}
    for column in named:
        used[column.lineage].add(column.column.name)
    return tuple((lineage, tuple(sorted(names))) for lineage, names in sorted(used.items()))
