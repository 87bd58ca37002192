# SPDX-License-Identifier: Apache-2.0
"""The FROM clause: datasets of the catalog, WITH queries, subqueries, and joins of them."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from cleanroom.admission.clauses.constant_rows import lower_values
from cleanroom.admission.clauses.joins import lower_join
from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Environment
from cleanroom.admission.context.facts import ColumnFacts, Degree, Identifier, Level
from cleanroom.admission.context.lowered import NOTHING, Block, Lowered, Sources, Track
from cleanroom.admission.context.scope import NOWHERE, Binding, Scope, fold
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import PLACED, Node, Shape, open_node, type_of, unknown
from cleanroom.admission.syntax.select_shapes import STATEMENT
from cleanroom.admission.typed.ranges import range_of_column
from cleanroom.admission.typed.relation import Scan, ScanColumn
from cleanroom.admission.typed.tree import SourceColumn
from cleanroom.contract.policy_terms import Column, NoNoise, Policy, Role, Unit
from cleanroom.contract.types import NAME, ColumnType, split_lineage

_TABLE_FIELDS = PLACED | {"type", "alias"}
_TABLE = Shape(
    used=_TABLE_FIELDS | {"schema_name", "table_name", "qualified_name"},
    lists=frozenset({"column_name_alias"}),
    neutral={"sample": None, "catalog_name": "", "at_clause": None},
    rules={
        "sample": ("sampling", "a sample", "read the whole dataset"),
        "catalog_name": ("dataset-name", "a name of three parts", "write owner.table"),
        "at_clause": ("time-travel", "an AT clause", "the signed dataset version is what is read"),
    },
)
_SUBQUERY = Shape(
    used=_TABLE_FIELDS | {"subquery"},
    lists=frozenset({"column_name_alias"}),
    neutral={"sample": None},
    rules={"sample": ("sampling", "a sample", "read all rows")},
)
_EMPTY = Shape(used=_TABLE_FIELDS, neutral={"sample": None})
_OTHER_TABLES = {
    "TABLE_FUNCTION": ("table-function", "a table function", "read the contract's datasets"),
    "PIVOT": ("pivot", "PIVOT or UNPIVOT", "use GROUP BY and FILTER"),
    "SHOW_REF": ("statements", "a description of tables", "select aggregates"),
}
_OWNER = re.compile(NAME)


def lower_from(node: Any, env: Environment, place: Place) -> Sources:  # noqa: ANN401
    """Lower a FROM clause.

    Raises:
        QueryRefusedError: Something that is not a dataset, or that may not be joined.
    """
    at = env.builder.place(node, place)
    kind = type_of(node)
    if kind == "EMPTY":
        open_node(node, _EMPTY, place=at)
        return Sources(lowered=NOTHING, scope=NOWHERE)
    if kind == "JOIN":
        return lower_join(node, env, place=at, lower_from=lower_from)
    env.builder.count_source(at)
    if kind == "BASE_TABLE":
        return _lower_table(open_node(node, _TABLE, place=at), env, place=at)
    if kind == "SUBQUERY":
        opened = open_node(node, _SUBQUERY, place=at)
        statement = open_node(opened["subquery"], STATEMENT, place=at)
        block = env.select(statement["node"], env, at)
        alias = "" if opened["alias"] == "" else fold(opened["alias"], what="alias", place=at)
        return _named(block, alias, opened["column_name_alias"], place=at)
    if kind == "EXPRESSION_LIST":
        return _named(lower_values(node, env, place=at), "valueslist", [], place=at)
    return _refuse_table(kind, place=at)


def _refuse_table(kind: str, *, place: Place) -> NoReturn:
    if kind in _OTHER_TABLES:
        rule, found, fix = _OTHER_TABLES[kind]
        refuse(rule, found, fix=fix, place=place)
    unknown("a source that this gate does not know", place=place)


def _named(block: Block, alias: str, renamed: list[Any], *, place: Place) -> Sources:
    names = rename([name for name, _ in block.outputs], renamed, place=place)
    columns = tuple(zip(names, (column for _, column in block.outputs), strict=True))
    binding = Binding(alias=alias, lineage="", columns=columns)
    return Sources(lowered=block.lowered, scope=Scope(bindings=(binding,)))


def rename(names: list[str], renamed: list[Any], *, place: Place) -> list[str]:
    """Give the first columns other names, as ``t(a, b)`` does.

    Raises:
        QueryRefusedError: More names than columns, or one twice.
    """
    given = [fold(name, what="alias", place=place) for name in renamed]
    if len(given) > len(names):
        refuse("alias", "more names than columns", fix="name each column once", place=place)
    made = [*given, *names[len(given) :]]
    if len(set(made)) != len(made):
        twice = next(name for name in made if made.count(name) > 1)
        refuse(
            "duplicate-name",
            f"two columns called {twice}",
            fix="give each column an alias of its own",
            place=place,
        )
    return made


def _lower_table(table: Node, env: Environment, *, place: Place) -> Sources:
    if table["schema_name"] == "" and str(table["table_name"]).lower() in env.queries:
        return _lower_query(table, env, place=place)
    lineage = _lineage(table, place=place)
    if lineage not in env.builder.catalog.datasets:
        refuse(
            "unknown-dataset",
            f"no dataset {lineage} in the contract",
            fix="write owner.table of a dataset that the contract lists",
            place=place,
            grant=f"a contract that lists {lineage}",
        )
    policy, _ = env.builder.catalog.datasets[lineage]
    _require_threshold_sql(policy, lineage=lineage, place=place)
    env.builder.granted.add(f'kinds = ["sql"] in the policy of {lineage}')
    aliased = table["alias"] != ""
    name = table["alias"] if aliased else table["table_name"]
    lowered, columns = _scan(lineage, env.builder)
    names = [column for column, _ in columns]
    renamed = rename(names, table["column_name_alias"], place=place)
    blocked = {
        column.name: f"{lineage}.{column.name}"
        for column in policy.columns.values()
        if column.role is Role.BLOCKED
    }
    binding = Binding(
        alias=fold(name, what="alias", place=place),
        lineage="" if aliased else lineage,
        columns=tuple(zip(renamed, (number for _, number in columns), strict=True)),
        blocked=blocked,
    )
    return Sources(lowered=lowered, scope=Scope(bindings=(binding,)))


def _lower_query(table: Node, env: Environment, *, place: Place) -> Sources:
    """Lower a use of a WITH query: each use is a query of its own, in its own environment."""
    name = str(table["table_name"]).lower()
    value, within = env.queries[name]
    block = env.select(value["query_node"], within, place)
    names = rename([item for item, _ in block.outputs], value["aliases"], place=place)
    numbers = (column for _, column in block.outputs)
    made = Block(lowered=block.lowered, outputs=tuple(zip(names, numbers, strict=True)))
    alias = name if table["alias"] == "" else fold(table["alias"], what="alias", place=place)
    return _named(made, alias, table["column_name_alias"], place=place)


def _lineage(table: Node, *, place: Place) -> str:
    schema, name = table["schema_name"], table["table_name"]
    if schema == "" or table["qualified_name"] != {"path": [schema, name]}:
        refuse(
            "dataset-name",
            f"the name {shown(name)} without its owner",
            fix="write owner.table, or define it in WITH before it is used",
            place=place,
        )
    owner = fold(schema, what="owner", place=place, form=_OWNER)
    return f"{owner}.{fold(name, what='table', place=place)}"


def _require_threshold_sql(policy: Policy, *, lineage: str, place: Place) -> None:
    # An empty policy lets nothing out: the kind must be granted, and noise that
    # was demanded is never replaced by thresholds.
    if "sql" not in policy.kinds:
        refuse(
            "kind",
            f"the policy of {lineage} does not let sql touch it",
            fix="leave the dataset out",
            place=place,
            grant=f'kinds = ["sql"] in the policy of {lineage}',
        )
    if not isinstance(policy.noise, NoNoise):
        refuse(
            "noise",
            f"the policy of {lineage} demands noise, which this gate cannot add",
            fix="leave the dataset out",
            place=place,
            grant=f'[noise] kind = "none" in the policy of {lineage}',
        )


def _scan(lineage: str, builder: Builder) -> tuple[Lowered, list[tuple[str, int]]]:
    policy, schema = builder.catalog.datasets[lineage]
    unit = policy.unit if isinstance(policy.unit, Unit) else None
    columns: list[tuple[str, int]] = []
    scanned: list[ScanColumn] = []
    for name, kind in schema:
        # A column without a role is not in the scope, whatever the schema says.
        column = policy.columns.get(name)
        if column is None or column.role is Role.BLOCKED:
            continue
        number = builder.new(_facts(lineage, column, kind, unit=unit))
        columns.append((name, number))
        identifier = bool(builder.columns[number].identifiers)
        scanned.append(ScanColumn(column=number, name=name, type=kind, identifier=identifier))
    relation = Scan(
        lineage=lineage, columns=tuple(scanned), unit="" if unit is None else unit.column
    )
    if unit is None:
        made = Lowered(relation=relation, level=Level.PUBLIC, lineages=frozenset({lineage}))
        return made, columns
    key = dict(columns)[unit.column]
    track = Track(
        owner=split_lineage(lineage)[0],
        namespace=unit.namespace,
        column=key,
        keys=frozenset({key}),
        datasets=frozenset({lineage}),
    )
    made = Lowered(
        relation=relation,
        level=Level.PROTECTED,
        tracks=(track,),
        lineages=frozenset({lineage}),
        several=not unit.one_row,
    )
    return made, columns


def _facts(lineage: str, column: Column, kind: ColumnType, *, unit: Unit | None) -> ColumnFacts:
    source = SourceColumn(lineage=lineage, column=column, type=kind)
    identifiers: tuple[Identifier, ...] = ()
    if column.role in {Role.KEY, Role.ROW_ID}:
        own = unit is not None and (unit.column == column.name or unit.one_row)
        identifiers = (
            Identifier(
                role=column.role,
                namespace=column.namespace,
                source=source,
                identifies=own and column.role is Role.KEY,
            ),
        )
    return ColumnFacts(
        type=kind,
        sources=frozenset({source}),
        identifiers=identifiers,
        degree=Degree.LINEAR,
        range=range_of_column(column, kind),
    )
