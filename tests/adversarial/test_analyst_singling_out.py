# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - attacks under test
"""T-08: an analyst asks about one person, in every way that SQL offers.

Each query is refused, or runs and releases nothing about that person.
"""

from __future__ import annotations

import pytest

from tests.support.gate_admission import refused
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog(k=4)
E, P = "hospital.encounters", "hospital.patients"
REFUSED = [
    # a key meets a value
    f"SELECT count(*) FROM {P} WHERE patient_id = 1",
    f"SELECT count(*) FROM {P} WHERE 1 = patient_id",
    f"SELECT count(*) FROM {P} WHERE patient_id == 1",
    f"SELECT count(*) FROM {P} WHERE patient_id IN (1)",
    f"SELECT count(*) FROM {P} WHERE patient_id BETWEEN 1 AND 1",
    f"SELECT count(*) FROM {P} WHERE patient_id < 2",
    f"SELECT count(*) FROM {P} WHERE patient_id IS NOT DISTINCT FROM 1",
    f"SELECT count(*) FROM {P} WHERE person_key LIKE 'hash000001'",
    f"SELECT count(*) FROM {P} WHERE (patient_id, zip) = (1, 'x')",
    f"SELECT count(*) FROM {P} WHERE [patient_id] = [1]",
    f"SELECT count(*) FROM {P} WHERE hash(patient_id) = hash(1)",
    f"SELECT count(*) FROM {P} WHERE patient_id % 2 = 0",
    f"SELECT count(*) FROM {P} WHERE patient_id = ANY (SELECT 1)",
    f"SELECT count(*) FROM {E} WHERE encounter_id = 1000",
    # a key meets a public list
    f"SELECT count(*) FROM {P} JOIN ref.numbers ON patient_id = n WHERE n = 1",
    f"SELECT count(*) FROM {P} JOIN ref.numbers ON n = patient_id",
    # aggregates that return a value or weigh one person
    *(
        f"SELECT {aggregate} FROM {E}"
        for aggregate in (
            "min(cost)", "max(cost)", "any_value(cost)", "first(cost)", "arg_max(dx, cost)",
            "mode(dx)", "median(cost)", "quantile_disc(cost, 0.99)", "list(cost)",
            "string_agg(dx, ',')", "histogram(dx)", "bit_xor(los)", "bool_or(los > 29)",
            "product(los)", "entropy(dx)", "kurtosis(cost)",
            "approx_count_distinct(dx)", "sum(cost * los * los)", "sum(least(cost, 1))",
            "sum(CASE WHEN patient_id = 1 THEN cost ELSE 0 END)",
            "sum(cost) FILTER (WHERE patient_id = 1)", "sum(floor(los / 30))",
            "sum((patient_id = 1)::INT)", "count(DISTINCT dx)", "count(DISTINCT cost)",
            "sum(DISTINCT cost)", "sum(2 - least(greatest(30 - los, 0), 1))",
        )
    ),
    # rows instead of aggregates
    f"SELECT * FROM {E}",
    f"SELECT ward FROM {E}",
    f"SELECT DISTINCT ward, dx FROM {E}",
    f"SELECT ward, cost, count(*) FROM {E} GROUP BY ward, cost",
    f"SELECT patient_id, count(*) FROM {E} GROUP BY patient_id",
    f"SELECT encounter_id, count(*) FROM {E} GROUP BY encounter_id",
    f"SELECT left(person_key, 9) AS g, count(*) FROM {P} GROUP BY g",
    f"SELECT p, count(*) FROM {P} p GROUP BY p",
    f"SELECT ward, count(*) FROM {E} GROUP BY ward HAVING max(cost) > 9000",
    f"SELECT ward, count(*) FROM {E} GROUP BY ward ORDER BY max(cost)",
    f"SELECT avg(los) FROM (SELECT patient_id, los FROM {E} ORDER BY los DESC LIMIT 1)",
    # the other side of a join lends its units
    f"SELECT sum(e.cost) FROM {E} e, {P} p WHERE e.ward = 'hyperbaric'",
    f"SELECT sum(e.cost) FROM {E} e JOIN {P} p ON true WHERE e.ward = 'hyperbaric'",
    f"SELECT sum(e.cost) FROM {E} e JOIN {P} p ON e.ward <> p.zip",
    "SELECT count(*) FROM hospital.patients p JOIN insurer.members m ON p.region = m.region",
]  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_singling_out_is_refused_with_a_fix(sql):
    error = refused(sql, CATALOG)
    assert error.hint
    assert "hash000001" not in error.message


@pytest.fixture(scope="module")
def connection():
    with health().connect() as made:
        yield made


