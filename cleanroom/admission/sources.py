# SPDX-License-Identifier: Apache-2.0
"""The FROM clause: datasets the catalog knows, one INNER JOIN after another."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.expressions import shown
from cleanroom.admission.node import PLACED, Node, Shape, open_node, place_of, type_of, unknown
from cleanroom.admission.refusal import START, Locator, Place, refuse
from cleanroom.admission.scope import Scope, Source, fold
from cleanroom.admission.tree import Scan
from cleanroom.contract.policy_terms import NoNoise, Policy, Unit
from cleanroom.contract.types import NAME

MAX_JOINS = 8

_TABLE_FIELDS = PLACED | {"type"}
_TABLE = Shape(
    used=_TABLE_FIELDS | {"alias", "schema_name", "table_name", "qualified_name"},
    neutral={"sample": None, "column_name_alias": [], "catalog_name": "", "at_clause": None},
    rules={
        "sample": ("sampling", "a sample", "read the whole dataset"),
        "column_name_alias": ("alias", "renamed columns", "use the columns' own names"),
        "catalog_name": ("dataset-name", "a name of three parts", "write owner.table"),
        "at_clause": ("time-travel", "an AT clause", "the signed dataset version is what is read"),
    },
)
_JOIN = Shape(
    used=_TABLE_FIELDS
    | {"left", "right", "condition", "join_type", "ref_type", "using_columns", "is_implicit"},
    neutral={
        "alias": "",
        "sample": None,
        "delim_flipped": False,
        "duplicate_eliminated_columns": [],
        "ranking_expression": None,
        "nearest_count": 1,
        "nearest_order_type": "ASCENDING",
        "nearest_approx": False,
    },
    rules={"sample": ("sampling", "a sample", "read the whole dataset")},
)
_OTHER_TABLES = {
    "JOIN": ("join-kind", "a join in brackets", "write the joins one after another"),
    "EMPTY": ("from", "a query without FROM", "select from a dataset of the contract"),
    "SUBQUERY": ("subquery", "a subquery", "read the datasets themselves"),
    "TABLE_FUNCTION": ("table-function", "a table function", "read the contract's datasets"),
    "EXPRESSION_LIST": ("values", "VALUES", "read the contract's datasets"),
    "PIVOT": ("pivot", "PIVOT", "use GROUP BY"),
    "SHOW_REF": ("statements", "a description of tables", "select aggregates"),
}
_OWNER = re.compile(NAME)
_FIX_JOIN = "write JOIN dataset ON a.key = b.key"


def lower_sources(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    catalog: Catalog,
    locator: Locator,
) -> tuple[Scope, list[tuple[Any, Place]]]:
    """Lower the FROM clause.

    Returns:
        The scope of all its datasets, and the ON conditions in order, one a join.

    Raises:
        QueryRefusedError: Anything but datasets of the catalog joined by INNER JOIN ... ON.
    """
    tables, conditions = _flatten(node, locator=locator)
    sources: list[Source] = []
    for table, place in tables:
        source = _lower_table(table, index=len(sources), catalog=catalog, place=place)
        if source.alias in {other.alias for other in sources}:
            refuse(
                "ambiguous-name",
                f"two datasets called {source.alias}",
                fix="give each dataset an alias of its own",
                place=place,
            )
        sources.append(source)
    scope = Scope(sources=tuple(sources), catalog=catalog, locator=locator)
    _require_mutual_joins(scope)
    return scope, conditions


def _flatten(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    locator: Locator,
) -> tuple[list[tuple[Node, Place]], list[tuple[Any, Place]]]:
    """Walk down the left side of the joins; loops, because a recursion can be exhausted."""
    tables: list[tuple[Node, Place]] = []
    conditions: list[tuple[Any, Place]] = []
    place = START
    while type_of(node) == "JOIN":
        place = place_of(node, locator=locator, near=place)
        join = open_node(node, _JOIN, place=place)
        _require_inner_on(join, place=place)
        if len(conditions) == MAX_JOINS:
            refuse("joins", f"more than {MAX_JOINS} joins", fix="join fewer datasets", place=place)
        conditions.append((join["condition"], place))
        tables.append(_base_table(join["right"], locator=locator, near=place))
        node = join["left"]
    tables.append(_base_table(node, locator=locator, near=place))
    return tables[::-1], conditions[::-1]


def _require_inner_on(join: Node, *, place: Place) -> None:
    if join["using_columns"] != []:
        refuse("using", "a join with USING", fix=_FIX_JOIN, place=place)
    if join["ref_type"] == "CROSS":
        refuse("cross-join", "a comma or CROSS JOIN", fix=_FIX_JOIN, place=place)
    if join["ref_type"] != "REGULAR":
        refuse("join-kind", f"a {shown(join['ref_type'])} join", fix=_FIX_JOIN, place=place)
    if join["join_type"] != "INNER" or join["is_implicit"] is not False:
        refuse("join-kind", f"a {shown(join['join_type'])} join", fix=_FIX_JOIN, place=place)


def _base_table(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    locator: Locator,
    near: Place,
) -> tuple[Node, Place]:
    place = place_of(node, locator=locator, near=near)
    kind = type_of(node)
    if kind != "BASE_TABLE":
        _refuse_table(kind, place=place)
    return open_node(node, _TABLE, place=place), place


def _refuse_table(kind: object, *, place: Place) -> NoReturn:
    if kind in _OTHER_TABLES:
        rule, found, fix = _OTHER_TABLES[kind]
        refuse(rule, found, fix=fix, place=place)
    unknown("a source that this gate does not know", place=place)


def _lower_table(table: Node, *, index: int, catalog: Catalog, place: Place) -> Source:
    lineage = _lineage(table, place=place)
    if lineage not in catalog.datasets:
        refuse(
            "unknown-dataset",
            f"no dataset {lineage} in the contract",
            fix="write owner.table of a dataset that the contract lists",
            place=place,
            grant=f"a contract that lists {lineage}",
        )
    policy, schema = catalog.datasets[lineage]
    _require_threshold_sql(policy, lineage=lineage, place=place)
    aliased = table["alias"] != ""
    name = table["alias"] if aliased else table["table_name"]
    unit = policy.unit if isinstance(policy.unit, Unit) else None
    return Source(
        scan=Scan(
            index=index,
            lineage=lineage,
            unit=unit.column if unit else "",
            namespace=unit.namespace if unit else "",
        ),
        alias=fold(name, what="alias", place=place),
        aliased=aliased,
        policy=policy,
        # A column without a role is not in the scope, whatever the schema says.
        types={name: kind for name, kind in schema if name in policy.columns},
    )


def _lineage(table: Node, *, place: Place) -> str:
    schema, name = table["schema_name"], table["table_name"]
    if schema == "" or table["qualified_name"] != {"path": [schema, name]}:
        refuse(
            "dataset-name",
            f"the name {shown(name)} without its owner",
            fix="write owner.table",
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


def _require_mutual_joins(scope: Scope) -> None:
    """Every pair of scans must be allowed by both owners, neighbours in the FROM or not."""
    for later in scope.sources:
        for earlier in scope.sources[: later.scan.index]:
            for here, there in ((earlier, later), (later, earlier)):
                if there.scan.lineage not in here.policy.joins:
                    refuse(
                        "join-partner",
                        f"{here.scan.lineage} may not be joined with {there.scan.lineage}",
                        fix="query the datasets apart",
                        grant=f"[joins] {there.scan.lineage} in the policy of {here.scan.lineage}",
                    )
