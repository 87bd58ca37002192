# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: an analyst hides that two numbers differ in one person behind a factor.

``sum(2 * los)`` differs from ``sum(los)`` in everybody's contribution, and half of it without
one person tells that person. The factor may be written, be a parameter, be that everybody
is counted twice, or be what everybody else has in every row.
"""

from __future__ import annotations

import pytest

from tests.support.gate_data import RARE, Health, health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import Analyst, Memo, run_gates

K = 4
CATALOG = corpus_catalog(k=K)
FINE = {"round_counts": 1, "significant_digits": 13}
P, E = "hospital.patients", "hospital.encounters"
HIDDEN = "Z99"
MEMO = Memo()
REST = f"WHERE dx <> '{HIDDEN}'"
TWICE = f"SELECT patient_id FROM {P} UNION ALL SELECT patient_id FROM {P}"
SECOND = [
    (f"SELECT sum(los) AS s FROM {E}", f"SELECT sum(2 * los) AS s FROM {E} {REST}"),
    (f"SELECT sum(los) AS s FROM {E}", f"SELECT sum(-los * 0.25) AS s FROM {E} {REST}"),
    (f"SELECT sum(los) AS s FROM {E}", f"SELECT sum(los * 4773000000001) AS s FROM {E} {REST}"),
    (f"SELECT avg(los) AS m FROM {E}", f"SELECT sum(1000 * los) AS s FROM {E} {REST}"),
    (
        f"SELECT ward, sum(los) AS s FROM {E} GROUP BY ward",
        f"SELECT ward, sum(3 * los) AS s FROM {E} {REST} GROUP BY ward",
    ),
    (
        f"SELECT count(*) AS n FROM {E}",
        (
            f"SELECT count(*) AS n FROM (SELECT patient_id FROM {E} {REST} "
            f"UNION ALL SELECT patient_id FROM {E} {REST})"
        ),
    ),
]


def changed(data: Health, table: str, change) -> Health:
    """The same world but for some values of one table."""
    rows = tuple(change(row) for row in data.rows[table])
    return Health(rows={**data.rows, table: rows}, people=data.people)


def staying(row):
    """The rare person's rare encounter, of some days."""
    return (*row[:-1], 6) if HIDDEN in row else row


def elsewhere(row):
    """The rare person's rare encounter, with a common diagnosis."""
    return tuple("I10" if value == HIDDEN else value for value in row)


@pytest.fixture(scope="module")
def worlds():
    data = changed(health(), E, staying)
    made = data.connect(), changed(data, E, elsewhere).connect()
    yield made
    for connection in made:
        connection.close()


def ask(connection, *queries, parameters=None):
    """Ask in order, and return the last answer."""
    analyst = Analyst(connection, CATALOG, change=FINE, memo=MEMO)
    return [analyst.ask(sql, parameters if "$" in sql else None) for sql in queries][-1]


def seen(answer):
    return answer.rows, answer.earlier, answer.withheld


@pytest.mark.parametrize("queries", SECOND, ids=lambda queries: queries[-1][:60])
def test_a_multiple_of_all_but_one_says_the_same_whether_the_one_is_there(worlds, queries):
    with_him, without_him = (ask(connection, *queries) for connection in worlds)
    assert seen(with_him) == seen(without_him)
    # Without what was asked before, the person would be seen, except where the rules withhold.
    alone = [ask(connection, queries[-1]).rows for connection in worlds]
    assert alone[0] != alone[1] or "UNION" in queries[-1] or "GROUP BY" in queries[-1]


def test_a_factor_that_is_a_parameter_is_a_factor_as_well(worlds):
    queries = SECOND[0][0], f"SELECT sum(los * $w) AS s FROM {E} {REST}"
    answers = [ask(connection, *queries, parameters={"w": 7}) for connection in worlds]
    assert seen(answers[0]) == seen(answers[1])
    assert answers[0].earlier == (("s",),)


def test_one_row_holds_no_two_numbers_that_are_multiples_but_for_one_person(worlds):
    # Everybody has rows on either side of the condition, so no side of it is small.
    sql = (
        f"SELECT sum(CASE WHEN los < 7 AND dx <> '{HIDDEN}' THEN 1000 ELSE 0 END) AS a, "
        f"sum(CASE WHEN los < 7 THEN 999 ELSE 0 END) AS b FROM {E}"
    )
    assert ask(worlds[0], sql).rows == ()
    assert ask(worlds[1], sql).rows != ()


def test_everybody_is_counted_twice_but_for_one(worlds):
    union = f"{TWICE} WHERE zip <> '99950'"
    assert ask(worlds[0], f"SELECT count(*) AS n FROM ({union})").rows == ()
    assert ask(worlds[0], f"SELECT count(*) AS n FROM ({TWICE})").rows == ((48,),)


@pytest.mark.parametrize("number", ["sum(los)", "avg(los)", "sum(los), count(los)"])
@pytest.mark.parametrize(("rare", "shown"), [(5, True), (7, False)])
def test_who_alone_has_another_value_than_everybody_elses_rows_is_not_told(number, rare, shown):
    # However often each was there: the sums of the persons differ, their rows do not.
    def usual(row):
        return (*row[:-1], rare if row[1] == RARE else 5)

    with changed(health(), E, usual).connect() as connection:
        named = ", ".join(f"{item} AS r{n}" for n, item in enumerate(number.split(", ")))
        sql = f"SELECT {named} FROM {E} WHERE ward IS NULL OR ward <> 'cardio'"
        rows = run_gates(connection, sql, catalog=CATALOG, change=FINE, memo=MEMO).rows
    assert bool(rows) is shown


def test_many_inputs_of_a_union_are_read_like_two(worlds):
    three = f"{TWICE} UNION ALL SELECT patient_id FROM {P}"
    assert ask(worlds[0], f"SELECT count(*) AS n FROM ({three})").rows == ((72,),)
