# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - attacks under test
"""T-08: numbers that add up but for one person, each of them under another key.

What is known of the women may have been released by ``sex``, by ``upper(sex)``, without a key
by a filter, or by ``sex, region`` of which anybody takes the sum. A column of a table may
be, in all, what is missing from two totals; and two of its rows what is missing from one.
"""

from __future__ import annotations

import pytest

from tests.adversarial.test_analyst_adds_up import CATALOG, FINE, MEMO, NOT_HIM, ONE, REST, P, world
from tests.support.gate_data import RARE
from tests.support.gate_runs import Analyst

OTHERS = f"{REST} AND {NOT_HIM}"
BOTH = f"count(*) FILTER (WHERE {ONE}) AS b, count(*) FILTER (WHERE {OTHERS}) AS c FROM {P}"
BY_SEX = f"SELECT sex, count(*) AS n FROM {P} GROUP BY sex"
SERIES = {
    "respelled key": (BY_SEX, f"SELECT upper(sex) AS s, {BOTH} GROUP BY upper(sex)"),
    "computed key": (BY_SEX, f"SELECT sex = 'F' AS f, {BOTH} GROUP BY sex = 'F'"),
    "filter, then key": (
        f"SELECT count(*) AS n FROM {P} WHERE sex = 'F'",
        f"SELECT sex, {BOTH} WHERE sex = 'F' GROUP BY sex",
    ),
    "keys in another order": (
        f"SELECT sex, smoker, count(*) AS n FROM {P} GROUP BY sex, smoker",
        f"SELECT smoker, sex, {BOTH} GROUP BY smoker, sex",
    ),
    "sums of a finer table": (
        BY_SEX,
        f"SELECT sex, smoker, count(*) AS n FROM {P} WHERE {ONE} GROUP BY sex, smoker",
        f"SELECT sex, count(*) AS n FROM {P} WHERE {OTHERS} GROUP BY sex",
    ),
}
HALF = "region IN ('north', 'south')"
ALL = f"SELECT patient_id, 'all' AS g FROM {P}"
UNION = (
    f"SELECT g, count(*) AS n FROM ({ALL} UNION ALL SELECT patient_id, 'one' FROM {P} "
    f"WHERE {ONE} UNION ALL SELECT patient_id, 'rest' FROM {P} WHERE {OTHERS}) GROUP BY g"
)
# Two rows of each are, but for him, what another number is.
ROWS = {
    "two of three values": (
        f"SELECT count(*) AS n FROM {P} WHERE {HALF}",
        f"SELECT region, count(*) AS n FROM {P} WHERE {NOT_HIM} GROUP BY region",
    ),
    "beside an earlier row": (
        f"SELECT {HALF} AS g, count(*) AS n FROM {P} GROUP BY g",
        f"SELECT region, count(*) AS n FROM {P} WHERE region = 'north' GROUP BY region",
        f"SELECT region, count(*) AS n FROM {P} WHERE {NOT_HIM} GROUP BY region",
    ),
    "rows of a union": (UNION,),
}
SUMS = {
    "of a column": (
        f"SELECT count(*) AS n FROM {P}",
        f"SELECT count(*) AS n FROM {P} WHERE {ONE}",
        f"SELECT sex, count(*) AS n FROM {P} WHERE {OTHERS} GROUP BY sex",
    ),
    "of two columns": (f"SELECT count(*) AS n FROM {P}", f"SELECT sex, {BOTH} GROUP BY sex"),
}


@pytest.fixture(scope="module")
def worlds():
    made = world(there=True).connect(), world(there=False).connect()
    for connection in made:
        connection.execute(
            f"UPDATE {P} SET sex = 'F', region = 'south' WHERE patient_id = ?", [RARE]
        )
        connection.execute(
            f"UPDATE {P} SET region = 'east' WHERE birth_year % 3 = 0 AND patient_id <> ?", [RARE]
        )
    yield made
    for connection in made:
        connection.close()


def told(connection, queries):
    analyst = Analyst(connection, CATALOG, change=FINE, memo=MEMO)
    answers = [analyst.ask(sql) for sql in queries]
    return [(one.rows, one.earlier, one.withheld) for one in answers]


@pytest.mark.parametrize("name", SERIES)
def test_numbers_under_other_keys_say_the_same_whether_the_one_is_there(worlds, name):
    with_him, without_him = (told(connection, SERIES[name]) for connection in worlds)
    assert with_him == without_him
    assert with_him[-1][0] != ()
    alone = [told(connection, SERIES[name][-1:])[0][0] for connection in worlds]
    assert alone[0] != alone[1]


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_a_table_say_the_same_whether_the_one_is_there(worlds, name):
    with_him, without_him = (told(connection, ROWS[name]) for connection in worlds)
    assert with_him == without_him
    assert len(with_him[-1][0]) > 1
    # One of the rows hangs on him, and is marked in either world.
    assert ("n",) in with_him[-1][1]


@pytest.mark.parametrize("name", SUMS)
def test_what_a_column_adds_up_to_says_the_same_whether_the_one_is_there(worlds, name):
    with_him, without_him = (told(connection, SUMS[name])[-1] for connection in worlds)
    said = [sum(row[-1] for row in run[0]) for run in (with_him, without_him)]
    assert said[0] == said[1] > 0
    assert with_him[1:] == without_him[1:]
    alone = [told(connection, SUMS[name][-1:])[0][0] for connection in worlds]
    assert sum(row[-1] for row in alone[0]) != sum(row[-1] for row in alone[1])
