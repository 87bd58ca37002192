# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-11: an analyst reads data out of errors, sizes, and reports of what was withheld."""

from __future__ import annotations

import traceback

import pytest

from cleanroom.disclosure.result import encode_result
from cleanroom.errors import CleanroomError
from tests.support.gate_admission import refused
from tests.support.gate_data import ALONE, VIP, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog(k=4)
E, P = "hospital.encounters", "hospital.patients"
ERRORS = [
    f"SELECT sum(CAST(note AS INTEGER)) FROM {P}",
    f"SELECT sum(note) FROM {P}",
    f"SELECT error(note), count(*) FROM {P} GROUP BY 1",
    f"SELECT sum(1 // birth_year) FROM {P}",
    f"SELECT assert_true(zip <> '99950'), count(*) FROM {P} GROUP BY 1",
    f"SELECT strptime(note, '%Y'), count(*) FROM {P} GROUP BY 1",
    f"SELECT sum(cost::TINYINT) FROM {E}",
    f"SELECT sum(sqrt(cost)) FROM {E}",
    f"SELECT repeat('x', los), count(*) FROM {E} GROUP BY 1",
    f"SELECT count(*) FROM {P} WHERE pg_sleep(5) IS NULL",
    f"SELECT count(*) FROM {P} WHERE length(sha256(repeat(note, 100000))) > 0",
    "SELECT 'canary-in-a-literal' FROM",
    f"SELECT count(*) FROM {P} WHERE zip = 'canary-in-a-literal",
]


@pytest.mark.parametrize("sql", ERRORS)
def test_a_refusal_quotes_neither_engine_nor_literals(sql):
    error = refused(sql, CATALOG)
    text = "".join(traceback.format_exception(error))
    assert "canary" not in error.message + error.hint
    for word in ("Parser Error", "Binder Error", "Catalog Error", "duckdb.Error", "LINE 1"):
        assert word not in text


def outcome(connection, sql):
    try:
        released = run_gates(connection, sql, catalog=CATALOG)
    except CleanroomError as error:
        return error.code, error.message
    [stage] = released.stages
    return released.rows, released.withheld, stage.checks, len(encode_result(stage))


@pytest.mark.parametrize(
    ("person", "sql"),
    [
        (VIP, f"SELECT count(*) AS n FROM {P} WHERE zip = '99950'"),
        (VIP, f"SELECT region, count(*) AS n FROM {P} WHERE zip = '99950' GROUP BY region"),
        (ALONE, f"SELECT ward, sum(cost) AS s FROM {E} WHERE ward = 'hyperbaric' GROUP BY ward"),
        (ALONE, f"SELECT avg(cost) AS s FROM {E} WHERE ward = 'hyperbaric'"),
    ],
)
def test_neither_answer_nor_report_tells_whether_one_person_is_there(person, sql):
    data = health()
    with data.connect() as whole, data.without(person).connect() as without:
        assert outcome(whole, sql) == outcome(without, sql)


DAY = "DATE '2025-01-01'"


@pytest.mark.parametrize(
    "days", [f"{DAY} + 3000000", "make_date(-5000, 1, 1)", f"date_trunc('year', {DAY} + 3000000)"]
)
def test_a_day_that_no_calendar_has_fails_for_nobody(days):
    # Whoever reads the row has no date for it, and would stumble over a row that is withheld.
    sql = (
        f"SELECT CASE WHEN zip = '99950' THEN {days} ELSE {DAY} END AS d, count(*) AS n "
        f"FROM {P} GROUP BY d"
    )
    data = health()
    with data.connect() as whole, data.without(VIP).connect() as without:
        found = [run_gates(connection, sql, catalog=CATALOG) for connection in (whole, without)]
    assert [len(answer.rows) for answer in found] == [1, 1]
    assert [str(answer.rows[0][0])[:10] for answer in found] == ["2025-01-01"] * 2
    assert found[0].withheld == found[1].withheld


@pytest.mark.parametrize("odd", ["infinity", "-infinity", "99999-01-01", "0044-03-15 (BC)"])
def test_a_day_that_no_calendar_has_may_be_in_the_data(odd):
    sql = f"SELECT admit_date, count(*) AS n FROM {E} GROUP BY admit_date"
    with health().connect() as connection:
        before = outcome(connection, sql)
        connection.execute(f"INSERT INTO {E} VALUES (9000, {VIP}, '{odd}', 'cardio', 'I10', 1, 1)")
        assert outcome(connection, sql) == before


def test_what_is_computed_of_answers_may_be_no_day_either():
    with health().connect() as connection:
        sql = f"SELECT {DAY} + 1000000 * count(*) AS d, count(*) AS n FROM {P}"
        assert run_gates(connection, sql, catalog=CATALOG).rows == ((None, 25),)


def test_an_odd_value_in_a_row_raises_nothing():
    data = health()
    odd = {
        **data.rows,
        "hospital.encounters": (
            *data.rows["hospital.encounters"],
            *((9000 + n, VIP, None, "cardio", "I10", value, 2**62) for n, value in enumerate(
                (1e308, -1e308, 5e-324, float("nan")))),
        ),
    }  # fmt: skip
    sql = f"SELECT dx, sum(cost) AS s, avg(los) AS m FROM {E} GROUP BY dx"
    with type(data)(rows=odd, people=data.people).connect() as connection:
        assert outcome(connection, sql)[0] != "engine"
