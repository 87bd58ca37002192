# SPDX-License-Identifier: Apache-2.0
"""Admit a query, or refuse it: one function, one list of steps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.clauses.block import lower_select
from cleanroom.admission.clauses.from_clause import lower_from
from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Environment
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import Block, ref
from cleanroom.admission.refusal import START, Locator, Place, refuse
from cleanroom.admission.syntax.node import open_node
from cleanroom.admission.syntax.parser import parse
from cleanroom.admission.syntax.select_shapes import STATEMENT
from cleanroom.admission.typed.columns import parameters_read, stages_read
from cleanroom.admission.typed.provenance import Provenance
from cleanroom.admission.typed.prune import pruned
from cleanroom.admission.typed.relation import Order, Relation, ReleasedTable, Sort
from cleanroom.admission.typed.tree import AdmittedQuery, Output, Post, Stage
from cleanroom.contract.types import ColumnType, ParameterType


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
    builder = Builder(catalog=catalog, locator=locator, parameters=parameters)
    admitted = None
    with suppress(KeyError, TypeError, AttributeError, ValueError, IndexError):
        admitted = _lower(statement, builder)
    # Outside the handler, in our words: a tree that the gate stumbles over is none that it knows.
    if admitted is None:
        refuse("unknown-syntax", "a tree of another shape", fix="write plain SQL")
    return admitted


def _lower(statement: Any, builder: Builder) -> AdmittedQuery:  # noqa: ANN401 - the engine's JSON
    # 2. A tree of our own, with nothing in it that is not listed (T-10). On the way down
    # names are resolved to columns of the catalog; on the way up every relation knows the
    # units behind its rows, so joins, filters and groupings are judged where they stand
    # (T-08, T-12, T-13). Each grouping that is not by the unit's key makes a stage.
    env = Environment(builder=builder, select=lower_select, sources=lower_from)
    node = open_node(statement, STATEMENT, place=START)["node"]
    block = lower_select(node, env, START)
    # 3. Only what stages released leaves (T-08).
    _require_released(block, builder, place=builder.block_place(node, START))
    # 4. Every declared parameter is used, so that approvers see what it does (T-12).
    _require_used(builder)
    return _admitted(block, builder)


def _require_released(block: Block, builder: Builder, *, place: Place) -> None:
    if block.lowered.level is not Level.RELEASED:
        refuse(
            "row-level",
            "rows that are not aggregated",
            fix="aggregate them with count, sum or avg, and GROUP BY dimensions; what is grouped "
            "by a unit's key is still about single people, so aggregate it again around that",
            place=place,
        )
    if not builder.stages:
        refuse(
            "from",
            "a query that reads no dataset",
            fix="select from a dataset of the contract",
            place=place,
        )


def _require_used(builder: Builder) -> None:
    for name in sorted(set(builder.parameters) - builder.used_parameters):
        refuse(
            "parameter",
            f"the parameter {name} is declared and not used",
            fix="use it, or take it out of the query document",
        )


def _admitted(block: Block, builder: Builder) -> AdmittedQuery:
    provenance = Provenance(block.lowered.relation, tuple(builder.stages))
    output = tuple(
        Output(
            name=name,
            type=ColumnType(_type(builder.columns[column].type)),
            column=column,
            sources=tuple(
                sorted(builder.columns[column].sources, key=lambda source: source.reference)
            ),
            origins=provenance.of(column),
        )
        for name, column in block.outputs
    )
    stages = tuple(builder.stages)
    identity = _is_identity(block, stages)
    if identity:
        stages = (_named(stages[0], block, output),)
    relation = _ordered(block.lowered.relation, output, builder)
    relation = pruned(relation, frozenset(item.column for item in output))
    return AdmittedQuery(
        stages=stages,
        post=Post(
            relation=relation,
            identity=identity,
            inputs=stages_read(relation),
            parameters=parameters_read(relation),
        ),
        output=output,
        parameters=tuple(sorted(builder.used_parameters)),
        columns=_used(stages),
        grants=tuple(sorted(builder.granted)),
    )


def _type(kind: str) -> str:
    return "string" if kind == "null" else kind


def _is_identity(block: Block, stages: tuple[Stage, ...]) -> bool:
    """Tell whether the result is the one released table, with its columns in some order."""
    relation = block.lowered.relation
    if len(stages) != 1 or not isinstance(relation, ReleasedTable):
        return False
    selected = [column for _, column in block.outputs]
    return sorted(selected) == sorted(item.column for item in relation.columns)


def _named(stage: Stage, block: Block, output: tuple[Output, ...]) -> Stage:
    """Give a stage's columns the names of the query's outputs."""
    relation = block.lowered.relation
    columns = relation.columns if isinstance(relation, ReleasedTable) else ()
    given = {item.column: item.name for item in columns}
    names = {given[item.column]: item.name for item in output}
    return replace(
        stage,
        keys=tuple(replace(key, name=names[key.name]) for key in stage.keys),
        aggregates=tuple(replace(item, name=names[item.name]) for item in stage.aggregates),
        groupings=tuple(replace(item, name=names[item.name]) for item in stage.groupings),
        order=tuple(item.name for item in output),
    )


def _ordered(relation: Relation, output: tuple[Output, ...], builder: Builder) -> Relation:
    """Sort by all outputs unless the query says how: data must not choose the order (T-11)."""
    if isinstance(relation, Sort):
        return relation
    orders = tuple(
        Order(expr=ref(builder, item.column), descending=False, nulls_first=False)
        for item in output
    )
    return Sort(input=relation, orders=orders, limit=-1, offset=0)


def _used(stages: tuple[Stage, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    used: dict[str, set[str]] = {}
    for stage in stages:
        for lineage, names in stage.columns:
            used.setdefault(lineage, set()).update(names)
    return tuple((lineage, tuple(sorted(names))) for lineage, names in sorted(used.items()))
