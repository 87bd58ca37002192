# SPDX-License-Identifier: Apache-2.0
"""A query of two releases and what is computed of them, through the real processes."""

from __future__ import annotations

import duckdb
import pytest

from cleanroom.receipt.model import Answered
from tests.support.gate_admission import only
from tests.support.gate_runs import run_gates
from tests.support.room_simulator import RoomSimulator

SQL = b"""
WITH by_ward AS (SELECT ward, count(*) AS stays FROM hospital.stays GROUP BY ward)
SELECT ward, stays, stays * 1.0 / (SELECT count(*) FROM hospital.stays) AS share
FROM by_ward WHERE stays > 0 ORDER BY stays DESC, ward LIMIT 2
"""
SUBTOTALS = b"""
SELECT ward, GROUPING(ward) AS whole, count(*) AS stays FROM hospital.stays
GROUP BY ROLLUP (ward) HAVING count(*) > 0 ORDER BY GROUPING(ward), ward
"""


def test_released_values_go_on_and_the_rest_is_computed_without_a_key(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(SQL)
    simulator.execute_request(query, run="run-00000001")
    assert simulator.verify("run-00000001").body.answered is Answered.COMPUTED
    table = simulator.result("run-00000001")
    assert [column.name for column in table.columns] == ["ward", "stays", "share"]
    assert 0 < len(table.rows) <= 2
    assert all(0 < float(share) <= 1 for _, _, share in table.rows)
    counts = [stays for _, stays, _ in table.rows]
    assert counts == sorted(counts, reverse=True)
    simulator.execute_request(query, run="run-00000002")
    assert simulator.verify("run-00000002").body.answered is Answered.STORED
    simulator.execute_request(simulator.approved(SUBTOTALS), run="run-00000003")
    rows = simulator.result("run-00000003").rows
    assert [row[:2] for row in rows][-1] == (None, 1)
    assert len(rows) > 1
    simulator.close()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", "DATE '1950-01-01' + n::INTEGER"),
        ("timestamp", "TIMESTAMP '1950-01-01' + to_minutes(n)"),
        ("decimal(9,2)", "n / 4"),
    ],
)
def test_people_are_told_apart_by_identifiers_of_any_type(kind, values):
    catalog = only("a.t", {"id": "key:x", "word": "dimension"}, {"id": kind, "word": "string"},
                   unit="id", namespace="x")  # fmt: skip
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute("CREATE SCHEMA a")
        connection.execute(
            f"CREATE TABLE a.t AS SELECT {values} AS id, 'w' AS word FROM range(40) r(n)"  # noqa: S608
        )
        connection.execute("INSERT INTO a.t VALUES (NULL, 'w')")
        if kind == "date":
            # Somebody else, whom no calendar has; a group of that day would not leave.
            connection.execute("INSERT INTO a.t VALUES ('infinity', 'w')")
        sql = "SELECT word, count(*) AS n, count(DISTINCT id) AS u FROM a.t GROUP BY word"
        fine = {"round_counts": 1}
        people = 41 if kind == "date" else 40
        answer = run_gates(connection, sql, catalog=catalog, change=fine)
        assert answer.rows == (("w", people, people),)
