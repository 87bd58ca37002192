# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: an analyst adds up several rows of each person, and reads one person off the last digit.

Each condition holds for many. Everybody has as many rows of some kinds as of others, or an even
number of them together; beside twice a measured number, only the one who has not makes the sum odd.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tests.support.gate_data import VIP, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Analyst, Memo

CATALOG = corpus_catalog(k=4)
FINE = {"round_counts": 1, "significant_digits": 13}
MEMO = Memo()
P, E = "hospital.patients", "hospital.encounters"
WARDS = ("cardio", "onco", "ortho")
# How many stays in each ward: as many in the second as in the third, or an even number in all.
ALIKE = [(1, 0, 0), (2, 1, 1), (1, 2, 2), (1, 1, 1)]
EVEN = [(1, 1, 0, 1), (2, 0, 1, 1), (1, 1, 1, 0), (2, 1, 1, 2)]


def world(usual, unusual):
    """Everybody has the stays of one of the usual kinds, and one person has others."""
    made = health(people=60)
    number = itertools.count(1)
    kinds = {person: usual[person % len(usual)] for person in made.people} | {VIP: unusual}
    stays = tuple(
        (
            next(number),
            person,
            made.rows[E][0][2],
            (*WARDS, "eye")[ward],
            "I10",
            50.0,
            3 + person % 7,
        )
        for person, kind in kinds.items()
        for ward, times in enumerate(kind)
        for _ in range(times)
    )
    return replace(made, rows={**made.rows, E: stays})


@pytest.fixture(scope="module", params=["apart", "alike"])
def pairs(request):
    """Everybody's stays in two wards come in pairs; but for one person, or nobody."""
    with world(ALIKE, (1, 1, 0) if request.param == "apart" else (1, 1, 1)).connect() as made:
        yield made, request.param == "apart"


@pytest.fixture(scope="module", params=["apart", "alike"])
def even(request):
    """Everybody's stays in three wards are an even number; but for one person, or nobody."""
    with world(EVEN, (1, 1, 1, 1) if request.param == "apart" else (2, 1, 1, 2)).connect() as made:
        yield made, request.param == "apart"


def rows(connection, sql):
    return Analyst(connection, CATALOG, change=FINE, memo=MEMO).ask(sql).rows


KINDS = "CASE ward WHEN 'cardio' THEN 2 * los WHEN 'onco' THEN 1 WHEN 'ortho' THEN -1 END"
COUNTED = "CASE ward WHEN 'cardio' THEN 1 WHEN 'onco' THEN 1000000 WHEN 'ortho' THEN -1000000 END"
SHIFTED = "2 * los + (ward = 'onco')::INT - (ward = 'ortho')::INT"
MEASURED = (
    "CASE ward WHEN 'cardio' THEN 2 * los WHEN 'onco' THEN birth_year"
    " WHEN 'ortho' THEN -birth_year END"
)
FILTERED = f"CASE WHEN ward <> 'eye' THEN {KINDS} END"
BORN = (
    f"(SELECT e.patient_id, e.ward, e.dx, e.los, p.birth_year FROM {E} e"
    f" JOIN {P} p ON e.patient_id = p.patient_id)"
)
SUMS = [
    "SELECT sum({}) AS s FROM {}",
    "SELECT avg({}) AS s FROM {}",
    "SELECT sum({}) FILTER (WHERE los < 99) AS s FROM {}",
    "SELECT sum(x) AS s FROM (SELECT patient_id, {} AS x FROM {})",
    "SELECT sum(s) AS s FROM (SELECT patient_id, sum({}) AS s FROM {} GROUP BY patient_id)",
    (
        "SELECT sum(s / 2) AS s FROM (SELECT patient_id, 2 * s AS s FROM (SELECT patient_id, dx,"
        " sum({}) AS s FROM {} GROUP BY patient_id, dx))"
    ),
    (
        "SELECT sum(s) AS s FROM (SELECT DISTINCT patient_id, s FROM (SELECT patient_id,"
        " sum({}) AS s FROM {} GROUP BY patient_id))"
    ),
    (
        "SELECT sum(w) AS s FROM (SELECT patient_id, ward, sum({}) OVER (PARTITION BY patient_id)"
        " AS w FROM {}) WHERE ward = 'cardio'"
    ),
    (
        "SELECT sum(s) AS s FROM (SELECT patient_id, sum(x) AS s FROM (SELECT patient_id, {} AS x"
        " FROM {}) GROUP BY patient_id) WHERE s < 999999999"
    ),
]
SUM_NAMES = ["sum", "avg", "FILTER", "subquery", "unit", "twice", "DISTINCT", "window", "inner"]


