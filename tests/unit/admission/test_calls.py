# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""Calls have the arguments and the types that their function takes, and are read exactly."""

from __future__ import annotations

import copy
import json

import pytest

from cleanroom.admission.admit import admit, lower
from cleanroom.admission.refusal import Locator, QueryRefusedError
from cleanroom.admission.syntax.parser import serialize
from cleanroom.admission.typed.expr import Call, Interval, Literal, walk
from cleanroom.admission.typed.plain_words import key_texts
from tests.support.gate_admission import CATALOG, admitted, condition_of, only, refused

E, P = "hospital.encounters", "hospital.patients"
WARD, DATE, YEAR = f"{E}.ward", f"{E}.admit_date", f"{P}.birth_year"


def key_of(table: str, expr: str) -> tuple[str, str]:
    """The one group key of a query, in words, and its type."""
    [stage] = admitted(f"SELECT {expr} AS x, count(*) FROM {table} GROUP BY x").stages
    [words] = key_texts(stage)
    return words, str(stage.keys[0].type)


@pytest.mark.parametrize(
    ("table", "expr", "words", "kind"),
    [
        (E, "ifnull(ward, 'none')", f"coalesce({WARD}, 'none')", "string"),
        (E, "ifnull(NULL, ward)", f"coalesce(null, {WARD})", "string"),
        (E, "coalesce(NULL, ward)", f"coalesce(null, {WARD})", "string"),
        (E, "nullif(NULL, ward)", f"nullif(null, {WARD})", "string"),
        (E, "nullif(ward, 'a')", f"nullif({WARD}, 'a')", "string"),
        (P, "if(smoker, birth_year, NULL)",
         f"case when {P}.smoker then {YEAR} else null end", "integer"),
        (P, "round(birth_year)", f"round({YEAR})", "integer"),
        (P, "round(birth_year, -1)", f"round({YEAR}, '-1')", "integer"),
        (P, "round(birth_year, 2)", f"round({YEAR}, '2')", "decimal(38,2)"),
        (P, "round(birth_year, 40)", f"round({YEAR}, '40')", "decimal(38,12)"),
        (E, "date_part('DOW', admit_date)", f"date_part('dayofweek', {DATE})", "integer"),
        (E, "strftime(admit_date, '%Y-Q week %-d')",
         f"strftime({DATE}, '%Y-Q week %-d')", "string"),
        (E, "week(admit_date)", f"date_part('week', {DATE})", "integer"),
        (E, "time_bucket(INTERVAL 7 DAY, admit_date)",
         f"time_bucket(interval(0 months, 7 days, 0 us), {DATE})", "date"),
        (E, "least(ward, NULL)", f"least({WARD}, null)", "string"),
        (E, "ward || NULL", f"({WARD} || null)", "string"),
        (E, "concat(ward, NULL, dx)", f"concat({WARD}, null, {E}.dx)", "string"),
        (P, "TRY_CAST(zip AS INT)", f"{P}.zip::integer", "integer"),
        (P, "birth_year::DECIMAL", f"{YEAR}::decimal(18,3)", "decimal(18,3)"),
        (P, "birth_year::NUMERIC(10)", f"{YEAR}::decimal(10,0)", "decimal(10,0)"),
        (P, "birth_year::BIGINT", YEAR, "integer"),
        (P, "NOT smoker", f"not({P}.smoker)", "boolean"),
        (P, "smoker AND birth_year > 1950", f"({P}.smoker and ({YEAR} > '1950'))", "boolean"),
        (P, "smoker OR birth_year > 1950", f"({P}.smoker or ({YEAR} > '1950'))", "boolean"),
        (P, "zip NOT IN ('a', 'b')", f"not({P}.zip in ('a', 'b'))", "boolean"),
    ],
)  # fmt: skip
def test_a_call_is_its_canonical_function_of_one_type(table, expr, words, kind):
    assert key_of(table, expr) == (words, kind)


