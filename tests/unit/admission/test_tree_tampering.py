# SPDX-License-Identifier: Apache-2.0

"""The engine's tree is input: nothing added, changed or taken away is overlooked.

An engine that learns new syntax writes new fields. Each test changes the tree of an
admitted query in one place; lowering it must refuse, or read the very same query.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from cleanroom.admission.admit import lower
from cleanroom.admission.refusal import Locator, QueryRefusedError
from cleanroom.admission.syntax.parser import serialize
from cleanroom.admission.typed.tree import AdmittedQuery
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import CATALOG

SQL = (
    "SELECT e.ward AS w, count(*) AS n, count(DISTINCT e.patient_id) AS u, sum(e.cost) AS s "
    "FROM hospital.encounters e JOIN ref.dx_codes d ON e.dx = d.dx "
    "WHERE e.ward IN ('a', $p) AND e.ward BETWEEN 'a' AND 'b' "
    "AND e.admit_date >= DATE '2025-01-01' AND e.dx IS NOT NULL AND d.label <> 'x' GROUP BY e.ward"
)
PARAMETERS = {"p": ParameterType.STRING}
# These say where in the text a node stands, or repeat what another field says.
FREE = frozenset({"query_location", "query_location_length", "named_param_map"})
ODD = ({"odd": 1}, [], "odd", 7, None, True)


def tree() -> Any:
    return json.loads(serialize(SQL))["statements"][0]


def lowered(statement: Any) -> AdmittedQuery:
    locator = Locator(SQL.encode())
    return lower(statement, locator=locator, catalog=CATALOG, parameters=PARAMETERS)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


TREE = tree()
GOOD = lowered(TREE)
PATHS = tuple(paths(TREE))


def outcome(statement: Any) -> AdmittedQuery | None:
    """Lower a tree; ``None`` when it is refused. Any other error fails the test."""
    try:
        found = lowered(statement)
    except QueryRefusedError:
        return None
    assert isinstance(found, AdmittedQuery)
    return found


@pytest.mark.parametrize("sets", [[5], [[-1]], [[1]], [["0"]], {"0": [0]}])
def test_grouping_sets_name_keys_by_their_places(sets):
    changed = copy.deepcopy(TREE)
    changed["node"]["group_sets"] = sets
    with pytest.raises(QueryRefusedError) as caught:
        lowered(changed)
    assert caught.value.code in {"admission.grouping-sets", "admission.unknown-syntax"}


def test_no_field_of_the_tree_can_be_taken_away():
    for path in PATHS:
        if not isinstance(at(TREE, path[:-1]), dict) or "named_param_map" in path[:-1]:
            continue
        changed = copy.deepcopy(TREE)
        del at(changed, path[:-1])[path[-1]]
        assert outcome(changed) is None, path


def test_no_node_of_the_tree_can_get_another_field():
    nodes = [(), *(path for path in PATHS if isinstance(at(TREE, path), dict))]
    for path in nodes:
        changed = copy.deepcopy(TREE)
        at(changed, path)["new_in_the_next_engine"] = None
        refused = outcome(changed) is None
        assert refused or path[-1] in FREE or "named_param_map" in path, path


def test_no_value_of_the_tree_can_be_replaced_by_an_odd_one():
    for path in PATHS:
        if FREE & set(path):
            continue
        for odd in ODD:
            changed = copy.deepcopy(TREE)
            if at(changed, path) == odd:
                continue
            at(changed, path[:-1])[path[-1]] = odd
            query = outcome(changed)
            if query is not None:
                assert query != GOOD, (path, odd)
                assert {name for name, _ in query.columns} <= {name for name, _ in GOOD.columns}


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("node",), [], "statements"),
        (("node", "type"), "RECURSIVE_CTE_NODE", "recursive"),
        (("node", "from_table"), {"type": "NEW_TABLE"}, "unknown-syntax"),
        (("node", "from_table"), [], "unknown-syntax"),
        (("node", "select_list", 1), {"class": "NEW"}, "unknown-syntax"),
        (("node", "select_list", 1), [], "unknown-syntax"),
        (("node", "select_list", 1, "function_name"), ["count"], "function"),
        (("node", "select_list", 3, "arguments", 0, "expression", "alias"), "x", "alias"),
        (("node", "group_expressions", 0, "alias"), "x", "alias"),
        (("node", "where_clause", "children", 0), [], "unknown-syntax"),
        (("node", "where_clause", "children", 4, "right"), [], "unknown-syntax"),
        (("node", "where_clause", "children", 4, "left"), [], "unknown-syntax"),
        (("node", "from_table", "condition"), [], "unknown-syntax"),
    ],
)
def test_what_the_engine_never_wrote_is_refused_by_name(path, value, rule):
    changed = copy.deepcopy(TREE)
    at(changed, path[:-1])[path[-1]] = value
    with pytest.raises(QueryRefusedError) as caught:
        lowered(changed)
    assert caught.value.code == f"admission.{rule}"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("node", "from_table", "join_type"), {}, "a tree of another shape at line 1, column 1"),
        (("node", "from_table", "condition"), None, "a join without a condition"),
        (("node", "select_list", 1), [], "an output of no known form"),
        (("node", "select_list", 3, "arguments", 0), 7, "an unknown construct"),
        (("node", "where_clause", "children", 2, "type"), "COMPARE_NEW", "a comparison here"),
    ],
)
def test_a_refused_tree_is_refused_where_it_is_strange(path, value, message):
    changed = copy.deepcopy(TREE)
    at(changed, path[:-1])[path[-1]] = value
    with pytest.raises(QueryRefusedError, match=f": {message}"):
        lowered(changed)


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("condition", ["zip IN ('x')", "zip IS NULL", "NOT smoker"])
def test_an_operator_of_another_number_of_operands_is_refused(condition, number):
    sql = f"SELECT count(*) FROM hospital.patients WHERE {condition}"  # noqa: S608 - run by nobody
    statement = json.loads(serialize(sql))["statements"][0]
    found = statement["node"]["where_clause"]
    assert lower(statement, locator=Locator(sql.encode()), catalog=CATALOG, parameters={})
    if " IN " in condition:
        found["children"] = found["children"][: number // 2]
    else:
        found["children"] = found["children"] * number
    with pytest.raises(QueryRefusedError):
        lower(statement, locator=Locator(sql.encode()), catalog=CATALOG, parameters={})


def test_two_queries_of_one_name_are_refused_although_the_parser_never_wrote_them():
    sql = "WITH a AS (SELECT 1 AS n), b AS (SELECT 2 AS n) SELECT n FROM a"
    statement = json.loads(serialize(sql))["statements"][0]
    statement["node"]["cte_map"]["map"][1]["key"] = "A"
    with pytest.raises(QueryRefusedError) as caught:
        lower(statement, locator=Locator(sql.encode()), catalog=CATALOG, parameters={})
    assert caught.value.code == "admission.duplicate-name"