@pytest.mark.parametrize("sql", SUMS, ids=SUM_NAMES)
@pytest.mark.parametrize(
    "value",
    [KINDS, COUNTED, SHIFTED, MEASURED, FILTERED],
    ids=["kinds", "counted", "shifted", "measured", "filtered"],
)
def test_no_sum_over_one_table_is_about_one_person(pairs, sql, value):
    connection, apart = pairs
    answered = rows(connection, sql.format(value, BORN))
    assert len(answered) == (not apart)


def test_what_was_added_up_apart_is_compared_where_it_meets(pairs):
    connection, apart = pairs
    one = "sum(CASE ward WHEN 'cardio' THEN 2 * los WHEN 'onco' THEN 1 END) AS s"
    other = "count(*) FILTER (WHERE ward = 'ortho') AS n"
    unit = f"SELECT patient_id, {one}, {other} FROM {E} GROUP BY patient_id"
    answered = rows(connection, f"SELECT sum(s - n) AS s FROM ({unit})")
    assert len(answered) == (not apart)


TWICE = f"SELECT patient_id, 2 * los AS x FROM {E}"
ONES = " UNION ALL ".join(
    f"SELECT patient_id, 1 FROM {E} WHERE ward = '{ward}'" for ward in (*WARDS[1:], "eye")
)
PARITY = "CASE ward WHEN 'cardio' THEN 2 * los ELSE 1 END"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT sum(x) AS s FROM ({TWICE} UNION ALL {ONES})",
        (
            f"SELECT sum(s) AS s FROM (SELECT patient_id, sum(x) AS s FROM ({TWICE} UNION ALL"
            f" {ONES}) GROUP BY patient_id)"
        ),
        (
            f"SELECT sum(w) AS s FROM (SELECT patient_id, x, sum(x) OVER (PARTITION BY patient_id)"
            f" AS w FROM ({TWICE} UNION ALL {ONES})) WHERE x > 1"
        ),
    ],
    ids=["sum", "unit", "window"],
)
def test_no_last_digit_of_three_conditions_is_about_one_person(even, sql):
    connection, apart = even
    answered = rows(connection, sql)
    assert len(answered) == (not apart)


YEARS = f"SELECT patient_id, 2 * birth_year AS x FROM {P}"
STAYS = f"SELECT patient_id, 1 FROM {E} WHERE ward <> 'cardio'"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(x) AS s FROM ({})",
        "SELECT sum(s) AS s FROM (SELECT patient_id, sum(x) AS s FROM ({}) GROUP BY patient_id)",
    ],
    ids=["sum", "unit"],
)
def test_inputs_of_different_datasets_meet_in_the_person(even, sql):
    connection, apart = even
    answered = rows(connection, sql.format(f"{YEARS} UNION ALL {STAYS}"))
    assert len(answered) == (not apart)


@pytest.mark.parametrize(
    "sql",
    [
        "sum(CASE WHEN ward = 'cardio' THEN 3 WHEN los > 5 THEN 2 ELSE 1 END) AS s FROM {}",
        "sum(CASE WHEN ward = 'cardio' THEN cost WHEN los > 5 THEN 0 ELSE 20 END) AS s FROM {}",
        (
            "ward, sum(CASE WHEN los > 5 THEN 2 * cost WHEN los > 3 THEN cost ELSE 1 END) AS s"
            " FROM {} GROUP BY ward"
        ),
    ],
)
def test_sums_under_conditions_that_differ_for_many_are_answered(sql):
    with health(people=240).connect() as connection:
        assert rows(connection, f"SELECT {sql.format(E)}")
