# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""One wrong thing is refused by its own rule, place and fix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.refusal import NO_GRANT
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import CATALOG, JOIN, only, refused

WRONG = [
    # syntax and statements
    ("SELEC 1", "syntax"),
    ("", "statements"),
    ("SELECT count(*) FROM hospital.patients; SELECT 1", "statements"),
    ("DELETE FROM hospital.patients", "syntax"),
    ("SELECT count(*) FROM hospital.patients WHERE region = $1", "parameter"),
    ("WITH x AS (SELECT 1) SELECT count(*) FROM hospital.patients", "with"),
    ("SELECT count(*) FROM hospital.patients UNION SELECT 1", "set-operation"),
    ("SELECT DISTINCT count(*) FROM hospital.patients", "order-limit"),
    ("SELECT count(*) FROM hospital.patients ORDER BY 1", "order-limit"),
    ("SELECT count(*) FROM hospital.patients LIMIT 1", "order-limit"),
    ("SELECT count(*) FROM hospital.patients HAVING count(*) > 3", "having"),
    ("SELECT count(*) FROM hospital.patients QUALIFY 1 = 1", "window"),
    ("SELECT region, count(*) FROM hospital.patients GROUP BY ALL", "group-by-all"),
    ("SELECT count(*) FROM hospital.patients USING SAMPLE 10%", "sampling"),
    # sources
    ("SELECT count(*)", "from"),
    ("SELECT count(*) FROM patients", "dataset-name"),
    ("SELECT count(*) FROM x.hospital.patients", "dataset-name"),
    ("SELECT count(*) FROM hospital.nothing", "unknown-dataset"),
    ("SELECT count(*) FROM main.duckdb_tables", "unknown-dataset"),
    ("SELECT count(*) FROM hospital.patients TABLESAMPLE 5%", "sampling"),
    ("SELECT count(*) FROM hospital.patients t(a, b)", "alias"),
    ("SELECT count(*) FROM hospital.patients AT (VERSION => 1)", "time-travel"),
    ("SELECT count(*) FROM (SELECT 1) t", "subquery"),
    ("SELECT count(*) FROM range(10)", "table-function"),
    ("VALUES (1)", "values"),
    ("SELECT count(*) FROM hospital.patients, insurer.members", "cross-join"),
    ("SELECT count(*) FROM hospital.patients CROSS JOIN insurer.members", "cross-join"),
    ("SELECT count(*) FROM hospital.patients NATURAL JOIN insurer.members", "join-kind"),
    ("SELECT count(*) FROM hospital.patients POSITIONAL JOIN insurer.members", "join-kind"),
    ("SELECT count(*) FROM hospital.patients JOIN insurer.members USING (person_key)", "using"),
    (f"SELECT count(*) FROM {JOIN}".replace(" JOIN", " LEFT JOIN"), "join-kind"),
    (f"SELECT count(*) FROM {JOIN}".replace(" JOIN", " SEMI JOIN"), "join-kind"),
    (
        ("SELECT count(*) FROM hospital.patients p JOIN (insurer.members m JOIN insurer.claims c "
        "ON m.person_key = c.person_key) ON p.person_key = m.person_key"),
        "join-kind",
    ),
    (f"SELECT count(*) FROM {JOIN}".replace(" m ", " p "), "ambiguous-name"),
    ('SELECT count(*) FROM hospital.patients AS "x y"', "name"),
    # join conditions
    (f"SELECT count(*) FROM {JOIN} AND p.person_key <> m.person_key", "join-condition"),
    (f"SELECT count(*) FROM {JOIN} OR TRUE", "join-condition"),
    (f"SELECT count(*) FROM {JOIN} AND p.region = m.region", "join-condition"),
    (f"SELECT count(*) FROM {JOIN} AND p.region = 'north'", "constant"),
    (f"SELECT count(*) FROM {JOIN} AND p.region = p.zip", "join-condition"),
    (f"SELECT count(*) FROM {JOIN} AND lower(p.region) = m.region", "function"),
    (f"SELECT count(*) FROM {JOIN} AND m.plan", "expression"),
    ("SELECT count(*) FROM hospital.patients p JOIN insurer.members m ON TRUE", "join-condition"),
    (
        ("SELECT count(*) FROM hospital.patients p JOIN insurer.members m "
        "ON p.patient_id = m.person_key"),
        "type",
    ),
    (
        "SELECT count(*) FROM hospital.encounters e JOIN ref.numbers r ON e.patient_id = r.n",
        "join-condition",
    ),
    (
        "SELECT count(*) FROM hospital.encounters e JOIN ref.numbers r ON e.los = r.n",
        "compare-column",
    ),
    (
        ("SELECT count(*) FROM hospital.patients p JOIN ref.dx_codes d ON p.region = d.dx "
        "JOIN insurer.members m ON m.region = d.dx"),
        "join-condition",
    ),
    (
        (  # the last dataset is joined to nothing
            "SELECT count(*) FROM hospital.encounters e JOIN ref.dx_codes d ON e.dx = d.dx "
            "JOIN ref.numbers n ON d.dx = e.dx"
        ),
        "join-condition",
    ),
    (
        (  # a chain of public datasets
            "SELECT count(*) FROM ref.dx_codes d JOIN ref.numbers n ON n.n = n.n "
            "JOIN hospital.encounters e ON e.dx = d.dx"
        ),
        "join-condition",
    ),
    (
        "SELECT count(n) FROM hospital.patients p JOIN ref.numbers n ON n.n = p.birth_year",
        "look-up",
    ),
    # filters
    ("SELECT count(*) FROM hospital.patients WHERE patient_id = 17", "compare-literal"),
    ("SELECT count(*) FROM hospital.patients WHERE patient_id IS NOT NULL", "compare-literal"),
    ("SELECT count(*) FROM hospital.encounters WHERE cost > 5", "compare-literal"),
    ("SELECT count(*) FROM hospital.encounters WHERE encounter_id = 5", "compare-literal"),
    ("SELECT count(*) FROM hospital.patients WHERE note = 'x'", "blocked-column"),
    ("SELECT count(*) FROM hospital.patients WHERE region = 'a' OR sex = 'F'", "or"),
    ("SELECT count(*) FROM hospital.patients WHERE NOT region = 'a'", "not"),
    ("SELECT count(*) FROM hospital.patients WHERE region NOT IN ('a')", "not"),
    ("SELECT count(*) FROM hospital.patients WHERE smoker", "condition"),
    ("SELECT count(*) FROM hospital.patients WHERE region IS DISTINCT FROM 'a'", "condition"),
    ("SELECT count(*) FROM hospital.patients WHERE region LIKE 'a%'", "arithmetic"),
    ("SELECT count(*) FROM hospital.patients WHERE region = sex", "expression"),
    ("SELECT count(*) FROM hospital.patients WHERE 1 = 1", "constant"),
    ("SELECT count(*) FROM hospital.patients WHERE lower(region) = 'a'", "function"),
    ("SELECT count(*) FROM hospital.patients WHERE birth_year + 1 = 5", "arithmetic"),
    ("SELECT count(*) FROM hospital.patients WHERE CAST(birth_year AS INT) = 5", "cast"),
    ("SELECT count(*) FROM hospital.patients WHERE birth_year = CAST('5' AS INT)", "cast"),
    ("SELECT count(*) FROM hospital.encounters WHERE admit_date = DATE(5)", "cast"),
    ("SELECT count(*) FROM hospital.encounters WHERE admit_date = CAST(5 AS DATE)", "cast"),
    ("SELECT count(*) FROM hospital.encounters WHERE admit_date = TRY_CAST('x' AS DATE)",
     "unknown-syntax"),
    ("SELECT count(*) FROM hospital.encounters WHERE admit_date = CAST(ward AS DATE)", "cast"),
    ("SELECT count(*) FROM hospital.patients WHERE region IN (SELECT 'a')", "subquery"),
    ("SELECT count(*) FROM hospital.patients WHERE region = (SELECT 'a')", "subquery"),
    ("SELECT count(*) FROM hospital.patients WHERE region = $gone", "parameter"),
    ("SELECT count(*) FROM hospital.patients WHERE hospital.patients.zip.x = 'a'",
     "unknown-column"),
    ("SELECT count(*) FROM hospital.patients WHERE rowid = 5", "unknown-column"),
    ("SELECT count(*) FROM hospital.patients p WHERE patients.zip = 'a'", "unknown-column"),
    ("SELECT count(*) FROM hospital.patients p WHERE hospital.patients.zip = 'a'",
     "unknown-column"),
    (f"SELECT count(*) FROM {JOIN} WHERE region = 'a'", "ambiguous-name"),
    ("SELECT count(*) FROM hospital.patients WHERE \uff50atient_id = 17", "name"),
    # outputs
    ("SELECT region FROM hospital.patients", "row-level"),
    ("SELECT region FROM hospital.patients GROUP BY region", "row-level"),
    ("SELECT region, count(*) FROM hospital.patients", "row-level"),
    ("SELECT region, sex, count(*) FROM hospital.patients GROUP BY region", "row-level"),
    ("SELECT count(*) FROM hospital.patients GROUP BY region", "group-key"),
    ("SELECT patient_id, count(*) FROM hospital.patients GROUP BY patient_id", "group-key"),
    ("SELECT cost, count(*) FROM hospital.encounters GROUP BY cost", "group-key"),
    ("SELECT region, count(*) FROM hospital.patients GROUP BY 1", "positional"),
    ("SELECT region, count(*) FROM hospital.patients GROUP BY lower(region)", "function"),
    ("SELECT region, count(*) FROM hospital.patients GROUP BY ROLLUP (region)", "grouping-sets"),
    ("SELECT count(*) FROM hospital.patients GROUP BY ()", "grouping-sets"),
    ("SELECT region, count(*) FROM hospital.patients GROUP BY region, patients.region",
     "duplicate-name"),
    ("SELECT region, region AS r, count(*) FROM hospital.patients GROUP BY region",
     "duplicate-name"),
    ("SELECT count(*) AS n, count(region) AS n FROM hospital.patients", "duplicate-name"),
    ("SELECT count(*), count(*) FROM hospital.patients", "duplicate-name"),
    ("SELECT region AS sex, count(*) FROM hospital.patients GROUP BY region", "ambiguous-name"),
    ("SELECT count(*) AS zip FROM hospital.patients", "ambiguous-name"),
    ('SELECT count(*) AS "Ünits" FROM hospital.patients', "name"),
    # The Kelvin sign folds to the letter k.
    ('SELECT count(*) AS "\u212aey" FROM hospital.patients', "name"),
    ("SELECT * FROM hospital.patients", "star"),
    ("SELECT count(COLUMNS(*)) FROM hospital.patients", "star"),
    ("SELECT count(1) FROM hospital.patients", "constant"),
    ("SELECT sum(1) FROM hospital.patients", "constant"),
    ("SELECT $p FROM hospital.patients", "constant"),
    ("SELECT max(cost) FROM hospital.encounters", "function"),
    ("SELECT main.sum(cost) FROM hospital.encounters", "function"),
    ("SELECT sum(cost) FILTER (WHERE los > 1) FROM hospital.encounters", "filter"),
    ("SELECT sum(cost ORDER BY los) FROM hospital.encounters", "order-by"),
    ("SELECT sum(DISTINCT cost) FROM hospital.encounters", "distinct"),
    ("SELECT count(DISTINCT ward) FROM hospital.encounters", "count-distinct"),
    ("SELECT count(ward, dx) FROM hospital.encounters", "arguments"),
    ("SELECT sum() FROM hospital.encounters", "arguments"),
    ("SELECT sum(birth_year) FROM hospital.patients", "measure"),
    ("SELECT avg(region) FROM hospital.patients", "measure"),
    ("SELECT sum(n) FROM ref.numbers", "measure"),
    ("SELECT sum(cost * 2) FROM hospital.encounters", "arithmetic"),
    ("SELECT sum(cost) + 1 FROM hospital.encounters", "arithmetic"),
    ("SELECT -sum(cost) FROM hospital.encounters", "arithmetic"),
    ("SELECT sum(cost) > 1 FROM hospital.encounters", "expression"),
    ("SELECT sum(cost) IS NULL FROM hospital.encounters", "expression"),
    ("SELECT sum(cost) BETWEEN 1 AND 2 FROM hospital.encounters", "expression"),
    ("SELECT sum(CASE WHEN los > 1 THEN cost END) FROM hospital.encounters", "case"),
    ("SELECT sum(cost::INT) FROM hospital.encounters", "cast"),
    ("SELECT sum(note) FROM hospital.patients", "blocked-column"),
    ("SELECT count(*) OVER () FROM hospital.patients", "window"),
    ("SELECT (SELECT 1) FROM hospital.patients", "subquery"),
    ("SELECT count(x -> x) FROM hospital.patients", "expression"),
    ("SELECT #1 FROM hospital.patients", "positional"),
    ("SELECT coalesce(count(*), 0) FROM hospital.patients", "expression"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rule"), WRONG)
def test_one_wrong_thing_is_refused_by_its_rule(sql, rule):
    assert refused(sql).code == f"admission.{rule}"


def test_a_declared_parameter_must_be_used():
    error = refused("SELECT count(*) FROM hospital.patients", p=ParameterType.STRING)
    assert error.code == "admission.parameter"


def test_a_refusal_says_where_which_column_and_what_would_admit_it():
    error = refused("SELECT count(*)\nFROM hospital.encounters\nWHERE é = 1 AND cost > 5")
    assert str(error.place) == "line 3, column 7"
    error = refused("SELECT count(*)\nFROM hospital.encounters\nWHERE ward = 'é' AND cost > 5")
    assert str(error.place) == "line 3, column 22"
    assert error.column == "hospital.encounters.cost"
    assert error.grant == "none: a measure is never compared with a value"


def test_the_smallest_grant_names_policy_and_clause():
    strict = only(
        "a.t",
        {"id": "key:x", "place": "dimension", "cost": "blocked"},
        {"id": "integer", "place": "string", "cost": "double"},
        unit="id",
        namespace="x",
        literal=(),
    )
    error = refused("SELECT count(*) FROM a.t WHERE place = 'x'", strict)
    assert error.grant == "[compare] literal += place in the policy of a.t"
    error = refused("SELECT sum(cost) FROM a.t", strict)
    assert error.grant == "the owner gives a.t.cost another role"
    assert refused("SELECT 1 FROM a.t", strict).grant == NO_GRANT


def test_a_policy_without_the_kind_sql_lets_nothing_out():
    columns, types = {"id": "key:x"}, {"id": "integer"}
    closed = only("a.t", columns, types, unit="id", namespace="x", extra={"kinds": '["dp"]'})
    error = refused("SELECT count(*) FROM a.t", closed)
    assert error.code == "admission.kind"
    assert "policy of a.t" in error.grant


def test_demanded_noise_is_never_replaced_by_thresholds():
    noise = (
        'kind = "dp"\nepsilon_per_release = "1"\nepsilon_total = "10"\ndelta = "0.000001"\n'
        "max_rows_per_unit = 5\nmax_groups_per_unit = 5"
    )
    options = {"unit": "id", "namespace": "x", "extra": {"noise": noise}}
    noisy = only("a.t", {"id": "key:x"}, {"id": "integer"}, **options)
    assert refused("SELECT count(*) FROM a.t", noisy).code == "admission.noise"


def test_a_key_meets_no_value_even_if_a_policy_listed_it():
    made, types = CATALOG.datasets["hospital.patients"]
    wrong = replace(made, compare_literal=made.compare_literal | {"patient_id"})
    catalog = Catalog(datasets={"hospital.patients": (wrong, types)}, links=frozenset())
    error = refused("SELECT count(*) FROM hospital.patients WHERE patient_id = 1", catalog)
    assert error.code == "admission.compare-literal"


def test_a_column_without_a_role_does_not_exist():
    hidden = only(
        "a.t", {"id": "key:x"}, {"id": "integer", "other": "string"}, unit="id", namespace="x"
    )
    assert refused("SELECT count(other) FROM a.t", hidden).code == "admission.unknown-column"