@pytest.mark.parametrize(
    ("condition", "operation", "kind"),
    [
        ("admit_date - admit_date > 3", "-", "integer"),
        ("admit_date - DATE '2025-01-01' > 3", "-", "integer"),
        ("admit_date + 3 > DATE '2025-01-01'", "+", "date"),
        ("admit_date - INTERVAL 2 MONTH > TIMESTAMP '2025-01-01 00:00:00'", "-", "timestamp"),
        ("los + NULL > 3", "+", "integer"),
        ("NULL + NULL > los", "+", "integer"),
        ("-los > 3", "negate", "integer"),
        ("los // 2 > 3", "//", "integer"),
        ("los / 2 > 3", "/", "double"),
        ("los + cost > 3", "+", "double"),
    ],
)
def test_arithmetic_has_the_type_of_its_operands(condition, operation, kind):
    where = condition_of(admitted(f"SELECT count(*) FROM {E} WHERE {condition}"))
    found = [node for node in walk(where) if isinstance(node, Call) and node.function == operation]
    assert [node.type for node in found] == [kind]


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("INTERVAL 7 DAY", Interval(days=7)),
        ("INTERVAL (trunc(3)) DAY", Interval(days=3)),
        ("INTERVAL 2 QUARTER", Interval(months=6)),
        ("INTERVAL 90 SECOND", Interval(micros=90_000_000)),
        ("INTERVAL '2 weeks'", Interval(days=14)),
        ("INTERVAL '14' DAY", Interval(days=14)),
        ("INTERVAL '-3' MONTH", Interval(months=-3)),
        ("to_days(3)", Interval(days=3)),
        ("to_days(3::BIGINT)", Interval(days=3)),
    ],
)
def test_a_span_of_time_is_read_to_the_number(written, span):
    sql = f"SELECT count(*) FROM {E} WHERE admit_date + {written} > DATE '2025-01-01'"
    nodes = walk(condition_of(admitted(sql)))
    assert next(node.value for node in nodes if isinstance(node, Literal)) == span


@pytest.mark.parametrize(
    "written",
    [
        "INTERVAL (abs(3)) DAY",
        "INTERVAL (trunc(3, 2)) DAY",
        "INTERVAL (5::BOOLEAN) DAY",  # one day, not five
        "INTERVAL (5::VARCHAR) DAY",
        "INTERVAL (2.5) DAY",
        "INTERVAL 'x' DAY",
        "INTERVAL '1.5' DAY",
        "to_days(3, 4)",
        "to_days(los)",
    ],
)
def test_a_span_of_time_is_a_plain_number_of_steps(written):
    sql = f"SELECT count(*) FROM {E} WHERE admit_date + {written} > DATE '2025-01-01'"
    assert refused(sql).code == "admission.constant"


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("+los = 5", "arguments"),
        ("-ward = 'a'", "type"),
        ("los LIKE 'a%'", "type"),
        ("ward LIKE lower('A')", "function"),
        ("if(los, 1, 0) = 1", "type"),
        ("if(ward = 'a', 1, 'b') = 1", "type"),
        ("nullif(patient_id, 5) = 5", "identifier"),
        ("year(admit_date, admit_date) = 5", "function"),
        ("date_part('eon', admit_date) = 5", "function"),
        ("date_part(NULL, admit_date) = 5", "function"),
        ("time_bucket(7, admit_date) = admit_date", "type"),
        ("abs(los) = 5", "function"),
        ("los ^ 2 = 4", "function"),
        ("los ** 2 = 4", "function"),
        ("strftime(admit_date, '%s') = '5'", "function"),
        ("strftime(admit_date, '%-Y') = '5'", "function"),
        ("strftime(admit_date, ward) = '5'", "constant"),
        ("strftime(admit_date, NULL) = '5'", "function"),
        ("strftime(ward, '%Y') = '5'", "type"),
        ("lower(ward ORDER BY los) = 'a'", "function"),
        ("lower(ward) FILTER (WHERE los > 1) = 'a'", "function"),
        ("lower(x := ward) = 'a'", "unknown-syntax"),
        (f"concat({', '.join(['ward'] * 65)}) = 'a'", "arguments"),
        (f"coalesce({', '.join(['ward'] * 65)}) = 'a'", "branches"),
        (f"CASE {' '.join(['WHEN los > 1 THEN 1'] * 65)} END = 1", "branches"),
        (f"({' OR '.join(['los > 1'] * 65)}) = true", "conditions"),
        ("CASE WHEN los > 1 THEN 1 ELSE 'a' END = 1", "type"),
        ("los::DECIMAL(6, 2, 1) = 1", "cast"),
        ("ward::VARCHAR(5) = 'a'", "cast"),
        ("los::INTEGER[] = 1", "cast"),
        ("los::main.INTEGER = 1", "unknown-syntax"),
        ("TRY(los) = 1", "expression"),
        ("ward COLLATE NOCASE = 'a'", "unknown-syntax"),
    ],
)
def test_a_call_of_another_form_is_refused_by_its_rule(condition, rule):
    assert refused(f"SELECT count(*) FROM {E} WHERE {condition}").code == f"admission.{rule}"


