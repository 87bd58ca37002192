# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: an analyst hides that numbers differ in one person behind a sum of several.

``count(*)`` of all, less those of one half, less those of the other half but one: three numbers
about many people each, of which no two are close. They may stand in one row, or in
answers one after the other; and a sum of two measures is two numbers as well.
"""

from __future__ import annotations

import pytest

from tests.support.gate_data import RARE, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Analyst, Memo

K = 4
CATALOG = corpus_catalog(k=K)
FINE = {"round_counts": 1, "significant_digits": 13}
P, E = "hospital.patients", "hospital.encounters"
MEMO = Memo()
ONE, REST = "birth_year < 1975", "NOT birth_year < 1975"
NOT_HIM = "zip <> '77777'"
COUNT = f"SELECT count(*) AS n FROM {P}"
HALVES = (
    f"SELECT count(*) FILTER (WHERE {ONE}) AS b, "
    f"count(*) FILTER (WHERE {REST} AND {NOT_HIM}) AS c FROM {P}"
)
LOS = "WHERE dx <> 'Z99'"
ROWS = {
    "difference": (
        f"SELECT sum(1) - sum(({ONE})::INT) - sum(({REST} AND {NOT_HIM})::INT) AS d FROM {P}"
    ),
    "three": (
        f"SELECT count(*) AS a, count(*) FILTER (WHERE {ONE}) AS b, "
        f"count(*) FILTER (WHERE {REST} AND {NOT_HIM}) AS c FROM {P}"
    ),
    "weighed": (
        f"SELECT sum(CASE WHEN {ONE} THEN 2 ELSE 3 END) AS a, count(*) FILTER (WHERE {ONE}) AS b, "
        f"count(*) FILTER (WHERE {REST} AND {NOT_HIM}) AS c FROM {P}"
    ),
}
SERIES = {
    "halves": (COUNT, HALVES),
    "one by one": (COUNT, f"{COUNT} WHERE {ONE}", f"{COUNT} WHERE {REST} AND {NOT_HIM}"),
    "groups": (f"SELECT region, count(*) AS n FROM {P} GROUP BY region", HALVES),
    "a constant": (
        f"SELECT sum(los) AS s, count(*) AS n FROM {E}",
        f"SELECT sum(3 * los + 7) AS s FROM {E} {LOS}",
    ),
}


def world(*, there: bool):
    """Everybody; and the one person, of the second half, with or without what is asked for."""
    data = health(people=60)
    patients = tuple(
        (*row[:2], 1990, row[3], "77777" if there else "02101", *row[5:]) if row[0] == RARE else row
        for row in data.rows[P]
    )
    stays = tuple(
        (*row[:4], "Z99" if there else "I10", *row[5:-1], 6) if "Z99" in row else row
        for row in data.rows[E]
        if row[3] != "hyperbaric"
    )
    return type(data)(rows={**data.rows, P: patients, E: stays}, people=data.people)


@pytest.fixture(scope="module")
def worlds():
    made = world(there=True).connect(), world(there=False).connect()
    yield made
    for connection in made:
        connection.close()


def ask(connection, *queries):
    analyst = Analyst(connection, CATALOG, change=FINE, memo=MEMO)
    return [analyst.ask(sql) for sql in queries]


@pytest.mark.parametrize("name", ROWS)
def test_one_row_holds_no_numbers_that_add_up_but_for_one_person(worlds, name):
    assert ask(worlds[0], ROWS[name])[0].rows == ()
    # Where they add up exactly, they say nothing that two of them do not.
    assert ask(worlds[1], ROWS[name])[0].rows != ()


@pytest.mark.parametrize("name", SERIES)
def test_answers_that_add_up_say_the_same_whether_the_one_is_there(worlds, name):
    with_him, without_him = (ask(connection, *SERIES[name]) for connection in worlds)
    said = [
        [(one.rows, one.earlier, one.withheld) for one in run] for run in (with_him, without_him)
    ]
    assert said[0] == said[1]
    assert said[0][-1][1] != ((),)
    # Alone, the last answer tells the two worlds apart.
    assert ask(worlds[0], SERIES[name][-1])[0].rows != ask(worlds[1], SERIES[name][-1])[0].rows


def test_what_stands_beside_an_earlier_answer_does_not_tell_that_it_is_one(worlds):
    # Less the other two, the first would be 0 or -1, as somebody was added to the second or not.
    sql = (
        f"SELECT count(*) AS a, count(*) FILTER (WHERE {REST} AND {NOT_HIM}) AS b, "
        f"count(*) FILTER (WHERE {ONE}) AS c FROM {P} WHERE {NOT_HIM}"
    )
    for connection in worlds:
        answer = ask(connection, f"{COUNT} WHERE {REST}", sql)[-1]
        (row,) = answer.rows
        assert row[0] == row[1] + row[2]
        assert answer.earlier == (("b", "c"),)


def test_numbers_of_their_own_are_answered_with_their_own(worlds):
    asked = f"SELECT sum(birth_year) AS a, count(*) FILTER (WHERE smoker) AS b FROM {P}"
    answers = ask(worlds[0], f"SELECT count(*) AS a, sum((sex = 'F')::INT) AS b FROM {P}", asked)
    assert answers[1].rows != ()
    assert answers[1].earlier == ((),)
