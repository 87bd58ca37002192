# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""T-11: no value makes a statement fail, however often an expression occurs in it."""

from __future__ import annotations

import duckdb
import pytest

from cleanroom.admission.generate import generate
from tests.support.gate_admission import admitted
from tests.support.gate_data import COLUMNS

E, P = "hospital.encounters", "hospital.patients"
PREFIX = "secretprefix0000_"
HUGE = 2**63 - 1


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect(":memory:") as made:
        made.execute("CREATE SCHEMA hospital")
        for table in (E, P):
            made.execute(f"CREATE TABLE {table} ({COLUMNS[table]})")
        made.execute(f"INSERT INTO {P} VALUES (1, 'a', {HUGE}, 'F', 'x', 'n', true, ''), "
                     f"(2, 'b', -{HUGE}, 'F', '2', NULL, false, '')")  # fmt: skip
        made.execute(f"INSERT INTO {E} VALUES (1, 1, DATE '9999-12-31', 'w', 'd', 1e308, {HUGE}), "
                     "(2, 2, DATE '0001-01-01', 'w', 'd', 'nan', 0)")  # fmt: skip
        yield made


LONG = "birth_year * 9223372036854775807"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum({LONG}) AS s FROM {P}",
        f"SELECT sum({LONG}) AS s, avg({LONG} + 1) AS a, count({LONG}) AS n FROM {P}",
        f"SELECT sum(CASE WHEN {LONG} > 3 THEN {LONG} ELSE {LONG} - 1 END) AS s FROM {P}",
        f"SELECT {LONG} AS g, count(*) AS n FROM {P} WHERE {LONG} > 3 OR {LONG} < 3 GROUP BY g",
        f"SELECT sum(x + x) AS s FROM (SELECT patient_id, {LONG} AS x FROM {P} WHERE {LONG} > 1)",
        f"SELECT sum(x) AS s FROM (SELECT patient_id, sum({LONG}) AS x, max({LONG}) AS y FROM {P} "
        "GROUP BY patient_id)",
        f"SELECT sum(-birth_year - 9) AS s, sum(-birth_year - 9 + 1) AS t FROM {P}",
        f"SELECT floor(cost * 1e30) AS g, count(floor(cost * 1e30)) AS n FROM {E} GROUP BY g",
        f"SELECT admit_date + los AS d, count(admit_date + los) AS n FROM {E} GROUP BY d",
        f"SELECT admit_date + INTERVAL 9 YEAR AS d, count(admit_date + INTERVAL 9 YEAR) AS n "
        f"FROM {E} GROUP BY d",
        f"SELECT count(make_date(birth_year, 1, 1)) AS n, count(make_date(birth_year, 1, 1) + 1) "
        f"AS m FROM {P}",
        f"SELECT sum(los) AS s, sum(los * 2) AS t, sum(cost * 1e3) AS u, sum(cost * 1e3 + 1) "
        f"AS v FROM {E}",
        f"SELECT birth_year::DECIMAL(4,2) AS g, count(birth_year::DECIMAL(4,2)) AS n "
        f"FROM {P} GROUP BY g",
    ],
)  # fmt: skip
def test_no_value_makes_a_statement_fail(engine, sql):
    for stage in admitted(sql).stages:
        assert len(engine.execute(generate(stage, prefix=PREFIX)).fetchall()) <= 2


def test_a_number_that_fits_no_grid_is_absent_and_not_at_its_bound(engine):
    [stage] = admitted(f"SELECT sum(birth_year * 4) AS s FROM {P}").stages
    assert {row[0] for row in engine.execute(generate(stage, prefix=PREFIX)).fetchall()} == {None}
