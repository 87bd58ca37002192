# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: an analyst adds up rows of a UNION under conditions that differ for one person alone.

Each input's condition holds for many, no row has two of them, and the sum of all has a last digit
that tells of the one person on whom they differ.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.gate_data import VIP, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Analyst, Memo

CATALOG = corpus_catalog(k=4)
FINE = {"round_counts": 1, "significant_digits": 13}
MEMO = Memo()
P, E = "hospital.patients", "hospital.encounters"
ALONE = "99950"  # where one person lives, who is to be told of
A, B = "smoker", f"smoker AND zip <> '{ALONE}'"
EVEN = f"SELECT patient_id, region, 2 * birth_year AS x FROM {P}"
ONE = f"SELECT patient_id, region, 1 AS x FROM {P} WHERE"
LESS = f"SELECT patient_id, region, -1 AS x FROM {P} WHERE"
TOLD = f"{EVEN} UNION ALL {ONE} {A} UNION ALL {LESS} {B}"


@pytest.fixture(scope="module")
def connection():
    """A hospital in which the one person who lives alone smokes."""
    world = health(people=60)
    changed = tuple((*row[:6], row[0] == VIP or row[6], row[7]) for row in world.rows[P])
    with replace(world, rows={**world.rows, P: changed}).connect() as made:
        yield made


def rows(connection, sql):
    return Analyst(connection, CATALOG, change=FINE, memo=MEMO).ask(sql).rows


# Of three kinds of people everybody is in two of the conditions, but for the one person.
APART = f"zip <> '{ALONE}'"
THREE = (
    f"{EVEN} UNION ALL {ONE} region = 'north' AND {APART} OR NOT ({APART}) AND {A} UNION ALL"
    f" {ONE} (region = 'north' AND sex = 'F' OR region = 'south') AND {APART} UNION ALL"
    f" {ONE} (region = 'north' AND sex = 'M' OR region = 'south') AND {APART}"
)
COUNTED = " UNION ALL ".join(
    f"SELECT patient_id, region FROM {P} WHERE {condition}"
    for condition in (A, f"NOT ({B})", "sex = 'F'")
)
TAGGED = " UNION ALL ".join(
    f"SELECT patient_id, {number} AS tag FROM {P} WHERE {condition}"
    for number, condition in enumerate((A, f"NOT ({B})", "sex = 'F'"))
)
HELD = " UNION ALL ".join(
    f"SELECT patient_id, {condition} AS c FROM {P}" for condition in (A, f"NOT ({B})", "sex = 'F'")
)
CASES = (
    f"{EVEN} UNION ALL SELECT patient_id, region, CASE WHEN {A} THEN 1 ELSE 0 END FROM {P}"
    f" UNION ALL SELECT patient_id, region, CASE WHEN {B} THEN -1 ELSE 0 END FROM {P}"
)
CASTS = (
    f"{EVEN} UNION ALL SELECT patient_id, region, ({A})::INT FROM {P}"
    f" UNION ALL SELECT patient_id, region, -({B})::INT FROM {P}"
)
ABSENT = (
    f"{EVEN} UNION ALL SELECT patient_id, region, 1 + 0 * nullif({A}, FALSE)::INT FROM {P}"
    f" UNION ALL SELECT patient_id, region, -1 + 0 * nullif({B}, FALSE)::INT FROM {P}"
)
MEASURED = (
    f"SELECT patient_id, region, 2 * birth_year AS x FROM {P} UNION ALL"
    f" SELECT patient_id, region, birth_year FROM {P} WHERE {A} UNION ALL"
    f" SELECT patient_id, region, -birth_year FROM {P} WHERE {B}"
)
STAYED = f"JOIN (SELECT DISTINCT patient_id FROM {E}) e ON p.patient_id = e.patient_id"
JOINED = (
    f"{EVEN} UNION ALL SELECT p.patient_id, p.region, 1 FROM {P} p {STAYED} WHERE {A}"
    f" UNION ALL SELECT p.patient_id, p.region, -1 FROM {P} p {STAYED} WHERE {B}"
)
SEMI = (
    f"{EVEN} UNION ALL {ONE} patient_id IN (SELECT patient_id FROM {P} WHERE {A}) UNION ALL"
    f" {LESS} EXISTS (SELECT 1 FROM {P} q WHERE q.patient_id = patients.patient_id AND {B})"
)
TWICE = f"{EVEN} UNION ALL SELECT * FROM ({ONE} {A} UNION ALL {LESS} {B})"


