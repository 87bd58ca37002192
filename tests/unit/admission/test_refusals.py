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

P, E = "hospital.patients", "hospital.encounters"
WRONG = [
    # syntax and statements
    ("SELEC 1", "syntax"),
    ("", "statements"),
    (f"SELECT count(*) FROM {P}; SELECT 1", "statements"),
    (f"DELETE FROM {P}", "syntax"),
    (f"SELECT count(*) FROM {P} WHERE region = $1", "parameter"),
    (f"SELECT $p FROM {P}", "parameter"),
    (f"SELECT count(*) FROM {P} USING SAMPLE 10%", "sampling"),
    (f"SELECT region FROM {P} INTERSECT SELECT region FROM {P}", "set-operation"),
    (f"SELECT patient_id, sex FROM {P} EXCEPT SELECT patient_id, sex FROM {P}", "set-operation"),
    (f"SELECT patient_id FROM {P} EXCEPT ALL SELECT patient_id FROM {E}", "set-operation"),
    (f"SELECT patient_id FROM {P} INTERSECT SELECT encounter_id FROM {E}", "join-condition"),
    (f"SELECT patient_id FROM {P} EXCEPT SELECT birth_year FROM {P}", "set-operation"),
    (f"SELECT patient_id FROM {P} EXCEPT SELECT patient_id FROM {E}", "row-level"),
    (f"SELECT count(*) AS n FROM {P} EXCEPT SELECT count(*) FROM {E}", "set-operation"),
    (f"SELECT count(*) AS n FROM {P} UNION BY NAME SELECT count(*) AS n FROM {E}", "set-operation"),
    (f"SELECT count(*) FROM {P} UNION SELECT 1, 2", "set-operation"),
    (f"SELECT patient_id FROM {P} UNION ALL SELECT 1", "set-operation"),
    (f"SELECT region FROM {P} UNION ALL SELECT ward FROM {E}", "set-operation"),
    (f"SELECT patient_id FROM {P} UNION ALL SELECT encounter_id FROM {E}", "namespace"),
    (f"SELECT patient_id FROM {P} UNION ALL SELECT los FROM {E}", "set-operation"),
    (f"SELECT person_key FROM {P} UNION ALL SELECT person_key FROM insurer.members",
     "set-operation"),
    ((f"SELECT count(*) FROM (SELECT patient_id, chapter AS c FROM {E} JOIN ref.dx_codes "
     f"USING (dx) UNION ALL SELECT patient_id, region FROM {P})"), "look-up"),
    (" UNION ALL ".join(["SELECT n FROM ref.numbers"] * 17), "set-operation"),
    ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
     "recursive"),
    (f"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT count(*) FROM {P}, a", "dataset-name"),
    ("WITH a AS (SELECT * FROM a) SELECT * FROM a", "dataset-name"),
    # sources
    ("SELECT 1", "from"),
    ("SELECT count(*) FROM (SELECT 1) t", "from"),
    ("SELECT count(*) FROM patients", "dataset-name"),
    (f"SELECT count(*) FROM x.{P}", "dataset-name"),
    ("SELECT count(*) FROM hospital.nothing", "unknown-dataset"),
    ("SELECT count(*) FROM main.duckdb_tables", "unknown-dataset"),
    (f"SELECT count(*) FROM {P} TABLESAMPLE 5%", "sampling"),
    (f"SELECT count(*) FROM (SELECT 1 FROM {P}) t TABLESAMPLE 5%", "sampling"),
    (f"SELECT count(*) FROM {P} t(a, b, c, d, e, f, g, h, i)", "alias"),
    (f"SELECT count(*) FROM {P} t(a, a)", "duplicate-name"),
    (f"SELECT count(*) FROM {P} AT (VERSION => 1)", "time-travel"),
    ("SELECT count(*) FROM range(10)", "table-function"),
    ("VALUES (1)", "from"),
    (f"SELECT count(*) FROM {P} WHERE sex IN (VALUES (sex))", "values"),
    (f"SELECT count(*) FROM {P}, (VALUES (1), (CASE WHEN TRUE THEN 1 END))", "values"),
    (f"SELECT count(*) FROM {P} JOIN (VALUES (count(*))) v(n) ON n = birth_year", "aggregate-here"),
    (f"SELECT count(*) FROM {P} JOIN (VALUES (1, 2), ('a', 3)) v(n) ON n = birth_year", "type"),
    (f"SELECT count(*) FROM {P} JOIN (VALUES (5)) v(n) ON n > birth_year", "join-condition"),
    (f"SELECT count(*) FROM {P} JOIN (VALUES ('a')) v(n) ON n = person_key", "join-condition"),
    (f"SELECT sum(w) FROM {P} JOIN (VALUES ('F', 2)) v(s, w) ON s = sex", "look-up"),
    (f"SELECT count(*) FROM {P} JOIN (VALUES {', '.join(['(1)'] * 65)}) v(n) ON n = birth_year",
     "values"),
    (f"SELECT * FROM {E} PIVOT (sum(los) FOR ward IN ('a', 'b'))", "pivot"),
    (f"SELECT count(*) FROM {P}, insurer.members", "cross-join"),
    (f"SELECT count(*) FROM {P} CROSS JOIN ref.numbers", "cross-join"),
    (f"SELECT count(*) FROM {P} NATURAL JOIN insurer.members", "join-kind"),
    (f"SELECT count(*) FROM {P} POSITIONAL JOIN insurer.members", "join-kind"),
    (f"SELECT count(*) FROM {P} ASOF JOIN insurer.members USING (person_key)", "join-kind"),
    (f"SELECT count(*) FROM {P} JOIN insurer.members USING (zip)", "unknown-column"),
    (f"SELECT count(*) FROM {JOIN} JOIN insurer.claims USING (person_key)", "ambiguous-name"),
    (f"SELECT count(*) FROM {JOIN}".replace(" m ", " p "), "ambiguous-name"),
    (f'SELECT count(*) FROM {P} AS "x y"', "name"),
    # join conditions
    (f"SELECT count(*) FROM {JOIN} AND p.person_key <> m.person_key", "compare-literal"),
    (f"SELECT count(*) FROM {JOIN} OR TRUE", "compare-literal"),
    (f"SELECT count(*) FROM {JOIN} AND m.plan", "type"),
    (f"SELECT count(*) FROM {JOIN} AND p.patient_id IN (SELECT patient_id FROM {E})",
     "subquery"),
    (f"SELECT count(*) FROM {JOIN} AND p.region = p.birth_year", "type"),
    (f"SELECT count(*) FROM {JOIN} AND p.patient_id = p.zip", "compare-literal"),
    (f"SELECT count(*) FROM {P} p JOIN insurer.members m ON TRUE", "join-condition"),
    (f"SELECT count(*) FROM {P} p JOIN insurer.members m ON p.region = m.region",
     "join-condition"),
    (f"SELECT count(*) FROM {P} p JOIN insurer.members m ON p.patient_id = m.person_key", "type"),
    (f"SELECT count(*) FROM {E} e JOIN ref.numbers r ON e.patient_id = r.n", "join-condition"),
    (f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.admit_date = d.dx", "type"),
    (f"SELECT count(*) FROM {E} e RIGHT JOIN ref.dx_codes d ON e.dx = d.dx", "join-kind"),
    (f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx AND e.ward <> d.label",
     "look-up"),
    (f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.dx <> d.dx", "join-condition"),
    ((f"SELECT count(*) FROM {P} p JOIN ref.dx_codes d ON p.region = d.dx "
     "JOIN insurer.members m ON m.region = d.dx"), "join-condition"),
    ((f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx "
     "JOIN ref.dx_codes f ON f.dx = d.label"), "look-up"),
    ((f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx JOIN {P} p "
     "ON p.patient_id = e.patient_id AND d.label = 'x'"), "look-up"),
    ((f"SELECT count(*) FROM {P} p LEFT JOIN (SELECT person_key FROM {P}) q "
     "ON p.person_key = q.person_key"), "join-unit"),
    (f"SELECT count(*) FROM {P} p FULL JOIN insurer.members m ON p.person_key = m.person_key",
     "join-unit"),
    (f"SELECT count(n) FROM {P} p JOIN ref.numbers n ON n.n = p.birth_year", "look-up"),
    (f"SELECT count(*) FILTER (WHERE n > 1) FROM {P} p JOIN ref.numbers n ON n.n = p.birth_year",
     "look-up"),
    ((f"SELECT sum(c) FROM (SELECT patient_id, count(n) AS c FROM {P} JOIN ref.numbers "
     "ON n = birth_year GROUP BY patient_id)"), "look-up"),
    (f"SELECT n + birth_year AS x, count(*) FROM {P} JOIN ref.numbers ON n = birth_year GROUP BY x",
     "look-up"),
    (f"SELECT count(*) FROM {P} LEFT JOIN ref.numbers ON n = birth_year WHERE n > 5", "look-up"),
    ((f"SELECT count(*) FROM {P} p LEFT JOIN insurer.members m ON p.person_key = m.person_key "
     "JOIN insurer.claims c ON c.person_key = m.person_key"), "join-unit"),
    ((f"SELECT count(*) FROM {P} SEMI JOIN {E} ON patients.patient_id = encounters.patient_id "
     "AND encounters.dx = patients.zip"), "join-condition"),
    ((f"SELECT d.chapter FROM ref.dx_codes d JOIN (SELECT ward, count(*) AS n FROM {E} "
     "GROUP BY ward) t ON t.ward = d.dx"), "look-up"),
    (f"SELECT count(*) FROM {P} SEMI JOIN {E} ON encounters.ward = 'x'", "join-condition"),
    (f"SELECT count(*) FROM {P} ANTI JOIN ref.dx_codes ON dx_codes.dx = 'x'", "join-condition"),
    ((f"SELECT count(*) FROM {P} p SEMI JOIN {E} e ON p.patient_id = e.patient_id "
     "AND p.region <> e.ward"), "join-condition"),
    ((f"SELECT count(*) FROM {P} p SEMI JOIN {E} e ON p.patient_id = e.patient_id "
     "AND e.encounter_id = e.patient_id"), "compare-literal"),
    (f"SELECT count(*) FROM {JOIN} AND p.person_key = p.person_key", "compare-literal"),
    (f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx AND e.ward = e.dx", "look-up"),
    ((f"SELECT count(*) FROM (SELECT d.chapter, row_number() OVER (PARTITION BY e.patient_id "
     f"ORDER BY e.admit_date) FROM {E} e JOIN ref.dx_codes d USING (dx)) WHERE chapter = 'x'"),
     "look-up"),
    # The engine would convert one side, and fail on some rows.
    ("SELECT count(*) FROM ref.dx_codes JOIN ref.numbers ON dx = n", "type"),
    ("SELECT count(*) FROM ref.dx_codes SEMI JOIN ref.numbers ON dx = n", "type"),
    ("SELECT count(*) FROM ref.dx_codes WHERE dx IN (SELECT n FROM ref.numbers)", "type"),
    ((f"SELECT count(*) FROM {E} e JOIN (SELECT d.dx, n FROM ref.dx_codes d JOIN "
     "ref.numbers ON dx = label) d ON e.dx = d.dx AND d.dx = d.n"), "type"),
    ((f"SELECT a.n FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ward) a JOIN (SELECT ward, "
     f"count(*) AS n FROM {E} GROUP BY ward) b ON a.ward = b.n"), "type"),
    # filters
    (f"SELECT count(*) FROM {P} WHERE patient_id = 17", "compare-literal"),
    (f"SELECT count(*) FROM {P} WHERE patient_id IN (1, 2)", "compare-literal"),
    (f"SELECT count(*) FROM {P} WHERE patient_id BETWEEN 1 AND 2", "compare-literal"),
    (f"SELECT count(*) FROM {P} WHERE patient_id IS NOT DISTINCT FROM 17", "compare-literal"),
    (f"SELECT count(*) FROM {P} WHERE patient_id + 0 = 17", "identifier"),
    (f"SELECT count(*) FROM {P} WHERE person_key LIKE 'a%'", "identifier"),
    (f"SELECT count(*) FROM {P} WHERE coalesce(patient_id, 1) = 17", "identifier"),
    (f"SELECT count(*) FROM {P} WHERE patient_id::VARCHAR = '17'", "identifier"),
    (f"SELECT count(*) FROM {P} WHERE CASE patient_id WHEN 17 THEN true ELSE false END",
     "compare-literal"),
    (f"SELECT count(*) FROM {E} WHERE encounter_id = 5", "compare-literal"),
    (f"SELECT count(*) FROM {P} WHERE note = 'x'", "blocked-column"),
    (f"SELECT count(*) FROM {P} WHERE patient_id IN (SELECT n FROM ref.numbers)",
     "join-condition"),
    (f"SELECT count(*) FROM {P} WHERE patient_id IN (SELECT encounter_id FROM {E})",
     "join-condition"),
    (f"SELECT count(*) FROM {P} WHERE patient_id IN (SELECT patient_id, ward FROM {E})",
     "subquery"),
    (f"SELECT count(*) FROM {P} WHERE patient_id > ANY (SELECT patient_id FROM {E})", "subquery"),
    (f"SELECT count(*) FROM {P} WHERE EXISTS (SELECT 1 FROM {E})", "correlated"),
    ((f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 FROM {E} e WHERE e.patient_id = "
     "p.patient_id AND e.dx < p.zip)"), "correlated"),
    ((f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT count(*) FROM {E} e WHERE e.patient_id = "
     "p.patient_id)"), "subquery"),
    (f"SELECT count(*) FROM {P} p WHERE EXISTS (SELECT 1 UNION ALL SELECT 1)", "subquery"),
    ((f"SELECT count(*) FROM {P} p WHERE birth_year > (SELECT los FROM {E} e WHERE "
     "e.patient_id = p.patient_id)"), "unknown-column"),
    (f"SELECT count(*) FROM {P} WHERE birth_year > (SELECT los FROM {E})", "subquery"),
    (f"SELECT count(*) FROM {P} WHERE birth_year > (SELECT count(*) FROM {E} GROUP BY ward)",
     "subquery"),
    ((f"SELECT region FROM (SELECT region, count(*) AS n FROM {P} GROUP BY region) t "
     f"WHERE region IN (SELECT region FROM {P})"), "subquery"),
    (f"SELECT count(*) FROM {P} WHERE upper(birth_year) = 'a'", "type"),
    (f"SELECT count(*) FROM {P} WHERE birth_year = 'x'", "type"),
    (f"SELECT count(*) FROM {P} WHERE region = 5", "type"),
    (f"SELECT count(*) FROM {P} WHERE region + 1 = 5", "type"),
    (f"SELECT count(*) FROM {P} WHERE birth_year % 2 = 0", "function"),
    (f"SELECT count(*) FROM {P} WHERE hash(region) = 5", "function"),
    (f"SELECT count(*) FROM {P} WHERE sqrt(birth_year) = 5", "function"),
    (f"SELECT count(*) FROM {P} WHERE main.lower(region) = 'a'", "function"),
    (f"SELECT count(*) FROM {P} WHERE lower(DISTINCT region) = 'a'", "function"),
    (f"SELECT count(*) FROM {P} WHERE left(region, birth_year) = 'a'", "constant"),
    (f"SELECT count(*) FROM {P} WHERE left(region) = 'a'", "arguments"),
    (f"SELECT count(*) FROM {P} WHERE if(smoker, 1) = 1", "arguments"),
    (f"SELECT count(*) FROM {P} WHERE region LIKE sex", "function"),
    (f"SELECT count(*) FROM {E} WHERE date_trunc('eon', admit_date) = DATE '2025-01-01'",
     "function"),
    (f"SELECT count(*) FROM {E} WHERE admit_date - TIMESTAMP '2025-01-01 00:00:00' = 5", "type"),
    (f"SELECT count(*) FROM {E} WHERE admit_date + INTERVAL (los) DAY > DATE '2025-01-01'",
     "constant"),
    (f"SELECT count(*) FROM {P} WHERE region::JSON = 'a'", "cast"),
    (f"SELECT count(*) FROM {P} WHERE birth_year::DECIMAL(50, 2) = 5", "cast"),
    (f"SELECT count(*) FROM {P} WHERE region = $gone", "parameter"),
    (f"SELECT count(*) FROM {P} WHERE hospital.patients.zip.x = 'a'", "unknown-column"),
    (f"SELECT count(*) FROM {P} WHERE rowid = 5", "unknown-column"),
    (f"SELECT count(*) FROM {P} p WHERE patients.zip = 'a'", "unknown-column"),
    (f"SELECT count(*) FROM {P} p WHERE hospital.patients.zip = 'a'", "unknown-column"),
    (f"SELECT count(*) FROM {JOIN} WHERE region = 'a'", "ambiguous-name"),
    (f"SELECT count(*) FROM {P} WHERE \uff50atient_id = 17", "name"),
    (f"SELECT birth_year AS y, count(*) FROM {P} WHERE y > 5 GROUP BY y", "alias"),
    (f"SELECT count(*) FROM {P} WHERE count(*) > 5", "aggregate-here"),
    (f"SELECT count(*) FROM {P} WHERE max(birth_year) > 5", "aggregate-here"),
    (f"SELECT count(*) FROM {P} WHERE [birth_year] = [5]", "function"),
    (f"SELECT count(*) FROM {P} WHERE row_number() OVER (PARTITION BY patient_id) = 1", "window"),
    # outputs
    (f"SELECT region FROM {P}", "row-level"),
    (f"SELECT * FROM {P}", "row-level"),
    (f"SELECT region, count(*) FROM {P}", "row-level"),
    (f"SELECT region, sex, count(*) FROM {P} GROUP BY region", "row-level"),
    (f"SELECT region, count(*) FROM {P} GROUP BY lower(region)", "row-level"),
    (f"SELECT patient_id, count(*) FROM {P} GROUP BY patient_id", "row-level"),
    (f"SELECT encounter_id, count(*) FROM {E} GROUP BY encounter_id", "group-key"),
    (f"SELECT cost, count(*) FROM {E} GROUP BY cost", "type"),
    (f"SELECT los / 2 AS half, count(*) FROM {E} GROUP BY half", "type"),
    (f"SELECT region, count(*) FROM {P} GROUP BY 3", "positional"),
    (f"SELECT region, count(*) AS n FROM {P} GROUP BY n", "group-key"),
    (f"SELECT lower(region) AS sex, count(*) FROM {P} GROUP BY sex", "ambiguous-name"),
    (f"SELECT INTERVAL (1) DAY FROM {E} GROUP BY INTERVAL (1) DAY", "type"),
    (f"SELECT INTERVAL (1) DAY AS d, count(*) FROM {E}", "type"),
    (f"SELECT count(INTERVAL '1 day') FROM {E}", "type"),
    (f"SELECT count(*) FROM {E} WHERE INTERVAL '1 day' < INTERVAL '2 days'", "type"),
    (f"SELECT DISTINCT region FROM {P}", "distinct"),
    (f"SELECT DISTINCT ON (region) region FROM {P}", "distinct"),
    (f"SELECT count(*) AS n, count(region) AS n FROM {P}", "duplicate-name"),
    (f"SELECT count(*), count(*) FROM {P}", "duplicate-name"),
    (f'SELECT count(*) AS "Ünits" FROM {P}', "name"),
    # The Kelvin sign folds to the letter k.
    (f'SELECT count(*) AS "\u212aey" FROM {P}', "name"),
    (f"SELECT * EXCLUDE (note) FROM {P}", "row-level"),
    (f"SELECT * EXCLUDE (sex, nothing) FROM {P}", "unknown-column"),
    (f"SELECT * REPLACE (1 AS note) FROM {P}", "unknown-column"),
    (f"SELECT * EXCLUDE (sex) REPLACE (1 AS sex) FROM {P}", "syntax"),
    (f"SELECT * REPLACE (patient_id + 1 AS sex) FROM {P}", "identifier"),
    (f"SELECT * RENAME (sex AS s) FROM {P}", "star"),
    (f"SELECT p.* EXCLUDE (p.sex) FROM {P} p", "star"),
    (f"SELECT sum(los) AS t, sum(t) AS u FROM {E}", "alias"),
    (f"SELECT t + 1 AS u, sum(los) AS t FROM {E}", "alias"),
    (f"SELECT patient_id AS p, p + 1 AS q FROM {E}", "identifier"),
    (f"SELECT count(COLUMNS(*)) FROM {P}", "star"),
    (f"SELECT max(cost) FROM {E}", "value-aggregate"),
    (f"SELECT median(cost) FROM {E}", "value-aggregate"),
    (f"SELECT main.sum(cost) FROM {E}", "function"),
    (f"SELECT sum(cost ORDER BY los) FROM {E}", "order-by"),
    (f"SELECT sum(DISTINCT cost) FROM {E}", "distinct"),
    (f"SELECT count(DISTINCT ward) FROM {E}", "count-distinct"),
    (f"SELECT approx_count_distinct(ward) FROM {E}", "count-distinct"),
    (f"SELECT count(ward, dx) FROM {E}", "arguments"),
    (f"SELECT sum() FROM {E}", "arguments"),
    (f"SELECT sum(NULL) FROM {E}", "constant"),
    (f"SELECT sum(patient_id) FROM {E}", "identifier"),
    (f"SELECT avg(region) FROM {P}", "type"),
    (f"SELECT sum(smoker) FROM {P}", "type"),
    (f"SELECT sum(cost::INT) FROM {E}", "linear"),
    (f"SELECT sum(floor(los)) FROM {E}", "linear"),
    (f"SELECT sum(1 / los) FROM {E}", "linear"),
    (f"SELECT sum(least(los, 1)) FROM {E}", "linear"),
    (f"SELECT sum(los * los * los) FROM {E}", "linear"),
    (f"SELECT sum(f) FROM (SELECT patient_id, floor(los) AS f FROM {E})", "linear"),
    (f"SELECT sum(f) FROM (SELECT patient_id, max(floor(los)) AS f FROM {E} GROUP BY 1)",
     "linear"),
    (f"SELECT sum(p.birth_year * m.premium) FROM {JOIN}", "product"),
    (f"SELECT sum(x) FROM (SELECT m.person_key, p.birth_year * m.premium AS x FROM {JOIN})",
     "product"),
    (f"SELECT sum(note) FROM {P}", "blocked-column"),
    (f"SELECT count(*) OVER () FROM {P}", "window"),
    (f"SELECT count(x -> x) FROM {P}", "expression"),
    (f"SELECT #1 FROM {P}", "positional"),
    (f"SELECT median(x) FROM (SELECT patient_id, max(los) AS x FROM {E} GROUP BY 1)",
     "value-aggregate"),
    (f"SELECT avg(x) FROM (SELECT patient_id, median(los) AS x FROM {E} GROUP BY 1)", "function"),
    (f"SELECT list(n) FROM (SELECT count(*) AS n FROM {E} GROUP BY ward)", "function"),
    # what comes after
    (f"SELECT avg(los) FROM (SELECT patient_id, los FROM {E} LIMIT 5)", "order-limit"),
    (f"SELECT count(*) FROM {E} LIMIT 5%", "order-limit"),
    (f"SELECT count(*) FROM {E} LIMIT -1", "order-limit"),
    (f"SELECT count(*) FROM {E} LIMIT (SELECT 1)", "constant"),
    (f"SELECT ward, count(*) FROM {E} GROUP BY ward ORDER BY 3", "positional"),
    (f"SELECT ward, count(*) FROM {E} GROUP BY ward ORDER BY los", "row-level"),
    (f"SELECT ward, count(*) FROM {E} GROUP BY ward ORDER BY max(cost)", "value-aggregate"),
    (f"SELECT ward, count(*) FROM {E} GROUP BY ward HAVING max(cost) > 1", "value-aggregate"),
    (f"SELECT DISTINCT n FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ward) ORDER BY ward",
     "order-by"),
    (f"SELECT avg(d) FROM (SELECT patient_id, los - lag(los) OVER (ORDER BY los) AS d FROM {E})",
     "window"),
    (f"SELECT ward, nth_value(count(*), 2) OVER () FROM {E} GROUP BY ward", "window"),
    (f"SELECT ward, lag(count(*), count(*)) OVER () FROM {E} GROUP BY ward", "constant"),
    # An error of the engine would tell that rows exist, or what is in them.
    *((f"SELECT sum(x) FROM (SELECT patient_id, {made} OVER (PARTITION BY patient_id) x FROM {E})",
       "constant")
      for made in ("ntile(los)", "ntile(CASE WHEN los > 30 THEN 0 ELSE 1 END)", "ntile(0)",
                     "ntile(-1)", "ntile(1.5)", "ntile(NULL)", "lag(los, 1.5)", "lead(los, los)",
                     "lead(los, NULL)", "lag(los, -9223372036854775808)")),
    (f"SELECT sum(lag(los) OVER (PARTITION BY patient_id)) FROM {E}", "window"),
    ((f"SELECT n, sum(n) OVER (ORDER BY n RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM "
     f"(SELECT count(*) AS n FROM {E} GROUP BY ward)"), "window"),
    (f"SELECT GROUPING(zip), region, count(*) FROM {P} GROUP BY ROLLUP (region)", "grouping-sets"),
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
    error = refused(
        "SELECT count(*)\nFROM hospital.encounters\nWHERE ward = 'é' AND patient_id > 5"
    )
    assert str(error.place) == "line 3, column 22"
    assert error.column == "hospital.encounters.patient_id"
    assert error.grant == "none: a key is never computed with"


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


@pytest.mark.parametrize(
    ("sql", "fix"),
    [
        ("SELECT count(*) FROM hospital.encounters WHERE admit_date > CURRENT_DATE", "parameter"),
        (
            (
                "SELECT count(*) FROM hospital.patients p WHERE (SELECT count(*) FROM "
                "hospital.encounters e WHERE e.patient_id = p.patient_id) > 3"
            ),
            "a subquery sees its own tables only",
        ),
        ("SELECT count(*) FROM hospital.patients p WHERE p.nothing = 1", "policies"),
        ("SELECT count(*) FROM hospital.patients WHERE nothing = 1", "policies"),
    ],
)
def test_a_column_that_is_not_there_says_what_was_meant(sql, fix):
    error = refused(sql)
    assert error.code == "admission.unknown-column"
    assert fix in error.hint
