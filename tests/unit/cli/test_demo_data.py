# SPDX-License-Identifier: Apache-2.0
"""The invented tables are what the demo says of them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from cleanroom.cli.demo import data


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    directory: Path = tmp_path_factory.mktemp("demo")
    connection = duckdb.connect()
    for name, path in data.generate(seed=1).write(directory).items():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        statement = f"CREATE TABLE {name} AS SELECT * FROM '{path}'"  # noqa: S608 - our own names
        connection.execute(statement)
    return connection


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_there_are_at_least_a_hundred_thousand_encounters(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert one(connection, "SELECT count(*) FROM hospital.encounters") == data.ENCOUNTERS >= 100_000


def test_the_same_seed_invents_the_same_people() -> None:
    first, again = data.generate(seed=1).tables, data.generate(seed=1).tables
    assert all(first[name].equals(again[name]) for name in first)


def test_no_payer_has_ten_patients_in_a_small_ward(connection: duckdb.DuckDBPyConnection) -> None:
    most = one(
        connection,
        """SELECT max(n) FROM (SELECT count(DISTINCT p.patient_id) AS n
             FROM hospital.encounters e JOIN hospital.patients p ON e.patient_id = p.patient_id
             JOIN insurer.members m ON p.person_key = lower(trim(m.person_key))
             WHERE e.ward IN ('burns', 'hyperbaric', 'isolation', 'sleep', 'tropical')
             GROUP BY e.ward, m.payer)""",
    )
    assert isinstance(most, int)
    assert 0 < most < 10


def test_one_member_dominates_one_cell(connection: duckdb.DuckDBPyConnection) -> None:
    share = one(
        connection,
        """SELECT max(total) / sum(total) FROM (
             SELECT sum(e.cost) AS total FROM hospital.encounters e
             JOIN hospital.patients p ON e.patient_id = p.patient_id
             JOIN insurer.members m ON p.person_key = lower(trim(m.person_key))
             WHERE m.payer = 'harbour-fund' AND e.ward = 'cardiology' GROUP BY e.patient_id)""",
    )
    assert isinstance(share, float)
    assert share > 0.9


def test_keys_meet_only_after_normalisation(connection: duckdb.DuckDBPyConnection) -> None:
    join = "SELECT count(*) FROM hospital.patients p JOIN insurer.members m ON p.person_key = "
    assert one(connection, join + "m.person_key") == 0
    found = one(connection, join + "lower(trim(m.person_key))")
    assert isinstance(found, int)
    assert found > 10_000
