# SPDX-License-Identifier: Apache-2.0
"""The plans of the one known engine, and what is refused because nobody knows its shape."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import _duckdb as duckdb
import pytest

from cleanroom.bound_plan.aggregates import Aggregator
from cleanroom.bound_plan.check import check_statement
from cleanroom.bound_plan.claim import DatasetClaim
from cleanroom.bound_plan.engine_plan import ENGINE_VERSION, bound_plan, require_known_engine
from cleanroom.bound_plan.expressions import Reader
from cleanroom.bound_plan.functions import Place
from cleanroom.bound_plan.joins import Joiner
from cleanroom.bound_plan.node import Fields, open_node, type_of
from cleanroom.bound_plan.operators import Walker
from cleanroom.bound_plan.relation import Origins, Relation
from cleanroom.contract.types import ColumnType
from cleanroom.errors import AdmissionRefusedError, UnavailableError
from tests.support.plan_statements import CATALOG, claim, fails, linked, passes, statement

GOLDEN = Path(__file__).parent / "golden" / "duckdb-2.0.0.json"
FIELDS = Fields(used=frozenset({"a"}), fixed={"b": []})


def test_the_engine_is_the_one_whose_plans_are_known():
    assert duckdb.__version__ == ENGINE_VERSION
    with pytest.raises(UnavailableError, match=r"^engine: found duckdb 2\.0\.1"):
        require_known_engine("2.0.1")


def test_another_engine_plans_nothing(monkeypatch):
    monkeypatch.setattr(duckdb, "__version__", "2.0.1")
    with pytest.raises(UnavailableError, match="^engine: "):
        bound_plan(statement(), claim())


def test_the_engines_plans_have_the_golden_shape():
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert set(golden) == {statement(), linked()}
    for sql, plan in golden.items():
        assert bound_plan(sql, claim()) == plan, sql


@pytest.mark.parametrize("node", [{"a": 1}, {"a": 1, "b": []}, {"b": [], "alias": "x"}])
def test_known_fields_are_opened(node):
    assert open_node(node, FIELDS) == node


@pytest.mark.parametrize("node", [{"b": [1]}, {"c": 1}, {"a": 1, "b": None}, "text", None, []])
def test_unknown_fields_are_refused(node):
    with pytest.raises(AdmissionRefusedError, match="^plan: found ") as caught:
        open_node(node, FIELDS)
    assert caught.value.code == "plan.shape"


@pytest.mark.parametrize("node", [{}, {"type": 3}, None, "text"])
def test_a_node_without_a_type_is_refused(node):
    with pytest.raises(AdmissionRefusedError, match="^plan: found a node without a type"):
        type_of(node)


READER = Reader(
    relation=Relation(columns=()), place=Place.ROW, origins=Origins(), salt="ssalt"
)  # fmt: skip


@pytest.mark.parametrize(
    ("node", "rule"),
    [
        (None, "expression"),
        ({"expression_class": "BOUND_LAMBDA"}, "expression"),
        ({"expression_class": "BOUND_REF", "index": 0}, "shape"),
        ({"expression_class": "BOUND_REF", "index": "0"}, "shape"),
    ],
)
def test_an_expression_of_another_kind_is_refused(node, rule):
    with pytest.raises(AdmissionRefusedError) as caught:
        READER.read(node)
    assert caught.value.code == f"plan.{rule}"


def called(*path, operator=None):
    node = {"expression_class": "BOUND_FUNCTION", "type": "BOUND_FUNCTION", "children": []}
    return {**node, "qname": {"path": list(path)}, **({"is_operator": True} if operator else {})}


@pytest.mark.parametrize(
    "node",
    [
        # Somebody's own function under a known name, and a known name that is no operator.
        called("memory", "main", "abs"),
        called("system", "other", "abs"),
        called("abs"),
        called("=", operator=False),
        called("LIKE", operator=True),
        called(),
    ],
)
def test_a_function_is_known_by_its_full_name(node):
    with pytest.raises(AdmissionRefusedError) as caught:
        READER.read(node)
    assert caught.value.code == "plan.function"
    assert READER.read(called("system", "main", "abs"))


@pytest.mark.parametrize("noted", [{}, {"check_overflow": False}, {"check_overflow": 1}])
def test_a_product_that_overflows_unseen_is_refused(noted):
    product = called("system", "main", "*")
    with pytest.raises(AdmissionRefusedError) as caught:
        READER.read({**product, "function_data": noted})
    assert caught.value.code == "plan.function"
    assert READER.read({**product, "function_data": {"check_overflow": True}})


OPERATOR = {"expression_class": "BOUND_OPERATOR", "type": "STRUCT_EXTRACT", "children": []}


def test_an_operator_of_another_kind_is_refused():
    with pytest.raises(AdmissionRefusedError) as caught:
        READER.read(OPERATOR)
    assert caught.value.code == "plan.function"


@pytest.mark.parametrize("call", [OPERATOR, called("system", "main", "sum"), None])
def test_only_aggregates_aggregate(call):
    node = {"type": "LOGICAL_AGGREGATE_AND_GROUP_BY", "children": [], "expressions": [call]}
    with pytest.raises(AdmissionRefusedError) as caught:
        Aggregator(origins=Origins(), salt="ssalt").aggregate(node, Relation(columns=()))
    assert caught.value.code == "plan.aggregate"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sum(a0)", "count(*) FILTER (WHERE u0)"),
        (") e ", ") e WHERE e.patient_id "),
        ("e.los AS a0", "CASE WHEN e.patient_id THEN e.los END AS a0"),
    ],
)
def test_a_key_that_is_a_truth_value_is_no_condition(old, new):
    types = {"patient_id": "boolean", "ward": "string", "los": "integer"}
    made = claim().datasets["hospital.encounters"]
    truth = replace(made, types={name: ColumnType(kind) for name, kind in types.items()})
    datasets = {"hospital.encounters": truth}
    check_statement(statement(), replace(claim(), datasets=datasets))
    with pytest.raises(AdmissionRefusedError) as caught:
        check_statement(statement().replace(old, new, 1), replace(claim(), datasets=datasets))
    assert caught.value.code == "plan.identifier"


def test_a_shadowed_function_never_reaches_the_engine_that_plans():
    # A macro of another connection is not there, and none can be made in a SELECT.
    with duckdb.connect(":memory:") as other:
        other.execute("CREATE MACRO main.sum(x) AS max(x)")
    passes(statement())


@pytest.mark.parametrize("terms", [400, 990])
def test_a_deep_plan_is_refused_in_our_words(terms):
    deep = "e.los" + " + e.los" * terms
    fails(statement(argument=deep), "nesting")


def test_an_engine_that_fails_is_not_quoted():
    made = claim(read={"hospital.encounters": ("patient_id", "los")})
    same = {"ward": ColumnType("integer"), "WARD": ColumnType("integer")}
    broken = replace(made.datasets["hospital.encounters"], types=same)
    with pytest.raises(AdmissionRefusedError) as caught:
        bound_plan(statement(), replace(made, datasets={"hospital.encounters": broken}))
    assert caught.value.code == "plan.serialise"
    assert caught.value.__context__ is None


def test_exact_numbers_have_their_type():
    types = {"patient_id": ColumnType("integer"), "los": ColumnType("decimal(9,2)")}
    policy, _ = CATALOG.datasets["hospital.encounters"]
    datasets = {"hospital.encounters": DatasetClaim(policy=policy, types=types)}
    plan = bound_plan("SELECT los FROM hospital.encounters", replace(claim(), datasets=datasets))
    assert plan["children"][0]["returned_types"][1]["id"] == "DECIMAL"


def test_a_public_dataset_identifies_nobody():
    policy, _ = CATALOG.datasets["ref.numbers"]
    public = DatasetClaim(policy=policy, types={})
    assert public.unit == ""
    assert not public.identifies_unit(policy.columns["n"])


def test_a_plan_without_columns_or_blocked_ones_is_refused():
    read = {"hospital.patients": ("patient_id", "note")}
    sql = (
        "WITH per AS (SELECT patient_id, max(note) AS s FROM hospital.patients "
        "WHERE patient_id IS NOT NULL GROUP BY patient_id) SELECT 0, count(*), sum(1) FROM per"
    )
    fails(sql, "scan", keys=0, read=read)


def refuses(rule, work, *arguments):
    with pytest.raises(AdmissionRefusedError) as caught:
        work(*arguments)
    assert caught.value.code == f"plan.{rule}"


REFERENCE = {"type": "LOGICAL_CTE_REF", "cte_index": 3, "chunk_types": [], "bound_columns": []}
NOTHING = {"type": "LOGICAL_DUMMY_SCAN"}
ONE = {
    "type": "LOGICAL_PROJECTION",
    "children": [NOTHING],
    "expressions": [
        {
            "expression_class": "BOUND_CONSTANT",
            "type": "VALUE_CONSTANT",
            "value": {"type": {"id": "INTEGER"}, "is_null": False, "value": 1},
        }
    ],
}


def test_a_common_table_is_the_one_that_was_defined():
    walker = Walker(claim())
    refuses("operator", walker.read, REFERENCE)
    walker.define(
        {
            "type": "LOGICAL_MATERIALIZED_CTE",
            "table_index": 3,
            "children": [ONE, NOTHING],
            "ctename": "x",
        }
    )
    assert len(walker.read({**REFERENCE, "chunk_types": [{"id": "INTEGER"}]}).columns) == 1
    refuses("shape", walker.read, REFERENCE)


def test_a_union_is_column_by_column():
    union = {"type": "LOGICAL_UNION", "children": [ONE, ONE]}
    assert len(Walker(claim()).read(union).columns) == 1
    refuses("shape", Walker(claim()).read, {**union, "children": [ONE, NOTHING]})


def test_a_scan_is_of_a_declared_table():
    plan = bound_plan("SELECT count(*) FROM ref.numbers", claim())
    refuses("scan", Walker(claim(read={})).read, plan)
    [aggregate] = plan["children"]
    [scan] = aggregate["children"]
    assert Walker(claim()).read(scan)
    for path in (["read_csv"], ["system", "main", "seq_scan"]):
        refuses("scan", Walker(claim()).read, {**scan, "qname": {"path": path}})
    other = {**scan["function_data"], "qualified_name": {"path": ["temp", "ref", "numbers"]}}
    refuses("scan", Walker(claim()).read, {**scan, "function_data": other})


JOIN = {
    "type": "LOGICAL_COMPARISON_JOIN",
    "join_type": "INNER",
    "mark_index": 18_446_744_073_709_551_615,
    "conditions": [{"left": ONE["expressions"][0], "right": ONE["expressions"][0],
                    "comparison": "COMPARE_EQUAL"}],
}  # fmt: skip


def test_a_join_is_of_a_known_kind():
    joiner, side = Joiner(claim(), Origins()), Relation(columns=())
    assert joiner.join(JOIN, side, side) == side
    refuses("join", joiner.join, {**JOIN, "join_type": "SINGLE"}, side, side)
    odd = {**JOIN["conditions"][0], "comparison": "COMPARE_LIKE"}
    refuses("join", joiner.join, {**JOIN, "conditions": [odd]}, side, side)