@pytest.mark.parametrize(
    "united",
    [TOLD, THREE, CASES, CASTS, ABSENT, MEASURED, JOINED, SEMI, TWICE],
    ids=["1", "3", "CASE", "cast", "absent", "measured", "join", "semi", "nested"],
)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(x) AS s FROM ({})",
        "SELECT avg(x) AS s FROM ({})",
        "SELECT sum(2 * x) AS s FROM ({})",
        "SELECT sum(s) AS s FROM (SELECT patient_id, sum(x) AS s FROM ({}) GROUP BY patient_id)",
        ("SELECT sum(s) AS s FROM (SELECT patient_id, sum(x) AS s FROM ({}) GROUP BY patient_id"
        " HAVING sum(x) > 0)"),
        "WITH u AS ({}) SELECT sum(x) AS s FROM u",
        "WITH u AS ({}) SELECT sum(y) AS s FROM (SELECT patient_id, x AS y FROM u WHERE x <> 7)",
        "SELECT sum(x) FILTER (WHERE x < 9999) AS s FROM ({})",
        ("SELECT sum(w) AS s FROM (SELECT patient_id, x, sum(x) OVER (PARTITION BY patient_id) AS w"
        " FROM ({})) WHERE x > 1"),
        f"SELECT sum(u.x) AS s FROM ({{}}) u JOIN {P} q ON u.patient_id = q.patient_id",
        f"SELECT sum(u.x) AS s FROM {P} q LEFT JOIN ({{}}) u ON u.patient_id = q.patient_id",
    ],
    ids=[
        "sum", "avg", "factor", "unit", "HAVING", "WITH", "subquery", "FILTER", "window", "join",
        "LEFT JOIN",
    ],
)  # fmt: skip
def test_no_sum_over_a_union_is_about_one_person(connection, sql, united):
    assert rows(connection, sql.format(united)) == ()


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) AS n FROM ({COUNTED})",
        f"SELECT region, count(*) AS n FROM ({COUNTED}) WHERE region = 'south' GROUP BY region",
        (
            f"SELECT sum(n) AS n FROM (SELECT patient_id, count(*) AS n FROM ({COUNTED})"
            " GROUP BY patient_id)"
        ),
        f"SELECT count(*) AS n FROM ({TAGGED.replace('UNION ALL', 'UNION')})",
        (
            f"SELECT count(*) AS n FROM (SELECT patient_id, tag FROM ({TAGGED})"
            " GROUP BY patient_id, tag)"
        ),
        f"SELECT count(*) FILTER (WHERE c) AS n FROM ({HELD})",
        f"SELECT count(*) AS n FROM ({HELD}) WHERE c",
    ],
    ids=["count", "group", "unit", "UNION", "tags", "FILTER", "WHERE"],
)
def test_no_count_over_a_union_is_about_one_person(connection, sql):
    assert rows(connection, sql) == ()


STAYS = f"SELECT patient_id, 2 * los AS x FROM {E}"
OF = f"FROM {E} WHERE ward = 'cardio'"


