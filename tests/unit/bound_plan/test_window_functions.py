# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test
"""What admission admits as a window of one unit's rows, the check of the plan knows as well."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.functions import GROUP_AGGREGATES, WINDOW_FUNCTIONS
from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

CALLS = {
    **dict.fromkeys(
        ("lag", "lead", "first_value", "last_value", "sum", "avg", "min", "max"), "los"
    ),
    **dict.fromkeys(("bool_or", "bool_and", "count_if"), "los > 3"),
    "ntile": "2",
    "count": "los",
    "count_star": "*",
}
ROWS = "PARTITION BY patient_id ORDER BY admit_date"


@pytest.fixture(scope="module")
def connection():
    with health(people=12).connect() as made:
        yield made


@pytest.mark.parametrize("name", sorted({*WINDOW_FUNCTIONS, *GROUP_AGGREGATES}))
def test_every_window_that_is_admitted_runs(connection, name):
    call = f"{name.removesuffix('_star')}({CALLS.get(name, '')}) OVER ({ROWS})"
    rows = f"SELECT patient_id, {call} AS w FROM hospital.encounters"
    sql = f"SELECT count(*) AS n FROM ({rows}) WHERE w IS NOT NULL OR w IS NULL"
    assert run_gates(connection, sql, catalog=corpus_catalog(k=4)).columns
