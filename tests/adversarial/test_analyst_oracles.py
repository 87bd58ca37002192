# SPDX-License-Identifier: Apache-2.0
"""T-08, T-11, T-13: the analyst learns of one person from what else happens to the result.

Two tables that differ in one person must give results that do not tell which it was:
no other row may go, no limit be hit, no error be raised.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import duckdb
import pytest

from cleanroom.admission.catalog import Catalog
from cleanroom.errors import DisclosureRefusedError
from tests.support.gate_data import Health
from tests.support.gate_policies import corpus_catalog, policy, schema
from tests.support.gate_runs import run_gates
from tests.support.room_simulator import SMALL, RoomSimulator

THREATS = ("T-08", "T-11", "T-13")
CATALOG = corpus_catalog()
PEOPLE = range(10, 90)
BY_ZIP = """SELECT zip, count(*) AS n FROM hospital.patients
WHERE smoker = true AND zip IN ('02101', '10001', '99950') GROUP BY zip"""


def patients(*, victim_smokes: bool) -> Health:
    """Eighty people in two zip codes, and one alone in a third."""
    rows = [
        (i, f"k{i}", 1950 + i % 40, "M", ("10001", "02101")[i % 2], "north", i % 4 < 2, "x")
        for i in PEOPLE
    ]
    victim = (1, "k1", 1932, "F", "99950", "north", victim_smokes, "x")
    return Health(rows={"hospital.patients": (*rows, victim)}, people=())


@pytest.fixture(params=[True, False], ids=["smokes", "does not"])
def neighbour(request) -> duckdb.DuckDBPyConnection:
    return patients(victim_smokes=request.param).connect()


def test_a_person_alone_in_a_group_changes_no_other_row(neighbour):
    table = run_gates(neighbour, BY_ZIP, catalog=CATALOG)
    assert table.rows == (("02101", 20), ("10001", 20))


def test_days_that_a_receiver_cannot_tell_apart_make_no_error(neighbour):
    look_up = policy("ref.zips", {"zip": "public", "d": "public"}, joins=("hospital.patients",))
    mine, columns = CATALOG.datasets["hospital.patients"]
    mine = replace(mine, joins=frozenset({*mine.joins, "ref.zips"}))
    catalog = Catalog(
        datasets={
            **CATALOG.datasets,
            "hospital.patients": (mine, columns),
            "ref.zips": (look_up, schema(zip="string", d="date")),
        },
        links=frozenset(),
    )
    neighbour.execute("CREATE SCHEMA IF NOT EXISTS ref")
    neighbour.execute("CREATE TABLE ref.zips (zip VARCHAR, d DATE)")
    for zip_code, day in (
        ("02101", "2020-01-01"),
        ("10001", "2020-01-02"),
        ("99950", "infinity"),
        ("99950", "9999-12-31"),
        ("99950", "10000-01-01"),
        ("99950", "0044-03-15 (BC)"),
    ):
        neighbour.execute("INSERT INTO ref.zips VALUES (?, ?::DATE)", [zip_code, day])
    table = run_gates(
        neighbour,
        "SELECT z.d, count(*) AS n FROM hospital.patients AS p JOIN ref.zips AS z "
        "ON p.zip = z.zip WHERE p.smoker = true GROUP BY z.d",
        catalog=catalog,
    )
    assert table.rows == (("2020-01-01", 20), ("2020-01-02", 20))


def encounters(usual: list[float | None], victim: list[float | None]):
    """Thirty people with the same costs, and one of them with others."""
    rows = []
    for person in range(1, 31):
        for cost in victim if person == 7 else usual:
            row = (len(rows), person, dt.date(2025, 1, 1), "cardio", "I10", cost, 1)
            rows.append(row)
    return Health(rows={"hospital.encounters": tuple(rows)}, people=()).connect()


@pytest.mark.parametrize(
    ("usual", "victim"),
    [
        ([500.0], [860.0]),
        ([500.0, None], [860.0, None]),
        ([100.0, 400.0], [100.0, 760.0]),
        ([500.0], [860.0, None]),
    ],
    ids=["one row", "an absent value beside it", "rows that add up", "an odd one out"],
)
def test_the_exception_to_a_constant_is_not_read_off_a_sum(usual, victim):
    connection = encounters(usual, victim)
    table = run_gates(connection, "SELECT sum(cost) AS s FROM hospital.encounters", catalog=CATALOG)
    assert table.rows == ()


def test_a_limit_on_rows_counts_released_rows_only(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    # One ward of many people and one of five: the limit of one row must not tell
    # that the small one exists.
    narrow = replace(SMALL, rows=1)
    code = b"SELECT ward, count(*) AS n FROM hospital.stays WHERE ward IN (%s) GROUP BY ward"
    one = simulator.approved(code % b"'surgery', 'burns'", name="one", resources=narrow)
    simulator.execute_request(one, run="run-00000001")
    assert [row[0] for row in simulator.result("run-00000001").rows] == ["surgery"]
    two = simulator.approved(code % b"'surgery', 'cardiology'", name="two", resources=narrow)
    simulator.execute_request(two, run="run-00000002")
    with pytest.raises(DisclosureRefusedError) as refused:
        simulator.result("run-00000002")
    assert refused.value.code == "disclosure.rows"
    simulator.close()