def test_nullif_is_a_comparison_that_the_owner_allows_or_not():
    types = {"id": "integer", "word": "string"}
    columns = {"id": "key:x", "word": "dimension"}
    strict = only("a.t", columns, types, unit="id", namespace="x", literal=())
    sql = "SELECT nullif(word, 'a') AS w, count(*) FROM a.t GROUP BY w"
    assert refused(sql, strict).code == "admission.compare-literal"


@pytest.mark.parametrize(
    "selected",
    [
        "count(*) FROM a.t WHERE flag",
        "count(*) FROM a.t WHERE small > 3 AND NOT flag",
        "count(*) FILTER (WHERE flag) FROM a.t",
        "count_if(flag) FROM a.t",
        "count(*) FROM a.t WHERE starts_with(word, 'x')",
        "count(*) FROM a.t WHERE contains(word, 'x')",
        "count_if(ends_with(word, 'x')) FROM a.t",
    ],
)
def test_a_truth_about_a_column_is_a_comparison_that_the_owner_allows_or_not(selected):
    types = {"id": "integer", "flag": "boolean", "word": "string", "small": "integer"}
    columns = {"id": "key:x", "flag": "dimension", "word": "dimension", "small": "dimension"}

    def catalog(*literal):
        return only("a.t", columns, types, unit="id", namespace="x", literal=("small", *literal))

    sql = f"SELECT {selected}"
    assert refused(sql, catalog()).code == "admission.compare-literal"
    assert admit(sql.encode(), catalog=catalog("flag", "word"), parameters={}).stages


def test_released_numbers_may_be_computed_with_freely():
    sql = f"SELECT ward, pow(count(*), 2), abs(-count(*)), count(*) % 2 FROM {E} GROUP BY ward"
    assert [item.type for item in admitted(sql).output] == ["string", "double", "integer",
                                                            "integer"]  # fmt: skip


SPAN = f"SELECT count(*) FROM {E} WHERE admit_date + INTERVAL 7 DAY > DATE '2025-01-01'"
CALLS = f"SELECT count(*) FROM {P} WHERE NOT smoker OR CAST(birth_year AS VARCHAR) = 'a'"


def tampered(sql: str, path: tuple[str | int, ...], value: object) -> QueryRefusedError:
    """Lower the tree of an admitted query with one value replaced."""
    statement = json.loads(serialize(sql))["statements"][0]
    lower(copy.deepcopy(statement), locator=Locator(sql.encode()), catalog=CATALOG, parameters={})
    node = statement["node"]["where_clause"]
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(QueryRefusedError) as caught:
        lower(statement, locator=Locator(sql.encode()), catalog=CATALOG, parameters={})
    return caught.value


INNER = ("left", "arguments", 1, "expression", "arguments", 0, "expression")


@pytest.mark.parametrize(
    ("sql", "path", "value", "rule"),
    [
        (SPAN, (*INNER, "odd"), 1, "unknown-syntax"),
        (SPAN, (*INNER, "type_expr"), [], "unknown-syntax"),
        (SPAN, (*INNER, "type_expr", "type_name"), "BOOLEAN", "constant"),
        (SPAN, (*INNER, "type_expr", "type_name"), ["DOUBLE"], "constant"),
        (SPAN, (*INNER, "child", "function_name"), "abs", "constant"),
        (SPAN, (*INNER, "child"), {}, "constant"),
        (SPAN, ("left", "is_operator"), False, "unknown-syntax"),
        (CALLS, ("type",), "CONJUNCTION_XOR", "expression"),
        (CALLS, ("children", 0, "children"), [], "unknown-syntax"),
        (CALLS, ("children", 0, "type"), "OPERATOR_NEW", "expression"),
        (CALLS, ("children", 0, "type"), "COMPARE_NOT_IN", "expression"),
        (CALLS, ("children", 1, "left", "try_cast"), 1, "unknown-syntax"),
    ],
)
def test_a_call_that_the_engine_never_wrote_is_refused(sql, path, value, rule):
    assert tampered(sql, path, value).code == f"admission.{rule}"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (f"SELECT count({', '.join(['los'] * 65)}) FROM {E}", "more than 64 arguments"),
        ("SELECT count(*) FROM hospital.patients WHERE a.hospital.patients.zip = 'x'",
         "a name of 4 parts"),
        ("SELECT count(*) FROM hospital.patients WHERE birth_year LIKE '19%'",
         "the text of LIKE is a integer"),
        (f"SELECT count(*) FROM hospital.patients WHERE birth_year > (SELECT los FROM {E})",
         "a subquery that gives values of single rows"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_found(sql, message):
    assert refused(sql).message.partition(": ")[2].startswith(message)
