# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: an analyst adds up conditions that each hold for many, and whose last digit is one person.

Twice a number is even. Beside it, a condition less the same one without a single person makes
the sum odd exactly if it holds for that person, with neither condition asked for by itself.
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
PATIENTS = "hospital.patients"
EVEN = "2 * birth_year"


ALONE = "99950"  # where one person lives, who is to be told of


@pytest.fixture(scope="module")
def connection():
    world = health(people=60)
    changed = tuple((*row[:6], row[0] == VIP or row[6], row[7]) for row in world.rows[PATIENTS])
    assert [row[4] for row in changed if row[0] == VIP] == [ALONE]
    with replace(world, rows={**world.rows, PATIENTS: changed}).connect() as made:
        yield made


def rows(connection, sql):
    return Analyst(connection, CATALOG, change=FINE, memo=MEMO).ask(sql).rows


TWO = "smoker::INT - (smoker AND zip <> '{zip}')::INT"
THREE = (
    "(region = 'north')::INT + (region = 'south')::INT"
    " - (region IN ('north', 'south') AND zip <> '{zip}')::INT"
)
ARMS = "CASE WHEN smoker THEN 1 ELSE 0 END - CASE WHEN smoker AND zip <> '{zip}' THEN 1 ELSE 0 END"
HIDDEN = f"(sex = 'F')::INT * 2 + {TWO}"


@pytest.mark.parametrize("conditions", [TWO, THREE, ARMS, HIDDEN], ids=["2", "3", "CASE", "hidden"])
@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum({EVEN} + {{}}) AS s FROM {PATIENTS}",
        f"SELECT avg(({EVEN}) - ({{}})) AS s FROM {PATIENTS}",
        f"SELECT sum(x) AS s FROM (SELECT patient_id, {EVEN} + {{}} AS x FROM {PATIENTS})",
    ],
    ids=["sum", "avg", "subquery"],
)
def test_no_sum_of_conditions_is_about_one_person(connection, sql, conditions):
    assert rows(connection, sql.format(conditions.format(zip=ALONE))) == ()


def test_conditions_of_a_subquery_meet_outside_as_well(connection):
    inner = (
        f"SELECT patient_id, birth_year, smoker::INT AS a, (smoker AND zip <> '{ALONE}')::INT AS b"
        f" FROM {PATIENTS}"
    )
    assert rows(connection, f"SELECT sum({EVEN} + a - b) AS s FROM ({inner})") == ()


@pytest.mark.parametrize(
    "value",
    [
        "smoker::INT + (sex = 'F')::INT",
        "smoker::INT + smoker::INT",
        "CASE WHEN region = 'north' THEN 1 WHEN region = 'south' THEN 2 ELSE 3 END + smoker::INT",
        f"{EVEN} + smoker::INT",
    ],
)
def test_conditions_that_many_meet_are_added_up(connection, value):
    assert len(rows(connection, f"SELECT sum({value}) AS s FROM {PATIENTS}")) == 1