def test_rows_of_one_person_are_compared_in_number_as_well(connection):
    """Everybody has as many stays of both kinds, but for the one who has a stay of another."""
    united = f"{STAYS} UNION ALL SELECT patient_id, 1 {OF} UNION ALL SELECT patient_id, -1 {OF}"
    told = f"{united} AND dx <> 'Z99'"
    connection.execute("BEGIN")
    connection.execute(
        f"INSERT INTO {E} SELECT 1, patient_id, DATE '2025-01-01', 'cardio', 'Z99', 50, 3 FROM {E}"
        " WHERE ward = 'cardio' AND dx <> 'Z99' AND patient_id > 10 ORDER BY encounter_id LIMIT 1"
    )
    try:
        assert len(rows(connection, f"SELECT sum(x) AS s FROM ({united})")) == 1
        assert rows(connection, f"SELECT sum(x) AS s FROM ({told})") == ()
        # Of two kinds of stays everybody has as many as of both together, but for that one person.
        each = " UNION ALL ".join(
            f"SELECT patient_id, {sign}1 FROM {E} WHERE {condition}"
            for sign, condition in (
                ("", "ward = 'cardio'"),
                ("", "ward = 'onco'"),
                ("-", "(ward = 'cardio' OR ward = 'onco') AND dx <> 'Z99'"),
            )
        )
        assert rows(connection, f"SELECT sum(x) AS s FROM ({STAYS} UNION ALL {each})") == ()
        alike = each.replace(" AND dx <> 'Z99'", "")
        assert len(rows(connection, f"SELECT sum(x) AS s FROM ({STAYS} UNION ALL {alike})")) == 1
    finally:
        connection.execute("ROLLBACK")


PER_UNIT = f"SELECT patient_id, sum(los) AS l, {{}} FROM {E} GROUP BY patient_id"
COUNTS = "count(*) FILTER (WHERE {})", "sum(CASE WHEN {} THEN 1 ELSE 0 END)"


@pytest.mark.parametrize("count", COUNTS, ids=["FILTER", "CASE"])
@pytest.mark.parametrize("outside", [True, False], ids=["outside", "inside"])
def test_counts_of_one_person_are_compared_where_they_are_added_up(connection, count, outside):
    """All but one have as many of both, and twice a sum beside them does not hide that one."""

    def asked(condition: str) -> tuple[object, ...]:
        one, other = count.format("ward = 'cardio'"), count.format(condition)
        unit = PER_UNIT.format(f"{one} AS a, {other} AS b, 2 * sum(los) + {one} - {other} AS s")
        return rows(
            connection, f"SELECT sum({'2 * l + a - b' if outside else 's'}) AS s FROM ({unit})"
        )

    connection.execute("BEGIN")
    connection.execute(
        f"INSERT INTO {E} SELECT 1, min(patient_id), DATE '2025-01-01', 'cardio', 'Z99', 50, 3 FROM"
        f" (SELECT patient_id FROM {E} GROUP BY patient_id HAVING bool_or(ward = 'cardio')"
        " AND bool_or(ward = 'onco') AND patient_id > 10)"
    )
    try:
        assert asked("ward = 'cardio' AND dx <> 'Z99'") == ()
        assert len(asked("ward = 'onco'")) == 1
    finally:
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum(x) AS s FROM ({EVEN} UNION ALL {ONE} {A} UNION ALL {LESS} sex = 'F')",
        (
            f"SELECT count(*) AS n FROM (SELECT patient_id FROM {P} WHERE {A} UNION ALL"
            f" SELECT patient_id FROM {P} WHERE sex = 'F')"
        ),
        f"SELECT count(DISTINCT patient_id) AS n FROM ({COUNTED})",
        (
            f"SELECT sum(x) AS s FROM (SELECT patient_id, los AS x FROM {E} UNION ALL"
            f" SELECT patient_id, los + 1 FROM {E})"
        ),
        (
            f"SELECT sum(x) AS s FROM (SELECT patient_id, los AS x FROM {E} UNION ALL"
            f" SELECT patient_id, birth_year FROM {P})"
        ),
        (
            f"SELECT g, avg(x) AS m FROM (SELECT patient_id, 'los' AS g, los AS x FROM {E} WHERE"
            f" ward = 'onco' UNION ALL SELECT patient_id, 'more', 2 * los FROM {E}) GROUP BY g"
        ),
    ],
    ids=["conditions", "count", "people", "columns", "datasets", "unpivoted"],
)
def test_unions_whose_conditions_differ_for_many_are_answered(connection, sql):
    assert rows(connection, sql)
