# SPDX-License-Identifier: Apache-2.0
"""A query of two releases and what is computed of them, through the real processes."""

from __future__ import annotations

from cleanroom.receipt.model import Answered
from tests.support.room_simulator import RoomSimulator

SQL = b"""
WITH by_ward AS (SELECT ward, count(*) AS stays FROM hospital.stays GROUP BY ward)
SELECT ward, stays, stays * 1.0 / (SELECT count(*) FROM hospital.stays) AS share
FROM by_ward WHERE stays > 0 ORDER BY stays DESC, ward LIMIT 2
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
    simulator.close()
