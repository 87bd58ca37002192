# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What is known of a column decides what may be made of it."""

from __future__ import annotations

import pytest

from tests.support.gate_admission import admitted, refused

VISITS = "(SELECT patient_id, count(*) AS n FROM hospital.encounters GROUP BY patient_id)"
NUMBERED = (
    "(SELECT patient_id, row_number() OVER (PARTITION BY patient_id ORDER BY admit_date) AS n "
    "FROM hospital.encounters)"
)


@pytest.mark.parametrize("rows", [VISITS, NUMBERED])
@pytest.mark.parametrize("number", ["n // 2", "n * n * n", "least(n, 3)", "CAST(n / 2 AS INT)"])
def test_a_units_number_of_rows_is_no_constant(rows, number):
    # It comes from no column, and still tells a person's visits.
    assert refused(f"SELECT sum({number}) FROM {rows}").code == "admission.linear"


@pytest.mark.parametrize("rows", [VISITS, NUMBERED])
def test_a_units_number_of_rows_is_summed_like_a_column(rows):
    [stage] = admitted(f"SELECT sum(n) FROM {rows}").stages
    assert len(stage.arguments) == 1


@pytest.mark.parametrize("number", ["1", "2.5 - 1", "CASE WHEN TRUE THEN 3 END"])
def test_plain_numbers_are_summed(number):
    [stage] = admitted(f"SELECT sum({number}) FROM hospital.encounters").stages
    assert not stage.branches
