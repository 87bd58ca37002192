# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""T-11: no value makes a statement fail, however often an expression occurs in it."""

from __future__ import annotations

import duckdb
import pytest

from cleanroom.admission.typed.generate import generate
from tests.support.gate_admission import admitted
from tests.support.gate_data import COLUMNS, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

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


@pytest.mark.parametrize(
    ("value", "branches"),
    [
        ("birth_year * 4773000000000000", 1),
        ("2025 - birth_year", 1),
        ("-birth_year", 1),
        ("birth_year / 2", 0),
        ("birth_year", 0),
        ("1 + 2", 0),
        ("smoker::INT * 3", 1),
    ],
)
def test_whose_number_leaves_64_bits_is_a_branch(value, branches):
    [stage] = admitted(f"SELECT sum({value}) AS s FROM {P}").stages
    assert len(stage.branches) == branches
    inner = f"SELECT patient_id, {value} AS x FROM {P}"
    [outer] = admitted(f"SELECT sum(x) AS s FROM ({inner})").stages
    assert len(outer.branches) == branches


@pytest.mark.parametrize("value", ["los * 4773000000000000", "los + 1", "cost * 3", "los - los"])
def test_declared_bounds_show_that_nothing_overflows(value):
    assert not admitted(f"SELECT sum({value}) AS s FROM {E}").stages[0].branches


@pytest.mark.parametrize("factor", ["4624500000000000", "-4624500000000000"])
def test_a_chosen_factor_leaves_nobody_out(factor):
    # One person was born in 1995, and 1995 times the factor is no number of 64 bits.
    value = f"birth_year * {factor}"
    rows = f"SELECT patient_id, max({value}) AS x FROM {P} GROUP BY patient_id"
    with health().connect() as people:
        for sql in (f"SELECT sum({value}) AS s FROM {P}", f"SELECT sum(x) AS s FROM ({rows})"):
            assert run_gates(people, sql, catalog=corpus_catalog(k=4)).rows == ()