WITHHELD = [
    f"SELECT count(*) AS n FROM {P} WHERE zip = '99950'",
    f"SELECT count(*) AS n FROM {P} WHERE zip = $tag$99950$tag$",
    f"SELECT count(*) AS n FROM {P} WHERE zip = E'\\x3999950'",
    f"SELECT sum(cost) AS s FROM {E} WHERE ward = 'hyperbaric'",
    f"SELECT count(*) AS n FROM {E} WHERE ward IS NULL",
    f"SELECT count(*) AS n FROM {E} WHERE dx = 'Z99'",
    f"SELECT sum(e.cost) AS s FROM {E} e JOIN {P} p ON e.patient_id = p.patient_id "
    "WHERE p.zip = '99950'",
    f"SELECT avg(m.premium) AS s FROM {P} p JOIN insurer.members m "
    "ON p.person_key = m.person_key WHERE p.zip = '99950'",
    # a measure picks the person out
    f"SELECT count(*) FROM {E} WHERE cost = 19999",
    f"SELECT sum(cost) FROM {E} WHERE los > 29",
    # a condition inside a number treats one person differently
    f"SELECT count_if(los > 29) FROM {E}",
    f"SELECT avg(if(los > 29, cost, 0)) FROM {E}",
    f"SELECT sum(CASE WHEN los > 29 THEN los ELSE 0 END) FROM {E}",
    f"SELECT count(*) AS n, count(*) FILTER (WHERE los > 29) AS m FROM {E}",
    f"SELECT count(nullif(dx, 'Z99')) FROM {E}",
    f"SELECT sum((zip = '99950')::INT) FROM {P}",
    f"SELECT sum(birth_year * (zip = '99950')::INT) FROM {P}",
    f"SELECT avg(coalesce(nullif(birth_year, birth_year), 0) + birth_year) FROM {P} "
    "WHERE zip = '99950'",
    # it travels through subqueries, groupings by unit, windows and joins
    f"SELECT sum(x) FROM (SELECT patient_id, CASE WHEN zip = '99950' THEN 7 ELSE 5 END AS x "
    f"FROM {P})",
    f"SELECT sum(birth_year + f::INT) FROM (SELECT patient_id, zip = '99950' AS f, birth_year "
    f"FROM {P})",
    f"SELECT avg(x) FROM (SELECT patient_id, max(CASE WHEN los > 29 THEN 1 ELSE 0 END) AS x "
    f"FROM {E} GROUP BY patient_id)",
    f"SELECT avg(x) FROM (SELECT patient_id, count(*) FILTER (WHERE los > 29) AS x FROM {E} "
    "GROUP BY patient_id)",
    f"SELECT avg(had::INT) FROM (SELECT patient_id, bool_or(los > 29) AS had FROM {E} "
    "GROUP BY patient_id)",
    f"SELECT avg(x) FROM (SELECT patient_id, sum(CASE WHEN los > 29 THEN 1 ELSE 0 END) OVER "
    f"(PARTITION BY patient_id) AS x FROM {E})",
    f"SELECT avg(CASE WHEN q.patient_id IS NULL THEN 0 ELSE 1 END) FROM {P} p LEFT JOIN "
    f"(SELECT DISTINCT patient_id FROM {E} WHERE los > 29) q ON p.patient_id = q.patient_id",
    f"SELECT sum(e.cost) FROM {E} e LEFT JOIN {P} p ON e.patient_id = p.patient_id "
    "AND p.zip = '99950'",
    f"SELECT avg((patient_id IN (SELECT patient_id FROM {E} WHERE los > 29))::INT) FROM {P}",
    f"SELECT avg(w) FROM (SELECT patient_id, 1 AS w FROM {P} UNION ALL SELECT patient_id, 2 "
    f"FROM {E} WHERE los > 29)",
    f"SELECT count(*) FROM {P} WHERE patient_id IN (SELECT patient_id FROM {E} WHERE los > 29)",
    # nested conditions: each holds for many, both together for one
    f"SELECT sum(CASE WHEN smoker THEN CASE WHEN zip = '99950' THEN 1 ELSE 0 END ELSE 0 END) "
    f"FROM {P}",
]  # fmt: skip


@pytest.mark.parametrize("sql", WITHHELD)
def test_what_is_about_one_person_is_withheld(connection, sql):
    assert run_gates(connection, sql, catalog=CATALOG).rows == ()


AFTERWARDS = [
    f"SELECT ward, count(*) AS n FROM {E} GROUP BY ward HAVING n < 3",
    f"SELECT ward, count(*) AS n FROM {E} GROUP BY ward ORDER BY n LIMIT 1",
    f"SELECT ward, count(*) AS n, sum(count(*)) OVER () FROM {E} GROUP BY ward",
    f"SELECT ward, lag(count(*)) OVER (ORDER BY ward) AS n FROM {E} GROUP BY ward",
    f"SELECT max(ward), min(n) FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ward)",
]


@pytest.mark.parametrize("sql", AFTERWARDS)
def test_what_follows_the_aggregate_sees_released_groups_only(connection, sql):
    for row in run_gates(connection, sql, catalog=CATALOG).rows:
        assert "hyperbaric" not in row
        assert None not in row or "lag" in sql
        assert all(value > 3 for value in row if isinstance(value, int))


def test_two_counts_that_differ_by_one_person_are_never_subtracted(connection):
    sql = f"SELECT (SELECT count(*) FROM {P}) - (SELECT count(*) FROM {P} WHERE zip <> '99950')"
    assert run_gates(connection, sql, catalog=CATALOG).rows in {((0,),), ((None,),)}


def test_a_person_alone_in_a_group_does_not_appear(connection):
    released = run_gates(
        connection, f"SELECT ward, count(*) AS n FROM {E} GROUP BY ward", catalog=CATALOG
    )
    assert released.rows
    assert {row[0] for row in released.rows} <= {"cardio", "onco", "ortho"}


def test_one_heavy_contributor_withholds_the_row(connection):
    released = run_gates(
        connection, f"SELECT ward, sum(cost) AS s FROM {E} GROUP BY ward", catalog=CATALOG
    )
    assert "cardio" not in {row[0] for row in released.rows}


def test_a_row_whose_costs_a_person_lacks_is_split_from_the_count(connection):
    # Person 3 alone has costs that are NULL, NaN or infinite, all on ward ortho.
    both = run_gates(
        connection,
        f"SELECT ward, count(*) AS n, count(cost) AS c FROM {E} GROUP BY ward",
        catalog=CATALOG,
    )
    assert "ortho" not in {row[0] for row in both.rows}


def test_a_public_cross_product_gains_nothing(connection):
    catalog = corpus_catalog(k=4)
    sql = f"SELECT n, count(*) AS many FROM {P} JOIN ref.numbers ON birth_year = n GROUP BY n"
    assert run_gates(connection, sql, catalog=catalog).rows == ()
